#pragma once

/// What a search has found. Internal.

#include <bit>
#include <cstdint>

#include "loam/vector/adjacency.hpp"

namespace loam::vector {

/// A node with its distance in one word, ordered by distance: monotone float bits, then the node, then two flags.
class Found {
 public:
  static constexpr unsigned distance_shift = 32;
  static constexpr unsigned node_shift = 2;
  static constexpr Node node_mask = (1u << 24) - 1;
  static constexpr std::uint64_t eligible_bit = 2;
  static constexpr std::uint64_t expanded_bit = 1;

  Found() = default;
  Found(float distance, Node node, bool eligible)
      : word_((std::uint64_t{monotone(distance)} << distance_shift) | (std::uint64_t{node} << node_shift) |
              (eligible ? eligible_bit : 0)) {}

  float distance() const noexcept {
    const auto bits = static_cast<std::uint32_t>(word_ >> distance_shift);
    return std::bit_cast<float>((bits & 0x80000000u) != 0 ? bits ^ 0x80000000u : ~bits);
  }
  Node node() const noexcept { return static_cast<Node>(word_ >> node_shift) & node_mask; }
  bool eligible() const noexcept { return (word_ & eligible_bit) != 0; }
  bool expanded() const noexcept { return (word_ & expanded_bit) != 0; }
  void set_ineligible() noexcept { word_ &= ~eligible_bit; }
  void set_expanded() noexcept { word_ |= expanded_bit; }

  friend bool operator<(Found a, Found b) noexcept { return a.word_ < b.word_; }
  friend bool operator==(Found a, Found b) noexcept { return a.word_ == b.word_; }

 private:
  static std::uint32_t monotone(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }

  std::uint64_t word_;  // nothing at first: arrays of them are room that kernels fill
};

}  // namespace loam::vector
