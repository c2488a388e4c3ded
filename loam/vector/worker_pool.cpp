#include "loam/vector/worker_pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace loam::vector {
namespace {

// One call of run_on_workers; lives on the caller's stack, guarded by the pool's mutex.
struct Job {
  const std::function<void()>* work;
  std::size_t helpers_wanted;
  std::size_t helpers_running = 0;
  std::condition_variable finished;
};

class Pool {
 public:
  Pool(pid_t process, const Pool* former) : process_(process), former_(former) {}

  pid_t process() const noexcept { return process_; }

  void run(std::size_t helpers, const std::function<void()>& work) {
    Job job{&work, helpers};
    {
      std::lock_guard lock(mutex_);
      start_threads(helpers);
      jobs_.push_back(&job);
    }
    for (std::size_t i = 0; i < helpers; ++i) job_waits_.notify_one();
    work();
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    job.finished.wait(lock, [&] { return job.helpers_running == 0; });
  }

 private:
  // With fewer threads than wanted the work is done all the same, by those there are.
  void start_threads(std::size_t wanted) {
    try {
      while (thread_count_ < wanted) {
        std::thread([this] { serve(); }).detach();
        ++thread_count_;
      }
    } catch (const std::system_error&) {
    }
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      job_waits_.wait(lock, [&] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      ++job.helpers_running;
      if (--job.helpers_wanted == 0) jobs_.pop_front();
      lock.unlock();
      (*job.work)();
      lock.lock();
      if (--job.helpers_running == 0) job.finished.notify_one();
    }
  }

  const pid_t process_;
  [[maybe_unused]] const Pool* const former_;  // of the parent process: kept reachable, never used
  std::mutex mutex_;
  std::condition_variable job_waits_;
  std::deque<Job*> jobs_;
  std::size_t thread_count_ = 0;
};

// Never destroyed: detached threads wait on it until the process ends. fork() copies the memory but not the threads, and the
// mutex in whatever state it is, so a child leaves the copy alone and makes a new pool.
Pool& pool() {
  static std::atomic<Pool*> current = nullptr;
  const pid_t process = ::getpid();
  Pool* seen = current.load(std::memory_order_acquire);
  while (seen == nullptr || seen->process() != process) {
    auto fresh = std::make_unique<Pool>(process, seen);
    if (current.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  }
  return *seen;
}

}  // namespace

void run_on_workers(std::size_t helpers, const std::function<void()>& work) {
  if (helpers == 0) return work();
  pool().run(std::min(helpers, worker_count_max), work);
}

}  // namespace loam::vector
