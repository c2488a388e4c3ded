#pragma once

/// Best-first search of one layer: the nearest nodes found so far, and which of them have been expanded. Internal.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "loam/vector/adjacency.hpp"

namespace loam::vector {

/// Which nodes a search has met: a bit for each node there is, and a list of those to forget. Half of the neighbours that a
/// search looks at were met before, in no order that a processor could foresee, so insert() does not branch on it. *needs
/// external synchronization*
class VisitedSet {
 public:
  void clear() noexcept {
    if (count_ * 4 > words_.size())
      std::fill(words_.begin(), words_.end(), 0);
    else
      for (std::size_t i = 0; i < count_; ++i) words_[met_[i] >> 6] = 0;
    count_ = 0;
  }

  /// False when it was there.
  bool insert(Node node) { return !insert({&node, 1}).empty(); }

  /// Those that were not there, in their order; valid until the next call.
  std::span<const Node> insert(std::span<const Node> nodes) {
    make_room(nodes);
    std::uint64_t* const words = words_.data();
    Node* const met = met_.data() + count_;
    std::size_t fresh = 0;
    for (const Node node : nodes) {
      const std::uint64_t former = words[node >> 6];
      words[node >> 6] = former | std::uint64_t{1} << (node & 63);
      met[fresh] = node;
      fresh += ~(former >> (node & 63)) & 1;
    }
    count_ += fresh;
    return {met, fresh};
  }

  std::size_t count() const noexcept { return count_; }

 private:
  void make_room(std::span<const Node> nodes) {
    Node greatest = 0;
    for (const Node node : nodes) greatest = std::max(greatest, node);
    if ((greatest >> 6) >= words_.size()) [[unlikely]]
      words_.resize(std::max<std::size_t>((greatest >> 6) + 1, 2 * words_.size()));
    if (count_ + nodes.size() > met_.size()) [[unlikely]]
      met_.resize(std::max<std::size_t>(1024, 2 * (count_ + nodes.size())));
  }

  std::vector<std::uint64_t> words_;
  std::vector<Node> met_;  // the first count_ of them
  std::size_t count_ = 0;
};

/// A node with its distance in one word, ordered by distance: monotone float bits, then the node, then two flags.
class Found {
 public:
  Found() = default;
  Found(float distance, Node node, bool eligible)
      : word_((std::uint64_t{monotone(distance)} << 32) | (std::uint64_t{node} << 2) | (eligible ? 2u : 0u)) {}

  float distance() const noexcept {
    const auto bits = static_cast<std::uint32_t>(word_ >> 32);
    return std::bit_cast<float>((bits & 0x80000000u) != 0 ? bits ^ 0x80000000u : ~bits);
  }
  Node node() const noexcept { return static_cast<Node>(word_ >> 2) & 0xFFFFFF; }
  bool eligible() const noexcept { return (word_ & 2) != 0; }
  bool expanded() const noexcept { return (word_ & 1) != 0; }
  void set_expanded() noexcept { word_ |= 1; }

  friend bool operator<(Found a, Found b) noexcept { return a.word_ < b.word_; }

 private:
  static std::uint32_t monotone(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }

  std::uint64_t word_ = 0;
};

/// The nearest nodes, ascending. Only eligible ones count against ef: others are kept as long as they lie between, so that
/// they never take the place of an answer. *needs external synchronization*
class Pool {
 public:
  /// At most `items_max` in all.
  void clear(std::size_t ef, std::size_t items_max) {
    ef_ = ef;
    items_max_ = items_max;
    items_.clear();
    eligible_ = 0;
    cursor_ = 0;
  }

  /// Farther ones need not be offered.
  float bound() const noexcept {
    return eligible_ >= ef_ || items_.size() >= items_max_
               ? (items_.empty() ? std::numeric_limits<float>::infinity() : items_.back().distance())
               : std::numeric_limits<float>::infinity();
  }

  /// One pass for all of them; reorders `fresh`.
  void merge(std::span<Found> fresh) {
    if (fresh.empty()) return;
    for (std::size_t i = 1; i < fresh.size(); ++i) {
      const Found moved = fresh[i];
      std::size_t j = i;
      for (; j > 0 && moved < fresh[j - 1]; --j) fresh[j] = fresh[j - 1];
      fresh[j] = moved;
    }
    std::size_t left = items_.size();
    items_.resize(left + fresh.size());
    std::size_t to = items_.size();
    for (std::size_t i = fresh.size(); i > 0;) {
      if (left > 0 && fresh[i - 1] < items_[left - 1]) {
        items_[--to] = items_[--left];
      } else {
        items_[--to] = fresh[--i];
        eligible_ += items_[to].eligible() ? 1 : 0;
      }
    }
    cursor_ = std::min(cursor_, to);
    trim();
  }

  /// The nearest that has not been expanded, marked as such; null when there is none.
  const Found* next() noexcept {
    while (cursor_ < items_.size() && items_[cursor_].expanded()) ++cursor_;
    if (cursor_ == items_.size()) return nullptr;
    items_[cursor_].set_expanded();
    return &items_[cursor_++];
  }
  /// What next() would return, if nothing is merged before; null when there is none.
  const Found* peek() noexcept {
    while (cursor_ < items_.size() && items_[cursor_].expanded()) ++cursor_;
    return cursor_ == items_.size() ? nullptr : &items_[cursor_];
  }

  std::span<const Found> items() const noexcept { return items_; }
  std::size_t eligible() const noexcept { return eligible_; }
  std::size_t ef() const noexcept { return ef_; }

 private:
  void trim() {
    while (eligible_ > ef_ || items_.size() > items_max_) {
      eligible_ -= items_.back().eligible() ? 1 : 0;
      items_.pop_back();
    }
    if (eligible_ == ef_)
      while (!items_.empty() && !items_.back().eligible()) items_.pop_back();
    cursor_ = std::min(cursor_, items_.size());
  }

  std::vector<Found> items_;
  std::size_t ef_ = 0;
  std::size_t items_max_ = 0;
  std::size_t eligible_ = 0;
  std::size_t cursor_ = 0;
};

}  // namespace loam::vector
