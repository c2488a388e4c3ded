#pragma once

/// Compact codes of vectors, and estimates of distances from them. Internal.
///
/// Every vector has two codes. The narrow one (1 to 4 bits a component) stays in memory and is what a search of the graph
/// reads; the wide one (8 bits) decides the topology and refines candidates. Both hold r = P(v - c): the vector centred by
/// the mean c of a sample and turned by a random rotation P (rotation.hpp). With u the narrow code and u' = u - (2^bits - 1)
/// / 2, <r, q'> is estimated by f <u', q'> with f = |r|^2 / <u', r>, which has no bias over the choice of P (RaBitQ: Gao and
/// Long, SIGMOD 2024, and its extension to more bits, SIGMOD 2025).
///
/// Manhattan distance is not kept by a rotation: its codes are the components themselves on a uniform grid around c (4 or 8
/// bits, one step for all components), compared by sums of absolute differences.
///
/// All codes and all integer stages are the same on every instruction set.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/rotation.hpp"

namespace loam::vector {

/// What follows the code in a narrow record. estimate = query.base + offset - scale * <u', q'>.
struct NarrowFactors {
  float offset = 0;
  float scale = 0;
};

/// What precedes the code in a wide record (16 bytes, then the codes; records are 16-byte aligned).
struct WideFactors {
  float scale = 0;         ///< of the codes
  float square = 0;        ///< |r|^2
  float extra = 0;         ///< inner product: the component that makes all vectors as long as the longest; else 0
  std::int32_t sum = 0;    ///< of the codes
};

struct CodecOptions {
  std::size_t dimension = 0;
  Distance distance = Distance::cosine;
  unsigned bits = 2;               ///< 1 to 4; manhattan: 4 or 8
  std::size_t code_dimension = 0;  ///< components of r that the narrow code holds, at most `dimension`; 0: all
  std::uint64_t seed = 1;          ///< of the rotation
};

/// A query made ready; its memory is used again by the next prepare(). *needs external synchronization*
struct CodeQuery {
  std::vector<float> rotated;          ///< P(q - c), padded with zeros; scratch for manhattan
  std::vector<std::int8_t> narrow;     ///< the query side of the narrow code
  std::vector<std::uint8_t> planes;    ///< bit planes of it, where a kernel wants those
  std::vector<std::uint8_t> wide;      ///< a wide record of the query
  float base = 0;
  float step = 0;                      ///< one unit of `narrow`
  std::int32_t sum = 0;                ///< of `narrow`
  float wide_base = 0;
};

/// Immutable; *thread-safe*.
class Codec {
 public:
  /// `centre` has `dimension` components, `length_max` is the greatest length in the sample (inner product needs it).
  Codec(const CodecOptions& options, std::vector<float> centre, float length_max);

  const CodecOptions& options() const noexcept;
  std::span<const float> centre() const noexcept;
  float length_max() const noexcept;

  /// Bytes of the narrow code alone, a multiple of 32; NarrowFactors follow it directly.
  std::size_t narrow_code_bytes() const noexcept;
  std::size_t narrow_bytes() const noexcept { return narrow_code_bytes() + sizeof(NarrowFactors); }
  /// Bytes of a wide record, factors included, a multiple of 16.
  std::size_t wide_bytes() const noexcept;

  /// Writes both records of a vector that is ready for its distance (normalized for cosine). The same bytes on every machine.
  void encode(const float* vector, std::uint8_t* narrow, std::uint8_t* wide) const;

  void prepare(const float* query, CodeQuery& out) const;

  /// out[i] estimates the ordering distance of the query to the vector of narrow record i: squared euclidean, minus the inner
  /// product for cosine and inner product, the sum of absolute differences for manhattan. count <= 64.
  void estimate(const CodeQuery& query, const std::uint8_t* const* narrow, std::size_t count, float* out) const;

  /// The same, from wide records.
  void refine(const CodeQuery& query, const std::uint8_t* const* wide, std::size_t count, float* out) const;

  /// Of two stored vectors, out of their wide records, for the topology of the graph: a metric for every distance. Squared
  /// euclidean (for inner product with the extra component: Bachrach et al., RecSys 2014), or manhattan.
  void between(const std::uint8_t* wide, const std::uint8_t* const* others, std::size_t count, float* out) const;

  /// What `between` scales by when distances scale by `factor`: its square, or itself for manhattan.
  float scaled(float factor) const noexcept;

  /// Whether estimate() orders stored vectors as between() does, so that the neighbours of a new vector can be looked for with
  /// narrow codes. Not for inner product (its topology has one component more) and manhattan with few bits.
  bool estimates_topology() const noexcept;

 private:
  // ...
};

}  // namespace loam::vector
