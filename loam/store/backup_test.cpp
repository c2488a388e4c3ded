#include "loam/store/backup.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "loam/store/backup_tree.hpp"
#include "loam/store/layout.hpp"
#include "loam/store/process_lock.hpp"
#include "loam/store/store_test_support.hpp"

namespace loam::store_internal {
namespace {

namespace fs = std::filesystem;

/// A store directory with one SQL table; the ports above it are no matter of a backup.
class Backup : public testing::Test {
 protected:
  void SetUp() override {
    store_ = make_store(root_ / "app.loam", 10);
    backup_ = root_ / "backup";
  }

  std::unique_ptr<Database> make_store(const std::string& directory, int rows) {
    EXPECT_TRUE(prepare_directory(directory, {}).ok());
    auto db = open_sqlite({.path = database_path(directory)});
    EXPECT_TRUE(db.ok());
    EXPECT_TRUE((*db)->execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT)").ok());
    for (int i = 0; i < rows; ++i)
      EXPECT_TRUE((*db)->execute("INSERT INTO t(text) VALUES (?)", {std::string(200, 'x')}).ok());
    return std::move(db).value();
  }

  Result<BackupReport> take(const std::string& target) {
    return take_backup({*store_, root_ / "app.loam", "sqlite test", system_clock()}, target, {});
  }

  static std::int64_t rows_in(const std::string& directory) {
    auto db = open_sqlite({.path = database_path(directory)});
    if (!db.ok()) return -1;
    auto rows = (*db)->query("SELECT count(*) FROM t");
    return rows.ok() ? rows->at(0, 0u).as<std::int64_t>() : -1;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_.path())) found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  }

  PrivateDirectory root_;
  std::unique_ptr<Database> store_;
  std::string backup_;
};

void expect_ok(const Result<BackupReport>& report) { ASSERT_TRUE(report.ok()) << report.error().to_string(); }

TEST_F(Backup, RestoresTwiceFromOneBackupWhichStaysAsItIs) {
  expect_ok(take(backup_));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store_->execute("DELETE FROM t WHERE id = ?", {i + 1}).ok());

  expect_ok(restore_backup(backup_, root_ / "first"));
  expect_ok(restore_backup(backup_, root_ / "second"));

  EXPECT_EQ(rows_in(root_ / "first"), 10);
  EXPECT_EQ(rows_in(root_ / "second"), 10);
  EXPECT_EQ(rows_in(root_ / "app.loam"), 5);
  expect_ok(verify_backup(backup_));
  EXPECT_EQ(names(), (std::vector<std::string>{"app.loam", "backup", "first", "second"})) << "nothing is left over";
}

TEST_F(Backup, ReportCountsFilesAndBytes) {
  fs::create_directories(root_ / "app.loam/files/ab/empty");
  write_text(root_ / "app.loam/files/ab/blob", "12345");

  auto taken = take(backup_);

  expect_ok(taken);
  EXPECT_EQ(taken->files, 2);
  EXPECT_EQ(taken->bytes, static_cast<std::int64_t>(fs::file_size(backup_ + "/loam.db")) + 5);
  auto verified = verify_backup(backup_);
  expect_ok(verified);
  EXPECT_EQ(verified->bytes, taken->bytes);
  EXPECT_EQ(verified->taken_at, taken->taken_at);
  expect_ok(restore_backup(backup_, root_ / "restored"));
  EXPECT_EQ(file_text(root_ / "restored/files/ab/blob"), "12345");
}

TEST_F(Backup, TakenDuringWritesIsOneMoment) {
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop)
      (void)store_->atomically([](SqlSession& session) -> Result<void> {
        for (int i = 0; i < 3; ++i) LOAM_TRY(session.execute("INSERT INTO t(text) VALUES ('more')"));
        return {};
      });
  });
  for (int i = 0; i < 5; ++i) {
    std::string target = backup_ + std::to_string(i);
    expect_ok(take(target));
    expect_ok(restore_backup(target, target + ".restored"));
    EXPECT_EQ((rows_in(target + ".restored") - 10) % 3, 0) << "a transaction was cut in two";
  }
  stop = true;
  writer.join();
}

TEST_F(Backup, TargetMustBeAbsentOrEmptyAndOutsideTheStore) {
  fs::create_directory(root_ / "empty");
  expect_ok(take(root_ / "empty"));
  EXPECT_EQ(take(root_ / "empty").error().code(), ErrorCode::already_exists);
  EXPECT_EQ(take(root_ / "absent/backup").error().code(), ErrorCode::not_found);
  EXPECT_EQ(take(root_ / "app.loam/backup").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(take("").error().code(), ErrorCode::invalid_argument);
}

TEST_F(Backup, CancelledBackupLeavesNothing) {
  Cancellation cancel;
  cancel.cancel();

  auto taken =
      take_backup({*store_, root_ / "app.loam", "sqlite test", system_clock()}, backup_, Context().cancelled_by(cancel));

  EXPECT_EQ(taken.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(names(), (std::vector<std::string>{"app.loam"}));
}

TEST_F(Backup, SampleOfChangedBytesOfADatabaseIsFound) {
  expect_ok(take(backup_));
  std::string path = backup_ + "/loam.db";
  std::string good = file_text(path);
  std::mt19937_64 random(20261121);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    std::size_t at = random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 + random() % 255));
    write_text(path, bad);
    ASSERT_EQ(verify_backup(backup_).error().code(), ErrorCode::data_corruption) << "byte " << at;
  }
}

