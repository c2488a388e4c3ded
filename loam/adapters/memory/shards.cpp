#include "loam/adapters/memory/shards.hpp"

#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "loam/ports/kv.hpp"

namespace loam::memory {
namespace {

std::uint64_t seeded_hash(std::string_view key) noexcept {
  static const std::uint64_t seed = [] {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
  }();
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

}  // namespace

std::size_t KeyHash::operator()(std::string_view key) const noexcept { return seeded_hash(key); }

// The high bits choose the shard: the index inside a shard uses the low ones.
std::size_t Namespace::index_of(std::string_view key) { return (seeded_hash(key) >> 48) % shard_count; }

const Entry* Shard::find(std::string_view key) const {
  auto found = index_.find(key);
  return found == index_.end() ? nullptr : &found->second->second;
}

void Shard::put(std::string_view key, std::string_view value, std::optional<Timestamp> expires_at) {
  if (auto found = index_.find(key); found != index_.end()) {
    found->second->second = Entry{std::string(value), expires_at};
    return;
  }
  auto placed = ordered_.emplace(std::string(key), Entry{std::string(value), expires_at}).first;
  index_.emplace(placed->first, placed);
}

bool Shard::erase(std::string_view key, Timestamp now) {
  auto found = index_.find(key);
  if (found == index_.end()) return false;
  auto entry = found->second;
  bool live = is_live(entry->second.expires_at, now);
  index_.erase(found);
  ordered_.erase(entry);
  return live;
}

std::int64_t Shard::clear(Timestamp now) {
  std::int64_t live = 0;
  for (const auto& [key, entry] : ordered_) live += is_live(entry.expires_at, now);
  index_.clear();
  ordered_.clear();
  return live;
}

std::int64_t Shard::purge(Timestamp now) {
  std::int64_t purged = 0;
  for (auto entry = ordered_.begin(); entry != ordered_.end();) {
    if (is_live(entry->second.expires_at, now)) {
      ++entry;
      continue;
    }
    index_.erase(entry->first);
    entry = ordered_.erase(entry);
    ++purged;
  }
  return purged;
}

}  // namespace loam::memory
