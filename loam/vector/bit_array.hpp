#pragma once

/// One bit for each slot, changed and read by any number of threads. Internal.

#include <atomic>
#include <cstdint>

#include "loam/vector/prefetch.hpp"
#include "loam/vector/record_array.hpp"
#include "loam/vector/slot_bitmap.hpp"

namespace loam::vector {

/// set(), clear(), get() and word() are *thread-safe*; reserve() needs external synchronization. One piece of addresses for
/// all slots there can be, 2 MiB; memory is spent on what has been used.
class BitArray {
 public:
  Result<void> reserve(Slot slot) {
    if (memory_.data() == nullptr) {
      LOAM_TRY(memory_, ChunkMemory::anonymous((slot_count_max + 1) / 8));
      words_.store(reinterpret_cast<Word*>(memory_.data()), std::memory_order_release);
    }
    if (slot >= slot_end_.load(std::memory_order_relaxed)) slot_end_.store(slot + 1, std::memory_order_relaxed);
    return {};
  }
  /// What its writer did before set() is seen where this is true.
  bool get(Slot slot) const noexcept { return ((word(slot >> 6) >> (slot & 63)) & 1) != 0; }
  [[gnu::always_inline]] void prefetch(Slot slot) const noexcept { prefetch_bytes(&at(slot >> 6), 1); }
  void set(Slot slot) noexcept { at(slot >> 6).fetch_or(std::uint64_t{1} << (slot & 63), std::memory_order_release); }
  void clear(Slot slot) noexcept { at(slot >> 6).fetch_and(~(std::uint64_t{1} << (slot & 63)), std::memory_order_release); }
  /// Of slots 64 i to 64 i + 63.
  std::uint64_t word(std::size_t i) const noexcept { return at(i).load(std::memory_order_acquire); }
  std::size_t bytes() const noexcept { return slot_end_.load(std::memory_order_relaxed) / 8; }

 private:
  using Word = std::atomic<std::uint64_t>;
  Word& at(std::size_t i) const noexcept { return words_.load(std::memory_order_acquire)[i]; }

  ChunkMemory memory_;
  std::atomic<Word*> words_ = nullptr;
  std::atomic<std::size_t> slot_end_ = 0;
};

}  // namespace loam::vector