TEST_F(Backup, DamagedBackupDoesNotTouchTheStore) {
  expect_ok(take(backup_));
  std::string bytes = file_text(backup_ + "/loam.db");
  bytes[bytes.size() / 2] ^= 1;
  write_text(backup_ + "/loam.db", bytes);
  store_.reset();

  auto restored = restore_backup(backup_, root_ / "app.loam", {.replace = true});

  EXPECT_EQ(restored.error().code(), ErrorCode::data_corruption);
  EXPECT_EQ(rows_in(root_ / "app.loam"), 10);
  EXPECT_EQ(names(), (std::vector<std::string>{"app.loam", "backup"}));
}

TEST_F(Backup, WithoutReplaceAnExistingStoreIsKept) {
  expect_ok(take(backup_));
  EXPECT_EQ(restore_backup(backup_, root_ / "app.loam").error().code(), ErrorCode::already_exists);
}

TEST_F(Backup, ReplaceKeepsTheFormerStoreBesideIt) {
  expect_ok(take(backup_));
  ASSERT_TRUE(store_->execute("DELETE FROM t").ok());
  store_.reset();

  auto restored = restore_backup(backup_, root_ / "app.loam", {.replace = true});

  expect_ok(restored);
  EXPECT_EQ(rows_in(root_ / "app.loam"), 10);
  EXPECT_TRUE(restored->former_store.starts_with(root_ / "app.loam.before-restore-")) << restored->former_store;
  EXPECT_EQ(rows_in(restored->former_store), 0);
  EXPECT_EQ(names().size(), 3u);
}

TEST_F(Backup, ReplaceWaitsForTheWriterOfTheStore) {
  expect_ok(take(backup_));
  auto lock = ProcessLock::open(root_ / "app.loam");
  ASSERT_TRUE(lock.ok());
  auto lease = (*lock)->acquire({});
  ASSERT_TRUE(lease.ok());

  auto refused = restore_backup(backup_, root_ / "app.loam", {.replace = true}, Context().deadline_in_ms(500));

  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().code() == ErrorCode::unavailable || refused.error().code() == ErrorCode::deadline_exceeded);
  EXPECT_EQ(names(), (std::vector<std::string>{"app.loam", "backup"}));
}

TEST_F(Backup, WriterWithTheFormerStoreOpenIsStoppedByItsLock) {
  expect_ok(take(backup_));
  auto lock = ProcessLock::open(root_ / "app.loam");
  ASSERT_TRUE(lock.ok());
  store_.reset();
  expect_ok(restore_backup(backup_, root_ / "app.loam", {.replace = true}));

  EXPECT_EQ((*lock)->acquire({}).error().code(), ErrorCode::failed_precondition);
}

TEST_F(Backup, WhatIsNoStoreIsNotReplaced) {
  expect_ok(take(backup_));
  fs::create_directory(root_ / "letters");
  write_text(root_ / "letters/one", "dear");
  write_text(root_ / "file", "x");

  EXPECT_EQ(restore_backup(backup_, root_ / "letters", {.replace = true}).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(restore_backup(backup_, root_ / "file", {.replace = true}).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(restore_backup(backup_, backup_ + "/inside").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(restore_backup(backup_, root_ / "absent/app").error().code(), ErrorCode::not_found);
  EXPECT_EQ(restore_backup(root_ / "letters", root_ / "new").error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(file_text(root_ / "letters/one"), "dear");
}

// The hashes of a backup may be right and its database still be nonsense: somebody made it so.
TEST_F(Backup, BackupOfSomethingElseIsRefusedByItsContents) {
  std::string foreign = root_ / "foreign";
  fs::create_directory(foreign);
  write_text(foreign + "/loam.db", std::string(4096, 'n'));
  Manifest header{.taken_at = {0}, .store_format = 1, .engine = "x", .files = {}};
  ASSERT_TRUE(seal_tree(foreign, header, {}).ok());
  EXPECT_EQ(restore_backup(foreign, root_ / "new").error().code(), ErrorCode::failed_precondition);

  std::string empty = root_ / "empty";
  fs::create_directory(empty);
  ASSERT_TRUE(seal_tree(empty, header, {}).ok());
  EXPECT_EQ(restore_backup(empty, root_ / "new").error().code(), ErrorCode::data_corruption);
  EXPECT_FALSE(fs::exists(root_ / "new"));
}

TEST_F(Backup, BackupIsNotOpenedAsAStore) {
  expect_ok(take(backup_));
  EXPECT_EQ(prepare_directory(backup_, {}).error().code(), ErrorCode::failed_precondition);
  expect_ok(verify_backup(backup_));
}

}  // namespace
}  // namespace loam::store_internal
