#include "loam/vector/code_kernels.hpp"

#include <algorithm>

#include "loam/vector/prefetch.hpp"

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/code_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

// Whether the sums below are those written for this instruction set.
#undef LOAM_CODE_INTRINSICS
#define LOAM_CODE_INTRINSICS (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2)

#if LOAM_CODE_INTRINSICS

// Highway 1.0.3 asks for AVX-VNNI where the processor is known to have AVX512-VNNI: the encodings differ.
#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES("avx,avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bitalg")
#else
HWY_PUSH_ATTRIBUTES("avx,avx2")
#endif
namespace loam::vector {
namespace HWY_NAMESPACE {

// Four rows at a time: a load of the query serves all four, and one reduction ends them all.
constexpr std::size_t group_rows = 4;
using Rows = const std::uint8_t* const[group_rows];

HWY_INLINE __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

// The sums of the lanes of each of four.
HWY_INLINE __m128i lane_sums(const __m256i (&v)[group_rows]) {
  const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

// Calls group(four rows), which returns four sums; the last rows may be fewer.
template <class Group>
HWY_INLINE void in_groups(const CodeRows& call, std::int32_t* sums, const Group& group) {
  const std::uint8_t* const* rows = call.rows;
  const std::size_t count = call.count;
  std::size_t i = 0;
  for (; i + group_rows <= count; i += group_rows) {
    const std::size_t ahead = std::min(i + rows_ahead + group_rows, count);
    for (std::size_t row = i + rows_ahead; row < ahead; ++row) prefetch_bytes(rows[row], call.prefetch_bytes);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums + i), group({rows[i], rows[i + 1], rows[i + 2], rows[i + 3]}));
  }
  if (i == count) return;
  const std::size_t last = count - 1;
  const std::size_t second = i + 1 < count ? i + 1 : last;
  const std::size_t third = i + 2 < count ? i + 2 : last;
  alignas(16) std::int32_t rest[group_rows];
  _mm_store_si128(reinterpret_cast<__m128i*>(rest), group({rows[i], rows[second], rows[third], rows[last]}));
  for (std::size_t row = i; row < count; ++row) sums[row] = rest[row - i];
}

#if HWY_TARGET == HWY_AVX3_DL

// Adds the products of codes of `bits` bits for four rows. Of two fields of a byte, the second is masked but not shifted, so
// that it counts 2^bits times; its sum is kept apart until the end. More such fields would save shifts, but not registers.
template <int bits>
HWY_INLINE void add_fields(const std::int8_t* query, const Rows& rows, std::size_t components,
                           __m256i (&totals)[group_rows]) {
  constexpr int parts = 8 / bits;
  constexpr int fields = 2;
  constexpr std::size_t per_block = code_block_bytes * parts;
  __m256i sums[group_rows][fields];
  for (auto& row : sums)
    for (__m256i& sum : row) sum = _mm256_setzero_si256();
  for (std::size_t first = 0, at = 0; first < components; first += per_block, at += code_block_bytes) {
    __m256i bytes[group_rows];
    for (std::size_t row = 0; row < group_rows; ++row) bytes[row] = load(rows[row] + at);
    for (int part = 0; part < parts; part += fields) {
      for (int field = 0; field < fields; ++field) {
        const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << bits) - 1) << (field * bits)));
        const __m256i q = load(query + first + static_cast<std::size_t>(part + field) * code_block_bytes);
        for (std::size_t row = 0; row < group_rows; ++row)
          sums[row][field] = _mm256_dpbusd_epi32(sums[row][field], _mm256_and_si256(bytes[row], mask), q);
      }
      if (part + fields < parts)
        for (__m256i& row : bytes) row = _mm256_srli_epi16(row, fields * bits);
    }
  }
  for (std::size_t row = 0; row < group_rows; ++row) {
    totals[row] = sums[row][0];
    // Every sum is a multiple of its weight.
    for (int field = 1; field < fields; ++field)
      totals[row] = _mm256_add_epi32(totals[row], _mm256_srai_epi32(sums[row][field], field * bits));
  }
}

// Codes of 1 bit: the bits that code and plane have in common are counted for each byte, and weighed.
struct PlanesGroup {
  const std::uint8_t* planes;
  std::size_t bytes;

  static HWY_INLINE __m512i load_half(const std::uint8_t* at) { return _mm512_zextsi256_si512(load(at)); }

