#include "loam/vector/code_kernels.hpp"

#include <algorithm>

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/code_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums that any instruction set can do: bytes promoted to 16 bits.
using Tag16 = hn::CappedTag<std::int16_t, 16>;
using TagU16 = hn::CappedTag<std::uint16_t, 16>;
using TagU8 = hn::Rebind<std::uint8_t, Tag16>;
using Tag8 = hn::Rebind<std::int8_t, Tag16>;
using Tag32 = hn::RepartitionToWide<Tag16>;

// Adds the products of `bits` bits of a block, `bits` in {1, 2, 4}, times `weight`.
template <int bits>
std::int32_t dot_block_bits(const std::int8_t* query, const std::uint8_t* row, std::size_t components) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag8 d8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  constexpr std::size_t parts = 8 / bits;
  constexpr std::size_t per_block = code_block_bytes * parts;
  const auto mask = hn::Set(d16, (1 << bits) - 1);
  auto low = hn::Zero(d32);
  auto high = hn::Zero(d32);
  for (std::size_t first = 0; first < components; first += per_block) {
    for (std::size_t i = 0; i < code_block_bytes; i += lanes) {
      auto bytes = hn::PromoteTo(d16, hn::LoadU(du8, row + i));
      for (std::size_t part = 0; part < parts; ++part) {
        const auto q = hn::PromoteTo(d16, hn::LoadU(d8, query + first + part * code_block_bytes + i));
        low = hn::ReorderWidenMulAccumulate(d32, q, hn::And(bytes, mask), low, high);
        bytes = hn::ShiftRight<bits>(bytes);
      }
    }
    row += code_block_bytes;
  }
  return hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
}

template <int bits>
void dot_rows_of(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t components,
                 std::int32_t* sums) {
  for (std::size_t i = 0; i < count; ++i) sums[i] = dot_block_bits<bits>(query, rows[i], components);
}

void dot_three_bits(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t components,
                    std::int32_t* sums) {
  const std::size_t low_bytes = packed_code_bytes(components, 2);
  for (std::size_t i = 0; i < count; ++i)
    sums[i] = dot_block_bits<2>(query, rows[i], components) + 4 * dot_block_bits<1>(query, rows[i] + low_bytes, components);
}

void dot_wide_rows(const std::uint8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t skip,
                   std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto middle = hn::Set(d16, 128);
  for (std::size_t row = 0; row < count; ++row) {
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t i = 0; i < bytes; i += lanes) {
      const auto q = hn::Sub(hn::PromoteTo(d16, hn::LoadU(du8, query + i)), middle);
      const auto r = hn::Sub(hn::PromoteTo(d16, hn::LoadU(du8, rows[row] + skip + i)), middle);
      low = hn::ReorderWidenMulAccumulate(d32, q, r, low, high);
    }
    sums[row] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
  }
}

void difference_rows(const std::uint8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t skip,
                     std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto one = hn::Set(d16, 1);
  for (std::size_t row = 0; row < count; ++row) {
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t i = 0; i < bytes; i += lanes) {
      const auto q = hn::PromoteTo(d16, hn::LoadU(du8, query + i));
      const auto r = hn::PromoteTo(d16, hn::LoadU(du8, rows[row] + skip + i));
      low = hn::ReorderWidenMulAccumulate(d32, hn::Sub(hn::Max(q, r), hn::Min(q, r)), one, low, high);
    }
    sums[row] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
  }
}

void nibble_difference_rows(const std::uint8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t skip,
                            std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto one = hn::Set(d16, 1);
  const auto mask = hn::Set(d16, 0xf0);
  const auto middle = hn::Set(d16, 8);
  for (std::size_t row = 0; row < count; ++row) {
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t block = 0; block < bytes; block += code_block_bytes) {
      for (std::size_t i = 0; i < code_block_bytes; i += lanes) {
        const auto pair = hn::PromoteTo(d16, hn::LoadU(du8, rows[row] + skip + block + i));
        const auto r0 = hn::Or(hn::And(hn::ShiftLeft<4>(pair), mask), middle);
        const auto r1 = hn::Or(hn::And(pair, mask), middle);
        const auto q0 = hn::PromoteTo(d16, hn::LoadU(du8, query + 2 * block + i));
        const auto q1 = hn::PromoteTo(d16, hn::LoadU(du8, query + 2 * block + code_block_bytes + i));
        low = hn::ReorderWidenMulAccumulate(d32, hn::Sub(hn::Max(q0, r0), hn::Min(q0, r0)), one, low, high);
        low = hn::ReorderWidenMulAccumulate(d32, hn::Sub(hn::Max(q1, r1), hn::Min(q1, r1)), one, low, high);
      }
    }
    sums[row] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
  }
}

// The search for a code.

float greatest_magnitude(const float* values, std::size_t count) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto greatest = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) greatest = hn::Max(greatest, hn::Abs(hn::LoadU(d, values + i)));
  float all = hn::GetLane(hn::MaxOfLanes(d, greatest));
  for (; i < count; ++i) all = std::max(all, values[i] < 0 ? -values[i] : values[i]);
  return all;
}

void to_fine_rows(const float* values, std::size_t count, float factor, std::size_t padded, std::int16_t* out) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<std::int32_t, decltype(d)> d32;
  const hn::Rebind<std::int16_t, decltype(d)> d16;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, factor);
  const auto least = hn::Set(d32, -fine_max);
  const auto greatest = hn::Set(d32, fine_max);
  const auto convert = [&](auto v) {
    return hn::DemoteTo(d16, hn::Min(hn::Max(hn::NearestInt(hn::Mul(v, scale)), least), greatest));
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(convert(hn::LoadU(d, values + i)), d16, out + i);
  std::fill(out + i, out + padded, std::int16_t{0});
  if (i == count) return;
  HWY_ALIGN float rest[16] = {};
  HWY_ALIGN std::int16_t converted[16];
  std::copy(values + i, values + count, rest);
  hn::StoreU(convert(hn::LoadU(d, rest)), d16, converted);
  std::copy_n(converted, count - i, out + i);
}

