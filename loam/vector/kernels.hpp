#pragma once

/// SIMD kernels, compiled for every instruction set the compiler knows and chosen at run time (Highway). Internal.
///
/// The float kernels add in an order that depends on the instruction set; summation_error() bounds by how much that may
/// matter. dot_codes() works on integers and gives the same answer everywhere.

#include <cstddef>
#include <cstdint>

#include "loam/vector/half.hpp"

namespace loam::vector {

/// Rows of codes are padded with zeros to a multiple of this many bytes.
inline constexpr std::size_t code_padding = 32;

/// out[i] = sum over j of query[j] * rows[i][j]; the same below with (query[j] - rows[i][j])^2 and |query[j] - rows[i][j]|.
/// Rows need no alignment and no padding. *thread-safe*
void dot_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out);
void squared_l2_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out);
void l1_rows(const float* query, const float* const* rows, std::size_t row_count, std::size_t dimension, float* out);

/// The same with the floats that the rows stand for.
void dot_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out);
void squared_l2_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out);
void l1_rows(const float* query, const Half* const* rows, std::size_t row_count, std::size_t dimension, float* out);

/// Exact integer dot products. `padded` is a multiple of code_padding; the caller keeps the sums within 31 bits.
/// *thread-safe*
void dot_codes(const std::int16_t* query, const std::int8_t* const* rows, std::size_t row_count, std::size_t padded,
               std::int32_t* out);

/// words[i] = words[i] op other[i], for every i below `count`; how many bits are set then. The ranges may be the same one.
/// *thread-safe*
std::size_t and_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count);
std::size_t or_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count);
std::size_t and_not_words(std::uint64_t* words, const std::uint64_t* other, std::size_t count);

/// Relative error of a float sum of `dimension` rounded terms in any order: gamma_n = n u / (1 - n u), u = 2^-24, with a few
/// roundings more for the terms (Higham, Accuracy and Stability of Numerical Algorithms, 2002, sections 3.1 and 4.2).
constexpr double summation_error(std::size_t dimension) {
  const double roundings = static_cast<double>(dimension + 8) / 16777216.0;
  return roundings / (1.0 - roundings);
}

/// Name of the instruction set in use ("AVX3_DL", "AVX2", "NEON", ..).
const char* instruction_set();

}  // namespace loam::vector
