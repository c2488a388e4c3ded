#pragma once

/// What benchmarks of the vector engine share: the files of bench/vector/make_data.py, and how results are judged and timed,
/// the same way as bench/vector/peer.py does it for other libraries.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/flat_index.hpp"

namespace loam::bench {

/// The rows of one .npy file, mapped. *const methods are thread-safe*.
class Rows {
 public:
  /// data_corruption unless it is version 1 of the format, two dimensions, row-major, little-endian 32-bit floats, and
  /// exactly as long as it says.
  static Result<Rows> open(const std::filesystem::path& path);
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&& other) noexcept;
  ~Rows();

  std::size_t size() const noexcept { return values_.size() / dimension_; }
  std::size_t dimension() const noexcept { return dimension_; }
  std::span<const float> values() const noexcept { return values_; }
  std::span<const float> operator[](std::size_t row) const { return values_.subspan(row * dimension_, dimension_); }
  /// Drops its pages from the process's memory, so that they are not counted as an index's; they are read again when used.
  void forget_pages() const;

 private:
  Rows() = default;

  void* mapping_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::size_t dimension_ = 1;
  std::span<const float> values_;
};

/// Rows of length 1, queries that are not among them, and the distances of each query's 100 nearest.
struct DataSet {
  Rows base;
  Rows queries;
  Rows truth_distances;

  static Result<DataSet> open(const std::filesystem::path& directory);
};

/// Share of the k nearest that was found, by distance: an id counts once, when its vector is at most 1e-6 further away than
/// the k-th true neighbour. Ids are row numbers; others count for nothing.
double recall(const DataSet& data, std::size_t query, std::span<const vector::Neighbour> found, std::size_t k);

/// Of single calls.
struct Latencies {
  double mean_us = 0;
  double p50_us = 0;
  double p95_us = 0;
  double p99_us = 0;

  static Latencies of(std::vector<std::chrono::nanoseconds> took);
};

/// Of this process, as the kernel counts them, after giving back what only the allocator holds.
struct ResidentBytes {
  std::int64_t anonymous = 0;
  std::int64_t file = 0;
  std::int64_t shared = 0;
  std::int64_t highest = 0;  ///< of all three together, since the process began or forget_highest()

  static ResidentBytes now();
  /// unavailable where the kernel does not let a process do so.
  static Result<void> forget_highest();
};

/// Keeps every thread there is now, and those they will start, on these cores.
Result<void> pin_to(std::span<const std::size_t> cores);

/// Every thread under SCHED_FIFO, so that what else the machine does does not interrupt them. permission_denied without the
/// right to.
Result<void> run_before_all_others();

}  // namespace loam::bench
