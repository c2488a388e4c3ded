#pragma once

/// Ids to slots in about five bytes each: only the slots are kept, and who asks knows the id of each of them. Internal.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "loam/core/assert.hpp"

namespace loam::vector {

/// Linear hashing (Litwin, VLDB 1980): buckets of some 32 entries are split one at a time as the map grows, and joined as it
/// shrinks, so that neither its time nor its memory ever jumps. An entry is a slot and 8 bits of its hash, so that few wrong
/// slots are asked for their id.
///
/// `id_of(slot)` is the id of a slot that is in the map; it must not throw. *const methods are thread-safe*
class CompactIdMap {
 public:
  static constexpr std::uint32_t slot_end = 1u << 24;  ///< slots are below

  /// Ids that fall together under one seed do not under another.
  explicit CompactIdMap(std::uint64_t seed = 0) : seed_(seed), buckets_(1) {}
  CompactIdMap(const CompactIdMap&) = delete;
  CompactIdMap& operator=(const CompactIdMap&) = delete;

  template <class IdOf>
  std::optional<std::uint32_t> find(std::int64_t id, const IdOf& id_of) const {
    const std::uint32_t* entry = locate(hash(id), id, id_of);
    if (entry == nullptr) return std::nullopt;
    return slot_in(*entry);
  }

  /// The id must be absent, `slot` below slot_end and not in the map. Does not ask the id of `slot`. On std::bad_alloc
  /// nothing is changed.
  template <class IdOf>
  void insert(std::int64_t id, std::uint32_t slot, const IdOf& id_of) {
    LOAM_ASSERT(slot < slot_end, "a slot has 24 bits");
    if (size_ >= buckets_.size() * bucket_size_mean) split(id_of);
    const std::uint64_t hashed = hash(id);
    if (!push(bucket_of(hashed), entry_of(hashed, slot))) throw std::bad_alloc();
    ++size_;
  }

  /// Gives an id that is there another slot; the one it had. Absent: nullopt, and nothing is changed. Does not allocate.
  template <class IdOf>
  std::optional<std::uint32_t> replace(std::int64_t id, std::uint32_t slot, const IdOf& id_of) {
    LOAM_ASSERT(slot < slot_end, "a slot has 24 bits");
    const std::uint64_t hashed = hash(id);
    std::uint32_t* entry = locate(hashed, id, id_of);
    if (entry == nullptr) return std::nullopt;
    const std::uint32_t former = slot_in(*entry);
    *entry = entry_of(hashed, slot);
    return former;
  }

  /// The slot it had. Never fails: without memory to tidy up in, the map stays as large as it is.
  template <class IdOf>
  std::optional<std::uint32_t> erase(std::int64_t id, const IdOf& id_of) {
    const std::uint64_t hashed = hash(id);
    std::uint32_t* entry = locate(hashed, id, id_of);
    if (entry == nullptr) return std::nullopt;
    const std::uint32_t slot = slot_in(*entry);
    Bucket& bucket = bucket_of(hashed);
    *entry = bucket[count_of(bucket)];
    truncate(bucket, count_of(bucket) - 1);
    --size_;
    if (buckets_.size() > 1 && size_ < buckets_.size() * bucket_size_low) join();
    return slot;
  }

  void clear() noexcept {
    for (Bucket& bucket : buckets_) bucket.reset();
    buckets_.resize(1);
    buckets_.shrink_to_fit();
    size_ = 0;
  }

  /// Calls body(slot) for every slot, in no order.
  template <class Body>
  void for_each(Body body) const {
    for (const Bucket& bucket : buckets_)
      for (std::uint32_t i = 1; i <= count_of(bucket); ++i) body(slot_in(bucket[i]));
  }

  std::size_t size() const noexcept { return size_; }

  /// With what the allocator needs for itself. O(size).
  std::size_t bytes() const noexcept {
    std::size_t sum = buckets_.capacity() * sizeof(Bucket);
    for (const Bucket& bucket : buckets_)
      if (bucket != nullptr) sum += words_for(count_of(bucket)) * sizeof(std::uint32_t) + allocator_bytes;
    return sum;
  }

 private:
  struct Free {
    void operator()(std::uint32_t* words) const noexcept { std::free(words); }
  };
  // The number of entries, then the entries. Null: none.
  using Bucket = std::unique_ptr<std::uint32_t[], Free>;

  static constexpr std::size_t bucket_size_mean = 32;
  static constexpr std::size_t bucket_size_low = 20;  // far enough from the mean that no bucket is split and joined in turn
  static constexpr std::size_t allocator_bytes = 8;

