// Compiled with -ffp-contract=off: a fused multiply-add rounds once where two operations round twice.
#include "loam/vector/exact.hpp"

// This file is compiled once for each instruction set: foreach_target.h includes it again under another HWY_TARGET.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loam/vector/exact.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace loam::vector {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Term i goes to lane i mod 8 and the lanes are added pairwise. The order is part of the result: do not change it. The eight
// lanes are as many SIMD vectors as it takes, called parts. A lane that gets +0 for a term that is not there stays as it is,
// since no sum that started at +0 is -0.
constexpr std::size_t lane_count = 8;

#if HWY_HAVE_SCALABLE
// Vectors of a size unknown to the compiler cannot be in arrays.
using Part = double;
constexpr std::size_t part_lanes = 1;
HWY_INLINE Part zero() { return 0; }
HWY_INLINE Part load(const float* row) { return *row; }
HWY_INLINE Part load(const Half* row) { return to_float(*row); }
HWY_INLINE void store(Part part, double* lanes) { *lanes = part; }
HWY_INLINE Part add(Part a, Part b) { return a + b; }
HWY_INLINE Part subtract(Part a, Part b) { return a - b; }
HWY_INLINE Part multiply(Part a, Part b) { return a * b; }
HWY_INLINE Part multiply_add(Part a, Part b, Part sum) { return a * b + sum; }
HWY_INLINE Part absolute(Part a) { return std::abs(a); }
#else
using Lanes = hn::CappedTag<double, lane_count>;
using FloatLanes = hn::Rebind<float, Lanes>;
using HalfLanes = hn::Rebind<hwy::float16_t, Lanes>;
using Part = hn::Vec<Lanes>;
constexpr std::size_t part_lanes = hn::MaxLanes(Lanes());
HWY_INLINE Part zero() { return hn::Zero(Lanes()); }
HWY_INLINE Part load(const float* row) { return hn::PromoteTo(Lanes(), hn::LoadU(FloatLanes(), row)); }
HWY_INLINE Part load(const Half* row) {
  const auto halves = hn::LoadU(HalfLanes(), reinterpret_cast<const hwy::float16_t*>(row));
  return hn::PromoteTo(Lanes(), hn::PromoteTo(FloatLanes(), halves));
}
HWY_INLINE void store(Part part, double* lanes) { hn::StoreU(part, Lanes(), lanes); }
HWY_INLINE Part add(Part a, Part b) { return hn::Add(a, b); }
HWY_INLINE Part subtract(Part a, Part b) { return hn::Sub(a, b); }
HWY_INLINE Part multiply(Part a, Part b) { return hn::Mul(a, b); }
HWY_INLINE Part multiply_add(Part a, Part b, Part sum) { return hn::MulAdd(a, b, sum); }
HWY_INLINE Part absolute(Part a) { return hn::Abs(a); }
#endif

constexpr std::size_t part_count = lane_count / part_lanes;

// Sums over the components q of the query and r of the row, and what becomes of them. A product of floats is exact in
// double, so that fused or not its addition rounds once.
struct DotTerm {
  static constexpr std::size_t sum_count = 1;
  static HWY_INLINE void collect(Part q, Part r, Part* sums) { sums[0] = multiply_add(q, r, sums[0]); }
  static HWY_INLINE double finish(const double* sums, double) { return sums[0]; }
};

struct InnerProductTerm : DotTerm {
  static HWY_INLINE double finish(const double* sums, double) { return 0.0 - sums[0]; }
};

// The stored rows are normalized to float precision only; dividing by what is left makes the distance of equal vectors
// exactly 0, because sqrt(x * x) == x in IEEE arithmetic.
struct CosineTerm {
  static constexpr std::size_t sum_count = 2;
  static HWY_INLINE void collect(Part q, Part r, Part* sums) {
    sums[0] = multiply_add(q, r, sums[0]);
    sums[1] = multiply_add(r, r, sums[1]);
  }
  static HWY_INLINE double finish(const double* sums, double query_squared_norm) {
    const double squares = query_squared_norm * sums[1];
    if (squares == 0) return 1;
    return 1 - sums[0] / std::sqrt(squares);
  }
};

// The square of a difference is not exact: here a fused multiply-add would be another number.
struct EuclideanTerm {
  static constexpr std::size_t sum_count = 1;
  static HWY_INLINE void collect(Part q, Part r, Part* sums) {
    const Part difference = subtract(q, r);
    sums[0] = add(sums[0], multiply(difference, difference));
  }
  static HWY_INLINE double finish(const double* sums, double) { return std::sqrt(sums[0]); }
};

struct ManhattanTerm {
  static constexpr std::size_t sum_count = 1;
  static HWY_INLINE void collect(Part q, Part r, Part* sums) { sums[0] = add(sums[0], absolute(subtract(q, r))); }
  static HWY_INLINE double finish(const double* sums, double) { return sums[0]; }
};

template <std::size_t row_count, class Term>
struct Sums {
  Part lanes[row_count][part_count][Term::sum_count];

  HWY_INLINE Sums() {
    for (auto& row : lanes)
      for (auto& part : row)
        for (Part& sum : part) sum = zero();
  }

