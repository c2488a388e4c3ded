#pragma once

/// Text as a terminal shows it: widths of UTF-8, truncation, and control characters made visible.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace loam::cli {

/// One code point and the bytes it takes. Bytes that are not UTF-8 come one at a time, with valid = false.
struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
  bool valid = true;
};
/// `text` is not empty. Overlong forms and surrogates are not valid.
CodePoint first_code_point(std::string_view text) noexcept;

/// Columns of a terminal: 0 for combining marks, 2 for wide East Asian characters and emoji, else 1 for each code point.
std::size_t display_width(std::string_view text) noexcept;

/// Cut to at most `width` columns; what is cut is marked by an ellipsis. Never cuts inside a code point.
std::string truncate_to_width(std::string_view text, std::size_t width);

enum class KeepLines { no, yes };
/// Control characters (C0, C1, DEL, direction overrides) and bytes that are not UTF-8 as visible escapes ("\n", "\u{1b}",
/// "\xff"), so that stored text cannot steer a terminal. KeepLines::yes leaves newlines and tabs alone.
std::string escape_control(std::string_view text, KeepLines keep_lines = KeepLines::no);

/// "60,000".
std::string with_thousands(std::int64_t number);
/// "850 ms", "8.1 s", "2 min 05 s".
std::string human_seconds(double seconds);
/// "512 B", "14.2 MiB".
std::string human_bytes(std::int64_t bytes);
/// With that many decimals.
std::string fixed(double number, int decimals);

}  // namespace loam::cli
