#pragma once

/// One byte per component, with a bound on what that loses. A scan of the codes reads a quarter of the bytes and rules out
/// nearly all rows; the rest are read in full, so the answer stays exact. Internal.
///
/// A row v is stored as integers c in [-127, 127] and a scale s, the query q as integers d in 16 bits and a scale t. Let v'
/// = s c and q' = t d. error(v) = |v - v'| is not estimated but measured when the row is stored (in double, rounded up), and
/// so is error(q).
///
///   dot product   |q.v - q'.v'| = |(q - q').v + q'.(v - v')| <= error(q) |v| + |q'| error(v)       (Cauchy-Schwarz)
///   euclidean     | |q - v| - |q' - v'| | <= error(q) + error(v)                                   (triangle inequality)
///
/// q'.v' = s t (c.d) and |q' - v'|^2 = |q'|^2 + |v'|^2 - 2 q'.v' come from exact integers; what remains is the rounding of a
/// few operations in double, covered by `slack`.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loam::vector {

/// Besides the codes of a row. 16 bytes.
struct RowBounds {
  float scale = 0;               ///< s
  float error = 0;               ///< at least |v - s c|
  float length = 0;              ///< at least |v|
  std::int32_t code_square = 0;  ///< c.c
};

/// Relative error allowed for the arithmetic in double: the sums of exact_distance() (below 1e-11) and of the bounds
/// themselves.
inline constexpr double slack = 1e-10;

/// Writes the codes and returns their bounds. `codes` may be longer than the row: the rest becomes zero. An empty `codes`
/// gives the length alone.
RowBounds encode_row(std::span<const float> row, std::span<std::int8_t> codes);

/// A query made ready for dot_codes().
class CodedQuery {
 public:
  CodedQuery(std::span<const float> query, std::size_t padded);

  const std::int16_t* codes() const noexcept { return codes_.data(); }

  /// The greatest dot product that `integer_dot` can stand for; NaN when lengths beyond the floats leave nothing to say.
  double dot_upper_bound(const RowBounds& row, std::int32_t integer_dot) const noexcept {
    const double estimate = scale_ * static_cast<double>(row.scale) * integer_dot;
    const double length = row.length;
    return estimate + error_ * length + length_ * static_cast<double>(row.error) + slack * (length_ + error_) * length;
  }

  /// True when |q - v| is certainly above `limit`. False for NaN: what cannot be bounded is kept.
  bool farther_than(double limit, const RowBounds& row, std::int32_t integer_dot) const noexcept {
    const double row_square = static_cast<double>(row.scale) * row.scale * row.code_square;
    const double estimate = length_square_ + row_square - 2 * scale_ * static_cast<double>(row.scale) * integer_dot;
    const double reach = limit + error_ + static_cast<double>(row.error);
    return estimate > reach * reach * (1 + slack) + slack * (length_square_ + row_square);
  }

 private:
  std::vector<std::int16_t> codes_;
  double scale_ = 0;          // t
  double error_ = 0;          // at least |q - t d|
  double length_ = 0;         // |t d|
  double length_square_ = 0;  // |t d|^2
};

}  // namespace loam::vector
