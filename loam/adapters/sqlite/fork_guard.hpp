#pragma once

/// What was opened before a fork() belongs to the parent alone: a child that touched its SQLite connections, or only closed
/// them, could damage the file ("How To Corrupt An SQLite Database File", 2.6). Internal to the adapter.

#include <atomic>
#include <cstdint>

#include "loam/core/error.hpp"

namespace loam::sqlite {

/// Remembers the process that it was made in. *const methods are thread-safe*
class ForkGuard {
 public:
  ForkGuard() : born_(forks().load(std::memory_order_relaxed)) {}
  /// True in a child of that process. No system call.
  bool inherited() const { return born_ != forks().load(std::memory_order_relaxed); }
  static Error error();

 private:
  static std::atomic<std::uint32_t>& forks();
  std::uint32_t born_;
};

/// Gives up an object that only the parent may destroy.
template <typename T>
void leave_to_parent(T& object) {
  [[maybe_unused]] static T* volatile left;
  left = new T(std::move(object));
}

}  // namespace loam::sqlite
