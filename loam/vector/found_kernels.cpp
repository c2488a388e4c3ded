#include "loam/vector/found_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/found_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

#undef LOAM_FOUND_INTRINSICS
#define LOAM_FOUND_INTRINSICS (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)

#if LOAM_FOUND_INTRINSICS

HWY_PUSH_ATTRIBUTES("avx,avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")
namespace loam::vector {
namespace HWY_NAMESPACE {

constexpr std::size_t words_together = 8;
static_assert(sizeof(Found) == 64 / words_together);

HWY_INLINE std::size_t bits_of(unsigned mask) { return static_cast<std::size_t>(__builtin_popcount(mask)); }
HWY_INLINE __mmask8 first_lanes(std::size_t count) { return static_cast<__mmask8>((1u << count) - 1); }

// The words of up to sixteen that the mask tells.
HWY_INLINE std::size_t store_found(__mmask16 chosen, __m512i distance, __m512i node, Found* to) {
  distance = _mm512_maskz_compress_epi32(chosen, distance);
  node = _mm512_maskz_compress_epi32(chosen, node);
  const auto words = [](__m256i high, __m256i low) {
    const __m512i nodes = _mm512_slli_epi64(_mm512_cvtepu32_epi64(low), Found::node_shift);
    const __m512i distances = _mm512_slli_epi64(_mm512_cvtepu32_epi64(high), Found::distance_shift);
    return _mm512_or_si512(_mm512_or_si512(distances, nodes), _mm512_set1_epi64(Found::eligible_bit));
  };
  _mm512_storeu_si512(to, words(_mm512_castsi512_si256(distance), _mm512_castsi512_si256(node)));
  const std::size_t count = bits_of(chosen);
  if (count > words_together)
    _mm512_storeu_si512(to + words_together,
                        words(_mm512_extracti64x4_epi64(distance, 1), _mm512_extracti64x4_epi64(node, 1)));
  return count;
}

FoundCounts pick(const Met& met, Found* near, Found* beyond) {
  FoundCounts counts;
  const __m512 near_to = _mm512_set1_ps(met.near_to);
  const __m512 below = _mm512_set1_ps(met.below);
  const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  for (std::size_t i = 0; i < met.count; i += 16) {
    const std::size_t left = met.count - i;
    const auto there = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1u << left) - 1);
    const __m512 distance = _mm512_maskz_loadu_ps(there, met.distances + i);
    const __m512i node = _mm512_maskz_loadu_epi32(there, met.nodes + i);
    const __mmask16 wanted = _mm512_mask_cmp_ps_mask(there, distance, below, _CMP_LT_OQ);
    const __mmask16 close = _mm512_mask_cmp_ps_mask(wanted, distance, near_to, _CMP_LE_OQ);
    const __m512i bits = _mm512_castps_si512(distance);
    const __m512i monotone = _mm512_xor_si512(bits, _mm512_or_si512(_mm512_srai_epi32(bits, 31), sign));
    counts.near += store_found(close, monotone, node, near + counts.near);
    const auto rest = static_cast<__mmask16>(wanted & ~close);
    if (rest != 0) counts.beyond += store_found(rest, monotone, node, beyond + counts.beyond);
  }
  return counts;
}

// Each goes where as many are nearer.
HWY_INLINE void sort_by_rank(const Found* fresh, std::size_t count, std::uint64_t* sorted) {
  const std::size_t whole = count / words_together * words_together;
  const __mmask8 last = first_lanes(count - whole);
  const __m512i rest = _mm512_maskz_loadu_epi64(last, fresh + whole);
  for (std::size_t i = 0; i < count; ++i) {
    const __m512i one = _mm512_set1_epi64(std::bit_cast<long long>(fresh[i]));
    std::size_t rank = bits_of(_mm512_mask_cmplt_epu64_mask(last, rest, one));
    for (std::size_t j = 0; j < whole; j += words_together)
      rank += bits_of(_mm512_cmplt_epu64_mask(_mm512_loadu_si512(fresh + j), one));
    sorted[rank] = std::bit_cast<std::uint64_t>(fresh[i]);
  }
}

// How many are nearer. The loop depends on the size alone.
HWY_INLINE std::size_t count_nearer(const Found* items, std::size_t size, Found one) {
  std::size_t at = 0;
  for (std::size_t step = std::bit_floor(size); step > 0; step /= 2) {
    const std::size_t to = at + step;
    const std::size_t probe = to <= size ? to - 1 : size - 1;
    const bool nearer = static_cast<unsigned>(to <= size) & static_cast<unsigned>(items[probe] < one);
    at = nearer ? to : at;
  }
  return at;
}

// From the end, eight places at a time: those of the fresh ones are left open by what moves up.
std::size_t merge(Found* items, std::size_t size, Found* fresh, std::size_t count) {
  std::uint64_t sorted[met_max];
  std::size_t places[met_max];
  sort_by_rank(fresh, count, sorted);
  for (std::size_t i = 0; i < count; ++i) places[i] = count_nearer(items, size, std::bit_cast<Found>(sorted[i])) + i;

  std::size_t left = count;
  for (std::size_t group = (size + count + words_together - 1) / words_together; left > 0;) {
    const std::size_t begin = --group * words_together;
    unsigned open = 0;
    for (; left > 0 && places[left - 1] >= begin; --left) open |= 1u << (places[left - 1] - begin);
    const __m512i moved = _mm512_maskz_expandloadu_epi64(static_cast<__mmask8>(~open), items + begin - left);
    const __m512i all = _mm512_mask_expandloadu_epi64(moved, static_cast<__mmask8>(open), sorted + left);
    _mm512_storeu_si512(items + begin, all);
  }
  return places[0];
}

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_POP_ATTRIBUTES

#endif

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {

#if !LOAM_FOUND_INTRINSICS

FoundCounts pick(const Met& met, Found* near, Found* beyond) {
  FoundCounts counts;
  for (std::size_t i = 0; i < met.count; ++i) {
    const float distance = met.distances[i];
    const Found one(distance, met.nodes[i], true);
    const bool wanted = distance < met.below;
    const bool close = distance <= met.near_to;
    near[counts.near] = one;
    counts.near += static_cast<std::size_t>(wanted && close);
    beyond[counts.beyond] = one;
    counts.beyond += static_cast<std::size_t>(wanted && !close);
  }
  return counts;
}

void sort_few(Found* fresh, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i) {
    const Found moved = fresh[i];
    std::size_t j = i;
    for (; j > 0 && moved < fresh[j - 1]; --j) fresh[j] = fresh[j - 1];
    fresh[j] = moved;
  }
}

std::size_t merge(Found* items, std::size_t size, Found* fresh, std::size_t count) {
  constexpr std::size_t few = 24;
  if (count <= few)
    sort_few(fresh, count);
  else
    std::sort(fresh, fresh + count);
  std::size_t to = size + count;
  for (std::size_t left = count; left > 0;) {
    const bool farther = size > 0 && fresh[left - 1] < items[size - 1];
    items[--to] = farther ? items[--size] : fresh[--left];
  }
  return to;
}

#endif

const FoundKernels& found_kernels_here() {
  static constexpr FoundKernels kernels = {.pick = pick, .merge = merge};
  return kernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace loam::vector {
namespace {
HWY_EXPORT(found_kernels_here);
}  // namespace

const FoundKernels& found_kernels() { return HWY_DYNAMIC_DISPATCH(found_kernels_here)(); }

}  // namespace loam::vector
#endif
