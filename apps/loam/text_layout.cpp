#include "apps/loam/text_layout.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iterator>

namespace loam::cli {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode's Mn, Me and Cf of the scripts one meets, and the East Asian wide blocks with the emoji: blocks, not single
// characters, because a column too many is harmless.
constexpr Range zero_width[] = {{0x300, 0x36F},    {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},   {0x64B, 0x65F},
                                {0x6D6, 0x6DC},    {0x93C, 0x93C},   {0x941, 0x948},   {0xE31, 0xE31},   {0xE34, 0xE3A},
                                {0xE47, 0xE4E},    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x2060, 0x2064},
                                {0x20D0, 0x20FF},  {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF},
                                {0xE0100, 0xE01EF}};
constexpr Range double_width[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x2614, 0x2615},   {0x2648, 0x2653},  {0x26A1, 0x26A1},
    {0x26BD, 0x26BE},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274C},  {0x2753, 0x2755},
    {0x2795, 0x2797},   {0x2B50, 0x2B50},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},  {0x4E00, 0xA4CF},
    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6},
    {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};

template <std::size_t n>
bool within(const Range (&ranges)[n], char32_t c) noexcept {
  const Range* range =
      std::lower_bound(std::begin(ranges), std::end(ranges), c, [](Range r, char32_t x) { return r.last < x; });
  return range != std::end(ranges) && range->first <= c;
}

std::size_t width_of(CodePoint c) noexcept {
  if (c.value < 0x300 || !c.valid) return 1;
  if (within(zero_width, c.value)) return 0;
  return within(double_width, c.value) ? 2 : 1;
}

bool is_control(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x2028 || c == 0x2029;
}

void append_escape(std::string& out, char32_t c) {
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\t': out += "\\t"; return;
    case '\r': out += "\\r"; return;
    default: break;
  }
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "\\u{%x}", static_cast<unsigned>(c));
  out += buffer;
}

}  // namespace

CodePoint first_code_point(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {lead, 1, false};
  char32_t value = lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {lead, 1, false};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {lead, 1, false};
  return {value, length, true};
}

std::size_t display_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    CodePoint c = first_code_point(text);
    width += width_of(c);
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string truncate_to_width(std::string_view text, std::size_t width) {
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t offset = 0;
  std::size_t kept = 0;  // bytes that leave room for the ellipsis
  while (offset < text.size()) {
    CodePoint c = first_code_point(text.substr(offset));
    used += width_of(c);
    if (used > width) return std::string(text.substr(0, kept)) + "…";
    offset += c.bytes;
    if (used + 1 <= width) kept = offset;
  }
  return std::string(text);
}

std::string escape_control(std::string_view text, KeepLines keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    CodePoint c = first_code_point(text);
    if (!c.valid) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(c.value));
      out += buffer;
    } else if (is_control(c.value) && !(keep_lines == KeepLines::yes && (c.value == '\n' || c.value == '\t'))) {
      append_escape(out, c.value);
    } else {
      out.append(text.substr(0, c.bytes));
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::string with_thousands(std::int64_t number) {
  std::string digits = std::to_string(number);
  std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string fixed(double number, int decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, number);
  return buffer;
}

std::string human_seconds(double seconds) {
  if (seconds < 0.001) return fixed(seconds * 1e6, 0) + " µs";
  if (seconds < 0.01) return fixed(seconds * 1e3, 2) + " ms";
  if (seconds < 0.9995) return fixed(seconds * 1e3, 0) + " ms";
  if (seconds < 100) return fixed(seconds, 1) + " s";
  auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole >= 3600) return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

std::string human_bytes(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(units)) {
    size /= 1024;
    ++unit;
  }
  return fixed(size, unit == 0 ? 0 : 1) + " " + units[unit];
}

}  // namespace loam::cli