template <class Magnitude>
HWY_INLINE auto levels_of(TagU16 d, Magnitude magnitude, const LevelGrid& grid) {
  const auto scaled = hn::MulHigh(magnitude, hn::Set(d, grid.multiplier));
  const auto level = hn::ShiftRightSame(hn::Add(scaled, hn::Set(d, grid.rounding)), grid.shift);
  return hn::Min(level, hn::Set(d, grid.level_max));
}

LevelSums level_sums_of(const std::int16_t* fine, std::size_t padded, const LevelGrid& grid) {
  // 512 times the greatest weight, 127, times fine_max stays below 2^31.
  constexpr std::size_t stretch = 512;
  const Tag16 d16;
  const TagU16 du16;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto step = hn::Set(d16, grid.weight_step);
  const auto first = hn::Set(d16, grid.weight_first);
  LevelSums sums;
  for (std::size_t begin = 0; begin < padded; begin += stretch) {
    const std::size_t end = std::min(padded, begin + stretch);
    auto product_low = hn::Zero(d32);
    auto product_high = hn::Zero(d32);
    auto square_low = hn::Zero(d32);
    auto square_high = hn::Zero(d32);
    for (std::size_t i = begin; i < end; i += lanes) {
      const auto magnitude = hn::Abs(hn::LoadU(d16, fine + i));
      const auto level = hn::BitCast(d16, levels_of(du16, hn::BitCast(du16, magnitude), grid));
      const auto weight = hn::Add(hn::Mul(level, step), first);
      product_low = hn::ReorderWidenMulAccumulate(d32, weight, magnitude, product_low, product_high);
      square_low = hn::ReorderWidenMulAccumulate(d32, weight, weight, square_low, square_high);
    }
    sums.product += hn::GetLane(hn::SumOfLanes(d32, hn::Add(product_low, product_high)));
    sums.square += hn::GetLane(hn::SumOfLanes(d32, hn::Add(square_low, square_high)));
  }
  return sums;
}

void to_codes_of(const std::int16_t* fine, std::size_t padded, const LevelGrid& grid, std::uint8_t zero, std::uint8_t below,
                 std::uint8_t* out) {
  const Tag16 d16;
  const TagU16 du16;
  const TagU8 du8;
  const std::size_t lanes = hn::Lanes(d16);
  const auto above_zero = hn::Set(d16, zero);
  const auto below_zero = hn::Set(d16, below);
  for (std::size_t i = 0; i < padded; i += lanes) {
    const auto value = hn::LoadU(d16, fine + i);
    const auto level = hn::BitCast(d16, levels_of(du16, hn::BitCast(du16, hn::Abs(value)), grid));
    const auto negative = hn::Lt(value, hn::Zero(d16));
    const auto code = hn::IfThenElse(negative, hn::Sub(below_zero, level), hn::Add(above_zero, level));
    hn::StoreU(hn::DemoteTo(du8, code), du8, out + i);
  }
}

const CodeKernels& code_kernels_here() {
  static constexpr CodeKernels kernels = {
      .dot = {nullptr, dot_rows_of<1>, dot_rows_of<2>, dot_three_bits, dot_rows_of<4>},
      .dot_wide = dot_wide_rows,
      .differences = difference_rows,
      .nibble_differences = nibble_difference_rows,
      .greatest = greatest_magnitude,
      .to_fine = to_fine_rows,
      .level_sums = level_sums_of,
      .to_codes = to_codes_of,
  };
  return kernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace loam::vector {
namespace {

HWY_EXPORT(code_kernels_here);

// Part `part` of the `bits` bits of each code, from bit `from`.
void pack_bits(const std::uint8_t* codes, std::size_t components, unsigned from, unsigned bits, std::uint8_t* out) {
  const std::size_t per_block = code_block_bytes * 8 / bits;
  const unsigned mask = (1U << bits) - 1;
  for (std::size_t first = 0; first < components; first += per_block, out += code_block_bytes) {
    std::fill_n(out, code_block_bytes, std::uint8_t{0});
    for (std::size_t part = 0; part * bits < 8; ++part) {
      const std::size_t begin = first + part * code_block_bytes;
      if (begin >= components) break;
      const std::size_t length = std::min(code_block_bytes, components - begin);
      const unsigned shift = static_cast<unsigned>(part) * bits;
      for (std::size_t i = 0; i < length; ++i)
        out[i] = static_cast<std::uint8_t>(out[i] | ((codes[begin + i] >> from & mask) << shift));
    }
  }
}

}  // namespace

void pack_codes(const std::uint8_t* codes, std::size_t components, unsigned bits, std::uint8_t* out) {
  if (bits == 8) {
    std::fill(std::copy_n(codes, components, out), out + packed_code_bytes(components, 8), std::uint8_t{0});
    return;
  }
  pack_bits(codes, components, 0, bits == 3 ? 2 : bits, out);
  if (bits == 3) pack_bits(codes, components, 2, 1, out + packed_code_bytes(components, 2));
}

const CodeKernels& code_kernels() { return HWY_DYNAMIC_DISPATCH(code_kernels_here)(); }

}  // namespace loam::vector
#endif
