#pragma once

/// Who of this process writes next: one at a time, in the order of asking, with a deadline. Internal to the adapter.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "loam/core/context.hpp"

namespace loam::sqlite {

/// *thread-safe*
class WriteLock {
 public:
  class Hold {
   public:
    Hold() = default;
    explicit Hold(WriteLock* lock) : lock_(lock) {}
    Hold(Hold&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept {
      if (this != &other) {
        release();
        lock_ = std::exchange(other.lock_, nullptr);
      }
      return *this;
    }
    ~Hold() { release(); }
    void release() {
      if (WriteLock* lock = std::exchange(lock_, nullptr)) lock->unlock();
    }

   private:
    WriteLock* lock_ = nullptr;
  };

  /// unavailable when it is not had within timeout_ms; deadline_exceeded or cancelled by the context.
  Result<Hold> acquire(const Context& context, std::int64_t timeout_ms, const std::string& path);

 private:
  struct Waiter {
    std::condition_variable wake;
    bool granted = false;
  };
  void unlock();

  std::mutex mutex_;
  bool held_ = false;
  std::deque<Waiter*> waiters_;
};

}  // namespace loam::sqlite
