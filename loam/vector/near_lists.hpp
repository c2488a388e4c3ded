#pragma once

/// The nearest others of each of many vectors, found for all of them together. Internal.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/codec.hpp"
#include "loam/vector/found.hpp"
#include "loam/vector/found_kernels.hpp"
#include "loam/vector/leaves.hpp"

namespace loam::vector {

struct NearSearch {
  std::size_t divisions = 24;
  std::uint64_t seed = 1;
  std::size_t threads = 1;  ///< 1 to worker_count_max
};

/// Approximate: what no leaf brings together is missing. *needs external synchronization*
class NearLists {
 public:
  /// Of the vectors of `wide`, less than 2^24 wide records of the codec, numbered from 0 on; at most `length` in each list,
  /// and 8 bytes for each.
  NearLists(const Codec& codec, std::span<const std::uint8_t* const> wide, std::size_t length);

  /// Divides all vectors into leaves (leaves.hpp) several times, each time in another way, and compares all of a leaf
  /// with each other. That reads memory in order and some hundred vectors at a time, where a search waits for one after the
  /// other (Munoz et al., "Hierarchical Clustering-Based Graphs for Large Scale Approximate Nearest Neighbor Search", 2019).
  /// The same lists for the same records and seed, however many threads there are. Fails only as the context does.
  Result<void> find(const NearSearch& search, const Context& context = {});

  /// Nearest first, without itself. The node of each is how far ahead its number is, see number_of(): so among those of a
  /// leaf that are equally far, as members of a clump are, those that follow come first, and their lists differ.
  std::span<const Found> of(std::uint32_t number) const noexcept {
    return {lists_.data() + number * length_, counts_[number]};
  }
  /// Of one in the list of `of`.
  static std::uint32_t number_of(Found near, std::uint32_t of) noexcept { return (of + near.node()) & Found::node_mask; }

 private:
  /// What one thread works with.
  struct Worker {
    std::vector<std::byte> copies;
    std::vector<const std::uint8_t*> records;
    std::vector<float> distances;
    std::vector<float> strip;
    std::vector<Found> fresh;
    std::vector<Found> merged;
  };

  void compare(std::span<const std::uint32_t> members, std::span<const std::uint32_t> ranks, Worker& worker);
  void copy_records(std::span<const std::uint32_t> members, Worker& worker) const;
  void compare_records(Worker& worker) const;
  static std::uint32_t ahead_of(std::uint32_t number, std::uint32_t other) noexcept {
    return (other - number) & Found::node_mask;
  }
  std::span<Found> nearer_than(float bound, std::span<const float> distances, std::span<const std::uint32_t> members,
                               std::uint32_t of, Worker& worker) const;
  void merge(std::uint32_t number, Worker& worker, std::span<Found> fresh);

  const Codec& codec_;
  const FoundKernels& kernels_ = found_kernels();
  const std::span<const std::uint8_t* const> wide_;
  const std::size_t length_;
  std::vector<Found> lists_;  // length_ for each vector
  std::vector<std::uint32_t> counts_;
};

}  // namespace loam::vector
