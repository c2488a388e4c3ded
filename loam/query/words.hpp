#pragma once

/// Internal to the dialects: the words of a full-text query.

#include <string>
#include <string_view>
#include <vector>

namespace loam {

/// The runs of letters, digits and marks of `text`, each once, in order of first appearance; everything else separates,
/// malformed UTF-8 and NUL included. O(size).
std::vector<std::string_view> distinct_words(std::string_view text);

}  // namespace loam