  HWY_INLINE void add(const __m512i (&codes)[group_rows], const std::uint8_t* at, bool whole,
                      __m512i (&sums)[group_rows]) const {
    for (unsigned plane = 0; plane < query_plane_count; ++plane) {
      const std::uint8_t* from = at + plane * bytes;
      const __m512i bits = whole ? _mm512_loadu_si512(from) : load_half(from);
      // The highest plane is that of the sign.
      const int value = plane + 1 == query_plane_count ? -(1 << plane) : 1 << plane;
      const __m512i weight = _mm512_set1_epi8(static_cast<char>(value));
      for (std::size_t row = 0; row < group_rows; ++row)
        sums[row] = _mm512_dpbusd_epi32(sums[row], _mm512_popcnt_epi8(_mm512_and_si512(codes[row], bits)), weight);
    }
  }
  HWY_INLINE __m128i operator()(const Rows& rows) const {
    constexpr std::size_t step = 64;
    __m512i sums[group_rows];
    for (__m512i& sum : sums) sum = _mm512_setzero_si512();
    __m512i codes[group_rows];
    std::size_t at = 0;
    for (; at + step <= bytes; at += step) {
      for (std::size_t row = 0; row < group_rows; ++row) codes[row] = _mm512_loadu_si512(rows[row] + at);
      add(codes, planes + at, true, sums);
    }
    if (at < bytes) {
      for (std::size_t row = 0; row < group_rows; ++row) codes[row] = load_half(rows[row] + at);
      add(codes, planes + at, false, sums);
    }
    __m256i totals[group_rows];
    for (std::size_t row = 0; row < group_rows; ++row)
      totals[row] = _mm256_add_epi32(_mm512_castsi512_si256(sums[row]), _mm512_extracti64x4_epi64(sums[row], 1));
    return lane_sums(totals);
  }
};

struct WideGroup {
  const std::uint8_t* query;
  std::size_t skip;
  std::size_t bytes;
  __m256i query_sum;

  HWY_INLINE WideGroup(const std::uint8_t* query_codes, std::size_t row_skip, std::size_t row_bytes)
      : query(query_codes), skip(row_skip), bytes(row_bytes), query_sum(_mm256_setzero_si256()) {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
    for (std::size_t i = 0; i < bytes; i += code_block_bytes)
      query_sum = _mm256_dpbusd_epi32(query_sum, sign, _mm256_xor_si256(load(query + i), sign));
  }
  HWY_INLINE __m128i operator()(const Rows& rows) const {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
    __m256i totals[group_rows];
    for (__m256i& total : totals) total = _mm256_setzero_si256();
    for (std::size_t i = 0; i < bytes; i += code_block_bytes) {
      const __m256i q = _mm256_xor_si256(load(query + i), sign);
      for (std::size_t row = 0; row < group_rows; ++row)
        totals[row] = _mm256_dpbusd_epi32(totals[row], load(rows[row] + skip + i), q);
    }
    for (__m256i& total : totals) total = _mm256_sub_epi32(total, query_sum);
    return lane_sums(totals);
  }
};

HWY_INLINE __m512i load_wide(const std::uint8_t* at, std::size_t bytes) {
  return bytes >= 64 ? _mm512_loadu_si512(at) : _mm512_zextsi256_si512(load(at));
}

// Four queries with four rows: what is loaded serves four products, and sixteen sums hide each other's latency.
HWY_INLINE void wide_tile(const Rows& queries, const Rows& rows, std::size_t bytes, __m128i (&sums)[group_rows]) {
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  const __m512i sign_of_half = _mm512_zextsi256_si512(_mm512_castsi512_si256(sign));
  __m512i totals[group_rows][group_rows];
  __m512i query_sums[group_rows];
  for (std::size_t query = 0; query < group_rows; ++query) {
    query_sums[query] = _mm512_setzero_si512();
    for (__m512i& total : totals[query]) total = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < bytes; i += 64) {
    __m512i q[group_rows];
    for (std::size_t query = 0; query < group_rows; ++query) {
      q[query] = _mm512_xor_si512(load_wide(queries[query] + i, bytes - i), bytes - i >= 64 ? sign : sign_of_half);
      query_sums[query] = _mm512_dpbusd_epi32(query_sums[query], sign, q[query]);
    }
    for (std::size_t row = 0; row < group_rows; ++row) {
      const __m512i codes = load_wide(rows[row] + i, bytes - i);
      for (std::size_t query = 0; query < group_rows; ++query)
        totals[query][row] = _mm512_dpbusd_epi32(totals[query][row], codes, q[query]);
    }
  }
  for (std::size_t query = 0; query < group_rows; ++query) {
    __m256i halves[group_rows];
    for (std::size_t row = 0; row < group_rows; ++row) {
      const __m512i total = _mm512_sub_epi32(totals[query][row], query_sums[query]);
      halves[row] = _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
    }
    sums[query] = lane_sums(halves);
  }
}

