#pragma once

/// A pool of connections to one backend, the same for every adapter: SQLite's readers and PostgreSQL's sessions.
/// For adapters; not part of the public interface.
///
///   ConnectionPool<Session> pool(options, {.open = .., .ping = .., .name = "postgres db1:5432/app"});
///   LOAM_TRY(auto lease, pool.acquire(context));
///   lease->run(..);                      // given back when `lease` goes; lease.discard() throws a broken one away

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/ports/database.hpp"

namespace loam {

/// A permit is the right to hold one connection; there are connections_max of them, handed out in the order of asking.
/// Whoever has one takes an idle connection or opens a new one, so idle + borrowed never exceeds the maximum. Idle
/// connections are a stack: the bottom ones age and are closed. Timeouts are applied when somebody returns one or asks for
/// stats(): no thread of its own. *thread-safe*; outlives its leases.
template <typename Connection>
class ConnectionPool {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  struct Hooks {
    std::function<Result<std::unique_ptr<Connection>>(const Context&)> open;
    /// Whether a connection that was idle for so long still works; called without the pool's lock.
    std::function<bool(Connection&, std::int64_t idle_ms)> ping;
    std::string name;  ///< of the backend, for errors
    std::function<time_point()> now = [] { return std::chrono::steady_clock::now(); };
  };

 private:
  struct Slot {
    std::unique_ptr<Connection> connection;
    time_point opened;
    time_point idle_since;
  };

 public:
  /// One borrowed connection. *needs external synchronization*
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), slot_(std::move(other.slot_)), broken_(other.broken_) {}
    Lease& operator=(Lease&& other) noexcept {
      if (this == &other) return *this;
      give_back();
      pool_ = std::exchange(other.pool_, nullptr);
      slot_ = std::move(other.slot_);
      broken_ = other.broken_;
      return *this;
    }
    ~Lease() { give_back(); }

    Connection& operator*() const { return *slot_.connection; }
    Connection* operator->() const { return slot_.connection.get(); }
    bool held() const { return pool_ != nullptr; }
    /// Close it instead of giving it back: its state is not known any more.
    void discard() { broken_ = true; }

   private:
    friend class ConnectionPool;
    Lease(ConnectionPool* pool, Slot slot) : pool_(pool), slot_(std::move(slot)) {}
    void give_back() {
      if (ConnectionPool* pool = std::exchange(pool_, nullptr)) pool->release(std::move(slot_), broken_);
    }

