#include "loam/vector/half.hpp"

namespace loam::vector {
namespace {

constexpr std::uint32_t end_bits = std::bit_cast<std::uint32_t>(half_end);
constexpr std::uint32_t normal_bits = std::bit_cast<std::uint32_t>(0x1p-14f);
constexpr std::uint32_t bias_difference = 112u << 23;

// Of a magnitude below half_end. Both ways are computed and one is chosen by a mask, so that the loop below becomes SIMD.
std::uint32_t rounded(std::uint32_t magnitude) noexcept {
  // One unit of the last place of 0.5 is 2^-24, that of a denormal Half: the addition rounds.
  const float sum = std::bit_cast<float>(magnitude) + 0.5f;
  const std::uint32_t denormal = std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5f);
  // Just below half a unit, and the missing bit where the last kept one is odd: a tie goes up only there.
  const std::uint32_t normal = (magnitude - bias_difference + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const std::uint32_t small = magnitude < normal_bits ? ~0u : 0u;
  return (denormal & small) | (normal & ~small);
}

}  // namespace

bool to_half(const float* values, std::size_t count, Half* out) noexcept {
  std::uint32_t beyond = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(values[i]);
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    beyond |= static_cast<std::uint32_t>(magnitude >= end_bits);
    out[i].bits = static_cast<std::uint16_t>(rounded(magnitude) | (bits >> 16 & 0x8000u));
  }
  return beyond == 0;
}

void to_float(const Half* values, std::size_t count, float* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) out[i] = to_float(values[i]);
}

}  // namespace loam::vector