void dot_wide_tiles(const std::uint8_t* const* queries, std::size_t query_count, const CodeRows& rows, std::size_t bytes,
                    std::int32_t* sums) {
  const auto four_of = [skip = rows.skip](const std::uint8_t* const* all, std::size_t first, std::size_t count,
                                          const std::uint8_t*(&four)[group_rows]) {
    for (std::size_t i = 0; i < group_rows; ++i) four[i] = all[std::min(first + i, count - 1)] + skip;
  };
  for (std::size_t query = 0; query < query_count; query += group_rows) {
    const std::uint8_t* q[group_rows];
    four_of(queries, query, query_count, q);
    for (std::size_t row = 0; row < rows.count; row += group_rows) {
      const std::uint8_t* r[group_rows];
      four_of(rows.rows, row, rows.count, r);
      __m128i tile[group_rows];
      wide_tile({q[0], q[1], q[2], q[3]}, {r[0], r[1], r[2], r[3]}, bytes, tile);
      const std::size_t there = std::min(group_rows, rows.count - row);
      for (std::size_t i = 0; i < group_rows && query + i < query_count; ++i) {
        alignas(16) std::int32_t four[group_rows];
        _mm_store_si128(reinterpret_cast<__m128i*>(four), tile[i]);
        std::copy_n(four, there, sums + (query + i) * rows.count + row);
      }
    }
  }
}

#else  // AVX2

template <int bits>
HWY_INLINE void add_fields(const std::int8_t* query, const Rows& rows, std::size_t components,
                           __m256i (&totals)[group_rows]) {
  constexpr int parts = 8 / bits;
  constexpr std::size_t per_block = code_block_bytes * parts;
  const __m256i mask = _mm256_set1_epi8((1 << bits) - 1);
  const __m256i one = _mm256_set1_epi16(1);
  for (__m256i& total : totals) total = _mm256_setzero_si256();
  for (std::size_t first = 0, at = 0; first < components; first += per_block, at += code_block_bytes) {
    __m256i bytes[group_rows];
    __m256i sums[group_rows];  // in 16 bits: a part adds at most 2 * 15 * 127
    for (std::size_t row = 0; row < group_rows; ++row) {
      bytes[row] = load(rows[row] + at);
      sums[row] = _mm256_setzero_si256();
    }
    for (int part = 0; part < parts; ++part) {
      const __m256i q = load(query + first + static_cast<std::size_t>(part) * code_block_bytes);
      for (std::size_t row = 0; row < group_rows; ++row) {
        sums[row] = _mm256_add_epi16(sums[row], _mm256_maddubs_epi16(_mm256_and_si256(bytes[row], mask), q));
        bytes[row] = _mm256_srli_epi16(bytes[row], bits);
      }
    }
    for (std::size_t row = 0; row < group_rows; ++row)
      totals[row] = _mm256_add_epi32(totals[row], _mm256_madd_epi16(sums[row], one));
  }
}

HWY_INLINE __m256i load16(const std::uint8_t* at) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

struct WideGroup {
  const std::uint8_t* query;
  std::size_t skip;
  std::size_t bytes;
  __m256i query_sum;

  HWY_INLINE WideGroup(const std::uint8_t* query_codes, std::size_t row_skip, std::size_t row_bytes)
      : query(query_codes), skip(row_skip), bytes(row_bytes), query_sum(_mm256_setzero_si256()) {
    const __m256i middle = _mm256_set1_epi16(128);
    for (std::size_t i = 0; i < bytes; i += 16)
      query_sum = _mm256_add_epi32(query_sum, _mm256_madd_epi16(_mm256_sub_epi16(load16(query + i), middle), middle));
  }
  HWY_INLINE __m128i operator()(const Rows& rows) const {
    const __m256i middle = _mm256_set1_epi16(128);
    __m256i totals[group_rows];
    for (__m256i& total : totals) total = _mm256_setzero_si256();
    for (std::size_t i = 0; i < bytes; i += 16) {
      const __m256i q = _mm256_sub_epi16(load16(query + i), middle);
      for (std::size_t row = 0; row < group_rows; ++row)
        totals[row] = _mm256_add_epi32(totals[row], _mm256_madd_epi16(load16(rows[row] + skip + i), q));
    }
    for (__m256i& total : totals) total = _mm256_sub_epi32(total, query_sum);
    return lane_sums(totals);
  }
};

