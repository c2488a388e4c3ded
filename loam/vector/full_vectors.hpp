#pragma once

/// The vectors as they are kept, with their ids and when they came: f32 or f16, in memory or mapped from files. Internal.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "loam/vector/change_marks.hpp"
#include "loam/vector/half.hpp"
#include "loam/vector/index.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/record_array.hpp"

namespace loam::vector {

/// Readers of a slot are *thread-safe*; a slot is written before anybody can find it.
class FullVectors {
 public:
  FullVectors(std::size_t dimension, Elements elements, std::filesystem::path directory)
      : dimension_(dimension),
        elements_(elements),
        records_(record_bytes(dimension, elements), {.directory = std::move(directory)}) {}

  Result<void> reserve(Slot slot) { return records_.reserve(slot); }
  void release(std::size_t chunk) { records_.release(chunk); }

  /// invalid_argument when the elements cannot hold one of the values.
  Result<void> check(const float* vector) const;
  void write(Slot slot, std::int64_t id, const float* vector);
  std::int64_t id(Slot slot) const noexcept {
    return reinterpret_cast<const std::atomic<std::int64_t>*>(records_.at(slot))->load(std::memory_order_relaxed);
  }
  /// The sequence of the change that brought the vector. Set before the state of the slot says that it is live.
  void set_born(Slot slot, std::uint64_t sequence) noexcept {
    reinterpret_cast<std::atomic<std::uint64_t>*>(records_.at(slot) + 8)->store(sequence, std::memory_order_relaxed);
  }
  std::uint64_t born(Slot slot) const noexcept {
    return reinterpret_cast<const std::atomic<std::uint64_t>*>(records_.at(slot) + 8)->load(std::memory_order_relaxed);
  }
  /// No NaN, no infinity.
  bool finite(Slot slot) const noexcept;
  /// Into `dimension` floats.
  void read(Slot slot, float* out) const;
  bool equal(Slot a, Slot b) const noexcept {
    return std::memcmp(records_.at(a) + head_bytes, records_.at(b) + head_bytes, vector_bytes()) == 0;
  }
  /// The elements as they lie in memory.
  const std::byte* raw(Slot slot) const noexcept { return records_.at(slot) + head_bytes; }
  const Half* f16(Slot slot) const noexcept { return reinterpret_cast<const Half*>(raw(slot)); }
  const float* f32(Slot slot) const noexcept { return reinterpret_cast<const float*>(raw(slot)); }

  [[gnu::always_inline]] void prefetch(Slot slot) const noexcept {
    prefetch_bytes(records_.at(slot), records_.record_bytes());
  }

  std::size_t dimension() const noexcept { return dimension_; }
  Elements elements() const noexcept { return elements_; }
  std::size_t vector_bytes() const noexcept { return dimension_ * (elements_ == Elements::f32 ? 4 : 2); }
  std::size_t bytes() const noexcept { return records_.bytes(); }
  bool mapped() const noexcept { return records_.mapped(); }
  std::size_t record_bytes() const noexcept { return records_.record_bytes(); }
  RecordArray& records() noexcept { return records_; }
  ChangeMarks& changes() noexcept { return changes_; }

 private:
  static constexpr std::size_t head_bytes = 16;  // id and born
  static constexpr std::size_t record_bytes(std::size_t dimension, Elements elements) {
    return (head_bytes + dimension * (elements == Elements::f32 ? 4 : 2) + 7) / 8 * 8;
  }

  const std::size_t dimension_;
  const Elements elements_;
  RecordArray records_;
  ChangeMarks changes_;
};

}  // namespace loam::vector
