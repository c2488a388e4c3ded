#include <atomic>
#include <thread>

#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {

/// Repeats what another transaction got in the way of.
template <typename Call>
Result<void> retried(Call call) {
  for (int attempt = 0;; ++attempt) {
    Result<void> done = call();
    if (done.ok() || !done.error().retryable() || attempt == 1000) return done;
  }
}

TEST_P(DatabaseContract, NoUpdateOfManyThreadsIsLost) {  // D1
  make_items();
  ASSERT_OK(db().execute("CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"));
  ASSERT_OK(db().execute("INSERT INTO counters VALUES (1, 0)"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this] {
      for (int i = 0; i < 25; ++i)
        EXPECT_OK(retried([this]() -> Result<void> {
          LOAM_TRY(db().execute("UPDATE counters SET n = n + 1 WHERE id = 1"));
          return {};
        }));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(listed(db(), "SELECT n FROM counters"), "100");
}

TEST_P(DatabaseContract, ReadersSeeOneSnapshotWhileAWriterWrites) {  // D5, D8
  ASSERT_OK(db().execute("CREATE TABLE accounts (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL)"));
  ASSERT_OK(db().execute("INSERT INTO accounts VALUES (1, 500), (2, 500)"));
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t)
    readers.emplace_back([&] {
      while (!stop) {
        EXPECT_EQ(listed(db(), "SELECT CAST(sum(amount) AS BIGINT) FROM accounts"), "1000");
        auto transaction = db().begin({.access = Access::read_only, .isolation = Isolation::repeatable_read});
        ASSERT_OK(transaction);
        auto first = (*transaction)->query("SELECT amount FROM accounts WHERE id = 1");
        ASSERT_OK(first);
        auto second = (*transaction)->query("SELECT amount FROM accounts WHERE id = 2");
        ASSERT_OK(second);
        EXPECT_EQ(first->at(0, 0).as<std::int64_t>() + second->at(0, 0).as<std::int64_t>(), 1000);
        ++reads;
      }
    });
  for (int i = 0; i < 60 || reads < 30; ++i) {
    EXPECT_OK(db().atomically([](SqlSession& session) -> Result<void> {
      LOAM_TRY(session.execute("UPDATE accounts SET amount = amount - 7 WHERE id = 1"));
      LOAM_TRY(session.execute("UPDATE accounts SET amount = amount + 7 WHERE id = 2"));
      return {};
    }));
  }
  stop = true;
  for (auto& thread : readers) thread.join();
  EXPECT_GE(reads.load(), 30);
}

TEST_P(DatabaseContract, WhatCannotBeHadBeforeTheDeadlineIsSaid) {
  EXPECT_CODE(deadline_exceeded, db().query(endless_query, {}, Context().deadline_in_ms(50)));
  EXPECT_EQ(listed(db(), "SELECT 1"), "1");
  EXPECT_CODE(deadline_exceeded, db().query("SELECT 1", {}, Context().deadline_in_ms(-1)));
  EXPECT_CODE(deadline_exceeded, db().execute("CREATE TABLE late (a BIGINT)", {}, Context().deadline_in_ms(-1)));
  EXPECT_EQ(db().table_names().value(), std::vector<std::string>{});
}

TEST_P(DatabaseContract, ADeadlineStopsACursorHalfWay) {
  auto cursor = db().open_cursor(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT i FROM n WHERE i = 1 OR "
      "i > 1900000000",
      {}, Context().deadline_in_ms(300));
  if (!cursor.ok()) {  // an adapter may have to finish the statement before it gives the first row
    EXPECT_CODE(deadline_exceeded, cursor);
    return;
  }
  Result<bool> more = true;
  while (more.ok() && *more) more = (*cursor)->next();
  EXPECT_CODE(deadline_exceeded, more);
  EXPECT_FALSE((*cursor)->next().ok() && (*cursor)->next().value());
  cursor->reset();
  EXPECT_EQ(db().pool_stats().in_use, 0u);
  EXPECT_EQ(listed(db(), "SELECT 1"), "1");
}

TEST_P(DatabaseContract, ACancelledCallStopsWhileItRuns) {
  Cancellation cancel;
  std::atomic<bool> done{false};
  std::thread canceller([&] {
    while (db().pool_stats().in_use == 0 && !done) std::this_thread::yield();
    cancel.cancel();
  });
  auto result = db().query(endless_query, {}, Context().cancelled_by(cancel));
  done = true;
  canceller.join();
  EXPECT_CODE(cancelled, result);
  EXPECT_CODE(cancelled, db().query("SELECT 1", {}, Context().cancelled_by(cancel)));
  EXPECT_EQ(listed(db(), "SELECT 1"), "1");
}

TEST_P(DatabaseContract, AnInterruptedWriteLeavesNothingOfItself) {  // D1, D6
  make_items(1);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (2, 'b')"));
  EXPECT_CODE(
      deadline_exceeded,
      (*transaction)
          ->execute(
              "INSERT INTO items (id) WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) "
              "SELECT i FROM n",
              {}, Context().deadline_in_ms(100)));
  bool still_usable = (*transaction)->query("SELECT 1").ok();
  if (still_usable) {
    EXPECT_EQ(count_items(**transaction), 2);
  }
  EXPECT_OK((*transaction)->rollback());
  EXPECT_EQ(count_items(), 1);
  EXPECT_OK(db().execute("INSERT INTO items (id, name) VALUES (3, 'c')"));
}

TEST_P(DatabaseContract, AnExhaustedPoolIsUnavailableAtTheDeadline) {
  reopen({.connections_min = 1, .connections_max = 2, .acquire_timeout_ms = 50});
  make_items(10);
  auto first = db().open_cursor("SELECT id FROM items");
  auto second = db().open_cursor("SELECT id FROM items");
  ASSERT_OK(first);
  ASSERT_OK(second);
  ASSERT_TRUE((*first)->next().value());
  EXPECT_EQ(db().pool_stats().in_use, 2u);
  EXPECT_CODE(unavailable, db().query("SELECT 1"));
  EXPECT_CODE(deadline_exceeded, db().query("SELECT 1", {}, Context().deadline_in_ms(5)));
  EXPECT_EQ(db().pool_stats().timeouts, 2u);
  first->reset();  // D8: half-way through
  EXPECT_EQ(listed(db(), "SELECT 1"), "1");
  second->reset();
  EXPECT_EQ(db().pool_stats().in_use, 0u);
}

TEST_P(DatabaseContract, AbandonedCursorsGiveTheirConnectionsBack) {  // D8
  make_items(100);
  for (int i = 0; i < 100; ++i) {
    auto cursor = db().open_cursor("SELECT id FROM items ORDER BY id");
    ASSERT_OK(cursor);
    for (int row = 0; row < i % 5; ++row) ASSERT_TRUE((*cursor)->next().value());
  }
  EXPECT_EQ(db().pool_stats().in_use, 0u);
  EXPECT_EQ(count_items(), 100);
}

TEST_P(DatabaseContract, ManyThreadsShareFewConnections) {
  make_items(20);
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([this] {
      for (int i = 1; i <= 20; ++i)
        EXPECT_EQ(listed(db(), "SELECT name FROM items WHERE id = ?", {i}), "item " + std::to_string(i));
    });
  for (auto& thread : threads) thread.join();
  PoolStats stats = db().pool_stats();
  EXPECT_EQ(stats.in_use, 0u);
  EXPECT_EQ(stats.waiting, 0u);
  EXPECT_LE(stats.open, contract_pool.connections_max);
  EXPECT_GE(stats.acquired, 240u);
}

}  // namespace loam::test
