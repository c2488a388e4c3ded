#pragma once

/// Which records were written since they were last saved, by 4096 of them. Internal.

#include <array>
#include <atomic>
#include <cstddef>

#include "loam/vector/record_array.hpp"

namespace loam::vector {

/// *thread-safe*. Who looks at marks and clears them keeps writers out meanwhile.
class ChangeMarks {
 public:
  using Mark = std::atomic<bool>;
  static constexpr unsigned group_shift = 12;
  static constexpr std::size_t group_records = std::size_t{1} << group_shift;

  /// Of the group that a record is in.
  Mark& of(std::size_t record) const noexcept { return marks_[record >> group_shift]; }

  // A mark that is set stays in the caches of all threads: hardly ever is there anything to store.
  static void set(Mark& mark) noexcept {
    if (!mark.load(std::memory_order_relaxed)) mark.store(true, std::memory_order_relaxed);
  }

  bool get(std::size_t group) const noexcept { return marks_[group].load(std::memory_order_relaxed); }
  void clear(std::size_t group) noexcept { marks_[group].store(false, std::memory_order_relaxed); }

 private:
  mutable std::array<Mark, (slot_count_max >> group_shift) + 1> marks_{};
};

}  // namespace loam::vector
