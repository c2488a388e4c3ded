#pragma once

/// Compact codes of vectors, and estimates of distances from them. Internal.
///
/// Every vector has two codes. The narrow one (1 to 4 bits a component) stays in memory and is what a search of the graph
/// reads; the wide one (8 bits) decides the topology and refines candidates. Both hold r = P(v - c): the vector centred by
/// the mean c of a sample and turned by a random rotation P (rotation.hpp). With u the narrow code and u' = u - (2^bits - 1)
/// / 2, <r, q'> is estimated by f <u', q'> with f = |r|^2 / <u', r>, which has no bias over the choice of P (RaBitQ: Gao and
/// Long, SIGMOD 2024, and its extension to more bits, SIGMOD 2025).
///
/// The wide code is s (w - 128) with the s that leaves the least error; two of them are compared as the vectors they stand
/// for.
///
/// Manhattan distance is not kept by a rotation: its codes are the components themselves on a uniform grid around c (4 or 8
/// bits, one step for all components), compared by sums of absolute differences. What lies beyond the grid is cut off; the
/// sum of what was cut is kept, and the difference of two such sums is added to the distance: a lower bound for what is
/// missing.
///
/// Codes and estimates have the same bits on every instruction set. Components beyond 1e16 count as 1e16, so that nothing
/// becomes infinite or NaN on the way; differences below 1e-30 count as none.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/rotation.hpp"

namespace loam::vector {

/// What follows the code in a narrow record. estimate = query.base + offset - scale * <u', q'>; manhattan: |base - offset| +
/// scale * the sum of differences.
struct NarrowFactors {
  float offset = 0;
  float scale = 0;
};

/// between_all() is at its best with a multiple of so many.
inline constexpr std::size_t compared_together = 4;

/// What precedes the code in a wide record (16 bytes, then the codes; records are 16-byte aligned).
struct WideFactors {
  float scale = 0;   ///< of the codes; manhattan: the step of the grid
  float square = 0;  ///< |r'|^2 of the vector r' that the codes stand for; manhattan: 0
  float extra =
      0;  ///< inner product: the component that makes all vectors as long as the longest; manhattan: what was cut off
  float bias = 0;  ///< cosine and inner product: (|r'|^2 - |v|^2) / 2, v the vector itself; else 0
};

struct CodecOptions {
  std::size_t dimension = 0;
  Distance distance = Distance::cosine;
  unsigned bits = 2;               ///< 1 to 4; manhattan: 4 or 8
  std::size_t code_dimension = 0;  ///< components of r that the narrow code holds, at most `dimension`; 0: all
  std::uint64_t seed = 1;          ///< of the rotation
};

/// What codes are relative to, measured on a sample. Better samples give better codes; any frame gives working ones.
struct CodeFrame {
  std::vector<float> centre;  ///< the mean
  /// Inner product: the greatest length. Manhattan: the magnitude of v - c that all but one in a thousand components stay
  /// below; the grids of 8 and of 4 bits reach 1.2 and .8 times as far. Else unused.
  float length_max = 0;
};

/// Of vectors that are ready for their distance, one after another. The same bits on every machine. O(size). *thread-safe*
CodeFrame measure_frame(Distance distance, std::span<const float> rows, std::size_t dimension);

/// A query made ready; its memory is used again by the next prepare(). *needs external synchronization*
struct CodeQuery {
  std::vector<float> rotated;        ///< P(q - c)
  std::vector<std::int8_t> narrow;   ///< the query side of the narrow code
  std::vector<std::uint8_t> planes;  ///< the same once more for codes of 1 bit
  std::vector<std::uint8_t> grid;    ///< the same for manhattan
  std::vector<std::uint8_t> wide;    ///< a wide record of the query
  float base = 0;
  float floor = 0;       ///< no vector can be nearer, in estimate()'s terms
  float step = 0;        ///< one unit of `narrow`
  std::int32_t sum = 0;  ///< of `narrow`
};

struct CodeKernels;
struct CodeRows;

/// Immutable; *thread-safe*.
class Codec {
 public:
  /// `centre` has `dimension` components, `length_max` is what CodeFrame says.
  Codec(const CodecOptions& options, std::vector<float> centre, float length_max);

