#pragma once

/// Exact nearest neighbours by scanning every vector with SIMD (Highway, chosen at run time) on several threads. The answer
/// has the same ids, order and bits on every machine and for every number of threads.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {
namespace vector {

enum class Distance : std::uint8_t { cosine, euclidean, inner_product, manhattan };

struct Neighbour {
  std::int64_t id = 0;
  /// cosine 1 - cos (a zero vector is at 1), euclidean sqrt, inner product -dot, manhattan sum; finite.
  float distance = 0;
};

struct FlatSearchOptions {
  std::size_t k = 10;
  /// Only these ids, ascending (invalid_argument otherwise); unknown ones are passed over. Absent: all.
  std::optional<std::span<const std::int64_t>> only_ids = {};
  /// At most so many, taken from a pool of the process; a small search uses fewer.
  std::size_t threads = 1;
};

struct FlatSearchResult {
  std::vector<Neighbour> neighbours;    ///< by (distance, id) ascending: min(k, vectors allowed) of them
  std::int64_t distances_computed = 0;  ///< vectors that were compared with the query: all that are allowed
};

/// Vectors by id in memory: 5 * dimension bytes each and about 50 more. The fifth byte is a code of the component that rules
/// out most vectors at a quarter of the memory traffic; manhattan and dimensions below 64 do without it (4 * dimension).
/// put(), erase() and clear() need external synchronization against everything; const methods are thread-safe among
/// themselves.
class FlatIndex {
 public:
  FlatIndex(std::size_t dimension, Distance distance);
  ~FlatIndex();
  FlatIndex(FlatIndex&&) noexcept;
  FlatIndex& operator=(FlatIndex&&) noexcept;

  /// Inserts or replaces. invalid_argument for a wrong dimension, NaN or infinity; nothing is changed then.
  Result<void> put(std::int64_t id, std::span<const float> values);
  /// False when it was not there. The slot is used again.
  bool erase(std::int64_t id);
  void clear();

  /// cancelled or deadline_exceeded between blocks; invalid_argument as put(); resource_exhausted when k neighbours do not
  /// fit in memory.
  Result<FlatSearchResult> search(std::span<const float> query, const FlatSearchOptions& options,
                                  const Context& context = {}) const;

  std::size_t size() const noexcept;
  std::size_t dimension() const noexcept;
  bool contains(std::int64_t id) const;
  /// Null when absent. For cosine the stored vector has been normalized.
  const float* find(std::int64_t id) const;
  std::size_t bytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vector
}  // namespace loam
