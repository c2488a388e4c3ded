#include "loam/vector/kernels.hpp"

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <bit>

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// How each metric turns one pair of components into a term. add() and add_one() are the same for a vector and for one
// number.
struct DotTerm {
  template <class V>
  static HWY_INLINE V add(V q, V r, V sum) {
    return hn::MulAdd(q, r, sum);
  }
  static HWY_INLINE float add_one(float q, float r, float sum) { return sum + q * r; }
};

struct SquaredL2Term {
  template <class V>
  static HWY_INLINE V add(V q, V r, V sum) {
    const V difference = hn::Sub(q, r);
    return hn::MulAdd(difference, difference, sum);
  }
  static HWY_INLINE float add_one(float q, float r, float sum) { return sum + (q - r) * (q - r); }
};

struct L1Term {
  template <class V>
  static HWY_INLINE V add(V q, V r, V sum) {
    return hn::Add(sum, hn::AbsDiff(q, r));
  }
  static HWY_INLINE float add_one(float q, float r, float sum) { return sum + (q < r ? r - q : q - r); }
};

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* row) {
  return hn::LoadU(d, row);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const Half* row) {
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(row)));
}
HWY_INLINE float load_one(const float* row) { return *row; }
HWY_INLINE float load_one(const Half* row) { return to_float(*row); }

// Four accumulators hide the latency of the addition.
template <class Term, class Row>
HWY_INLINE float fold(const float* HWY_RESTRICT query, const Row* HWY_RESTRICT row, std::size_t dimension) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= dimension; i += 4 * lanes) {
    sum0 = Term::add(hn::LoadU(d, query + i), load(d, row + i), sum0);
    sum1 = Term::add(hn::LoadU(d, query + i + lanes), load(d, row + i + lanes), sum1);
    sum2 = Term::add(hn::LoadU(d, query + i + 2 * lanes), load(d, row + i + 2 * lanes), sum2);
    sum3 = Term::add(hn::LoadU(d, query + i + 3 * lanes), load(d, row + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= dimension; i += lanes) sum0 = Term::add(hn::LoadU(d, query + i), load(d, row + i), sum0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < dimension; ++i) sum = Term::add_one(query[i], load_one(row + i), sum);
  return sum;
}

template <class Term, class Row>
HWY_INLINE void fold_rows(const float* query, const Row* const* rows, std::size_t row_count, std::size_t dimension,
                          float* out) {
  for (std::size_t i = 0; i < row_count; ++i) {
    // The start of the next row: the hardware prefetcher finds the rest.
    if (i + 1 < row_count) hwy::Prefetch(rows[i + 1]);
    out[i] = fold<Term>(query, rows[i], dimension);
  }
}

void dot_rows_here(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  fold_rows<DotTerm>(query, rows, row_count, dimension, out);
}

void squared_l2_rows_here(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension,
                          float* out) {
  fold_rows<SquaredL2Term>(query, rows, row_count, dimension, out);
}

void l1_rows_here(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  fold_rows<L1Term>(query, rows, row_count, dimension, out);
}

void dot_halves_here(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  fold_rows<DotTerm>(query, rows, row_count, dimension, out);
}

void squared_l2_halves_here(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension,
                            float* out) {
  fold_rows<SquaredL2Term>(query, rows, row_count, dimension, out);
}

void l1_halves_here(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  fold_rows<L1Term>(query, rows, row_count, dimension, out);
}

// One load of the query serves two rows.
void dot_codes_here(const std::int16_t* query, const std::int8_t* const* rows, std::size_t row_count, std::size_t padded,
                    std::int32_t* out) {
  const hn::CappedTag<std::int16_t, code_padding> d16;
  const hn::Rebind<std::int8_t, decltype(d16)> d8;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const std::size_t lanes = hn::Lanes(d16);
  for (std::size_t i = 0; i < row_count; i += 2) {
    const std::int8_t* first = rows[i];
    const std::int8_t* second = rows[i + 1 < row_count ? i + 1 : i];
    if (i + 8 < row_count) hwy::Prefetch(rows[i + 8]);
    auto low0 = hn::Zero(d32);
    auto high0 = hn::Zero(d32);
    auto low1 = hn::Zero(d32);
    auto high1 = hn::Zero(d32);
    for (std::size_t j = 0; j < padded; j += lanes) {
      const auto q = hn::LoadU(d16, query + j);
      low0 = hn::ReorderWidenMulAccumulate(d32, q, hn::PromoteTo(d16, hn::LoadU(d8, first + j)), low0, high0);
      low1 = hn::ReorderWidenMulAccumulate(d32, q, hn::PromoteTo(d16, hn::LoadU(d8, second + j)), low1, high1);
    }
    out[i] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low0, high0)));
    if (i + 1 < row_count) out[i + 1] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(low1, high1)));
  }
}

