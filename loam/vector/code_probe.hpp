#pragma once

/// How many bits the narrow code of a data set needs. Internal.

#include <cstddef>
#include <span>

#include "loam/vector/codec.hpp"

namespace loam::vector {

struct CodeChoice {
  unsigned bits = 0;
  std::size_t code_dimension = 0;  ///< 0: all components
  /// Of the 10 nearest of a sampled vector, the share that is among the 50 best estimates (100 with 1 bit).
  double recall = 0;
};

/// By dimension alone: what estimates about as well as 2 bits at 384 dimensions. Manhattan: 4.
unsigned code_bits_for(Distance distance, std::size_t dimension);

/// How many components the narrow code holds when nobody says it, 0 for all. With the bits of code_bits_for() no more than
/// fit in 160 bytes up to 1,536 dimensions and in 320 above, so that a vector with 26 edges takes less than 300 and 500
/// bytes of memory: 640 of 768 (2 bits), 1,280 of 1,536, 2,560 of 3,072 (1 bit). With more bits, all: they are needed.
/// Manhattan: 0.
std::size_t code_dimension_for(Distance distance, std::size_t dimension, unsigned bits);

/// Starts from code_bits_for() and takes more bits, up to 4 (manhattan: 8), while too few of the nearest are found in the
/// sample: vectors that are close to each other, compared with their distance from the centre, need more. `options.bits` is
/// not read; a code_dimension of 0 is chosen. `rows` are vectors that are ready for their distance, one after another; of at
/// most 2,064 of them, evenly spread, 64 are looked for in the others. The same choice on every machine. About 20 ms for
/// each number of bits at 384 dimensions. *thread-safe*
CodeChoice choose_code(const CodecOptions& options, const CodeFrame& frame, std::span<const float> rows);

}  // namespace loam::vector
