#pragma once

/// Numbers of 16 bits (IEEE 754 binary16), for full vectors in half the memory. Internal.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace loam::vector {

/// 1 bit of sign, 5 of exponent, 10 of mantissa; denormal below 2^-14. Loam keeps no infinities and no NaN in it.
struct Half {
  std::uint16_t bits = 0;

  friend bool operator==(Half, Half) = default;
};
static_assert(sizeof(Half) == 2);

/// What is below it in magnitude fits: 65,520 is halfway between the greatest Half, 65,504, and the power of two above.
inline constexpr float half_end = 65520.0f;

/// Rounds to nearest, ties to even; the same bits on every machine. False when one of them is not finite or not below
/// half_end in magnitude: `out` holds nothing of use then.
bool to_half(const float* values, std::size_t count, Half* out) noexcept;

/// Exact.
inline float to_float(Half half) noexcept {
  // The exponent of a float is biased by 112 more. Multiplying by 2^112 also normalizes what is denormal.
  const float magnitude = std::bit_cast<float>((half.bits & 0x7fffu) << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | (half.bits & 0x8000u) << 16);
}
void to_float(const Half* values, std::size_t count, float* out) noexcept;

}  // namespace loam::vector