  /// With code_dimension filled in.
  const CodecOptions& options() const noexcept { return options_; }
  std::span<const float> centre() const noexcept { return centre_; }
  float length_max() const noexcept { return length_max_; }

  /// Bytes of the narrow code alone, a multiple of 32; NarrowFactors follow it directly.
  std::size_t narrow_code_bytes() const noexcept { return narrow_code_bytes_; }
  std::size_t narrow_bytes() const noexcept { return narrow_code_bytes() + sizeof(NarrowFactors); }
  /// Bytes of a wide record, factors included, a multiple of 16.
  std::size_t wide_bytes() const noexcept { return sizeof(WideFactors) + wide_code_bytes_; }

  /// Writes both records of a vector that is ready for its distance (normalized for cosine). The same bytes on every
  /// machine.
  void encode(const float* vector, std::uint8_t* narrow, std::uint8_t* wide) const;

  void prepare(const float* query, CodeQuery& out) const;

  /// estimate(), refine() and between() prefetch rows_ahead rows ahead; callers may do it for the first so many of a call.
  [[gnu::always_inline]] void prefetch_narrow(const std::uint8_t* narrow) const noexcept {
    prefetch_bytes(narrow, narrow_prefetch_bytes_);
  }

  /// out[i] estimates the ordering distance of the query to the vector of narrow record i: squared euclidean, minus the
  /// inner product for cosine and inner product, the sum of absolute differences for manhattan.
  void estimate(const CodeQuery& query, const std::uint8_t* const* narrow, std::size_t count, float* out) const;

  /// The same, from wide records.
  void refine(const CodeQuery& query, const std::uint8_t* const* wide, std::size_t count, float* out) const;

  /// Of two stored vectors, out of their wide records, for the topology of the graph: a metric for every distance. Squared
  /// euclidean (for inner product with the extra component: Bachrach et al., RecSys 2014), or manhattan.
  void between(const std::uint8_t* wide, const std::uint8_t* const* others, std::size_t count, float* out) const;

  /// between() each of `wide` and each of `others`: out[i * others.size() + j]. The same bits, and where many are compared
  /// that stay in the cache several times as fast.
  void between_all(std::span<const std::uint8_t* const> wide, std::span<const std::uint8_t* const> others, float* out) const;

  /// Could encode() have written these factors? Of bytes that come from elsewhere.
  bool plausible_narrow(const std::uint8_t* narrow) const noexcept;
  bool plausible_wide(const std::uint8_t* wide) const noexcept;

  /// Whether estimate() orders stored vectors as between() does, so that the neighbours of a new vector can be looked for
  /// with narrow codes. Not for inner product (its topology has one component more) and manhattan with few bits.
  bool estimates_topology() const noexcept;

 private:
  struct Centred;  // a vector on its way into a code

  Centred centre_and_rotate(const float* vector, float* rotated) const;
  void encode_narrow(const Centred& centred, std::uint8_t* narrow) const;
  void encode_wide(const Centred& centred, std::uint8_t* wide) const;
  void encode_grid(const float* vector, std::uint8_t* narrow, std::uint8_t* wide) const;
  void prepare_narrow(const Centred& centred, CodeQuery& out) const;
  void estimate_batch(const CodeQuery& query, const CodeRows& rows, float* out) const;
  void prepare_grid(const float* query, CodeQuery& out) const;
  double half_width(unsigned bits) const noexcept;

  CodecOptions options_;
  std::vector<float> centre_;
  double centre_square_ = 0;
  float length_max_;
  std::size_t narrow_code_bytes_;
  std::size_t wide_code_bytes_;
  std::size_t narrow_prefetch_bytes_ = 0;
  Rotation rotation_;
  const CodeKernels* kernels_;  // for this machine
};

}  // namespace loam::vector
