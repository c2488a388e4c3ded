#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loam::cli {

/// The candidate that is nearest by edit distance (insertions, deletions, replacements, swaps of neighbours: Damerau's), if
/// it is near enough to be meant; else empty. O(candidates * length^2).
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace loam::cli
