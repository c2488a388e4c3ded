#pragma once

/// The distance that counts: in double, in one fixed order of additions, so that it has the same bits on every machine and
/// every instruction set. Internal.

#include <cstddef>
#include <span>

#include "loam/vector/flat_index.hpp"
#include "loam/vector/half.hpp"

namespace loam::vector {

/// A query of exact_distances(); the floats stay the caller's. *const methods are thread-safe*
struct ExactQuery {
  ExactQuery(Distance distance, std::span<const float> values);

  Distance distance;
  std::span<const float> values;
  double squared_norm;  ///< of the values, for cosine; else 0
};

/// out[i] is the distance between the query and rows[i], of as many finite components, before narrow(). Products of floats
/// are exact in double and the sums cannot overflow; the relative error of each sum is below 1e-11 at every dimension Loam
/// allows. Rows need no alignment. *thread-safe*; several rows at once cost less than one by one.
void exact_distances(const ExactQuery& query, const float* const* rows, std::size_t row_count, double* out);
/// The same bits as for the rows that to_float() makes of these.
void exact_distances(const ExactQuery& query, const Half* const* rows, std::size_t row_count, double* out);

/// Of two rows of `dimension` finite floats.
double exact_distance(Distance distance, const float* a, const float* b, std::size_t dimension);

/// What a caller sees of a double distance: cosine clamped to [0, 2], the others to the finite floats, rounded to nearest.
/// It never decreases where its argument increases, so a bound before it is a bound after it.
float narrow(Distance distance, double value);

/// Sum of squares in double, fixed order.
double squared_norm(const float* values, std::size_t dimension);

/// Divides by the length; a zero vector stays zero.
void normalize(std::span<float> values);

}  // namespace loam::vector
