#include "loam/relational/migrations.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam {
namespace {

std::vector<std::string> create_a(const SqlDialect&) { return {"CREATE TABLE a (x INTEGER)"}; }
std::vector<std::string> create_b(const SqlDialect&) { return {"CREATE TABLE b (x INTEGER)", "INSERT INTO b VALUES (1)"}; }
std::vector<std::string> create_b_edited(const SqlDialect&) { return {"CREATE TABLE b (y INTEGER)"}; }
std::vector<std::string> half_broken(const SqlDialect&) {
  return {"CREATE TABLE c (x INTEGER)", "INSERT INTO nowhere VALUES (1)"};
}

const Migration first{1, "create a", &create_a};
const Migration second{2, "create b", &create_b};

/// Ends the process when it is asked for the second time: the statements have run by then, their record is not written.
std::vector<std::string> die_before_the_record(const SqlDialect&) {
  static int calls = 0;
  if (++calls == 2) ::kill(::getpid(), SIGKILL);
  return {"CREATE TABLE b (x INTEGER)", "INSERT INTO b VALUES (1)"};
}

class MigrationsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> db_ = sqlite_in_memory().value();

  int migrate_to(std::vector<Migration> list) { return migrate(*db_, "test", list).value(); }
  bool has(std::string_view table) { return db_->describe(table).ok(); }
};

TEST_F(MigrationsTest, AreAppliedOnceAndInOrder) {
  EXPECT_EQ(migrate_to({first}), 1);
  EXPECT_EQ(migrate_to({first, second}), 1);
  EXPECT_EQ(migrate_to({first, second}), 0);

  auto applied = applied_migrations(*db_).value();
  ASSERT_EQ(applied.size(), 2u);
  EXPECT_EQ(applied[1].name, "create b");
  EXPECT_EQ(applied[1].checksum.size(), 64u);
  EXPECT_TRUE(has("b"));
}

TEST_F(MigrationsTest, PendingOnesAreListedWithoutWriting) {
  EXPECT_EQ(pending_migrations(*db_, "test", std::vector{first, second}).value(), (std::vector{1, 2}));
  EXPECT_TRUE(db_->table_names().value().empty());

  migrate_to({first});
  EXPECT_EQ(pending_migrations(*db_, "test", std::vector{first, second}).value(), std::vector{2});
}

TEST_F(MigrationsTest, ANewerSchemaIsRefusedUntouched) {
  migrate_to({first, second});

  auto older = migrate(*db_, "test", std::vector{first});

  ASSERT_FALSE(older.ok());
  EXPECT_EQ(older.error().code(), ErrorCode::failed_precondition);
  EXPECT_NE(older.error().message().find("newer"), std::string::npos);
  EXPECT_EQ(applied_migrations(*db_).value().size(), 2u);
}

TEST_F(MigrationsTest, AnEditedMigrationIsRefused) {
  migrate_to({first, second});

  auto edited = migrate(*db_, "test", std::vector{first, Migration{2, "create b", &create_b_edited}});

  ASSERT_FALSE(edited.ok());
  EXPECT_EQ(edited.error().code(), ErrorCode::failed_precondition);
}

TEST_F(MigrationsTest, AFailingOneLeavesNothingOfItself) {
  auto failed = migrate(*db_, "test", std::vector{first, Migration{2, "broken", &half_broken}});

  EXPECT_FALSE(failed.ok());
  EXPECT_TRUE(has("a"));
  EXPECT_FALSE(has("c"));
  EXPECT_EQ(applied_migrations(*db_).value().size(), 1u);
}

TEST_F(MigrationsTest, AListWithAGapIsRefused) {
  for (const std::vector<Migration>& list : {std::vector{second}, {first, first}, {Migration{0, "zero", &create_a}}}) {
    auto refused = migrate(*db_, "test", list);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(db_->table_names().value().empty());
}

TEST_F(MigrationsTest, AProcessKilledInTheMiddleLeavesNothingOfItsMigration) {
  test::TemporaryDirectory directory;
  const std::string path = directory / "killed.db";
  test::ChildProcess child([&] {
    auto db = open_sqlite({.path = path}).value();
    (void)migrate(*db, "test", std::vector{first, Migration{2, "create b", &die_before_the_record}});
    return 0;
  });
  ASSERT_EQ(child.wait(), 128 + SIGKILL);

  auto db = open_sqlite({.path = path}).value();
  EXPECT_EQ(applied_migrations(*db).value().size(), 1u);
  EXPECT_FALSE(db->describe("b").ok());
  EXPECT_EQ(migrate(*db, "test", std::vector{first, second}).value(), 1);
  EXPECT_EQ(db->query("SELECT count(*) FROM b").value().at(0, 0), Value(1));
}

TEST_F(MigrationsTest, ComponentsCountForThemselves) {
  migrate_to({first});

  EXPECT_EQ(migrate(*db_, "other", std::vector{Migration{1, "create b", &create_b}}).value(), 1);
  EXPECT_EQ(applied_migrations(*db_).value().size(), 2u);
}

TEST_F(MigrationsTest, ThreadsThatMigrateAtOnceApplyEachOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> applied{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { applied += migrate(*db_, "test", std::vector{first, second}).value(); });
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(applied.load(), 2);
  EXPECT_EQ(db_->query("SELECT count(*) FROM b").value().at(0, 0), Value(1));
}

}  // namespace
}  // namespace loam
