#include "loam/adapters/sqlite/fork_guard.hpp"

#include <pthread.h>

namespace loam::sqlite {

std::atomic<std::uint32_t>& ForkGuard::forks() {
  static std::atomic<std::uint32_t> count{0};
  static const int registered = pthread_atfork(nullptr, nullptr, [] { count.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
  return count;
}

Error ForkGuard::error() {
  return failed_precondition("the database was opened before fork(), and belongs to the parent process")
      .hint("open it again in the child");
}

}  // namespace loam::sqlite
