#pragma once

/// How many bits the narrow code of a data set needs. Internal.

#include <cstddef>
#include <span>

#include "loam/vector/codec.hpp"

namespace loam::vector {

struct CodeChoice {
  unsigned bits = 0;
  /// Of the 10 nearest of a sampled vector, the share that is among the 50 best estimates (100 with 1 bit).
  double recall = 0;
};

/// By dimension alone: what estimates as well as 2 bits at 384 dimensions as long as the code stays within 192 bytes, so
/// that it and 32 edges fit in 300. Manhattan: 4.
unsigned code_bits_for(Distance distance, std::size_t dimension);

/// Starts from code_bits_for() and takes more bits, up to 4 (manhattan: 8), while too few of the nearest are found in the
/// sample: vectors that are close to each other, compared with their distance from the centre, need more. `options.bits` is
/// not read. `rows` are vectors that are ready for their distance, one after another; of at most 2,064 of them, evenly
/// spread, 64 are looked for in the others. The same choice on every machine. About 20 ms for each number of bits at 384
/// dimensions. *thread-safe*
CodeChoice choose_code(const CodecOptions& options, const CodeFrame& frame, std::span<const float> rows);

}  // namespace loam::vector
