#pragma once

/// The distance that counts: in double, in one fixed order of additions, so that it has the same bits on every machine.
/// Internal.

#include <cstddef>
#include <span>

#include "loam/vector/flat_index.hpp"

namespace loam::vector {

/// Of two rows of `dimension` finite floats, before narrow(). Products of floats are exact in double and the sums cannot
/// overflow; the relative error of each sum is below 1e-11 at every dimension Loam allows.
double exact_distance(Distance distance, const float* a, const float* b, std::size_t dimension);

/// What a caller sees of a double distance: cosine clamped to [0, 2], the others to the finite floats, rounded to nearest.
/// It never decreases where its argument increases, so a bound before it is a bound after it.
float narrow(Distance distance, double value);

/// Sum of squares in double, fixed order.
double squared_norm(const float* values, std::size_t dimension);

/// Divides by the length; a zero vector stays zero.
void normalize(std::span<float> values);

}  // namespace loam::vector
