#pragma once

/// What a search may expand next. Internal.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "loam/core/assert.hpp"
#include "loam/vector/found.hpp"

namespace loam::vector {

/// Nodes that wait, handed out nearest first. They lie in buckets by the leading bits of how far they are from a floor
/// (Dial, "Shortest-path forest with topological ordering", 1969), so that most steps take the same short time however many
/// wait, where a heap of all branches on distances that nobody can foresee. The nearest bucket alone is a heap. Distances
/// that no bucket tells apart, since all are far from the floor, below it, or 1/16384 of the farthest, only make that heap
/// larger. *needs external synchronization*
class Frontier {
 public:
  /// Little should come that is nearer than `floor`.
  void clear(float floor) noexcept {
    floor_ = floor;
    base_ = unknown;
    waiting_count_ = 0;
    lowest_ = bucket_count;
    free_ = nobody;
    filled_.fill(0);
    give_back(waiting_);
    give_back(near_);
  }

  bool empty() const noexcept { return near_.empty(); }

  void push(Found found) {
    const std::int32_t key = key_of(found);
    if (empty()) {
      base_ = unknown;
      near_key_ = key;
      near_.push_back(found);
    } else if (key <= near_key_) {
      near_.push_back(found);
      std::push_heap(near_.begin(), near_.end(), farther);
    } else {
      if (key - base_ >= static_cast<std::int32_t>(bucket_count)) [[unlikely]]
        make_room_for(key);
      put(take_place(found), key);
      ++waiting_count_;
    }
  }

  /// There is one.
  Found nearest() const noexcept {
    LOAM_DCHECK(!empty(), "nobody waits");
    return near_.front();
  }

  /// Takes nearest() away.
  void pop() {
    LOAM_DCHECK(!empty(), "nobody waits");
    std::pop_heap(near_.begin(), near_.end(), farther);
    near_.pop_back();
    if (near_.empty() && waiting_count_ > 0) open_lowest();
  }

 private:
  static constexpr unsigned key_shift = 13;  // ten bits behind the leading one are kept
  static constexpr std::int32_t buckets_per_octave = 1 << (23 - key_shift);
  static constexpr std::uint32_t bucket_count = 16 * buckets_per_octave;
  static constexpr std::int32_t unknown = -(1 << 20);
  static constexpr std::size_t kept_max = 1 << 16;  // the memory of more is given back
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  struct Waiting {
    Found found;
    std::uint32_t next;  // of its bucket, or of the free places
  };

  static bool farther(Found a, Found b) noexcept { return b < a; }

  template <class T>
  static void give_back(std::vector<T>& memory) noexcept {
    if (memory.capacity() > kept_max)
      memory = std::vector<T>();
    else
      memory.clear();
  }

  std::int32_t key_of(Found found) const noexcept {
    constexpr float least = 1e-30F;
    return static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(std::max(least, found.distance() - floor_)) >> key_shift);
  }

  std::uint32_t take_place(Found found) {
    const std::uint32_t place = free_;
    if (place == nobody) {
      waiting_.push_back({found, nobody});
      return static_cast<std::uint32_t>(waiting_.size() - 1);
    }
    free_ = waiting_[place].next;
    waiting_[place].found = found;
    return place;
  }

  void put(std::uint32_t place, std::int32_t key) noexcept {
    const auto bucket = static_cast<std::uint32_t>(std::max(key - base_, 0));
    std::uint64_t& word = filled_[bucket / 64];
    const std::uint64_t bit = std::uint64_t{1} << (bucket % 64);
    waiting_[place].next = (word & bit) != 0 ? first_[bucket] : nobody;
    first_[bucket] = place;
    word |= bit;
    lowest_ = std::min(lowest_, bucket);
  }

  // The first of them, which may be the bucket itself; there is one.
  std::uint32_t filled_from(std::uint32_t bucket) const noexcept {
    std::uint32_t word = bucket / 64;
    std::uint64_t bits = filled_[word] & (~std::uint64_t{0} << (bucket % 64));
    while (bits == 0) bits = filled_[++word];
    return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
  }

  // Some wait in buckets, and near_ is empty.
  void open_lowest() {
    lowest_ = filled_from(lowest_);
    for (std::uint32_t place = first_[lowest_]; place != nobody;) {
      near_.push_back(waiting_[place].found);
      place = std::exchange(waiting_[place].next, std::exchange(free_, place));
    }
    std::make_heap(near_.begin(), near_.end(), farther);
    waiting_count_ -= near_.size();
    filled_[lowest_ / 64] &= ~(std::uint64_t{1} << (lowest_ % 64));
    near_key_ = base_ + static_cast<std::int32_t>(lowest_);
  }

  // Two octaves more than it takes: what comes next may be farther still.
  void make_room_for(std::int32_t key) {
    std::vector<std::uint32_t> places;
    places.reserve(waiting_count_);
    for (std::uint32_t bucket = lowest_; places.size() < waiting_count_; ++bucket) {
      bucket = filled_from(bucket);
      for (std::uint32_t place = first_[bucket]; place != nobody; place = waiting_[place].next) places.push_back(place);
    }
    base_ = key + 2 * buckets_per_octave - static_cast<std::int32_t>(bucket_count - 1);
    filled_.fill(0);
    lowest_ = bucket_count;
    for (const std::uint32_t place : places) put(place, key_of(waiting_[place].found));
  }

  std::vector<Found> near_;  // a heap, nearest in front: those whose key is at most near_key_; the others wait in buckets
  std::int32_t near_key_ = 0;
  float floor_ = 0;
  std::int32_t base_ = unknown;  // the key of the first bucket
  std::size_t waiting_count_ = 0;
  std::uint32_t lowest_ = bucket_count;  // no bucket below it is filled
  std::uint32_t free_ = nobody;
  std::vector<Waiting> waiting_;
  std::array<std::uint64_t, bucket_count / 64> filled_ = {};
  std::array<std::uint32_t, bucket_count> first_;  // where filled_ says so
};

}  // namespace loam::vector
