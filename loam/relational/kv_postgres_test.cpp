#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "loam/adapters/postgres/postgres.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "loam/relational/kv.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam {
namespace {

using test::must;

/// A schema of its own on the server of this program.
class PostgresBackend final : public test::KvBackend {
 public:
  PostgresBackend(PostgresOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}
  KeyValueStore& store() override { return *store_; }
  Result<void> reopen() override {
    store_.reset();
    db_.reset();
    LOAM_TRY(db_, open_postgres(options_));
    LOAM_TRY(store_, open_relational_kv(*db_, clock_));
    return {};
  }

 private:
  PostgresOptions options_;
  const Clock& clock_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<KeyValueStore> store_;
};

Result<PostgresOptions> fresh_schema() {
  LOAM_TRY(test::PostgresServer * server, test::shared_postgres());
  LOAM_TRY(PostgresOptions options, parse_postgres_url(server->fresh_schema()));
  options.pool.connections_min = 1;
  return options;
}

Result<std::unique_ptr<test::KvBackend>> make(const Clock& clock) {
  auto options = fresh_schema();
  if (!options.ok() && test::missing_servers_are_skipped()) return std::unique_ptr<test::KvBackend>();
  if (!options.ok()) return options.error();
  auto backend = std::make_unique<PostgresBackend>(*options, clock);
  LOAM_TRY(backend->reopen());
  return std::unique_ptr<test::KvBackend>(std::move(backend));
}

INSTANTIATE_TEST_SUITE_P(Postgres, KvContract, testing::Values(KvContractCase{"Server", &make, 800}), test::kv_case_name);

class KvOnPostgres : public testing::Test {
 protected:
  void SetUp() override {
    LOAM_SHARED_POSTGRES(server);
    options_ = must(fresh_schema());
    db_ = must(open_postgres(options_));
    store_ = must(open_relational_kv(*db_));
    kv_ = must(store_->open("n"));
  }

  PostgresOptions options_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<KeyValueStore> store_;
  std::unique_ptr<KeyValue> kv_;
};

// Batches that locked their rows in the order they were given waited for each other in a circle, and the server killed one
// of them.
TEST_F(KvOnPostgres, BatchesOnTheSameKeysInAnyOrderAllSucceed) {
  std::vector<std::string> keys;
  for (int i = 0; i < 30; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      std::vector<std::string_view> order(keys.begin(), keys.end());
      std::rotate(order.begin(), order.begin() + t * 5, order.end());
      if (t % 2 == 1) std::reverse(order.begin(), order.end());
      for (int round = 0; round < 10; ++round) {
        std::vector<KvWrite> writes;
        for (std::string_view key : order) writes.push_back({key, "v"});
        must(kv_->set_many(writes));
        (void)must(kv_->erase_many(order));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(KvOnPostgres, ACompareAndSetSeesWhatASetCommittedMeanwhile) {
  must(kv_->set("k", "old"));
  auto transaction = must(db_->begin({Access::read_write, Isolation::read_committed}));
  must(must(relational_kv_in(*transaction, "n"))->set("k", "new"));
  std::thread loser([&] {
    // Waits for the row, then compares with what was committed, not with what it saw first.
    KvCasResult result = must(kv_->compare_and_set("k", "old", "mine"));
    EXPECT_FALSE(result.applied);
    EXPECT_EQ(result.actual, std::optional<std::string>("new"));
  });
  // Until the server says that somebody waits for a lock.
  for (std::int64_t waiting = 0; waiting == 0;)
    waiting =
        must(db_->query(
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"))
            .at(0, 0)
            .as<std::int64_t>();
  must(transaction->commit());
  loser.join();
  EXPECT_EQ(must(kv_->get("k")), std::optional<std::string>("new"));
}

TEST_F(KvOnPostgres, ALostRaceInsideATransactionIsARetryableConflict) {
  must(kv_->set("k", "0"));
  auto transaction = must(db_->begin());
  auto inside = must(relational_kv_in(*transaction, "n"));
  EXPECT_EQ(must(inside->get("k")), std::optional<std::string>("0"));
  must(kv_->set("k", "1"));
  auto lost = inside->compare_and_set("k", "0", "2");
  ASSERT_EQ(test::outcome_of(lost), "conflict");
  EXPECT_TRUE(lost.error().retryable());
  must(transaction->rollback());
  EXPECT_EQ(must(kv_->get("k")), std::optional<std::string>("1"));
}

TEST_F(KvOnPostgres, ProcessesThatOpenAtOnceMigrateOnce) {
  PostgresOptions fresh = must(fresh_schema());
  std::atomic<int> opened = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      auto db = must(open_postgres(fresh));  // a pool of its own, as another process has
      auto store = open_relational_kv(*db);
      must(must(must(std::move(store))->open("n"))->set(std::to_string(++opened), "v"));
    });
  for (std::thread& thread : threads) thread.join();
  auto db = must(open_postgres(fresh));
  EXPECT_EQ(must(must(must(open_relational_kv(*db))->open("n"))->list()).entries.size(), 6u);
  EXPECT_EQ(must(db->query("SELECT count(*) FROM loam_migrations WHERE component = 'kv'")).at(0, 0), Value(std::int64_t{1}));
}

TEST_F(KvOnPostgres, LookupsAndListsUseThePrimaryKey) {
  must(db_->execute("INSERT INTO loam_kv SELECT 'n', int8send(g), 'v', NULL FROM generate_series(1, 20000) g"));
  must(db_->execute("ANALYZE loam_kv"));
  for (const char* sql : {"SELECT value FROM loam_kv WHERE namespace = 'n' AND key = '\\x61'",
                          "SELECT key FROM loam_kv WHERE namespace = 'n' AND key >= '\\x61' ORDER BY key LIMIT 3",
                          "SELECT namespace FROM loam_kv WHERE namespace > 'm' ORDER BY namespace, key LIMIT 1"}) {
    std::string plan;
    QueryResult rows = must(db_->query(std::string("EXPLAIN ") + sql));
    for (const auto& row : rows.rows) plan += row[0].to_display() + "\n";
    EXPECT_NE(plan.find("loam_kv_pkey"), std::string::npos) << plan;
    EXPECT_EQ(plan.find("Sort"), std::string::npos) << plan;
  }
}

}  // namespace
}  // namespace loam
