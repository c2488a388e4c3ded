#include <gtest/gtest.h>

#include <thread>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/store/store.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam {
namespace {

/// The ports of a store on a server: the same transactions, and no backup.
class StoreOnPostgres : public testing::Test {
 protected:
  void SetUp() override {
    LOAM_SHARED_POSTGRES(server);
    auto url = server.fresh_database();
    ASSERT_TRUE(url.ok()) << url.error().to_string();
    url_ = *url;
    auto store = Store::open(url_);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    store_ = std::move(store).value();
  }

  std::string get(Store& store, const std::string& key) {
    auto kv = store.kv("n");
    return (*kv)->get(key)->value_or("absent");
  }

  std::string url_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreOnPostgres, TransactionStoresKeysAndRowsTogetherOrNeither) {
  auto embedder = make_hash_embedder(64).value();
  TableSchema schema;
  schema.name = "notes";
  schema.columns = {{.name = "id", .type = ValueKind::int64, .nullable = false}, {.name = "body"}};
  schema.primary_key = {"id"};
  schema.text_columns = {"body"};
  schema.embedding = EmbeddingSpec{.source_columns = {"body"}};
  auto made = store_->tables().create(schema, embedder);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  auto write = [&](std::int64_t id, bool fail) {
    return store_->transaction([&](StoreTransaction& t) -> Result<void> {
      LOAM_TRY(auto kv, t.kv("n"));
      LOAM_TRY(kv->set("k" + std::to_string(id), "v"));
      LOAM_TRY(auto table, t.table("notes", embedder));
      LOAM_TRY(table->add(std::vector<Record>{{{"id", id}, {"body", "a grey heron"}}}));
      if (fail) return invalid_argument("no");
      return {};
    });
  };

  EXPECT_TRUE(write(1, false).ok());
  EXPECT_FALSE(write(2, true).ok());

  EXPECT_EQ(get(*store_, "k1"), "v");
  EXPECT_EQ(get(*store_, "k2"), "absent");
  EXPECT_EQ((*made)->count().value_or(-1), 1);
  auto report = store_->check();
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->ok()) << report->problems.front();
  EXPECT_EQ(report->rows_checked, 2);
  auto stats = store_->stats();
  ASSERT_TRUE(stats.ok()) << stats.error().to_string();
  EXPECT_EQ(stats->kv_entries, 1);
  EXPECT_EQ(stats->tables.at(0).vectors, 1);
  EXPECT_TRUE(stats->engine.starts_with("postgresql "));
}

TEST_F(StoreOnPostgres, SavepointUndoesItsOwnPartOnly) {
  auto done = store_->transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto kv, t.kv("n"));
    LOAM_TRY(kv->set("outer", "1"));
    auto inner = t.savepoint([&]() -> Result<void> {
      LOAM_TRY(kv->set("inner", "1"));
      LOAM_TRY(t.sql().execute("SELECT no_such_function()"));
      return {};
    });
    EXPECT_FALSE(inner.ok());
    return {};
  });
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(get(*store_, "outer"), "1");
  EXPECT_EQ(get(*store_, "inner"), "absent");
}

TEST_F(StoreOnPostgres, WritingPastTheTransactionIsRefusedAtOnce) {
  auto done = store_->transaction([&](StoreTransaction&) -> Result<void> {
    auto kv = store_->kv("n");
    return (*kv)->set("k", "v");
  });
  EXPECT_EQ(done.error().code(), ErrorCode::failed_precondition);
}

TEST_F(StoreOnPostgres, BackupIsTheServersOwnMatter) {
  EXPECT_EQ(store_->backup("/tmp/never-made").error().code(), ErrorCode::unsupported);
  EXPECT_EQ(Store::open(url_, {.durability = Durability::normal}).error().code(), ErrorCode::unsupported);
}

TEST_F(StoreOnPostgres, ReadOnlyStoreRefusesToWrite) {
  ASSERT_TRUE(store_->kv("n").value()->set("k", "v").ok());
  auto reader = Store::open(url_, {.read_only = true});
  ASSERT_TRUE(reader.ok()) << reader.error().to_string();
  EXPECT_EQ(get(**reader, "k"), "v");
  EXPECT_EQ((*reader)->kv("n").value()->set("k", "w").error().code(), ErrorCode::failed_precondition);
}

TEST_F(StoreOnPostgres, HealthAndCompactAnswer) {
  EXPECT_TRUE(store_->compact().ok());
  auto health = store_->health();
  EXPECT_EQ(health.status, Health::healthy) << health.error;
  EXPECT_EQ(health.adapter, "postgres");
  for (const auto& [name, value] : health.details) EXPECT_EQ(value.find("password"), std::string::npos) << name;
}

}  // namespace
}  // namespace loam
