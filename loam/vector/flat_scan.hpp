#pragma once

/// One search over a RowStore, from several threads. Internal.
///
/// Every row passes up to three sieves, each slower and sharper than the one before:
///   1. codes (codes.hpp): rows whose distance certainly exceeds the limit are dropped without reading their floats;
///   2. float SIMD (kernels.hpp): gives lower <= distance <= upper, narrow()ed to float;
///   3. exact_distances(): the distance that is returned, for the few rows whose `lower` does not exceed the limit.
/// The limit is the k-th smallest `upper` seen so far: k rows have a distance of at most that, so a row whose lower bound
/// lies above it cannot be among the first k, ties included. The answer is therefore that of exact_distance() on every row,
/// whatever the instruction set and the number of threads.

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "loam/vector/exact.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/row_store.hpp"

namespace loam::vector {

/// Made for one search: scan() on every thread, then keep_nearest(), then score() on every thread, then result().
/// scan() and score() are *thread-safe*, each among its own calls; they do not throw.
class FlatScan {
 public:
  /// `query` must be normalized for cosine. `only_ids`, when there, ascends. The arguments outlive the scan.
  FlatScan(const RowStore& rows, Distance distance, std::span<const float> query, const FlatSearchOptions& options,
           const Context& context);

  /// How many threads are worth waking.
  std::size_t helpful_threads() const noexcept;

  /// Sieves 1 and 2 over blocks of rows, until none is left or the context ends.
  void scan() noexcept;

  /// Drops what the limit of all threads together rules out, and says how many rows are left to score.
  std::size_t keep_nearest();

  /// Sieve 3.
  void score() noexcept;

  /// The first k by (distance, id). cancelled or deadline_exceeded when the context ended it, resource_exhausted without
  /// memory.
  Result<FlatSearchResult> result();

 private:
  struct Candidate {
    float lower;
    std::uint32_t slot;
  };
  struct Bounds {
    float lower;
    float upper;
  };
  /// What one thread has found.
  struct Found {
    std::vector<float> uppers;  // max-heap of the k smallest
    std::vector<Candidate> candidates;
    std::size_t prune_at = 4096;
    std::int64_t scanned = 0;
  };

  template <class Body>
  void until_done(std::size_t end, std::size_t step, Body body) noexcept;
  void scan_into(Found& found, std::size_t first, std::size_t last);
  std::size_t collect_slots(std::size_t first, std::size_t last, std::uint32_t* slots) const;
  std::size_t sieve_codes(std::uint32_t* slots, std::size_t count) const;
  bool certainly_beyond(double limit, const RowBounds& bounds, std::int32_t integer_dot) const;
  void sieve_floats(const std::uint32_t* slots, std::size_t count, Found& found);
  void raw_distances(const float* const* rows, std::size_t count, float* raw) const;
  Bounds bounds_of(std::uint32_t slot, float raw) const;
  void note(Found& found, std::uint32_t slot, Bounds bounds);
  void lower_limit(float limit);
  float limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

  const RowStore& rows_;
  const Distance distance_;
  const std::span<const float> query_;
  const ExactQuery exact_query_;
  const Context& context_;
  const std::optional<std::span<const std::int64_t>> only_ids_;
  const std::size_t item_count_;  // slots or ids to look at
  const std::size_t k_;           // at most item_count_
  const double query_length_;
  const double rounding_;  // summation_error() of the dimension
  std::optional<CodedQuery> coded_query_;

  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> out_of_memory_ = false;
  std::atomic<float> limit_ = std::numeric_limits<float>::infinity();

  std::mutex mutex_;  // guards the next three while threads scan
  std::vector<float> uppers_;
  std::vector<Candidate> candidates_;
  std::int64_t scanned_ = 0;
  std::vector<Neighbour> neighbours_;
};

}  // namespace loam::vector
