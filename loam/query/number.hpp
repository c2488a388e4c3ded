#pragma once

/// Internal to the filter language: exact comparison of numbers written in decimal, of any length.

#include <optional>
#include <string>
#include <string_view>

#include "loam/core/value.hpp"

namespace loam {

/// Sign of a - b of two JSON numbers or Decimals (-12.50, 1e400): -1, 0 or 1. Exact whatever the digits and exponents.
/// O(digits), nothing is expanded.
int compare_decimal_texts(std::string_view a, std::string_view b) noexcept;

/// The shortest decimal that reads back as this double, without an exponent: 0.1, 100, -0.000001. `number` is finite.
std::string decimal_text(double number);

/// The number of a value of kind int64, float64 (finite) or decimal as a Decimal's text.
std::string decimal_text(const Value& number);

/// The value of a number literal `-?digits[.digits][e[+-]digits]`: int64 when it is an integer that fits; double when it has
/// an exponent or when the shortest form of the double is the same number; else Decimal, so that no digit is lost. Empty
/// when an exponent leads out of the range of a double, or there are more digits than a Decimal holds.
std::optional<Value> number_literal(std::string_view text);

/// Comparison of an integer with a double, exact; the double is not NaN. Sign of a - b.
int compare_exactly(std::int64_t a, double b) noexcept;

}  // namespace loam
