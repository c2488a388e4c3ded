/// Copies, checks, compaction and checkpoints of a database in use.

#include <sqlite3.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/sqlite_test_support.hpp"
#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {
namespace {

class SqliteMaintenance : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    db_.reset();
    auto opened = open_sqlite({.path = path_, .durability = Durability::normal});
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    db_ = std::move(opened).value();
  }
  void fill(int rows) {
    ASSERT_OK(db_->execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a BIGINT, v BLOB)"));
    std::vector<std::vector<Value>> many(static_cast<std::size_t>(rows), {Value(5), Value(Bytes{std::string(900, 'v')})});
    ASSERT_OK(db_->execute_many("INSERT INTO t (a, v) VALUES (?, ?)", many));
  }
  std::uintmax_t bytes(const std::string& suffix = "") { return std::filesystem::file_size(path_ + suffix); }

  TestDirectory directory_;
  std::string path_ = directory_ / "m.db";
  std::unique_ptr<Database> db_;
};

TEST_F(SqliteMaintenance, ACopyIsOneStateWhileAWriterGoesOn) {
  fill(3000);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop)
      EXPECT_OK(db_->atomically([](SqlSession& session) -> Result<void> {
        LOAM_TRY(session.execute("UPDATE t SET a = a + 1 WHERE id % 2 = 0"));
        LOAM_TRY(session.execute("UPDATE t SET a = a - 1 WHERE id % 2 = 1"));
        return {};
      }));
  });
  for (int i = 0; i < 3; ++i) {
    std::string target = directory_ / ("copy" + std::to_string(i));
    ASSERT_OK(sqlite::copy_to(*db_, target));
    auto copy = open_sqlite({.path = target});
    ASSERT_OK(copy);
    EXPECT_EQ((*copy)->query("SELECT sum(a), count(*) FROM t").value().at(0, 0), Value(15'000));
    EXPECT_EQ(sqlite::integrity_problems(**copy).value(), std::vector<std::string>{});
    EXPECT_EQ(std::filesystem::status(target).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  stop = true;
  writer.join();
}

TEST_F(SqliteMaintenance, ACopyDoesNotReplaceAFileAndLeavesNoneWhenItIsCancelled) {
  fill(10);
  EXPECT_CODE(already_exists, sqlite::copy_to(*db_, path_));
  std::ofstream(directory_ / "there") << "mine";
  EXPECT_CODE(already_exists, sqlite::copy_to(*db_, directory_ / "there"));
  EXPECT_CODE(not_found, sqlite::copy_to(*db_, directory_ / "no/such"));
  EXPECT_CODE(invalid_argument, sqlite::copy_to(*db_, ""));
  Cancellation cancel;
  cancel.cancel();
  EXPECT_CODE(cancelled, sqlite::copy_to(*db_, directory_ / "late", Context().cancelled_by(cancel)));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "late"));
}

TEST_F(SqliteMaintenance, AMemoryDatabaseCanBeCopiedToAFile) {
  auto memory = sqlite_in_memory().value();
  ASSERT_OK(memory->execute("CREATE TABLE t (a BIGINT)"));
  ASSERT_OK(memory->execute("INSERT INTO t VALUES (42)"));
  ASSERT_OK(sqlite::copy_to(*memory, directory_ / "saved.db"));
  EXPECT_EQ(open_sqlite({.path = directory_ / "saved.db"}).value()->query("SELECT a FROM t").value().at(0, 0), Value(42));
}

TEST_F(SqliteMaintenance, CompactGivesSpaceBack) {
  fill(5000);
  ASSERT_OK(sqlite::checkpoint(*db_));
  auto before = bytes();
  ASSERT_OK(db_->execute("DELETE FROM t WHERE id > 10"));
  ASSERT_OK(sqlite::compact(*db_));
  EXPECT_LT(bytes(), before / 10);
  EXPECT_EQ(bytes("-wal"), 0u);
  EXPECT_EQ(db_->query("SELECT count(*) FROM t").value().at(0, 0), Value(10));
  Cancellation cancel;
  cancel.cancel();
  EXPECT_CODE(cancelled, sqlite::compact(*db_, Context().cancelled_by(cancel)));
}

TEST_F(SqliteMaintenance, ACheckpointMovesWhatReadersAllow) {
  fill(500);
  auto reader = db_->begin({.access = Access::read_only}).value();
  ASSERT_OK(reader->query("SELECT count(*) FROM t"));
  fill(500);
  ASSERT_OK(sqlite::checkpoint(*db_));
  EXPECT_GT(bytes("-wal"), 0u);
  EXPECT_EQ(reader->query("SELECT count(*) FROM t").value().at(0, 0), Value(500));
  reader.reset();
  ASSERT_OK(sqlite::checkpoint(*db_));
  EXPECT_EQ(bytes("-wal"), 0u);
  EXPECT_EQ(db_->query("SELECT count(*) FROM t").value().at(0, 0), Value(1000));
}

TEST_F(SqliteMaintenance, AFullTextIndexThatLagsBehindItsTableIsAProblem) {
  ASSERT_OK(db_->execute("CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT)"));
  ASSERT_OK(db_->execute("CREATE VIRTUAL TABLE \"docs ft\" USING fts5(body, content='docs', content_rowid='id')"));
  ASSERT_OK(db_->execute("INSERT INTO docs VALUES (1, 'first words')"));
  ASSERT_OK(db_->execute("INSERT INTO \"docs ft\"(\"docs ft\") VALUES ('rebuild')"));
  EXPECT_EQ(sqlite::integrity_problems(*db_).value(), std::vector<std::string>{});
  ASSERT_OK(db_->execute("UPDATE docs SET body = 'second'"));
  auto problems = sqlite::integrity_problems(*db_).value();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("docs ft"), std::string::npos) << problems[0];
}

TEST_F(SqliteMaintenance, DamagedPagesAreFoundAndNamed) {
  fill(2000);
  ASSERT_OK(sqlite::checkpoint(*db_));
  db_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (int page : {5, 6, 7, 8}) {
      file.seekp(page * 4096);
      file << std::string(4096, '\x7F');
    }
  }
  open();
  auto problems = sqlite::integrity_problems(*db_);
  ASSERT_TRUE(!problems.ok() || !problems->empty());
  auto rows = db_->query("SELECT sum(a), sum(length(v)) FROM t");
  EXPECT_CODE(data_corruption, rows);
  EXPECT_CODE(data_corruption, sqlite::compact(*db_));
}

TEST_F(SqliteMaintenance, ABrokenForeignKeyIsAProblem) {
  ASSERT_OK(db_->execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)"));
  ASSERT_OK(db_->execute("CREATE TABLE children (id INTEGER PRIMARY KEY, parent BIGINT REFERENCES parents(id))"));
  db_.reset();
  sqlite3* raw = nullptr;  // another program, which does not enforce them
  ASSERT_EQ(sqlite3_open(path_.c_str(), &raw), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw, "PRAGMA foreign_keys=OFF; INSERT INTO children VALUES (7, 1)", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(raw);
  open();
  EXPECT_EQ(sqlite::integrity_problems(*db_).value(),
            std::vector<std::string>{"table children row 7 refers to a missing row of parents"});
}

}  // namespace
}  // namespace loam::test
