#pragma once

/// One bit for each slot, changed and read by any number of threads. Internal.

#include <atomic>
#include <cstdint>

#include "loam/vector/record_array.hpp"
#include "loam/vector/slot_bitmap.hpp"

namespace loam::vector {

/// set(), clear(), get() and word() are *thread-safe*; reserve() needs external synchronization.
class BitArray {
 public:
  BitArray() : words_(sizeof(std::uint64_t)) {}
  Result<void> reserve(Slot slot) { return words_.reserve(slot >> 6); }
  bool get(Slot slot) const noexcept { return ((at(slot >> 6).load(std::memory_order_relaxed) >> (slot & 63)) & 1) != 0; }
  void set(Slot slot) noexcept { at(slot >> 6).fetch_or(std::uint64_t{1} << (slot & 63), std::memory_order_release); }
  void clear(Slot slot) noexcept { at(slot >> 6).fetch_and(~(std::uint64_t{1} << (slot & 63)), std::memory_order_release); }
  /// Of slots 64 i to 64 i + 63. They must have been reserved.
  std::uint64_t word(std::size_t i) const noexcept { return at(i).load(std::memory_order_acquire); }
  std::size_t bytes() const noexcept { return words_.bytes(); }

 private:
  std::atomic<std::uint64_t>& at(std::size_t i) const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(words_.at(i));
  }
  RecordArray words_;
};

}  // namespace loam::vector
