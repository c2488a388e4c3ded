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

/// How far a search goes: the `least` nearest that count are expanded, and beyond them those that lie no farther than
/// `stretch` times as far as the k-th, `most` in all. Where a few stand out it ends early, where many are about as far it
/// goes on (Al-Jazzazi et al., Distance Adaptive Beam Search for Provably Accurate Graph-Based Nearest Neighbor Search,
/// 2025). What is expanded and what is kept are two things, since distances are estimates: up to `stretch_kept` times as far
/// a node may still be an answer.
struct Reach {
  std::size_t k = 1;
  std::size_t least = 1;  ///< at least k
  std::size_t most = 1;   ///< at least `least`
  float stretch = 1;
  float stretch_kept = 1;  ///< at least `stretch`
  float floor = 0;         ///< what distances are taken from: nothing is nearer than this
  std::size_t items_max = std::numeric_limits<std::size_t>::max();  ///< of all, counted or not
};

/// The nearest nodes, ascending. Only eligible ones count: others are kept as long as they lie between, so that they never
/// take the place of an answer. *needs external synchronization*
class Pool {
 public:
  void clear(const Reach& reach) {
    reach_ = reach;
    items_.clear();
    eligible_ = 0;
    cursor_ = 0;
    expanded_to_ = kept_to_ = std::numeric_limits<float>::infinity();
  }
  /// The nearest `ef` that count, and at most `items_max` in all.
  void clear(std::size_t ef, std::size_t items_max) { clear({.least = ef, .most = ef, .items_max = items_max}); }

  /// Farther ones need not be offered.
  float bound() const noexcept { return kept_to_; }

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

  /// The nearest that is to be expanded, marked as such; null when there is none.
  const Found* next() noexcept {
    if (peek() == nullptr) return nullptr;
    items_[cursor_].set_expanded();
    return &items_[cursor_++];
  }
  /// Is what next() returned last among the first k, when enough were found to say so?
  bool answers_last() const noexcept { return eligible_ >= reach_.least && cursor_ <= reach_.k; }
  /// What next() would return, if nothing is merged before; null when there is none.
  const Found* peek() noexcept {
    while (cursor_ < items_.size() && items_[cursor_].expanded()) ++cursor_;
    const bool within = cursor_ < items_.size() && items_[cursor_].distance() <= expanded_to_;
    return within ? &items_[cursor_] : nullptr;
  }

  std::span<const Found> items() const noexcept { return items_; }
  std::size_t eligible() const noexcept { return eligible_; }

 private:
  void pop() noexcept {
    eligible_ -= items_.back().eligible() ? 1 : 0;
    items_.pop_back();
  }
  void trim() {
    while (eligible_ > reach_.most || items_.size() > reach_.items_max) pop();
    if (eligible_ >= reach_.least) trim_to_reach();
    if (eligible_ == reach_.most)
      while (!items_.back().eligible()) pop();
    if (eligible_ == reach_.most || items_.size() == reach_.items_max) kept_to_ = items_.back().distance();
    cursor_ = std::min(cursor_, items_.size());
  }
  void trim_to_reach() {
    const float nearest = std::max(0.0F, nth_eligible(reach_.k).distance() - reach_.floor);
    const float least = nth_eligible(reach_.least).distance();
    expanded_to_ = std::max(least, reach_.floor + reach_.stretch * nearest);
    kept_to_ = std::max(least, reach_.floor + reach_.stretch_kept * nearest);
    while (items_.back().distance() > kept_to_) pop();
  }
  // From 1 on; there are so many.
  Found nth_eligible(std::size_t n) const noexcept {
    if (eligible_ == items_.size()) return items_[n - 1];
    std::size_t at = 0;
    for (std::size_t counted = 0; (counted += items_[at].eligible() ? 1 : 0) < n; ++at) {
    }
    return items_[at];
  }

  std::vector<Found> items_;
  Reach reach_;
  std::size_t eligible_ = 0;
  std::size_t cursor_ = 0;
  float expanded_to_ = std::numeric_limits<float>::infinity();
  float kept_to_ = std::numeric_limits<float>::infinity();
};

}  // namespace loam::vector
