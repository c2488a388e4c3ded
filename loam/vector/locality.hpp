#pragma once

/// An order of vectors in which near ones are near each other. Internal.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/flat_index.hpp"

namespace loam::vector {

/// The numbers of the `rows` (of `dimension` floats each) so that rows of one neighbourhood follow one another: each goes to
/// the nearest of 32 rows taken at random, and among those of one such to the nearest of 32 of them. Fewer than
/// locality_min rows keep their order. What is linked and stored in this order finds its neighbours in the caches, when it
/// comes and when it is searched (Coleman et al., Graph Reordering for Cache-Efficient Near Neighbor Search, 2021). The same
/// for the same rows and seed, on one instruction set; rows may hold anything. Fails only as the context does.
/// *thread-safe*; 64 distances for each row, on `threads` threads.
Result<std::vector<std::uint32_t>> order_by_locality(std::span<const float> rows, std::size_t dimension, Distance distance,
                                                     std::uint64_t seed, std::size_t threads, const Context& context = {});

inline constexpr std::size_t locality_min = 4096;

}  // namespace loam::vector
