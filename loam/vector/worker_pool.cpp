#include "loam/vector/worker_pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "loam/core/assert.hpp"

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

// One call of parallel_for().
class BlockRun {
 public:
  BlockRun(const ParallelOptions& options, const Context& context,
           const std::function<Result<void>(const ParallelBlock&)>& body)
      : options_(options), context_(context), body_(body) {}

  // On each thread.
  void take_blocks() noexcept {
    const std::size_t worker = workers_.fetch_add(1, std::memory_order_relaxed);
    while (!stop_.load(std::memory_order_relaxed)) {
      const std::size_t first = next_.fetch_add(options_.block_size, std::memory_order_relaxed);
      if (first >= options_.count) return;
      run({first, first + std::min(options_.block_size, options_.count - first), worker});
    }
  }

  // When all threads are back.
  Result<void> result() {
    if (thrown_) std::rethrow_exception(thrown_);
    return std::move(failure_);
  }

 private:
  void run(const ParallelBlock& block) noexcept {
    try {
      Result<void> done = context_.unbounded() ? Result<void>() : context_.check(options_.operation);
      if (done.ok()) done = body_(block);
      if (!done.ok()) keep(block.first, std::move(done), nullptr);
    } catch (...) {
      keep(block.first, {}, std::current_exception());
    }
  }

  // Every block below one that failed was taken before it and runs to its end, so the lowest failure is always found.
  void keep(std::size_t first, Result<void> failure, std::exception_ptr thrown) {
    const std::lock_guard lock(mutex_);
    if (stop_.load(std::memory_order_relaxed) && first > failed_at_) return;
    failed_at_ = first;
    failure_ = std::move(failure);
    thrown_ = std::move(thrown);
    stop_.store(true, std::memory_order_relaxed);
  }

  const ParallelOptions& options_;
  const Context& context_;
  const std::function<Result<void>(const ParallelBlock&)>& body_;
  std::atomic<std::size_t> workers_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;  // guards the rest while threads run
  std::size_t failed_at_ = 0;
  Result<void> failure_;
  std::exception_ptr thrown_;
};

}  // namespace

void run_on_workers(std::size_t helpers, const std::function<void()>& work) {
  if (helpers == 0) return work();
  pool().run(std::min(helpers, worker_count_max), work);
}

Result<void> parallel_for(const ParallelOptions& options, const Context& context,
                          const std::function<Result<void>(const ParallelBlock&)>& body) {
  LOAM_ASSERT(options.block_size > 0, "a block of nothing");
  if (options.count == 0) return {};
  const std::size_t blocks = 1 + (options.count - 1) / options.block_size;
  const std::size_t threads = std::clamp(options.threads, std::size_t{1}, blocks);
  BlockRun run(options, context, body);
  run_on_workers(threads - 1, [&] { run.take_blocks(); });
  return run.result();
}

}  // namespace loam::vector