#endif

template <int bits>
struct NarrowGroup {
  const std::int8_t* query;
  std::size_t components;

  HWY_INLINE __m128i operator()(const Rows& rows) const {
    __m256i totals[group_rows];
    add_fields<bits>(query, rows, components, totals);
    return lane_sums(totals);
  }
};

struct ThreeBitGroup {
  const std::int8_t* query;
  std::size_t components;
  std::size_t low_bytes;

  HWY_INLINE __m128i operator()(const Rows& rows) const {
    __m256i low[group_rows];
    __m256i high[group_rows];
    add_fields<2>(query, rows, components, low);
    add_fields<1>(query, {rows[0] + low_bytes, rows[1] + low_bytes, rows[2] + low_bytes, rows[3] + low_bytes}, components,
                  high);
    for (std::size_t row = 0; row < group_rows; ++row)
      low[row] = _mm256_add_epi32(low[row], _mm256_slli_epi32(high[row], 2));
    return lane_sums(low);
  }
};

// The sums are in 64 bits each, but fit in 32.
struct DifferenceGroup {
  const std::uint8_t* query;
  std::size_t skip;
  std::size_t bytes;

  HWY_INLINE __m128i operator()(const Rows& rows) const {
    __m256i totals[group_rows];
    for (__m256i& total : totals) total = _mm256_setzero_si256();
    for (std::size_t i = 0; i < bytes; i += code_block_bytes) {
      const __m256i q = load(query + i);
      for (std::size_t row = 0; row < group_rows; ++row)
        totals[row] = _mm256_add_epi32(totals[row], _mm256_sad_epu8(load(rows[row] + skip + i), q));
    }
    return lane_sums(totals);
  }
};

struct NibbleDifferenceGroup {
  const std::uint8_t* query;
  std::size_t skip;
  std::size_t bytes;

  HWY_INLINE __m128i operator()(const Rows& rows) const {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(0xf0));
    const __m256i middle = _mm256_set1_epi8(8);
    __m256i totals[group_rows];
    for (__m256i& total : totals) total = _mm256_setzero_si256();
    for (std::size_t i = 0; i < bytes; i += code_block_bytes) {
      const __m256i q0 = load(query + 2 * i);
      const __m256i q1 = load(query + 2 * i + code_block_bytes);
      for (std::size_t row = 0; row < group_rows; ++row) {
        const __m256i pair = load(rows[row] + skip + i);
        const __m256i low = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(pair, 4), mask), middle);
        const __m256i high = _mm256_or_si256(_mm256_and_si256(pair, mask), middle);
        const __m256i sum = _mm256_add_epi32(_mm256_sad_epu8(low, q0), _mm256_sad_epu8(high, q1));
        totals[row] = _mm256_add_epi32(totals[row], sum);
      }
    }
    return lane_sums(totals);
  }
};

template <int bits>
void dot_rows_of(const NarrowQuery& query, const CodeRows& rows, std::size_t components, std::int32_t* sums) {
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (bits == 1) return in_groups(rows, sums, PlanesGroup{query.planes, packed_code_bytes(components, 1)});
#endif
  in_groups(rows, sums, NarrowGroup<bits>{query.values, components});
}

void dot_three_bits(const NarrowQuery& query, const CodeRows& rows, std::size_t components, std::int32_t* sums) {
  in_groups(rows, sums, ThreeBitGroup{query.values, components, packed_code_bytes(components, 2)});
}

// sum of (row - 128) (query - 128) = sum of row (query - 128) - 128 times the sum of (query - 128).
void dot_wide_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  in_groups(rows, sums, WideGroup(query, rows.skip, bytes));
}

void difference_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  in_groups(rows, sums, DifferenceGroup{query, rows.skip, bytes});
}