    ConnectionPool* pool_ = nullptr;
    Slot slot_;
    bool broken_ = false;
  };

  ConnectionPool(PoolOptions options, Hooks hooks)
      : options_(options), hooks_(std::move(hooks)), permits_(options.connections_max) {
    LOAM_ASSERT(options_.connections_max > 0, "a pool holds at least one connection");
  }
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool() { LOAM_ASSERT(permits_ == options_.connections_max, "a lease outlives its pool"); }

  /// unavailable when none came free within acquire_timeout_ms, deadline_exceeded or cancelled by the context, or the error
  /// of opening one. Uncontended cost: one mutex.
  Result<Lease> acquire(const Context& context) {
    LOAM_TRY(take_permit(context));
    for (;;) {
      std::optional<Slot> slot = pop_idle();
      if (!slot) return open_new(context);
      if (usable(*slot)) return Lease(this, std::move(*slot));
      count_replaced();
    }
  }

  PoolStats stats() {
    std::vector<Slot> closing;
    std::lock_guard lock(mutex_);
    closing = take_expired(hooks_.now());
    std::size_t in_use = options_.connections_max - permits_;
    return {.open = in_use + idle_.size(),
            .in_use = in_use,
            .waiting = waiters_.size(),
            .acquired = acquired_,
            .timeouts = timeouts_,
            .replaced = replaced_};
  }

  /// Closes what is idle; leases go on.
  void close_idle() {
    std::vector<Slot> closing;
    std::lock_guard lock(mutex_);
    closing.swap(idle_);
  }

 private:
  struct Waiter {
    std::condition_variable wake;
    bool granted = false;
  };

  static constexpr auto cancellation_poll = std::chrono::milliseconds(20);

  Result<void> take_permit(const Context& context) {
    std::unique_lock lock(mutex_);
    if (permits_ > 0 && waiters_.empty()) {
      --permits_;
      ++acquired_;
      return {};
    }
    Waiter waiter;
    waiters_.push_back(&waiter);
    const auto deadline = context.deadline_within_ms(options_.acquire_timeout_ms);
    while (!waiter.granted) {
      if (context.cancelled()) break;
      auto until = context.unbounded() ? deadline : std::min(deadline, std::chrono::steady_clock::now() + cancellation_poll);
      waiter.wake.wait_until(lock, until);
      if (std::chrono::steady_clock::now() >= deadline) break;
    }
    if (waiter.granted) {
      ++acquired_;
      return {};
    }
    std::erase(waiters_, &waiter);
    ++timeouts_;
    lock.unlock();
    LOAM_TRY(context.check("waiting for a connection of " + hooks_.name));
    return Error(ErrorCode::unavailable, "all " + std::to_string(options_.connections_max) + " connections of " +
                                             hooks_.name + " were in use for " +
                                             std::to_string(options_.acquire_timeout_ms) + " ms")
        .hint("finish cursors and transactions sooner, or raise connections_max");
  }

  void return_permit() {  // with mutex_ held
    if (waiters_.empty()) {
      ++permits_;
      return;
    }
    Waiter* next = waiters_.front();
    waiters_.pop_front();
    next->granted = true;
    next->wake.notify_one();
  }

  std::optional<Slot> pop_idle() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    Slot slot = std::move(idle_.back());
    idle_.pop_back();
    return slot;
  }

  Result<Lease> open_new(const Context& context) {
    Result<std::unique_ptr<Connection>> opened = hooks_.open(context);
    if (!opened.ok()) {
      std::lock_guard lock(mutex_);
      return_permit();
      return std::move(opened).error();
    }
    return Lease(this, {.connection = std::move(opened).value(), .opened = hooks_.now(), .idle_since = {}});
  }

  bool usable(Slot& slot) const {
    const time_point now = hooks_.now();
    if (ms_between(slot.opened, now) > options_.lifetime_ms) return false;
    return !options_.pre_ping || hooks_.ping(*slot.connection, ms_between(slot.idle_since, now));
  }

  static std::int64_t ms_between(time_point since, time_point now) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
  }

  void count_replaced() {
    std::lock_guard lock(mutex_);
    ++replaced_;
  }

  void release(Slot slot, bool broken) {
    std::vector<Slot> closing;            // destroyed after the lock: closing a connection may take a round trip
    const time_point now = hooks_.now();  // one look at the clock: a local query takes only some microseconds
    std::lock_guard lock(mutex_);
    if (broken || ms_between(slot.opened, now) > options_.lifetime_ms) {
      ++replaced_;
      closing.push_back(std::move(slot));
    } else {
      slot.idle_since = now;
      idle_.push_back(std::move(slot));
    }
    for (Slot& expired : take_expired(now)) closing.push_back(std::move(expired));
    return_permit();
  }

  /// With mutex_ held: idle ones above the minimum whose idle time is over, oldest first.
  std::vector<Slot> take_expired(time_point now) {
    std::vector<Slot> expired;
    std::size_t open = options_.connections_max - permits_ + idle_.size();
    std::size_t count = 0;
    while (count < idle_.size() && open - count > options_.connections_min &&
           ms_between(idle_[count].idle_since, now) > options_.idle_timeout_ms)
      ++count;
    if (count == 0) return expired;
    for (std::size_t i = 0; i < count; ++i) expired.push_back(std::move(idle_[i]));
    idle_.erase(idle_.begin(), idle_.begin() + static_cast<std::ptrdiff_t>(count));
    replaced_ += count;
    return expired;
  }

  PoolOptions options_;
  Hooks hooks_;
  std::mutex mutex_;
  std::vector<Slot> idle_;  ///< the one used last is at the back
  std::deque<Waiter*> waiters_;
  std::size_t permits_;
  std::uint64_t acquired_ = 0;
  std::uint64_t timeouts_ = 0;
  std::uint64_t replaced_ = 0;
};

}  // namespace loam
