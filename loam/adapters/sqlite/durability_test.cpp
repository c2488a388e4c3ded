/// Which commits reach the disk, counted at the file system; and what is said when the disk refuses.
///
/// PRAGMA synchronous set before WAL, or inside a transaction, is silently not what it says: every committed row would then
/// be lost to a power cut, and no other test would notice.

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/sqlite_test_support.hpp"
#include "loam/adapters/sqlite/test_vfs.hpp"
#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {
namespace {

class SqliteDurability : public testing::Test {
 protected:
  void SetUp() override { vfs_counters().reset(); }
  void TearDown() override { vfs_counters().reset(); }

  void open(Durability durability, std::int64_t checkpoint_pages = 1'000'000) {
    db_.reset();
    auto opened = open_sqlite(
        {.path = directory_ / "d.db", .durability = durability, .checkpoint_pages = checkpoint_pages, .vfs = test_vfs()});
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    db_ = std::move(opened).value();
  }
  void make_table() {
    ASSERT_OK(db_->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)"));
    vfs_counters().reset();
  }
  Result<ExecuteResult> insert() { return db_->execute("INSERT INTO t (v) VALUES (?)", {Bytes{std::string(100, 'x')}}); }
  std::string count() { return db_->query("SELECT count(*) FROM t").value().at(0, 0).to_display(); }

  TestDirectory directory_;
  std::unique_ptr<Database> db_;
};

TEST_F(SqliteDurability, EachCommitAtFullSyncsTheWal) {
  open(Durability::full);
  make_table();
  for (int i = 1; i <= 20; ++i) {
    ASSERT_OK(insert());
    ASSERT_GE(vfs_counters().wal_syncs, i);
  }
  EXPECT_EQ(vfs_counters().database_syncs, 0);
}

TEST_F(SqliteDurability, CommitsAfterSavepointsBatchesAndReopeningSyncTheWalToo) {
  open(Durability::full);
  make_table();
  auto transaction = db_->begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->savepoint("s"));
  ASSERT_OK((*transaction)->execute("INSERT INTO t (v) VALUES (NULL)"));
  ASSERT_OK((*transaction)->rollback_to("s"));
  ASSERT_OK((*transaction)->execute("INSERT INTO t (v) VALUES (NULL)"));
  ASSERT_OK((*transaction)->release("s"));
  EXPECT_EQ(vfs_counters().wal_syncs, 0);
  ASSERT_OK((*transaction)->commit());
  EXPECT_GE(vfs_counters().wal_syncs, 1);

  vfs_counters().reset();
  std::vector<std::vector<Value>> rows(1000, {Value(Null{})});
  ASSERT_OK(db_->execute_many("INSERT INTO t (v) VALUES (?)", rows));
  EXPECT_GE(vfs_counters().wal_syncs, 1);
  EXPECT_LE(vfs_counters().wal_syncs, 2);  // one commit, not a thousand

  open(Durability::full);
  vfs_counters().reset();
  for (int i = 1; i <= 5; ++i) {
    ASSERT_OK(insert());
    EXPECT_GE(vfs_counters().wal_syncs, i);
  }
}

TEST_F(SqliteDurability, CommitsAtNormalSyncNothingUntilACheckpoint) {
  open(Durability::normal);
  make_table();
  for (int i = 0; i < 20; ++i) ASSERT_OK(insert());
  EXPECT_EQ(vfs_counters().wal_syncs, 0);
  EXPECT_EQ(vfs_counters().database_syncs, 0);
  ASSERT_OK(sqlite::checkpoint(*db_));
  EXPECT_GE(vfs_counters().wal_syncs, 1);  // before its pages overwrite the file
  EXPECT_GE(vfs_counters().database_syncs, 1);
}

TEST_F(SqliteDurability, TheCheckpointFollowsTheCommitThatFillsTheWal) {
  open(Durability::normal, 50);
  make_table();
  int commits = 0;
  while (vfs_counters().database_syncs == 0 && commits < 1000) {
    ASSERT_OK(insert());
    ++commits;
  }
  EXPECT_LT(commits, 100);
  EXPECT_GT(commits, 5);
}

