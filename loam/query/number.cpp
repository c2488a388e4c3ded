#include "loam/query/number.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace loam {
namespace {

/// Value = 0.d1d2d3.. * 10^magnitude with d1 != 0; zero has no digits. Views into the text, so digits are looked up in
/// place.
struct DecimalParts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::size_t first_digit = 0;  ///< leading zeros of whole + fraction
  std::int64_t magnitude = 0;

  explicit DecimalParts(std::string_view text) {
    negative = !text.empty() && text.front() == '-';
    if (negative) text.remove_prefix(1);
    std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
    std::string_view mantissa = text.substr(0, exponent_at);
    std::size_t point = std::min(mantissa.find('.'), mantissa.size());
    whole = mantissa.substr(0, point);
    fraction = mantissa.substr(std::min(point + 1, mantissa.size()));
    while (first_digit < count() && digit(first_digit) == '0') ++first_digit;
    magnitude = exponent(text.substr(std::min(exponent_at + 1, text.size()))) + static_cast<std::int64_t>(whole.size()) -
                static_cast<std::int64_t>(first_digit);
  }

  std::size_t count() const { return whole.size() + fraction.size(); }
  bool zero() const { return first_digit == count(); }
  char digit(std::size_t i) const {
    if (i < whole.size()) return whole[i];
    return i < count() ? fraction[i - whole.size()] : '0';
  }

 private:
  /// Beyond 10^15 the exact exponent decides nothing: no text has that many digits to make up for it.
  static std::int64_t exponent(std::string_view text) {
    bool minus = !text.empty() && text.front() == '-';
    std::int64_t value = 0;
    for (char c : text)
      if (c >= '0' && c <= '9') value = std::min<std::int64_t>(value * 10 + (c - '0'), 1'000'000'000'000'000);
    return minus ? -value : value;
  }
};

int compare_magnitudes(const DecimalParts& a, const DecimalParts& b) {
  if (a.magnitude != b.magnitude) return a.magnitude < b.magnitude ? -1 : 1;
  std::size_t digits = std::max(a.count() - a.first_digit, b.count() - b.first_digit);
  for (std::size_t i = 0; i < digits; ++i) {
    char left = a.digit(a.first_digit + i), right = b.digit(b.first_digit + i);
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

int sign(const DecimalParts& number) { return number.zero() ? 0 : number.negative ? -1 : 1; }

}  // namespace

int compare_decimal_texts(std::string_view a, std::string_view b) noexcept {
  DecimalParts left(a), right(b);
  int left_sign = sign(left), right_sign = sign(right);
  if (left_sign != right_sign) return left_sign < right_sign ? -1 : 1;
  return left_sign == 0 ? 0 : left_sign * compare_magnitudes(left, right);
}

std::string decimal_text(double number) {
  // Not chars_format::fixed: above 2^53 that writes the exact value (1e23 as 99999999999999991611392), not the shortest one.
  char buffer[64];
  std::string_view text(
      buffer, static_cast<std::size_t>(
                  std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr - buffer));
  DecimalParts parts(text);
  if (parts.zero()) return "0";
  std::int64_t digits = static_cast<std::int64_t>(parts.count());  // d.ddd: the first one is not 0
  std::string result = parts.negative ? "-" : "";
  if (parts.magnitude <= 0) result += "0." + std::string(static_cast<std::size_t>(-parts.magnitude), '0');
  for (std::int64_t i = 0; i < std::max(digits, parts.magnitude); ++i) {
    if (i == parts.magnitude && i > 0) result += '.';
    result += parts.digit(static_cast<std::size_t>(i));
  }
  return result;
}

std::string decimal_text(const Value& number) {
  if (const auto* integer = number.get_if<std::int64_t>()) return std::to_string(*integer);
  if (const auto* real = number.get_if<double>()) return decimal_text(*real);
  return number.as<Decimal>().text;
}

std::optional<Value> number_literal(std::string_view text) {
  const char* end = text.data() + text.size();
  bool integral = text.find_first_of(".eE") == text.npos;
  bool exponent = text.find_first_of("eE") != text.npos;
  std::int64_t integer = 0;
  if (integral && std::from_chars(text.data(), end, integer).ec == std::errc()) return Value(integer);
  double real = 0;
  bool in_range = std::from_chars(text.data(), end, real).ec == std::errc() && std::isfinite(real);
  if (exponent) return in_range ? std::optional<Value>(real) : std::nullopt;
  if (in_range && compare_decimal_texts(decimal_text(real), text) == 0) return Value(real);
  if (!is_decimal(text)) return std::nullopt;
  return Value(Decimal{std::string(text)});
}

int compare_exactly(std::int64_t a, double b) noexcept {
  constexpr double two_to_63 = 9223372036854775808.0;
  if (b >= two_to_63) return -1;
  if (b < -two_to_63) return 1;
  auto whole = static_cast<std::int64_t>(b);  // towards zero, in range by the checks above
  if (a != whole) return a < whole ? -1 : 1;
  double fraction = b - static_cast<double>(whole);
  return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

}  // namespace loam
