// Compiled with -ffp-contract=off: every instruction set has to round the same way.
#include "loam/vector/rotation.hpp"

#include <bit>
#include <cmath>

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/rotation.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

#ifndef LOAM_VECTOR_ROTATION_ROUNDS
#define LOAM_VECTOR_ROTATION_ROUNDS
namespace loam::vector {
// Three rounds leave traces of sparse vectors; a fourth costs a third more.
inline constexpr std::size_t rotation_rounds = 4;
}  // namespace loam::vector
#endif

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What happens to a component depends on two others only, so any width of vectors gives the same bits.

void butterfly_one(float& low, float& high) {
  const float a = low;
  const float b = high;
  low = a + b;
  high = a - b;
}

// Strides below `end`, where vectors do not reach.
void transform_by_components(float* values, std::size_t size, std::size_t end) {
  for (std::size_t stride = 1; stride < end; stride *= 2)
    for (std::size_t i = 0; i < size; i += 2 * stride)
      for (std::size_t j = i; j < i + stride; ++j) butterfly_one(values[j], values[j + stride]);
}

#if HWY_TARGET != HWY_SCALAR
// Strides 1, 2, 4 and 8 of every 16 components, in registers of four.
void transform_sixteens(float* HWY_RESTRICT values, std::size_t size) {
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<std::uint32_t, 4> bits;
  alignas(16) static constexpr std::uint32_t odd[4] = {0, 0x80000000u, 0, 0x80000000u};
  alignas(16) static constexpr std::uint32_t upper[4] = {0, 0, 0x80000000u, 0x80000000u};
  const auto odd_signs = hn::BitCast(d, hn::Load(bits, odd));
  const auto upper_signs = hn::BitCast(d, hn::Load(bits, upper));
  const auto inside = [&](auto v) {
    v = hn::Add(hn::Shuffle2301(v), hn::Xor(v, odd_signs));
    return hn::Add(hn::Shuffle1032(v), hn::Xor(v, upper_signs));
  };
  for (std::size_t i = 0; i < size; i += 16) {
    const auto v0 = inside(hn::LoadU(d, values + i));
    const auto v1 = inside(hn::LoadU(d, values + i + 4));
    const auto v2 = inside(hn::LoadU(d, values + i + 8));
    const auto v3 = inside(hn::LoadU(d, values + i + 12));
    const auto sum01 = hn::Add(v0, v1);
    const auto difference01 = hn::Sub(v0, v1);
    const auto sum23 = hn::Add(v2, v3);
    const auto difference23 = hn::Sub(v2, v3);
    hn::StoreU(hn::Add(sum01, sum23), d, values + i);
    hn::StoreU(hn::Add(difference01, difference23), d, values + i + 4);
    hn::StoreU(hn::Sub(sum01, sum23), d, values + i + 8);
    hn::StoreU(hn::Sub(difference01, difference23), d, values + i + 12);
  }
}

// Strides from 16, two of them at a time.
void transform_wide(float* HWY_RESTRICT values, std::size_t size) {
  const hn::CappedTag<float, 16> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t stride = 16;
  for (; 2 * stride < size; stride *= 4) {
    for (std::size_t i = 0; i < size; i += 4 * stride) {
      for (std::size_t j = i; j < i + stride; j += lanes) {
        const auto v0 = hn::LoadU(d, values + j);
        const auto v1 = hn::LoadU(d, values + j + stride);
        const auto v2 = hn::LoadU(d, values + j + 2 * stride);
        const auto v3 = hn::LoadU(d, values + j + 3 * stride);
        const auto sum01 = hn::Add(v0, v1);
        const auto difference01 = hn::Sub(v0, v1);
        const auto sum23 = hn::Add(v2, v3);
        const auto difference23 = hn::Sub(v2, v3);
        hn::StoreU(hn::Add(sum01, sum23), d, values + j);
        hn::StoreU(hn::Add(difference01, difference23), d, values + j + stride);
        hn::StoreU(hn::Sub(sum01, sum23), d, values + j + 2 * stride);
        hn::StoreU(hn::Sub(difference01, difference23), d, values + j + 3 * stride);
      }
    }
  }
  if (stride < size) {
    for (std::size_t j = 0; j < stride; j += lanes) {
      const auto low = hn::LoadU(d, values + j);
      const auto high = hn::LoadU(d, values + j + stride);
      hn::StoreU(hn::Add(low, high), d, values + j);
      hn::StoreU(hn::Sub(low, high), d, values + j + stride);
    }
  }
}
#endif

void hadamard(float* values, std::size_t size) {
#if HWY_TARGET != HWY_SCALAR
  if (size >= 16) {
    transform_sixteens(values, size);
    transform_wide(values, size);
    return;
  }
#endif
  transform_by_components(values, size, size);
}

// Turns the signs of all components and scales those of [first, last).
void turn_signs(float* HWY_RESTRICT values, const std::uint32_t* HWY_RESTRICT signs, std::size_t count, float scale) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto turned = hn::Xor(hn::LoadU(d, values + i), hn::BitCast(d, hn::LoadU(bits, signs + i)));
    hn::StoreU(hn::Mul(turned, factor), d, values + i);
  }
  for (; i < count; ++i) values[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[i]) ^ signs[i]) * scale;
}

// Component i of the first half with component i of the last; one in the middle of an odd dimension waits for the next
// round.
void mix_halves(float* HWY_RESTRICT values, std::size_t dimension) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t half = dimension / 2;
  float* HWY_RESTRICT last = values + (dimension - half);
  constexpr float scale = 0.70710678F;
  const auto factor = hn::Set(d, scale);
  std::size_t i = 0;
  for (; i + lanes <= half; i += lanes) {
    const auto a = hn::Mul(hn::LoadU(d, values + i), factor);
    const auto b = hn::Mul(hn::LoadU(d, last + i), factor);
    hn::StoreU(hn::Add(a, b), d, values + i);
    hn::StoreU(hn::Sub(a, b), d, last + i);
  }
  for (; i < half; ++i) {
    const float a = values[i] * scale;
    const float b = last[i] * scale;
    values[i] = a + b;
    last[i] = a - b;
  }
}

void rotate_here(float* values, std::size_t dimension, std::size_t block, const std::uint32_t* signs) {
  const float scale = 1.0F / std::sqrt(static_cast<float>(block));
  for (std::size_t round = 0; round < rotation_rounds; ++round) {
    const std::size_t first = round % 2 == 0 ? 0 : dimension - block;
    const std::uint32_t* turn = signs + round * dimension;
    // Scaled before the butterflies, so that these cannot overflow.
    turn_signs(values, turn, first, 1);
    turn_signs(values + first, turn + first, block, scale);
    turn_signs(values + first + block, turn + first + block, dimension - first - block, 1);
    hadamard(values + first, block);
    if (block != dimension) mix_halves(values, dimension);
  }
}

Rotation::Run run_here() { return rotate_here; }

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace loam::vector {
namespace {

HWY_EXPORT(run_here);

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
class Bits {
 public:
  explicit Bits(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace

Rotation::Rotation(std::size_t dimension, std::uint64_t seed)
    : dimension_(dimension),
      block_(std::bit_floor(dimension)),
      signs_(dimension * rotation_rounds),
      run_(HWY_DYNAMIC_DISPATCH(run_here)()) {
  Bits bits(seed);
  for (std::uint32_t& sign : signs_) sign = static_cast<std::uint32_t>(bits.next() >> 63) << 31;
}

}  // namespace loam::vector
#endif
