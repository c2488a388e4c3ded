#include "loam/query/like.hpp"

#include "loam/query/code_points.hpp"

namespace loam {

bool like_matches(std::string_view text, std::string_view pattern) noexcept {
  std::size_t t = 0, p = 0;
  std::size_t retry_text = 0, retry_pattern = std::string_view::npos;  // where to go on after the last % took one byte more
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      retry_pattern = ++p;
      retry_text = t;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '_') {
      t += first_code_point(text.substr(t)).bytes;
      ++p;
      continue;
    }
    std::size_t literal = p < pattern.size() && pattern[p] == '\\' ? p + 1 : p;
    if (literal < pattern.size() && pattern[literal] == text[t]) {
      p = literal + 1;
      ++t;
      continue;
    }
    if (retry_pattern == std::string_view::npos) return false;
    p = retry_pattern;
    t = retry_text += first_code_point(text.substr(retry_text)).bytes;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool is_like_pattern(std::string_view pattern) noexcept {
  for (std::size_t i = 0; i < pattern.size(); ++i)
    if (pattern[i] == '\\' && ++i == pattern.size()) return false;
  return true;
}

namespace {

/// The least string above all that begin with `prefix`; empty when there is none (U+10FFFF only).
std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty()) {
    std::size_t last = prefix.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(prefix[last]) & 0xC0) == 0x80) --last;
    char32_t c = first_code_point(std::string_view(prefix).substr(last)).code_point;
    prefix.resize(last);
    if (c == 0x10FFFF) continue;
    append_code_point(prefix, c == 0xD7FF ? char32_t{0xE000} : c + 1);  // the surrogates are no characters
    return prefix;
  }
  return prefix;
}

}  // namespace

std::optional<LikeRange> like_range(std::string_view pattern) {
  std::string prefix;
  for (std::size_t i = 0; i < pattern.size() && pattern[i] != '%' && pattern[i] != '_'; ++i) {
    if (pattern[i] == '\\' && ++i == pattern.size()) break;
    prefix += pattern[i];
  }
  std::string end = end_of_prefix(prefix);
  if (end.empty()) return std::nullopt;
  return LikeRange{std::move(prefix), std::move(end)};
}

}  // namespace loam
