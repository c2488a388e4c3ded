#pragma once

/// One writer at a time: among the threads of this process, then among the processes. LMDB has a lock of its own, but that
/// one waits for ever; this one keeps deadlines and names the holder. Private to the adapter.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"

namespace loam::lmdb {

/// *thread-safe*
class WriteLock {
 public:
  /// Opens or makes the lock file. The kernel drops the lock of a process that dies; the file itself stays.
  Result<void> open(const std::string& path);
  ~WriteLock();

  class Held {
   public:
    explicit Held(WriteLock& lock) : lock_(&lock) {}
    Held(Held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (lock_ != nullptr) lock_->release();
    }

   private:
    WriteLock* lock_;
  };

  /// unavailable when others hold it for longer than timeout_ms; cancelled and deadline_exceeded of the context.
  Result<Held> acquire(const Context& context, std::int64_t timeout_ms);
  /// The same against the threads of this process only.
  Result<Held> acquire_in_process(const Context& context, std::int64_t timeout_ms);

 private:
  Result<void> acquire_thread(const Context& context, Context::time_point give_up);
  Result<void> acquire_process(const Context& context, Context::time_point give_up);
  void release_thread();
  void release();

  int file_ = -1;
  std::mutex mutex_;
  std::condition_variable freed_;
  bool taken_ = false;
};

}  // namespace loam::lmdb
