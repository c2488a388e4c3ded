#pragma once

/// Vectors divided into leaves of some hundred near ones. Internal.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/codec.hpp"

namespace loam::vector {

/// Most vectors in a leaf. Twice as many make a comparison of all leaves twice as long, and find fewer neighbours than two
/// comparisons of small ones.
inline constexpr std::size_t leaf_max = 400;

struct Leaves {
  std::vector<std::uint32_t> members;  ///< of one leaf after the other
  std::vector<std::size_t> begins;     ///< of each leaf in `members`, and the end of the last
  std::size_t count() const noexcept { return begins.size() - 1; }
  std::span<const std::uint32_t> leaf(std::size_t i) const noexcept {
    return std::span(members).subspan(begins[i], begins[i + 1] - begins[i]);
  }
};

/// Divides the vectors of `wide` (wide records of the codec, numbered from 0 on; at most 2^32 - 1) into leaves: each goes to
/// the nearest of up to 64 of them taken at random, and so on among those of one such, until they are few. Each is in
/// exactly one leaf. Another seed gives another division, so that what one has parted the next may bring together (random
/// ball carving: Rubel et al., "PiPNN: Ultra-Scalable Graph-Based Nearest Neighbor Indexing", 2026). Vectors that are all
/// equally far, as equal ones are, are divided by lot. The same for the same records and seed, however many threads there
/// are. Fails only as the context does. *thread-safe*; about 100 distances for each vector, and some hundred where one draws
/// all others.
Result<Leaves> divide_into_leaves(const Codec& codec, std::span<const std::uint8_t* const> wide, std::uint64_t seed,
                                  std::size_t threads, const Context& context = {});

}  // namespace loam::vector
