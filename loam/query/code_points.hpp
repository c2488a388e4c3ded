#pragma once

/// Internal to the filter language: walking UTF-8 and telling words from what separates them.

#include <cstdint>
#include <string>
#include <string_view>

namespace loam {

/// One step through UTF-8. A malformed byte is a step of its own with no code point in it.
struct CodePointStep {
  char32_t code_point = 0;
  std::uint8_t bytes = 0;
  bool well_formed = false;
};

/// The code point at the start of `text`, which is not empty. O(1).
inline CodePointStep first_code_point(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  std::uint8_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {0, 1, false};
  char32_t code_point = lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 1, false};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < least[length] || code_point > 0x10FFFF || surrogate) return {0, 1, false};
  return {code_point, length, true};
}

/// Appends a code point that is not a surrogate and not above U+10FFFF.
inline void append_code_point(std::string& text, char32_t c) {
  auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
}

/// Letters, digits, combining marks and private use of Unicode 14; `_` and all other ASCII punctuation are not.
bool is_word_code_point(char32_t code_point) noexcept;

}  // namespace loam