  // Eight components of the query and of each row.
  template <class Row>
  HWY_INLINE void collect(const float* query, const Row* const* rows, std::size_t at) {
    for (std::size_t part = 0; part < part_count; ++part) {
      const Part q = load(query + at + part * part_lanes);
      for (std::size_t row = 0; row < row_count; ++row)
        Term::collect(q, load(rows[row] + at + part * part_lanes), lanes[row][part]);
    }
  }

  HWY_INLINE double total(std::size_t row, std::size_t sum) const {
    double all[lane_count];
    for (std::size_t part = 0; part < part_count; ++part) store(lanes[row][part][sum], all + part * part_lanes);
    return ((all[0] + all[1]) + (all[2] + all[3])) + ((all[4] + all[5]) + (all[6] + all[7]));
  }
};

// Each sum waits for the one before it, so several rows at once take hardly longer than one.
template <std::size_t row_count, class Term, class Row>
HWY_INLINE void fold(const float* query, double query_squared_norm, const Row* const* rows, std::size_t dimension,
                     double* out) {
  Sums<row_count, Term> sums;
  std::size_t i = 0;
  for (; i + lane_count <= dimension; i += lane_count) sums.collect(query, rows, i);
  if (i < dimension) {
    float query_rest[lane_count] = {};
    Row row_rests[row_count][lane_count] = {};
    const Row* rests[row_count];
    std::copy(query + i, query + dimension, query_rest);
    for (std::size_t row = 0; row < row_count; ++row) {
      std::copy(rows[row] + i, rows[row] + dimension, row_rests[row]);
      rests[row] = row_rests[row];
    }
    sums.collect(query_rest, rests, 0);
  }
  for (std::size_t row = 0; row < row_count; ++row) {
    double totals[Term::sum_count];
    for (std::size_t sum = 0; sum < Term::sum_count; ++sum) totals[sum] = sums.total(row, sum);
    out[row] = Term::finish(totals, query_squared_norm);
  }
}

template <class Term, class Row>
HWY_INLINE void fold_rows(const ExactQuery& query, const Row* const* rows, std::size_t row_count, double* out) {
  constexpr std::size_t at_once = part_count < 4 ? 4 / part_count : 1;
  const float* values = query.values.data();
  const std::size_t dimension = query.values.size();
  std::size_t i = 0;
  for (; i + at_once <= row_count; i += at_once) {
    for (std::size_t next = i + at_once; next < std::min(i + 2 * at_once, row_count); ++next) hwy::Prefetch(rows[next]);
    fold<at_once, Term>(values, query.squared_norm, rows + i, dimension, out + i);
  }
  for (; i < row_count; ++i) fold<1, Term>(values, query.squared_norm, rows + i, dimension, out + i);
}

template <class Row>
HWY_INLINE void distances(const ExactQuery& query, const Row* const* rows, std::size_t row_count, double* out) {
  switch (query.distance) {
    case Distance::cosine: return fold_rows<CosineTerm>(query, rows, row_count, out);
    case Distance::euclidean: return fold_rows<EuclideanTerm>(query, rows, row_count, out);
    case Distance::inner_product: return fold_rows<InnerProductTerm>(query, rows, row_count, out);
    case Distance::manhattan: return fold_rows<ManhattanTerm>(query, rows, row_count, out);
  }
}

void float_distances_here(const ExactQuery& query, const float* const* rows, std::size_t row_count, double* out) {
  distances(query, rows, row_count, out);
}

void half_distances_here(const ExactQuery& query, const Half* const* rows, std::size_t row_count, double* out) {
  distances(query, rows, row_count, out);
}

double squared_norm_here(const float* values, std::size_t dimension) {
  double out = 0;
  fold<1, DotTerm>(values, 0, &values, dimension, &out);
  return out;
}

}  // namespace HWY_NAMESPACE
}  // namespace loam::vector
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace loam::vector {

HWY_EXPORT(float_distances_here);
HWY_EXPORT(half_distances_here);
HWY_EXPORT(squared_norm_here);

ExactQuery::ExactQuery(Distance metric, std::span<const float> components)
    : distance(metric),
      values(components),
      squared_norm(metric == Distance::cosine ? vector::squared_norm(components.data(), components.size()) : 0) {}

void exact_distances(const ExactQuery& query, const float* const* rows, std::size_t row_count, double* out) {
  HWY_DYNAMIC_DISPATCH(float_distances_here)(query, rows, row_count, out);
}

void exact_distances(const ExactQuery& query, const Half* const* rows, std::size_t row_count, double* out) {
  HWY_DYNAMIC_DISPATCH(half_distances_here)(query, rows, row_count, out);
}

double exact_distance(Distance distance, const float* a, const float* b, std::size_t dimension) {
  double out = 0;
  exact_distances(ExactQuery(distance, {a, dimension}), &b, 1, &out);
  return out;
}

double squared_norm(const float* values, std::size_t dimension) {
  return HWY_DYNAMIC_DISPATCH(squared_norm_here)(values, dimension);
}

float narrow(Distance distance, double value) {
  constexpr double greatest = std::numeric_limits<float>::max();
  const double low = distance == Distance::inner_product ? -greatest : 0.0;
  const double high = distance == Distance::cosine ? 2.0 : greatest;
  if (value <= low) return static_cast<float>(low);
  return value >= high ? static_cast<float>(high) : static_cast<float>(value);
}

void normalize(std::span<float> values) {
  const double length = std::sqrt(squared_norm(values.data(), values.size()));
  if (length == 0) return;
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / length);
}

}  // namespace loam::vector
#endif
