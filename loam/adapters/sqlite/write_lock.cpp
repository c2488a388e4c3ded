#include "loam/adapters/sqlite/write_lock.hpp"

#include <algorithm>
#include <chrono>

namespace loam::sqlite {
namespace {
constexpr auto cancellation_poll = std::chrono::milliseconds(20);  // a Cancellation wakes nobody: it is looked at
}

Result<WriteLock::Hold> WriteLock::acquire(const Context& context, std::int64_t timeout_ms, const std::string& path) {
  LOAM_TRY(context.check("begin a write transaction"));
  std::unique_lock lock(mutex_);
  if (!held_) {
    held_ = true;
    return Hold(this);
  }
  Waiter waiter;
  waiters_.push_back(&waiter);
  const auto deadline = context.deadline_within_ms(timeout_ms);
  for (;;) {
    auto now = std::chrono::steady_clock::now();
    if (waiter.granted || context.cancelled() || now >= deadline) break;
    waiter.wake.wait_until(lock, context.unbounded() ? deadline : std::min(deadline, now + cancellation_poll));
  }
  if (waiter.granted) return Hold(this);
  std::erase(waiters_, &waiter);
  lock.unlock();
  LOAM_TRY(context.check("waiting for the writer of \"" + path + '"'));
  return Error(ErrorCode::unavailable, "another transaction of this process has been writing to \"" + path +
                                           "\" for more than " + std::to_string(timeout_ms) + " ms")
      .hint("end write transactions sooner, or raise write_timeout_ms");
}

void WriteLock::unlock() {
  std::lock_guard lock(mutex_);
  if (waiters_.empty()) {
    held_ = false;
    return;
  }
  // Handed over, not set free: whoever has waited longest is next, however many others ask now.
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  next->wake.notify_one();
}

}  // namespace loam::sqlite