TEST_F(SqliteDurability, ReadersNeverCheckpoint) {
  open(Durability::normal);
  make_table();
  for (int i = 0; i < 2000; ++i) ASSERT_OK(insert());  // beyond SQLite's own threshold of 1000 pages
  EXPECT_EQ(count(), "2000");
  EXPECT_EQ(vfs_counters().database_writes, 0);
}

TEST_F(SqliteDurability, AFailedSyncInCommitIsUnknownAndEndsWriting) {
  open(Durability::full);
  make_table();
  ASSERT_OK(insert());
  vfs_counters().fail_wal_sync = 1;
  auto failed = insert();
  ASSERT_EQ(vfs_counters().failures, 1);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().outcome(), Outcome::unknown) << failed.error().to_string();
  EXPECT_FALSE(failed.error().retryable());
  EXPECT_CODE(failed_precondition, insert());  // the next fsync may lie
  EXPECT_CODE(failed_precondition, sqlite::checkpoint(*db_));
  EXPECT_EQ(to_string(db_->health().status), "degraded");
  EXPECT_OK(db_->query("SELECT count(*) FROM t"));
  open(Durability::full);
  ASSERT_OK(insert());
  int rows = std::stoi(count());
  EXPECT_TRUE(rows == 2 || rows == 3) << rows;  // the unknown one is whole or not there
  EXPECT_EQ(sqlite::integrity_problems(*db_).value(), std::vector<std::string>{});
}

TEST_F(SqliteDurability, AFullDiskStoresNothingAndWritingGoesOnWhenThereIsRoom) {
  open(Durability::full);
  make_table();
  ASSERT_OK(insert());
  for (int nth = 1; nth <= 2; ++nth) {
    vfs_counters().reset();
    vfs_counters().full_wal_write = nth;
    auto failed = insert();
    ASSERT_EQ(vfs_counters().failures, 1);
    EXPECT_CODE(resource_exhausted, failed);
    EXPECT_EQ(failed.error().outcome(), Outcome::not_applied);
  }
  ASSERT_OK(insert());
  EXPECT_EQ(count(), "2");
}

/// Whatever write or sync of a workload fails: what was acknowledged is there after opening again, what was refused as not
/// applied is not, and nothing is torn.
TEST_F(SqliteDurability, AcknowledgedRowsSurviveAnyFailingWriteOrSync) {
  using Fault = std::atomic<int> VfsCounters::*;
  int fired = 0;
  for (Fault fault : {&VfsCounters::fail_wal_write, &VfsCounters::full_wal_write, &VfsCounters::fail_wal_sync,
                      &VfsCounters::fail_database_sync}) {
    for (int nth = 1; nth <= 30; nth += nth < 8 ? 1 : 5) {
      TestDirectory directory;
      SqliteOptions options{.path = directory / "f.db", .checkpoint_pages = 8, .vfs = test_vfs()};
      std::vector<std::string> stored, unknown;
      {
        auto db = open_sqlite(options);
        ASSERT_OK(db);
        ASSERT_OK((*db)->execute("CREATE TABLE t (id BIGINT PRIMARY KEY, v BLOB)"));
        vfs_counters().reset();
        (vfs_counters().*fault) = nth;
        for (int id = 1; id <= 8; ++id) {
          auto done = (*db)->execute("INSERT INTO t VALUES (?, ?)", {id, Bytes{std::string(6000, 'x')}});
          if (done.ok()) stored.push_back(std::to_string(id));
          if (!done.ok() && done.error().outcome() == Outcome::unknown) unknown.push_back(std::to_string(id));
        }
        fired += vfs_counters().failures;
      }
      vfs_counters().reset();
      auto db = open_sqlite(options);
      ASSERT_OK(db);
      std::vector<std::string> found;
      auto rows = (*db)->query("SELECT id FROM t ORDER BY id");
      ASSERT_OK(rows);
      for (const auto& row : rows->rows) found.push_back(row[0].to_display());
      for (const auto& id : unknown)
        if (std::find(found.begin(), found.end(), id) != found.end()) std::erase(found, id);
      EXPECT_EQ(found, stored) << "fault " << nth;
      EXPECT_EQ(sqlite::integrity_problems(**db).value(), std::vector<std::string>{});
    }
  }
  EXPECT_GT(fired, 25);
}

}  // namespace
}  // namespace loam::test
