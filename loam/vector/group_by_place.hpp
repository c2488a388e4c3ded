#pragma once

/// Numbers brought together by a place that each has. Internal.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace loam::vector {

/// Orders `numbers` by `places` (one for each, below place_count), and keeps their order otherwise. Returns where those of
/// each place begin, and the end of the last. `moved` is as long as `numbers` and holds anything afterwards. A counting
/// sort: O(numbers + places).
inline std::vector<std::size_t> group_by_place(std::span<std::uint32_t> numbers, std::span<const std::uint8_t> places,
                                               std::size_t place_count, std::span<std::uint32_t> moved) {
  std::vector<std::size_t> begins(place_count + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) ++begins[places[i] + 1u];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<std::size_t> to(begins.begin(), begins.end() - 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) moved[to[places[i]]++] = numbers[i];
  std::copy(moved.begin(), moved.end(), numbers.begin());
  return begins;
}

}  // namespace loam::vector
