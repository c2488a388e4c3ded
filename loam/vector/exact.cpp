// Compiled with -ffp-contract=off: a fused multiply-add rounds once where two operations round twice.
#include "loam/vector/exact.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace loam::vector {
namespace {

// Term i goes to lane i mod 8 and the lanes are added pairwise. The order is part of the result: do not change it.
constexpr std::size_t lane_count = 8;

template <class Term>
double fold(const float* a, const float* b, std::size_t dimension, Term term) {
  std::array<double, lane_count> lanes{};
  std::size_t i = 0;
  for (; i + lane_count <= dimension; i += lane_count)
    for (std::size_t lane = 0; lane < lane_count; ++lane)
      lanes[lane] += term(static_cast<double>(a[i + lane]), static_cast<double>(b[i + lane]));
  for (std::size_t lane = 0; i < dimension; ++i, ++lane)
    lanes[lane] += term(static_cast<double>(a[i]), static_cast<double>(b[i]));
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

double dot(const float* a, const float* b, std::size_t dimension) {
  return fold(a, b, dimension, [](double x, double y) { return x * y; });
}

// The stored rows are normalized to float precision only; dividing by what is left makes the distance of equal vectors
// exactly 0, because sqrt(x * x) == x in IEEE arithmetic.
double cosine_distance(const float* a, const float* b, std::size_t dimension) {
  const double squares = squared_norm(a, dimension) * squared_norm(b, dimension);
  if (squares == 0) return 1;
  return 1 - dot(a, b, dimension) / std::sqrt(squares);
}

}  // namespace

double squared_norm(const float* values, std::size_t dimension) { return dot(values, values, dimension); }

double exact_distance(Distance distance, const float* a, const float* b, std::size_t dimension) {
  switch (distance) {
    case Distance::cosine: return cosine_distance(a, b, dimension);
    case Distance::euclidean: return std::sqrt(fold(a, b, dimension, [](double x, double y) { return (x - y) * (x - y); }));
    case Distance::inner_product: return 0.0 - dot(a, b, dimension);
    case Distance::manhattan: return fold(a, b, dimension, [](double x, double y) { return std::abs(x - y); });
  }
  return 0;
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
