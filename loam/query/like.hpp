#pragma once

/// Internal to the filter language: LIKE.

#include <optional>
#include <string>
#include <string_view>

namespace loam {

/// Whether all of `text` fits `pattern`: `%` any run of bytes, `_` one code point, `\x` the character x itself. Both are
/// UTF-8. O(text * pattern) at worst, without recursion: greedy matching with one point of return (as Krauss, "Matching
/// Wildcards").
bool like_matches(std::string_view text, std::string_view pattern) noexcept;

/// False when the pattern ends in a lone `\`.
bool is_like_pattern(std::string_view pattern) noexcept;

/// The half-open range of strings, in byte order, that holds every match of the pattern: those that begin with its literal
/// start. Empty when it has none, or no upper end.
struct LikeRange {
  std::string first;
  std::string end;
};
std::optional<LikeRange> like_range(std::string_view pattern);

}  // namespace loam
