#include "loam/vector/locality.hpp"

#include <algorithm>
#include <numeric>
#include <random>

#include "loam/vector/exact.hpp"
#include "loam/vector/group_by_place.hpp"
#include "loam/vector/kernels.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t pivot_count = 32;

/// Rows that others are compared with.
class Pivots {
 public:
  Pivots(std::span<const float> rows, std::size_t dimension, Distance distance, std::span<const std::uint32_t> chosen)
      : dimension_(dimension), by_angle_(distance == Distance::cosine) {
    for (const std::uint32_t row : chosen) {
      const std::span<const float> values = rows.subspan(row * dimension, dimension);
      values_.insert(values_.end(), values.begin(), values.end());
      if (by_angle_) normalize(std::span(values_).last(dimension));
    }
    for (std::size_t i = 0; i < chosen.size(); ++i) rows_.push_back(values_.data() + i * dimension);
  }

  std::size_t nearest(const float* row) const {
    float distances[pivot_count];
    if (by_angle_) {
      dot_rows(row, rows_.data(), rows_.size(), dimension_, distances);
      return static_cast<std::size_t>(std::max_element(distances, distances + rows_.size()) - distances);
    }
    squared_l2_rows(row, rows_.data(), rows_.size(), dimension_, distances);
    return static_cast<std::size_t>(std::min_element(distances, distances + rows_.size()) - distances);
  }

 private:
  const std::size_t dimension_;
  const bool by_angle_;
  std::vector<float> values_;
  std::vector<const float*> rows_;
};

/// Sorts numbers of rows by the pivot that each is nearest to, and keeps their order otherwise.
class Sorter {
 public:
  Sorter(std::span<const float> rows, std::size_t dimension, Distance distance, std::uint64_t seed, const Context& context)
      : rows_(rows), dimension_(dimension), distance_(distance), random_(seed), context_(context) {}

  /// Returns where the rows of each pivot begin, and the end of the last.
  Result<std::vector<std::size_t>> sort(std::span<std::uint32_t> order, std::size_t threads) {
    std::uint32_t chosen[pivot_count];
    for (std::uint32_t& row : chosen) row = order[random_() % order.size()];
    const Pivots pivots(rows_, dimension_, distance_, chosen);
    std::vector<std::uint8_t> places(order.size());
    const auto compare = [&](const ParallelBlock& block) -> Result<void> {
      for (std::size_t i = block.first; i < block.last; ++i)
        places[i] = static_cast<std::uint8_t>(pivots.nearest(rows_.data() + order[i] * dimension_));
      return {};
    };
    LOAM_TRY(parallel_for({.count = order.size(), .block_size = 64, .threads = threads, .operation = "ordering vectors"},
                          context_, compare));
    std::vector<std::uint32_t> moved(order.size());
    return group_by_place(order, places, pivot_count, moved);
  }

 private:
  const std::span<const float> rows_;
  const std::size_t dimension_;
  const Distance distance_;
  std::mt19937_64 random_;
  const Context& context_;
};

}  // namespace

Result<std::vector<std::uint32_t>> order_by_locality(std::span<const float> rows, std::size_t dimension, Distance distance,
                                                     std::uint64_t seed, std::size_t threads, const Context& context) {
  std::vector<std::uint32_t> order(rows.size() / dimension);
  std::iota(order.begin(), order.end(), 0u);
  if (order.size() < locality_min) return order;
  Sorter sorter(rows, dimension, distance, seed, context);
  LOAM_TRY(const std::vector<std::size_t> begins, sorter.sort(order, threads));
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    const std::size_t count = begins[i + 1] - begins[i];
    if (count > 2 * pivot_count) LOAM_TRY(sorter.sort(std::span(order).subspan(begins[i], count), threads));
  }
  return order;
}

}  // namespace loam::vector