void nibble_difference_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  in_groups(rows, sums, NibbleDifferenceGroup{query, rows.skip, bytes});
}

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_POP_ATTRIBUTES
#endif

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag16 = hn::CappedTag<std::int16_t, 16>;
using TagU16 = hn::CappedTag<std::uint16_t, 16>;
using TagU8 = hn::Rebind<std::uint8_t, Tag16>;
using Tag8 = hn::Rebind<std::int8_t, Tag16>;
using Tag32 = hn::RepartitionToWide<Tag16>;

#if !LOAM_CODE_INTRINSICS  // what any instruction set can do: bytes promoted to 16 bits

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
void dot_rows_of(const NarrowQuery& query, const CodeRows& rows, std::size_t components, std::int32_t* sums) {
  for (std::size_t i = 0; i < rows.count; ++i)
    sums[i] = dot_block_bits<bits>(query.values, rows.rows[i] + rows.skip, components);
}

void dot_three_bits(const NarrowQuery& query, const CodeRows& rows, std::size_t components, std::int32_t* sums) {
  const std::size_t low_bytes = packed_code_bytes(components, 2);
  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::uint8_t* row = rows.rows[i] + rows.skip;
    sums[i] =
        dot_block_bits<2>(query.values, row, components) + 4 * dot_block_bits<1>(query.values, row + low_bytes, components);
  }
}

void dot_wide_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto middle = hn::Set(d16, 128);
  for (std::size_t row = 0; row < rows.count; ++row) {
    const std::uint8_t* codes = rows.rows[row] + rows.skip;
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t i = 0; i < bytes; i += lanes) {
      const auto q = hn::Sub(hn::PromoteTo(d16, hn::LoadU(du8, query + i)), middle);
      const auto r = hn::Sub(hn::PromoteTo(d16, hn::LoadU(du8, codes + i)), middle);
      low = hn::ReorderWidenMulAccumulate(d32, q, r, low, high);
    }
    sums[row] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
  }
}

void difference_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto one = hn::Set(d16, 1);
  for (std::size_t row = 0; row < rows.count; ++row) {
    const std::uint8_t* codes = rows.rows[row] + rows.skip;
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t i = 0; i < bytes; i += lanes) {
      const auto q = hn::PromoteTo(d16, hn::LoadU(du8, query + i));
      const auto r = hn::PromoteTo(d16, hn::LoadU(du8, codes + i));
      low = hn::ReorderWidenMulAccumulate(d32, hn::Sub(hn::Max(q, r), hn::Min(q, r)), one, low, high);
    }
    sums[row] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low, high)));
  }
}

