#pragma once

/// Lists of what a search has found, compiled for every instruction set and chosen at run time (Highway). Internal.
///
/// Where a distance comes to lie among others cannot be foreseen: a loop that branches on it waits for a wrong guess at
/// every second step. With AVX-512 no single comparison is branched on. The lists are the same on every instruction set.

#include <cstddef>

#include "loam/vector/found.hpp"

namespace loam::vector {

/// At most so many are met together.
inline constexpr std::size_t met_max = 128;
/// Kernels read and write up to so many past the end of what they fill.
inline constexpr std::size_t found_room = 16;

/// Nodes that were compared, and which of them are wanted.
struct Met {
  const Node* nodes = nullptr;
  const float* distances = nullptr;
  std::size_t count = 0;  ///< at most met_max
  float near_to = 0;      ///< up to here they are near, what is farther is beyond
  float below = 0;        ///< what is not nearer than this is not wanted; NaN never is
};

struct FoundCounts {
  std::size_t near = 0;
  std::size_t beyond = 0;
};

/// *thread-safe*
struct FoundKernels {
  /// What is wanted, as eligible, in its order; both lists have room for found_room more than Met::count.
  FoundCounts (*pick)(const Met& met, Found* near, Found* beyond);
  /// Merges `count` (1 to met_max) in any order into `size` that ascend, none of which is among them; found_room more have
  /// room behind. Says where the nearest of them is then. `fresh` is of no use afterwards.
  std::size_t (*merge)(Found* items, std::size_t size, Found* fresh, std::size_t count);
};

/// Those for this machine.
const FoundKernels& found_kernels();

}  // namespace loam::vector
