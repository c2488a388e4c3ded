#pragma once

/// One bit for each slot, changed and read by any number of threads. Internal.

#include <algorithm>
#include <atomic>
#include <cstdint>

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
    }
    words_ = reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.data());
    slot_end_ = std::max<std::size_t>(slot_end_, std::size_t{slot} + 1);
    return {};
  }
  bool get(Slot slot) const noexcept {
    return ((words_[slot >> 6].load(std::memory_order_relaxed) >> (slot & 63)) & 1) != 0;
  }
  void set(Slot slot) noexcept { words_[slot >> 6].fetch_or(std::uint64_t{1} << (slot & 63), std::memory_order_release); }
  void clear(Slot slot) noexcept {
    words_[slot >> 6].fetch_and(~(std::uint64_t{1} << (slot & 63)), std::memory_order_release);
  }
  /// Of slots 64 i to 64 i + 63.
  std::uint64_t word(std::size_t i) const noexcept { return words_[i].load(std::memory_order_acquire); }
  std::size_t bytes() const noexcept { return slot_end_ / 8; }

 private:
  ChunkMemory memory_;
  std::atomic<std::uint64_t>* words_ = nullptr;
  std::size_t slot_end_ = 0;
};

}  // namespace loam::vector