void nibble_difference_rows(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums) {
  const Tag16 d16;
  const TagU8 du8;
  const Tag32 d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto one = hn::Set(d16, 1);
  const auto mask = hn::Set(d16, 0xf0);
  const auto middle = hn::Set(d16, 8);
  for (std::size_t row = 0; row < rows.count; ++row) {
    const std::uint8_t* codes = rows.rows[row] + rows.skip;
    auto low = hn::Zero(d32);
    auto high = hn::Zero(d32);
    for (std::size_t block = 0; block < bytes; block += code_block_bytes) {
      for (std::size_t i = 0; i < code_block_bytes; i += lanes) {
        const auto pair = hn::PromoteTo(d16, hn::LoadU(du8, codes + block + i));
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

#endif

// The search for a code.

#if HWY_HAVE_SCALABLE
// Vectors of a size unknown to the compiler cannot be in arrays.
CentredSums centre_vector(const float* vector, const float* centre, std::size_t count, float limit, float* out) {
  double squares[lane_count] = {};
  double products[lane_count] = {};
  double lengths[lane_count] = {};
  for (std::size_t i = 0; i < count; ++i) {
    const float below = vector[i] < limit ? vector[i] : limit;
    const float value = below > -limit ? below : -limit;
    out[i] = value - centre[i];
    squares[i % lane_count] += static_cast<double>(out[i]) * static_cast<double>(out[i]);
    products[i % lane_count] += static_cast<double>(centre[i]) * static_cast<double>(out[i]);
    lengths[i % lane_count] += static_cast<double>(value) * static_cast<double>(value);
  }
  return {lane_total(squares), lane_total(products), lane_total(lengths)};
}
#else
// The eight lanes, in as many SIMD vectors as it takes.
struct CentreLanes {
  using Doubles = hn::CappedTag<double, lane_count>;
  using Floats = hn::Rebind<float, Doubles>;
  static constexpr std::size_t part_lanes = hn::MaxLanes(Doubles());
  static constexpr std::size_t part_count = lane_count / part_lanes;

  hn::Vec<Doubles> squares[part_count];
  hn::Vec<Doubles> products[part_count];
  hn::Vec<Doubles> lengths[part_count];

  HWY_INLINE CentreLanes() {
    for (std::size_t part = 0; part < part_count; ++part) {
      squares[part] = hn::Zero(Doubles());
      products[part] = hn::Zero(Doubles());
      lengths[part] = hn::Zero(Doubles());
    }
  }
  HWY_INLINE void add(const float* vector, const float* centre, float limit, float* out) {
    const Doubles d;
    const Floats f;
    const auto high = hn::Set(f, limit);
    const auto low = hn::Set(f, -limit);
    for (std::size_t part = 0; part < part_count; ++part) {
      const auto given = hn::LoadU(f, vector + part * part_lanes);
      const auto below = hn::IfThenElse(hn::Lt(given, high), given, high);
      const auto value = hn::IfThenElse(hn::Gt(below, low), below, low);
      const auto origin = hn::LoadU(f, centre + part * part_lanes);
      const auto difference = hn::Sub(value, origin);
      hn::StoreU(difference, f, out + part * part_lanes);
      // Products of floats are exact in double: fused or not, the addition rounds once.
      const auto wide = hn::PromoteTo(d, difference);
      const auto wide_value = hn::PromoteTo(d, value);
      squares[part] = hn::MulAdd(wide, wide, squares[part]);
      products[part] = hn::MulAdd(hn::PromoteTo(d, origin), wide, products[part]);
      lengths[part] = hn::MulAdd(wide_value, wide_value, lengths[part]);
    }
  }
  static HWY_INLINE double total(const hn::Vec<Doubles> (&parts)[part_count]) {
    double lanes[lane_count];
    for (std::size_t part = 0; part < part_count; ++part) hn::StoreU(parts[part], Doubles(), lanes + part * part_lanes);
    return lane_total(lanes);
  }
};

CentredSums centre_vector(const float* vector, const float* centre, std::size_t count, float limit, float* out) {
  CentreLanes lanes;
  std::size_t i = 0;
  for (; i + lane_count <= count; i += lane_count) lanes.add(vector + i, centre + i, limit, out + i);
  if (i < count) {
    // Zeros leave a lane as it is: no sum that began at +0 is -0.
    float last_vector[lane_count] = {};
    float last_centre[lane_count] = {};
    float last_out[lane_count];
    std::copy(vector + i, vector + count, last_vector);
    std::copy(centre + i, centre + count, last_centre);
    lanes.add(last_vector, last_centre, limit, last_out);
    std::copy_n(last_out, count - i, out + i);
  }
  return {CentreLanes::total(lanes.squares), CentreLanes::total(lanes.products), CentreLanes::total(lanes.lengths)};
}
#endif

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

#if HWY_TARGET != HWY_AVX3_DL
void dot_wide_tiles(const std::uint8_t* const* queries, std::size_t query_count, const CodeRows& rows, std::size_t bytes,
                    std::int32_t* sums) {
  for (std::size_t i = 0; i < query_count; ++i) dot_wide_rows(queries[i] + rows.skip, rows, bytes, sums + i * rows.count);
}
#endif

const CodeKernels& code_kernels_here() {
  static constexpr CodeKernels kernels = {
      .dot = {nullptr, dot_rows_of<1>, dot_rows_of<2>, dot_three_bits, dot_rows_of<4>},
      .dot_wide = dot_wide_rows,
      .dot_wide_all = dot_wide_tiles,
      .differences = difference_rows,
      .nibble_differences = nibble_difference_rows,
      .centre = centre_vector,
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

void pack_planes(const std::int8_t* query, std::size_t components, std::uint8_t* out) {
  const std::size_t bytes = packed_code_bytes(components, 1);
  for (unsigned plane = 0; plane < query_plane_count; ++plane)
    pack_bits(reinterpret_cast<const std::uint8_t*>(query), components, plane, 1, out + plane * bytes);
}

const CodeKernels& code_kernels() { return HWY_DYNAMIC_DISPATCH(code_kernels_here)(); }

}  // namespace loam::vector
#endif
