#include "loam/ports/connection_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace loam {
namespace {

struct FakeConnection {
  int number = 0;
  bool alive = true;
};

/// A pool over numbered connections with a clock that tests turn.
class ConnectionPoolTest : public ::testing::Test {
 protected:
  using Pool = ConnectionPool<FakeConnection>;

  std::unique_ptr<Pool> make(PoolOptions options) {
    return std::make_unique<Pool>(
        options, Pool::Hooks{.open = [this](const Context&) -> Result<std::unique_ptr<FakeConnection>> {
                               if (refuse_) return Error(ErrorCode::unavailable, "refused");
                               return std::make_unique<FakeConnection>(FakeConnection{.number = ++opened_});
                             },
                             .ping = [](FakeConnection& connection, std::int64_t) { return connection.alive; },
                             .name = "fake",
                             .now = [this] { return start_ + std::chrono::milliseconds(now_ms_.load()); }});
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> now_ms_{0};
  std::atomic<int> opened_{0};
  bool refuse_ = false;
};

TEST_F(ConnectionPoolTest, AReturnedConnectionIsHandedOutAgain) {
  auto pool = make({.connections_max = 2});
  int first = pool->acquire({}).value()->number;

  auto again = pool->acquire({});

  EXPECT_EQ(again.value()->number, first);
  EXPECT_EQ(opened_, 1);
}

TEST_F(ConnectionPoolTest, AnExhaustedPoolIsUnavailableAfterItsTimeout) {
  auto pool = make({.connections_max = 1, .acquire_timeout_ms = 5});
  auto held = pool->acquire({});

  auto refused = pool->acquire({});

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().to_string().find("all 1 connections of fake"), std::string::npos);
  EXPECT_EQ(pool->stats().timeouts, 1u);
}

TEST_F(ConnectionPoolTest, TheCallersDeadlineWinsOverTheTimeout) {
  auto pool = make({.connections_max = 1, .acquire_timeout_ms = 60'000});
  auto held = pool->acquire({});

  auto refused = pool->acquire(Context().deadline_in_ms(5));

  EXPECT_EQ(refused.error().code(), ErrorCode::deadline_exceeded);
}

TEST_F(ConnectionPoolTest, ACancelledWaiterLeavesTheQueue) {
  auto pool = make({.connections_max = 1, .acquire_timeout_ms = 60'000});
  auto held = pool->acquire({});
  Cancellation cancel;
  std::thread canceller([&] {
    while (pool->stats().waiting == 0) std::this_thread::yield();
    cancel.cancel();
  });

  auto refused = pool->acquire(Context().cancelled_by(cancel));

  canceller.join();
  EXPECT_EQ(refused.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(pool->stats().waiting, 0u);
}

TEST_F(ConnectionPoolTest, AWaiterGetsTheConnectionThatComesBack) {
  auto pool = make({.connections_max = 1});
  auto held = std::make_unique<Pool::Lease>(pool->acquire({}).value());
  std::thread releaser([&] {
    while (pool->stats().waiting == 0) std::this_thread::yield();
    held.reset();
  });

  auto got = pool->acquire({});

  releaser.join();
  EXPECT_EQ(got.value()->number, 1);
}

TEST_F(ConnectionPoolTest, ADeadIdleConnectionIsReplacedBeforeItIsHandedOut) {
  auto pool = make({.connections_max = 1});
  pool->acquire({}).value()->alive = false;

  auto fresh = pool->acquire({});

  EXPECT_EQ(fresh.value()->number, 2);
  EXPECT_EQ(pool->stats().replaced, 1u);
}

TEST_F(ConnectionPoolTest, ADiscardedConnectionIsNotGivenOutAgain) {
  auto pool = make({.connections_max = 1});
  pool->acquire({}).value().discard();

  EXPECT_EQ(pool->acquire({}).value()->number, 2);
}

TEST_F(ConnectionPoolTest, AFailedOpenGivesItsPlaceBack) {
  auto pool = make({.connections_max = 1});
  refuse_ = true;
  EXPECT_EQ(pool->acquire({}).error().message(), "refused");
  refuse_ = false;

  EXPECT_TRUE(pool->acquire({}).ok());
}

TEST_F(ConnectionPoolTest, IdleConnectionsAboveTheMinimumAreClosedAfterTheIdleTimeout) {
  auto pool = make({.connections_min = 1, .connections_max = 3, .idle_timeout_ms = 100});
  {
    auto a = pool->acquire({}), b = pool->acquire({}), c = pool->acquire({});
  }
  EXPECT_EQ(pool->stats().open, 3u);

  now_ms_ = 101;

  EXPECT_EQ(pool->stats().open, 1u);
}

TEST_F(ConnectionPoolTest, AConnectionIsReplacedWhenItsLifetimeIsOver) {
  auto pool = make({.connections_max = 1, .lifetime_ms = 1000});
  auto lease = std::make_unique<Pool::Lease>(pool->acquire({}).value());
  now_ms_ = 1001;
  lease.reset();

  EXPECT_EQ(pool->acquire({}).value()->number, 2);
}

TEST_F(ConnectionPoolTest, ManyThreadsNeverHoldMoreThanTheMaximum) {
  auto pool = make({.connections_max = 3});
  std::atomic<int> held{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto lease = pool->acquire({});
        int now = ++held;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --held;
      }
    });
  for (auto& thread : threads) thread.join();

  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(pool->stats().acquired, 4000u);
  EXPECT_EQ(pool->stats().in_use, 0u);
}

}  // namespace
}  // namespace loam