struct AndWords {
  template <class V>
  static HWY_INLINE V combine(V words, V other) {
    return hn::And(words, other);
  }
  static HWY_INLINE std::uint64_t combine_one(std::uint64_t words, std::uint64_t other) { return words & other; }
};

struct OrWords {
  template <class V>
  static HWY_INLINE V combine(V words, V other) {
    return hn::Or(words, other);
  }
  static HWY_INLINE std::uint64_t combine_one(std::uint64_t words, std::uint64_t other) { return words | other; }
};

struct AndNotWords {
  template <class V>
  static HWY_INLINE V combine(V words, V other) {
    return hn::AndNot(other, words);
  }
  static HWY_INLINE std::uint64_t combine_one(std::uint64_t words, std::uint64_t other) { return words & ~other; }
};

template <class Operation>
HWY_INLINE std::size_t combine_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  const hn::ScalableTag<std::uint64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto bits = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto combined = Operation::combine(hn::LoadU(d, words + i), hn::LoadU(d, other + i));
    hn::StoreU(combined, d, words + i);
    bits = hn::Add(bits, hn::PopulationCount(combined));
  }
  std::size_t cardinality = hn::GetLane(hn::SumOfLanes(d, bits));
  for (; i < count; ++i) {
    words[i] = Operation::combine_one(words[i], other[i]);
    cardinality += static_cast<std::size_t>(std::popcount(words[i]));
  }
  return cardinality;
}

std::size_t and_words_here(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return combine_words<AndWords>(words, other, count);
}

std::size_t or_words_here(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return combine_words<OrWords>(words, other, count);
}

std::size_t and_not_words_here(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return combine_words<AndNotWords>(words, other, count);
}

const char* instruction_set_here() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace loam::vector {

HWY_EXPORT(dot_rows_here);
HWY_EXPORT(squared_l2_rows_here);
HWY_EXPORT(l1_rows_here);
HWY_EXPORT(dot_halves_here);
HWY_EXPORT(squared_l2_halves_here);
HWY_EXPORT(l1_halves_here);
HWY_EXPORT(dot_codes_here);
HWY_EXPORT(and_words_here);
HWY_EXPORT(or_words_here);
HWY_EXPORT(and_not_words_here);
HWY_EXPORT(instruction_set_here);

void dot_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(dot_rows_here)(query, rows, row_count, dimension, out);
}

void squared_l2_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension,
                     float* out) {
  HWY_DYNAMIC_DISPATCH(squared_l2_rows_here)(query, rows, row_count, dimension, out);
}

void l1_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(l1_rows_here)(query, rows, row_count, dimension, out);
}

void dot_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(dot_halves_here)(query, rows, row_count, dimension, out);
}

void squared_l2_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(squared_l2_halves_here)(query, rows, row_count, dimension, out);
}

void l1_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(l1_halves_here)(query, rows, row_count, dimension, out);
}

void dot_codes(const std::int16_t* query, const std::int8_t* const* rows, std::size_t row_count, std::size_t padded,
               std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(dot_codes_here)(query, rows, row_count, padded, out);
}

std::size_t and_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(and_words_here)(words, other, count);
}

std::size_t or_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(or_words_here)(words, other, count);
}

std::size_t and_not_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(and_not_words_here)(words, other, count);
}

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(instruction_set_here)(); }

}  // namespace loam::vector
#endif
