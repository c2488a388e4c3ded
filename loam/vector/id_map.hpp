#pragma once

/// Ids to slots: open addressing with linear probing, 12 bytes each at most 2/3 full. Internal.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace loam::vector {

/// *const methods are thread-safe*
class IdMap {
 public:
  std::optional<std::uint32_t> find(std::int64_t id) const noexcept {
    if (size_ == 0) return std::nullopt;
    const std::size_t at = position(id);
    if (slots_[at] == empty) return std::nullopt;
    return slots_[at];
  }

  /// The id must be absent; `slot` below 2^32 - 1.
  void insert(std::int64_t id, std::uint32_t slot) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow();
    const std::size_t at = position(id);
    ids_[at] = id;
    slots_[at] = slot;
    ++size_;
  }

  /// The slot it had.
  std::optional<std::uint32_t> erase(std::int64_t id) noexcept {
    if (size_ == 0) return std::nullopt;
    std::size_t hole = position(id);
    if (slots_[hole] == empty) return std::nullopt;
    const std::uint32_t slot = slots_[hole];
    close_hole(hole);
    --size_;
    return slot;
  }

  void clear() noexcept {
    ids_ = std::vector<std::int64_t>();
    slots_ = std::vector<std::uint32_t>();
    size_ = 0;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept {
    return ids_.capacity() * sizeof(std::int64_t) + slots_.capacity() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::uint32_t empty = UINT32_MAX;

  // The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
  static std::size_t hash(std::int64_t id) noexcept {
    auto x = static_cast<std::uint64_t>(id);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  std::size_t mask() const noexcept { return slots_.size() - 1; }

  // Where the id is, or the empty place where it would go.
  std::size_t position(std::int64_t id) const noexcept {
    std::size_t at = hash(id) & mask();
    while (slots_[at] != empty && ids_[at] != id) at = (at + 1) & mask();
    return at;
  }

  // Moves later members of the probe sequence back, so that no marker of deletion is needed.
  void close_hole(std::size_t hole) noexcept {
    for (std::size_t at = (hole + 1) & mask(); slots_[at] != empty; at = (at + 1) & mask()) {
      const std::size_t home = hash(ids_[at]) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      ids_[hole] = ids_[at];
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = empty;
  }

  void grow() {
    const std::size_t capacity = slots_.empty() ? 16 : slots_.size() * 2;
    std::vector<std::int64_t> ids(capacity);
    std::vector<std::uint32_t> slots(capacity, empty);
    ids.swap(ids_);
    slots.swap(slots_);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] == empty) continue;
      const std::size_t at = position(ids[i]);
      ids_[at] = ids[i];
      slots_[at] = slots[i];
    }
  }

  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace loam::vector
