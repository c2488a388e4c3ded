#pragma once

/// Best-first search of one layer: the nearest nodes found so far, and which of them have been expanded. Internal.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "loam/core/assert.hpp"
#include "loam/vector/adjacency.hpp"
#include "loam/vector/found.hpp"
#include "loam/vector/found_kernels.hpp"

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
  std::size_t items_max =
      std::numeric_limits<std::size_t>::max() / 4;  ///< counted or not, of what may be expanded; twice as many beyond
};

/// The nearest nodes. Only eligible ones count: others are kept as long as they may be expanded, so that they never take the
/// place of an answer. In order are those that may be expanded; what is farther, and kept, never will be, since how far the
/// search expands and keeps only ever falls. *needs external synchronization*
class Pool {
 public:
  void clear(const Reach& reach) {
    reach_ = reach;
    size_ = beyond_size_ = eligible_ = cursor_ = 0;
    expanded_to_ = kept_to_ = std::numeric_limits<float>::infinity();
  }
  /// The nearest `ef` that count, and at most `items_max` in all.
  void clear(std::size_t ef, std::size_t items_max) { clear({.least = ef, .most = ef, .items_max = items_max}); }

  /// Farther ones need not be offered.
  float bound() const noexcept { return kept_to_; }

  /// Takes those of `count` nodes (at most met_max), none of which it was offered before, that are nearer than bound().
  /// admit(node) says of one that is taken whether it counts.
  template <class Admit>
  void offer(const Node* nodes, const float* distances, std::size_t count, const Admit& admit) {
    LOAM_DCHECK(count <= met_max, "a pool is offered more than its kernels take");
    make_room();
    Found* const beyond = beyond_.data() + beyond_size_;
    const FoundCounts found = kernels_.pick({nodes, distances, count, expanded_to_, kept_to_}, near_.data(), beyond);
    Found* const last = std::remove_if(beyond, beyond + found.beyond, [&](Found one) { return !admit(one.node()); });
    beyond_size_ += static_cast<std::size_t>(last - beyond);
    if (found.near == 0) return;
    eligible_ += mark_eligible({near_.data(), found.near}, admit);
    const std::size_t place = kernels_.merge(items_.data(), size_, near_.data(), found.near);
    size_ += found.near;
    cursor_ = std::min(cursor_, place);
    trim();
  }

  /// The nearest that is to be expanded, marked as such; null when there is none.
  const Found* next() noexcept {
    if (peek() == nullptr) return nullptr;
    items_[cursor_].set_expanded();
    return &items_[cursor_++];
  }
  /// What next() would return, if nothing is offered before; null when there is none.
  const Found* peek() noexcept {
    while (cursor_ < size_ && items_[cursor_].expanded()) ++cursor_;
    return cursor_ < size_ ? &items_[cursor_] : nullptr;
  }

  /// Those that were or may be expanded, ascending.
  std::span<const Found> items() const noexcept { return {items_.data(), size_}; }

  /// To be called when all has been offered: what else counts and is kept, all of it farther than items(), in no order.
  std::span<const Found> beyond() {
    const auto begin = beyond_.begin();
    auto end = begin + static_cast<std::ptrdiff_t>(beyond_size_);
    end = std::remove_if(begin, end, [this](Found found) { return found.distance() > kept_to_; });
    const std::size_t room = reach_.most - eligible_;
    if (static_cast<std::size_t>(end - begin) > room) {
      const auto last = begin + static_cast<std::ptrdiff_t>(room);
      std::nth_element(begin, last, end);
      end = last;
    }
    beyond_size_ = static_cast<std::size_t>(end - begin);
    return {beyond_.data(), beyond_size_};
  }

 private:
  // Says how many are.
  template <class Admit>
  static std::size_t mark_eligible(std::span<Found> found, const Admit& admit) {
    std::size_t count = found.size();
    for (Found& one : found) {
      if (admit(one.node())) [[likely]]
        continue;
      one.set_ineligible();
      --count;
    }
    return count;
  }

  // For what the kernels write, and in beyond_ for all that trim() may move there.
  void make_room() {
    constexpr std::size_t room = met_max + found_room;
    if (items_.size() < size_ + room) [[unlikely]]
      items_.resize(2 * (size_ + room));
    if (beyond_size_ > 2 * reach_.items_max) [[unlikely]]
      keep_nearest_beyond(reach_.items_max);
    if (beyond_.size() < beyond_size_ + size_ + 2 * room) [[unlikely]]
      beyond_.resize(2 * (beyond_size_ + size_ + 2 * room));
  }
  void keep_nearest_beyond(std::size_t count) {
    const auto begin = beyond_.begin();
    const auto last = begin + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(begin, last, begin + static_cast<std::ptrdiff_t>(beyond_size_));
    kept_to_ = std::min(kept_to_, last->distance());
    beyond_size_ = count;
  }

  void pop() noexcept { eligible_ -= items_[--size_].eligible() ? 1 : 0; }
  void trim() {
    while (eligible_ > reach_.most || size_ > reach_.items_max) pop();
    if (eligible_ >= reach_.least) trim_to_reach();
    const bool full = eligible_ == reach_.most;
    while (full && !items_[size_ - 1].eligible()) pop();
    if (full || size_ == reach_.items_max) kept_to_ = std::min(kept_to_, items_[size_ - 1].distance());
    cursor_ = std::min(cursor_, size_);
  }
  void trim_to_reach() {
    const float nearest = std::max(0.0F, nth_eligible(reach_.k).distance() - reach_.floor);
    const float least = nth_eligible(reach_.least).distance();
    expanded_to_ = std::max(least, reach_.floor + reach_.stretch * nearest);
    kept_to_ = std::min(kept_to_, std::max(least, reach_.floor + reach_.stretch_kept * nearest));
    for (; items_[size_ - 1].distance() > expanded_to_; pop()) {
      beyond_[beyond_size_] = items_[size_ - 1];
      beyond_size_ += items_[size_ - 1].eligible() ? 1 : 0;
    }
  }
  // From 1 on; there are so many.
  Found nth_eligible(std::size_t n) const noexcept {
    if (eligible_ == size_) return items_[n - 1];
    std::size_t at = 0;
    for (std::size_t counted = 0; (counted += items_[at].eligible() ? 1 : 0) < n; ++at) {
    }
    return items_[at];
  }

  const FoundKernels& kernels_ = found_kernels();
  std::vector<Found> items_;  // the first size_ of them; the others are room for the kernels, as in the next two
  std::vector<Found> beyond_;
  std::array<Found, met_max + found_room> near_;
  Reach reach_;
  std::size_t size_ = 0;
  std::size_t beyond_size_ = 0;
  std::size_t eligible_ = 0;
  std::size_t cursor_ = 0;
  float expanded_to_ = std::numeric_limits<float>::infinity();
  float kept_to_ = std::numeric_limits<float>::infinity();
};

}  // namespace loam::vector