  // The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
  std::uint64_t hash(std::int64_t id) const noexcept {
    auto x = static_cast<std::uint64_t>(id) ^ seed_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  // The low bits of a hash choose the bucket, the high ones go into the entry.
  static std::uint32_t entry_of(std::uint64_t hashed, std::uint32_t slot) noexcept {
    return (static_cast<std::uint32_t>(hashed >> 56) << 24) | slot;
  }
  static std::uint32_t slot_in(std::uint32_t entry) noexcept { return entry & (slot_end - 1); }

  static std::uint32_t count_of(const Bucket& bucket) noexcept { return bucket == nullptr ? 0 : bucket[0]; }

  // Multiples of 32 bytes together with those of the allocator.
  static std::size_t words_for(std::size_t count) noexcept {
    const std::size_t bytes = (count + 1) * sizeof(std::uint32_t) + allocator_bytes;
    return ((bytes + 31) / 32 * 32 - allocator_bytes) / sizeof(std::uint32_t);
  }

  static bool resize(Bucket& bucket, std::size_t count) noexcept {
    void* words = std::realloc(bucket.get(), words_for(count) * sizeof(std::uint32_t));
    if (words == nullptr) return false;
    static_cast<void>(bucket.release());
    bucket.reset(static_cast<std::uint32_t*>(words));
    return true;
  }

  static bool push(Bucket& bucket, std::uint32_t entry) noexcept {
    const std::uint32_t count = count_of(bucket);
    if ((bucket == nullptr || words_for(count + 1) != words_for(count)) && !resize(bucket, count + 1)) return false;
    bucket[0] = count + 1;
    bucket[count + 1] = entry;
    return true;
  }

  // Drops what is behind the first `count` entries.
  static void truncate(Bucket& bucket, std::uint32_t count) noexcept {
    if (count_of(bucket) == count) return;
    if (count == 0) return bucket.reset();
    const std::size_t words = words_for(bucket[0]);
    bucket[0] = count;
    if (words_for(count) != words) static_cast<void>(resize(bucket, count));
  }

  // As many low bits as it takes; where that bucket is not there yet, its entries are in the one it will be split from.
  std::size_t index_of(std::uint64_t hashed) const noexcept {
    const std::size_t round = std::bit_ceil(buckets_.size());
    const std::size_t index = hashed & (round - 1);
    return index < buckets_.size() ? index : parent_of(index);
  }
  Bucket& bucket_of(std::uint64_t hashed) noexcept { return buckets_[index_of(hashed)]; }

  // The bucket that `index` is split from.
  static std::size_t parent_of(std::size_t index) noexcept { return index - std::bit_floor(index); }

  template <class IdOf>
  std::uint32_t* locate(std::uint64_t hashed, std::int64_t id, const IdOf& id_of) const {
    const Bucket& bucket = buckets_[index_of(hashed)];
    const std::uint32_t wanted = entry_of(hashed, 0);
    for (std::uint32_t i = 1; i <= count_of(bucket); ++i)
      if ((bucket[i] ^ wanted) < slot_end && id_of(slot_in(bucket[i])) == id) return &bucket[i];
    return nullptr;
  }

  template <class IdOf>
  void split(const IdOf& id_of) {
    const std::size_t added = buckets_.size();
    const std::uint64_t mask = std::bit_floor(added) * 2 - 1;
    Bucket& parent = buckets_[parent_of(added)];
    const std::uint32_t count = count_of(parent);
    std::uint32_t kept = 0;
    for (std::uint32_t i = 1; i <= count; ++i)
      if ((hash(id_of(slot_in(parent[i]))) & mask) != added) std::swap(parent[++kept], parent[i]);
    Bucket moved;
    if (kept < count) {
      if (!resize(moved, count - kept)) throw std::bad_alloc();
      moved[0] = count - kept;
      std::copy_n(&parent[kept + 1], count - kept, &moved[1]);
    }
    buckets_.push_back(std::move(moved));
    truncate(buckets_[parent_of(added)], kept);
  }

  void join() noexcept {
    const Bucket& last = buckets_.back();
    Bucket& parent = buckets_[parent_of(buckets_.size() - 1)];
    const std::uint32_t count = count_of(parent);
    if (count_of(last) > 0) {
      if (!resize(parent, count + count_of(last))) return;
      parent[0] = count + count_of(last);
      std::copy_n(&last[1], count_of(last), &parent[count + 1]);
    }
    buckets_.pop_back();
    if (buckets_.size() < buckets_.capacity() / 4) buckets_.shrink_to_fit();
  }

  std::uint64_t seed_;
  std::vector<Bucket> buckets_;
  std::size_t size_ = 0;
};

}  // namespace loam::vector
