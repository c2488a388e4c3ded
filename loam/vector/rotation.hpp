#pragma once

/// A random orthogonal map that costs O(d log d): rounds of random signs and a fast Hadamard transform of the largest power
/// of two that fits, over the first and the last components in turn, mixed by a Kac step of halves where d is no power of
/// two. The same bits on every instruction set: butterflies add and subtract, and nothing is fused. Internal.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loam::vector {

/// Immutable; *thread-safe*.
class Rotation {
 public:
  using Run = void (*)(float* values, std::size_t dimension, std::size_t block, const std::uint32_t* signs);

  Rotation(std::size_t dimension, std::uint64_t seed);

  std::size_t dimension() const noexcept { return dimension_; }

  /// In place; lengths and inner products stay as they are, up to rounding. No intermediate value exceeds twice the length.
  void apply(float* values) const { run_(values, dimension_, block_, signs_.data()); }

 private:
  std::size_t dimension_;
  std::size_t block_;                 // the power of two
  std::vector<std::uint32_t> signs_;  // 0 or the sign bit, `dimension` for each round
  Run run_;                           // for this machine
};

}  // namespace loam::vector
