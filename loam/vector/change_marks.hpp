#pragma once

/// Which chunks of records were written since they were last saved. Internal.

#include <array>
#include <atomic>
#include <cstddef>

#include "loam/vector/record_array.hpp"

namespace loam::vector {

/// *thread-safe*. Who looks at marks and clears them keeps writers out meanwhile.
class ChangeMarks {
 public:
  using Mark = std::atomic<bool>;

  /// Of the chunk that a record is in.
  Mark& of(std::size_t record) const noexcept { return marks_[record >> RecordArray::chunk_shift]; }

  // A mark that is set stays in the caches of all threads: hardly ever is there anything to store.
  static void set(Mark& mark) noexcept {
    if (!mark.load(std::memory_order_relaxed)) mark.store(true, std::memory_order_relaxed);
  }

  bool get(std::size_t chunk) const noexcept { return marks_[chunk].load(std::memory_order_relaxed); }
  void clear(std::size_t chunk) noexcept { marks_[chunk].store(false, std::memory_order_relaxed); }

 private:
  mutable std::array<Mark, (slot_count_max >> RecordArray::chunk_shift) + 1> marks_{};
};

}  // namespace loam::vector
