#pragma once

/// One namespace in memory, cut into shards by the hash of the key. Private to the adapter.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "loam/core/time.hpp"

namespace loam::memory {

struct Entry {
  std::string value;
  std::optional<Timestamp> expires_at;
};

/// Seeded for each process, so that nobody outside can choose keys that collide.
struct KeyHash {
  std::size_t operator()(std::string_view key) const noexcept;
};

/// An ordered map for lists and a hash index into it for lookups. *needs external synchronization* (its mutex)
class Shard {
 public:
  using Ordered = std::map<std::string, Entry, std::less<>>;

  /// Null when the key has no entry; an expired one is still here.
  const Entry* find(std::string_view key) const;
  void put(std::string_view key, std::string_view value, std::optional<Timestamp> expires_at);
  /// True when there was an entry and it was live.
  bool erase(std::string_view key, Timestamp now);
  /// Drops all entries; how many were live.
  std::int64_t clear(Timestamp now);
  /// Drops the expired entries; how many.
  std::int64_t purge(Timestamp now);
  const Ordered& ordered() const { return ordered_; }

  mutable std::shared_mutex mutex;

 private:
  Ordered ordered_;
  std::unordered_map<std::string_view, Ordered::iterator, KeyHash> index_;  // views into the keys of ordered_
};

constexpr std::size_t shard_count = 16;
using ShardMask = std::uint32_t;  // one bit for each shard
constexpr ShardMask all_shards = (ShardMask{1} << shard_count) - 1;

struct Namespace {
  std::array<Shard, shard_count> shards;

  Shard& shard_of(std::string_view key) { return shards[index_of(key)]; }
  static std::size_t index_of(std::string_view key);
};

/// Locks the shards of a mask, always in the order of their index, which is why two batches cannot deadlock.
template <typename Lock>
class ShardLocks {
 public:
  ShardLocks(Namespace& name_space, ShardMask mask) {
    for (std::size_t i = 0; i < shard_count; ++i)
      if (mask >> i & 1) locks_[i] = Lock(name_space.shards[i].mutex);
  }

 private:
  std::array<Lock, shard_count> locks_;
};

}  // namespace loam::memory
