#pragma once

/// SIMD kernels of the codec, compiled for every instruction set the compiler knows and chosen at run time (Highway): sums
/// over codes, and the search for a code. All of them give the same integers everywhere. Internal.
///
/// Narrow codes are laid out in blocks of 32 bytes, so that one shift and one mask give 32 components in their own order:
///
///   bits  byte i of block b
///      1  bit p is component 256 b + 32 p + i
///      2  bit pair p is component 128 b + 32 p + i
///      4  nibble p is component 64 b + 32 p + i
///      3  the low two bits of all components as for 2, then the high bits as for 1

#include <cstddef>
#include <cstdint>

namespace loam::vector {

inline constexpr std::size_t code_block_bytes = 32;

/// Queries are padded with zeros to a multiple of this many components.
inline constexpr std::size_t code_query_padding = 256;

/// Bytes of the narrow code of so many components. `bits` 1 to 4 or 8.
constexpr std::size_t packed_code_bytes(std::size_t components, unsigned bits) {
  const auto blocks = [components](unsigned part) {
    const std::size_t per_block = code_block_bytes * 8 / part;
    return (components + per_block - 1) / per_block;
  };
  return code_block_bytes * (bits == 3 ? blocks(2) + blocks(1) : blocks(bits));
}

/// Writes the `components` codes (one a byte, each below 2^bits) in the layout above; missing ones become zero.
void pack_codes(const std::uint8_t* codes, std::size_t components, unsigned bits, std::uint8_t* out);

/// Where the codes have 1 bit, the components of the query are within +-15, and also given as planes of their bits: bit p of
/// each, as a two's complement, laid out as a code of 1 bit, one plane after another. Counting the bits of code and plane
/// takes fewer instructions than multiplying.
inline constexpr unsigned query_plane_count = 5;
inline constexpr std::int32_t plane_query_max = 15;

/// `components` numbers within +-plane_query_max; out has query_plane_count times packed_code_bytes(components, 1) bytes.
void pack_planes(const std::int8_t* query, std::size_t components, std::uint8_t* out);

/// The query side of narrow codes.
struct NarrowQuery {
  const std::int8_t* values = nullptr;   ///< padded to code_query_padding
  const std::uint8_t* planes = nullptr;  ///< for codes of 1 bit
};

/// How magnitudes become levels: (high half of magnitude * multiplier + rounding) >> shift, at most level_max. A level has
/// the weight weight_step * level + weight_first.
struct LevelGrid {
  std::uint16_t multiplier = 0;
  std::uint16_t rounding = 0;
  std::uint16_t level_max = 0;
  std::int16_t weight_step = 1;
  std::int16_t weight_first = 0;
  int shift = 0;
};

struct LevelSums {
  std::int64_t product = 0;  ///< of weights and magnitudes
  std::int64_t square = 0;   ///< of weights
};

/// Integers in this range stand for components while a code is looked for.
inline constexpr std::int32_t fine_max = 32767;

/// The integers are padded with zeros to a multiple of this many.
inline constexpr std::size_t fine_padding = 32;

/// The rows of a call. They need no alignment.
struct CodeRows {
  const std::uint8_t* const* rows = nullptr;
  std::size_t count = 0;
  std::size_t skip = 0;            ///< bytes before the codes of a row
  std::size_t prefetch_bytes = 0;  ///< of a row, `rows_ahead` rows ahead; at least 1
};

/// Sums over doubles go to eight lanes, term i to lane i mod 8, which are added pairwise in the end: the order is part of
/// the format.
inline constexpr std::size_t lane_count = 8;
constexpr double lane_total(const double* lanes) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

struct CentredSums {
  double square = 0;          ///< |v - c|^2
  double centre_product = 0;  ///< <c, v - c>
  double length_square = 0;   ///< |v|^2
};

/// sums[i] of row i. *thread-safe*
struct CodeKernels {
  /// The sum over all components of code times query, where codes are unsigned.
  using Dot = void (*)(const NarrowQuery& query, const CodeRows& rows, std::size_t components, std::int32_t* sums);
  /// Of bytes, a multiple of code_block_bytes.
  using Bytes = void (*)(const std::uint8_t* query, const CodeRows& rows, std::size_t bytes, std::int32_t* sums);

  /// Of each query with each row: sums[query * rows.count + row].
  using Tile = void (*)(const std::uint8_t* const* queries, std::size_t query_count, const CodeRows& rows, std::size_t bytes,
                        std::int32_t* sums);

  Dot dot[5];         ///< by bits, 1 to 4
  Bytes dot_wide;     ///< sum of (row - 128) * (query - 128)
  Tile dot_wide_all;  ///< the same, for queries that have `skip` bytes before their codes, too; rows are not prefetched
  Bytes differences;  ///< sum of |row - query|
  /// The sum over all components of |16 code + 8 - query|, for codes of 4 bits; `bytes` of the packed rows.
  Bytes nibble_differences;

  /// out = v - c, with the components of v limited to +-limit; NaN counts as a limit.
  CentredSums (*centre)(const float* vector, const float* centre, std::size_t count, float limit, float* out);
  /// The greatest magnitude.
  float (*greatest)(const float* values, std::size_t count);
  /// out[i] = the integer nearest to values[i] * factor, within fine_max; zeros up to `padded`, a multiple of fine_padding.
  void (*to_fine)(const float* values, std::size_t count, float factor, std::size_t padded, std::int16_t* out);
  /// Over `padded` integers within fine_max.
  LevelSums (*level_sums)(const std::int16_t* fine, std::size_t padded, const LevelGrid& grid);
  /// out[i] = zero + level where fine[i] >= 0, and below - level elsewhere.
  void (*to_codes)(const std::int16_t* fine, std::size_t padded, const LevelGrid& grid, std::uint8_t zero,
                   std::uint8_t below, std::uint8_t* out);
};

/// Those for this machine.
const CodeKernels& code_kernels();

}  // namespace loam::vector
