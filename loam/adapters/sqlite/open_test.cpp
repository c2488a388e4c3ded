/// What open_sqlite() does with paths that are not what they should be, and with a file it may only read.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/sqlite_test_support.hpp"
#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

int mode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<int>(status.st_mode & 0777) : -1;
}

void make_database(const std::string& path) {
  auto db = open_sqlite({.path = path});
  ASSERT_OK(db);
  ASSERT_OK((*db)->execute("CREATE TABLE t (a BIGINT)"));
  ASSERT_OK((*db)->execute("INSERT INTO t VALUES (1), (2)"));
}

/// Runs `work` in a child that is nobody (root may read and write everything) and gives what it printed.
std::string as_nobody(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  pid_t child = ::fork();
  if (child == 0) {
    std::string said = ::setgid(65534) == 0 && ::setuid(65534) == 0 ? work() : "setuid failed";
    (void)!::write(ends[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return text;
}

std::string outcome_of(const SqliteOptions& options) {
  auto db = open_sqlite(options);
  if (!db.ok()) return std::string(to_string(db.error().code()));
  auto rows = (*db)->query("SELECT count(*) FROM t");
  return rows.ok() ? "rows " + rows->at(0, 0).to_display() : rows.error().to_string();
}

TEST(SqliteOpen, CreatesAFileThatOnlyItsOwnerReads) {
  TestDirectory directory;
  mode_t before = ::umask(0);
  auto db = open_sqlite({.path = directory / "new.db"});
  ::umask(before);
  ASSERT_OK(db);
  ASSERT_OK((*db)->execute("CREATE TABLE t (a BIGINT)"));
  for (const char* suffix : {"", "-wal", "-shm"})
    EXPECT_EQ(mode_of(directory / ("new.db" + std::string(suffix))), 0600) << suffix;
  db->reset();
  EXPECT_EQ(mode_of(directory / "new.db-wal"), -1) << "the last one to close leaves one whole file";
}

TEST(SqliteOpen, SaysWhatIsWrongWithThePath) {
  TestDirectory directory;
  EXPECT_CODE(invalid_argument, open_sqlite({.path = ""}));
  EXPECT_CODE(invalid_argument, open_sqlite({.path = ":memory:"}));
  EXPECT_CODE(invalid_argument, open_sqlite({.path = std::string("a\0b", 3)}));
  EXPECT_CODE(not_found, open_sqlite({.path = directory / "no/such/directory.db"}));
  EXPECT_CODE(not_found, open_sqlite({.path = directory / "missing.db", .create = false}));
  EXPECT_CODE(not_found, open_sqlite({.path = directory / "missing.db", .read_only = true}));
  EXPECT_CODE(failed_precondition, open_sqlite({.path = directory.path()}));
  EXPECT_CODE(failed_precondition, open_sqlite({.path = directory.path() + "/"}));
  EXPECT_CODE(failed_precondition, open_sqlite({.path = "/dev/null"}));
  EXPECT_CODE(invalid_argument, open_sqlite({.path = directory / "x.db", .readers = {.connections_max = 0}}));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(SqliteOpen, LeavesAForeignFileAsItIs) {
  TestDirectory directory;
  for (const std::string& text :
       {std::string("hello, this is no database\n"), std::string(5000, 'x'), std::string("SQLite format 2\0rest", 20),
        std::string("SQLite format 3\0", 16) + std::string(3000, '\xAA')}) {
    std::string path = directory / "foreign";
    write(path, text);
    for (bool read_only : {false, true}) {
      auto opened = open_sqlite({.path = path, .read_only = read_only});
      ASSERT_FALSE(opened.ok());
      EXPECT_TRUE(opened.error().code() == ErrorCode::failed_precondition ||
                  opened.error().code() == ErrorCode::data_corruption)
          << opened.error().to_string();
    }
    EXPECT_EQ(content(path), text);
    EXPECT_EQ(mode_of(path + "-wal"), -1);
  }
}

TEST(SqliteOpen, TakesNamesAsNamesNotAsUris) {
  TestDirectory directory;
  std::filesystem::current_path(directory.path());
  for (const char* name : {"file:x.db?mode=memory", "file::memory:", "with space %20 #.db", "quote'\".db"}) {
    make_database(name);
    EXPECT_EQ(outcome_of({.path = name}), "rows 2") << name;
    EXPECT_TRUE(std::filesystem::exists(directory / name)) << name;
  }
  std::filesystem::current_path("/");
}

TEST(SqliteOpen, AnEmptyFileBecomesADatabase) {
  TestDirectory directory;
  write(directory / "empty.db", "");
  make_database(directory / "empty.db");
  EXPECT_EQ(outcome_of({.path = directory / "empty.db"}), "rows 2");
}

TEST(SqliteOpen, ReadOnlyReadsAndDoesNotWrite) {
  TestDirectory directory;
  std::string path = directory / "r.db";
  make_database(path);
  std::string before = content(path);
  auto db = open_sqlite({.path = path, .read_only = true});
  ASSERT_OK(db);
  EXPECT_EQ((*db)->query("SELECT count(*) FROM t").value().at(0, 0), Value(2));
  EXPECT_CODE(failed_precondition, (*db)->execute("INSERT INTO t VALUES (3)"));
  EXPECT_CODE(failed_precondition, (*db)->begin());
  EXPECT_CODE(failed_precondition, sqlite::compact(**db));
  EXPECT_CODE(failed_precondition, sqlite::checkpoint(**db));
  EXPECT_OK((*db)->begin({.access = Access::read_only}));
  EXPECT_EQ((*db)->describe("t").value().columns.size(), 1u);
  EXPECT_EQ(sqlite::integrity_problems(**db).value(), std::vector<std::string>{});
  db->reset();
  EXPECT_EQ(content(path), before);
}

TEST(SqliteOpen, ReadOnlyFollowsAWriter) {
  TestDirectory directory;
  std::string path = directory / "r.db";
  make_database(path);
  auto writer = open_sqlite({.path = path});
  ASSERT_OK(writer);
  auto reader = open_sqlite({.path = path, .read_only = true});
  ASSERT_OK(reader);
  ASSERT_OK((*writer)->execute("INSERT INTO t VALUES (3)"));
  EXPECT_EQ((*reader)->query("SELECT count(*) FROM t").value().at(0, 0), Value(3));
}

TEST(SqliteOpen, AReadOnlyDirectoryWillDoWhenNoCommitIsOnlyInTheWal) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become nobody";
  TestDirectory directory;
  ::chmod(directory.path().c_str(), 0755);
  std::string path = directory / "r.db";
  make_database(path);
  ::chmod(path.c_str(), 0644);
  EXPECT_EQ(as_nobody([&] { return outcome_of({.path = path, .read_only = true}); }), "rows 2");
  EXPECT_EQ(as_nobody([&] { return outcome_of({.path = path}); }), "permission_denied");
  EXPECT_EQ(as_nobody([&] { return outcome_of({.path = directory / "other.db"}); }), "permission_denied");

  write(path + "-wal", "commits");
  ::chmod((path + "-wal").c_str(), 0644);
  EXPECT_EQ(as_nobody([&] { return outcome_of({.path = path, .read_only = true}); }), "failed_precondition");
  ::unlink((path + "-wal").c_str());

  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(as_nobody([&] { return outcome_of({.path = path, .read_only = true}); }), "permission_denied");
}

TEST(SqliteOpen, RefusesADatabaseThatIsNotSqlites) {
  auto db = sqlite_in_memory();
  ASSERT_OK(db);
  EXPECT_OK(sqlite::checkpoint(**db));
  EXPECT_EQ(sqlite::library_version().substr(0, 2), "3.");
}

}  // namespace
}  // namespace loam::test
