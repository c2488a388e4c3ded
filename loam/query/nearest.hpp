#pragma once

/// Internal: which known name was meant.

#include <cstddef>
#include <string_view>
#include <vector>

namespace loam {

/// Insertions, deletions and changes of bytes, ASCII case ignored (Levenshtein). O(a * b); texts beyond 128 bytes count as
/// far.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// All of them, the nearest first, else in their order.
std::vector<std::string_view> by_distance(std::string_view name, std::vector<std::string_view> known);

}  // namespace loam
