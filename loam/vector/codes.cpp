#include "loam/vector/codes.hpp"

#include <algorithm>
#include <limits>

#include "loam/vector/exact.hpp"

namespace loam::vector {
namespace {

// Rounding up by a few units keeps "at least" true after the conversion to float.
float rounded_up(double value) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return std::nextafter(static_cast<float>(value * (1 + 1e-9)), infinity);
}

double greatest_magnitude(std::span<const float> values) {
  float greatest = 0;
  for (const float value : values) greatest = std::max(greatest, std::abs(value));
  return greatest;
}

// The nearest integer without depending on the rounding mode.
std::int32_t nearest(double value) { return static_cast<std::int32_t>(value < 0 ? value - 0.5 : value + 0.5); }

struct Quantized {
  double error_square = 0;
  double code_square = 0;
};

template <class Code>
Quantized quantize(std::span<const float> values, double scale, std::int32_t code_max, Code* codes) {
  Quantized sum;
  const double inverse = scale > 0 ? 1 / scale : 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    const double limited = std::clamp(value * inverse, static_cast<double>(-code_max), static_cast<double>(code_max));
    const std::int32_t code = nearest(limited);
    codes[i] = static_cast<Code>(code);
    const double lost = value - scale * code;
    sum.error_square += lost * lost;
    sum.code_square += static_cast<double>(code) * code;
  }
  return sum;
}

// A denormal scale would have an infinite inverse; without codes everything is in the error, and the bounds stay true.
double usable_scale(double scale) { return scale < std::numeric_limits<float>::min() ? 0 : scale; }

}  // namespace

RowBounds encode_row(std::span<const float> row, std::span<std::int8_t> codes) {
  constexpr std::int32_t code_max = 127;
  RowBounds bounds;
  bounds.length = rounded_up(std::sqrt(squared_norm(row.data(), row.size())));
  if (codes.empty()) return bounds;
  bounds.scale = static_cast<float>(usable_scale(greatest_magnitude(row) / code_max));
  const Quantized sum = quantize(row, static_cast<double>(bounds.scale), code_max, codes.data());
  std::fill(codes.begin() + static_cast<std::ptrdiff_t>(row.size()), codes.end(), std::int8_t{0});
  bounds.error = sum.error_square == 0 ? 0 : rounded_up(std::sqrt(sum.error_square));
  bounds.code_square = static_cast<std::int32_t>(sum.code_square);
  return bounds;
}

CodedQuery::CodedQuery(std::span<const float> query, std::size_t padded) : codes_(padded) {
  // 127 * code_max * dimension must stay below 2^31, for the sums of dot_codes().
  const auto dimension = static_cast<std::int64_t>(query.size());
  const auto code_max = static_cast<std::int32_t>(std::min<std::int64_t>(32767, 2147483647 / (127 * dimension)));
  scale_ = usable_scale(greatest_magnitude(query) / code_max);
  const Quantized sum = quantize(query, scale_, code_max, codes_.data());
  error_ = std::sqrt(sum.error_square) * (1 + slack);
  length_square_ = scale_ * scale_ * sum.code_square;
  length_ = std::sqrt(length_square_) * (1 + slack);
}

}  // namespace loam::vector
