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

/// Which nodes a search has met: open addressing, forgotten by a new generation. *needs external synchronization*
class VisitedSet {
 public:
  VisitedSet() : table_(4096) {}

  void clear() noexcept {
    count_ = 0;
    if (++generation_ == 256) {
      std::fill(table_.begin(), table_.end(), 0);
      generation_ = 1;
    }
  }

  /// False when it was there.
  bool insert(Node node) {
    const std::uint32_t wanted = (generation_ << 24) | node;
    std::size_t at = home(node);
    for (;; at = (at + 1) & (table_.size() - 1)) {
      if (table_[at] == wanted) return false;
      if (table_[at] >> 24 != generation_) break;
    }
    table_[at] = wanted;
    if (++count_ * 2 > table_.size()) grow();
    return true;
  }

  std::size_t count() const noexcept { return count_; }

 private:
  std::size_t home(Node node) const noexcept {
    return (node * 0x9E3779B1u) >> (32 - static_cast<unsigned>(std::countr_zero(table_.size())));
  }

  void grow() {
    std::vector<std::uint32_t> former(table_.size() * 2);
    former.swap(table_);
    for (const std::uint32_t entry : former) {
      if (entry >> 24 != generation_) continue;
      std::size_t at = home(entry & 0xFFFFFF);
      while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = entry;
    }
  }

  std::vector<std::uint32_t> table_;  // generation in the top byte; 0 is never one
  std::uint32_t generation_ = 1;
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
