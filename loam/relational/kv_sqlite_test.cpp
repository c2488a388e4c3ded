#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "loam/relational/kv.hpp"
#include "loam/relational/migrations.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam {
namespace {

using test::must;
using test::outcome_of;

class SqliteFileBackend final : public test::KvBackend {
 public:
  SqliteFileBackend(const Clock& clock, Durability durability) : clock_(clock), durability_(durability) {}
  KeyValueStore& store() override { return *store_; }
  Result<void> reopen() override {
    store_.reset();
    db_.reset();
    LOAM_TRY(db_, open_sqlite({.path = directory_ / "kv.db", .durability = durability_}));
    LOAM_TRY(store_, open_relational_kv(*db_, clock_));
    return {};
  }

 private:
  test::TemporaryDirectory directory_;
  const Clock& clock_;
  Durability durability_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<KeyValueStore> store_;
};

class SqliteMemoryBackend final : public test::KvBackend {
 public:
  Result<void> open(const Clock& clock) {
    LOAM_TRY(db_, sqlite_in_memory());
    LOAM_TRY(store_, open_relational_kv(*db_, clock));
    return {};
  }
  KeyValueStore& store() override { return *store_; }
  Result<void> reopen() override { return unsupported("memory does not outlive its database"); }

 private:
  std::unique_ptr<Database> db_;
  std::unique_ptr<KeyValueStore> store_;
};

KvContractCase file_case(std::string name, Durability durability, std::size_t steps) {
  return {std::move(name),
          [=](const Clock& clock) -> Result<std::unique_ptr<test::KvBackend>> {
            auto backend = std::make_unique<SqliteFileBackend>(clock, durability);
            LOAM_TRY(backend->reopen());
            return std::unique_ptr<test::KvBackend>(std::move(backend));
          },
          steps};
}

Result<std::unique_ptr<test::KvBackend>> make_in_memory(const Clock& clock) {
  auto backend = std::make_unique<SqliteMemoryBackend>();
  LOAM_TRY(backend->open(clock));
  return std::unique_ptr<test::KvBackend>(std::move(backend));
}

INSTANTIATE_TEST_SUITE_P(Sqlite, KvContract,
                         testing::Values(file_case("FileFull", Durability::full, 300),
                                         file_case("FileNormal", Durability::normal, 3000),
                                         KvContractCase{"InMemory", &make_in_memory, 3000}),
                         test::kv_case_name);

class RelationalKvTest : public testing::Test {
 protected:
  std::unique_ptr<Database> db_ = must(sqlite_in_memory());
  std::unique_ptr<KeyValueStore> store_ = must(open_relational_kv(*db_));
  std::unique_ptr<KeyValue> kv_ = must(store_->open("n"));
};

TEST_F(RelationalKvTest, InATransactionWritesAreSeenInsideAtOnceAndOutsideAfterTheCommit) {
  auto transaction = must(db_->begin());
  auto inside = must(relational_kv_in(*transaction, "n"));
  must(inside->set("k", "v"));
  must(inside->set_many(std::vector<KvWrite>{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(test::render_list(*inside), "a=1 b=2 k=v");
  EXPECT_EQ(test::render_list(*kv_), "");
  must(transaction->commit());
  EXPECT_EQ(test::render_list(*kv_), "a=1 b=2 k=v");
}

TEST_F(RelationalKvTest, ARolledBackTransactionLeavesNothing) {
  must(kv_->set("k", "before"));
  {
    auto transaction = must(db_->begin());
    auto inside = must(relational_kv_in(*transaction, "n"));
    EXPECT_TRUE(must(inside->compare_and_set("k", "before", "after")).applied);
    EXPECT_EQ(must(inside->clear()), 1);
  }
  EXPECT_EQ(test::render_list(*kv_), "k=before");
}

TEST_F(RelationalKvTest, AWrongNamespaceOfATransactionIsRefused) {
  auto transaction = must(db_->begin());
  EXPECT_EQ(outcome_of(relational_kv_in(*transaction, "")), "invalid_argument");
  EXPECT_TRUE(must(relational_kv_in(*transaction, "n"))->characteristics().transactional);
}

TEST_F(RelationalKvTest, CharacteristicsAreThoseOfTheDatabase) {
  test::TemporaryDirectory directory;
  auto full = must(open_sqlite({.path = directory / "full.db"}));
  auto normal = must(open_sqlite({.path = directory / "normal.db", .durability = Durability::normal}));
  EXPECT_TRUE(must(open_relational_kv(*full))->characteristics().durable);
  EXPECT_FALSE(must(open_relational_kv(*normal))->characteristics().durable);
  EXPECT_TRUE(must(open_relational_kv(*normal))->characteristics().persistent);
  EXPECT_FALSE(store_->characteristics().persistent);
}

TEST_F(RelationalKvTest, AReadOnlyDatabaseIsReadAndRefusesWrites) {
  test::TemporaryDirectory directory;
  {
    auto db = must(open_sqlite({.path = directory / "kv.db"}));
    must(must(must(open_relational_kv(*db))->open("n"))->set("k", "v"));
  }
  auto db = must(open_sqlite({.path = directory / "kv.db", .read_only = true}));
  auto kv = must(must(open_relational_kv(*db))->open("n"));
  EXPECT_EQ(must(kv->get("k")), std::optional<std::string>("v"));
  EXPECT_EQ(outcome_of(kv->set("k", "w")), "failed_precondition");
}

TEST_F(RelationalKvTest, LookupsAndListsUseThePrimaryKey) {
  for (const char* sql : {"SELECT value, expires_at FROM loam_kv WHERE namespace = 'n' AND \"key\" = x'61'",
                          "SELECT \"key\" FROM loam_kv WHERE namespace = 'n' AND \"key\" >= x'61' ORDER BY \"key\" LIMIT 3",
                          "SELECT namespace FROM loam_kv WHERE namespace > 'n' ORDER BY namespace, \"key\" LIMIT 1"}) {
    std::string plan;
    QueryResult rows = must(db_->query(std::string("EXPLAIN QUERY PLAN ") + sql));
    for (const auto& row : rows.rows) plan += row.back().to_display() + "; ";
    EXPECT_NE(plan.find("USING PRIMARY KEY"), std::string::npos) << plan;
    EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << plan;
  }
}

}  // namespace
}  // namespace loam
