/// What is SQLite's own: settings of the connections, the statement cache, the gate, several processes.

#include "loam/adapters/sqlite/sqlite.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "loam/adapters/sqlite/sqlite_database.hpp"
#include "loam/adapters/sqlite/sqlite_test_support.hpp"
#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {
namespace {

using sqlite::Connection;
using sqlite::Role;

std::string pragma(Connection& connection, const std::string& name) {
  return connection.control_value("PRAGMA " + name).value();
}

void expect_settings(Connection& connection, const std::string& synchronous, const std::string& query_only) {
  EXPECT_EQ(pragma(connection, "journal_mode"), "wal");
  EXPECT_EQ(pragma(connection, "synchronous"), synchronous);
  EXPECT_EQ(pragma(connection, "foreign_keys"), "1");
  EXPECT_EQ(pragma(connection, "cell_size_check"), "1");
  EXPECT_EQ(pragma(connection, "mmap_size"), "0");
  EXPECT_EQ(pragma(connection, "recursive_triggers"), "1");
  EXPECT_EQ(pragma(connection, "query_only"), query_only);
  EXPECT_EQ(sqlite3_limit(connection.handle(), SQLITE_LIMIT_ATTACHED, -1), 0);
  int on = -1;
  sqlite3_db_config(connection.handle(), SQLITE_DBCONFIG_DEFENSIVE, -1, &on);
  EXPECT_EQ(on, 1);
  sqlite3_db_config(connection.handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1, &on);
  EXPECT_EQ(on, 0);
}

TEST(SqliteConnection, HasTheSettingsThatTheGuaranteesRestOn) {
  TestDirectory directory;
  std::string path = directory / "a.db";
  for (auto [durability, level] : {std::pair(Durability::full, "2"), {Durability::normal, "1"}}) {
    auto db = open_sqlite({.path = path, .durability = durability});
    ASSERT_OK(db);
    auto& own = dynamic_cast<sqlite::SqliteDatabase&>(**db);
    expect_settings(own.writer(), level, "0");
    auto reader = own.open_reader();
    ASSERT_OK(reader);
    expect_settings(**reader, level, "1");
    EXPECT_EQ(pragma(**reader, "wal_autocheckpoint"), "0");
  }
}

TEST(SqliteConnection, SqlTextCannotUndoTheSettings) {
  auto db = sqlite_in_memory().value();
  for (const char* sql :
       {"PRAGMA synchronous=OFF", "PRAGMA journal_mode=DELETE", "PRAGMA journal_mode", "PRAGMA main.synchronous(0)",
        "PRAGMA foreign_keys=OFF", "PRAGMA trusted_schema=ON", "PRAGMA writable_schema=ON", "PRAGMA query_only=OFF",
        "PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA mmap_size=1000000", "PRAGMA busy_timeout=0",
        "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA hard_heap_limit=1", "ATTACH '/tmp/other.db' AS other", "DETACH main",
        "SELECT load_extension('x')", "VACUUM", "VACUUM INTO '/tmp/loam-stolen.db'"}) {
    SCOPED_TRACE(sql);
    EXPECT_FALSE(db->execute(sql).ok());
    auto transaction = db->begin().value();
    EXPECT_FALSE(transaction->execute(sql).ok());
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/loam-stolen.db"));
}

TEST(SqliteConnection, PragmasThatOnlyReadAndTheUsersNumbersPass) {
  auto db = sqlite_in_memory().value();
  ASSERT_OK(db->execute("PRAGMA user_version=7"));
  ASSERT_OK(db->execute("PRAGMA application_id=1280265549"));
  EXPECT_EQ(db->query("PRAGMA user_version").value().at(0, 0), Value(7));
  EXPECT_EQ(db->query("PRAGMA application_id").value().at(0, 0), Value(1280265549));
  EXPECT_OK(db->query("PRAGMA table_info('t')"));
  EXPECT_OK(db->query("PRAGMA page_count"));
  EXPECT_OK(db->query("PRAGMA data_version"));
}

TEST(SqliteConnection, MisspelledColumnsInDoubleQuotesAreNotStrings) {
  auto db = sqlite_in_memory().value();
  ASSERT_OK(db->execute("CREATE TABLE t (a TEXT)"));
  EXPECT_CODE(invalid_argument, db->query("SELECT \"nope\" FROM t"));
}

TEST(SqliteConnection, TheSchemaOfAForeignFileLoadsNoCode) {
  TestDirectory directory;
  std::string path = directory / "hostile.db";
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw,
                         "CREATE TABLE t (a); CREATE VIEW v AS SELECT load_extension('/tmp/evil.so') AS a;"
                         "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT load_extension('/tmp/evil.so'); END;"
                         "CREATE TRIGGER h AFTER DELETE ON t BEGIN SELECT fts3_tokenizer('simple', x'00'); END",
                         nullptr, nullptr, nullptr),
            SQLITE_OK)
      << sqlite3_errmsg(raw);
  sqlite3_close(raw);
  auto db = open_sqlite({.path = path}).value();
  for (const char* sql : {"INSERT INTO t VALUES (1)", "DELETE FROM t", "INSERT INTO t SELECT a FROM v"}) {
    auto done = db->execute(sql);
    ASSERT_FALSE(done.ok()) << sql;
    std::string why = done.error().to_string();
    EXPECT_TRUE(why.find("loads code") != why.npos || why.find("unsafe use") != why.npos) << why;
  }
  EXPECT_FALSE(db->query("SELECT * FROM v").ok());
}

TEST(SqliteConnection, ManyStatementsPassThroughTheCache) {
  auto db = sqlite_in_memory().value();
  auto transaction = db->begin({.access = Access::read_only}).value();
  auto open = transaction->open_cursor("SELECT 1 UNION ALL SELECT 2").value();
  ASSERT_TRUE(open->next().value());
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 400; ++i) ASSERT_EQ(transaction->query("SELECT " + std::to_string(i)).value().at(0, 0), Value(i));
  ASSERT_TRUE(open->next().value());  // the statement in use was not thrown out
  EXPECT_EQ(open->int64(0), 2);
}

TEST(SqliteConnection, ReplaceFiresTheDeleteTriggersThatIndexesHangOn) {
  auto db = sqlite_in_memory().value();
  ASSERT_OK(db->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"));
  ASSERT_OK(db->execute("CREATE TABLE log (gone BIGINT)"));
  ASSERT_OK(db->execute("CREATE TRIGGER t_delete AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END"));
  ASSERT_OK(db->execute("INSERT INTO t VALUES (1, 'a')"));
  ASSERT_OK(db->execute("INSERT OR REPLACE INTO t VALUES (2, 'a')"));
  EXPECT_EQ(db->query("SELECT gone FROM log").value().at(0, 0), Value(1));
}

TEST(SqliteConnection, AnEndlessTriggerEnds) {
  auto db = sqlite_in_memory().value();
  ASSERT_OK(db->execute("CREATE TABLE t (n BIGINT)"));
  ASSERT_OK(db->execute("CREATE TRIGGER again AFTER INSERT ON t BEGIN INSERT INTO t VALUES (new.n + 1); END"));
  EXPECT_FALSE(db->execute("INSERT INTO t VALUES (1)").ok());
  EXPECT_EQ(db->query("SELECT count(*) FROM t").value().at(0, 0), Value(0));
}

TEST(SqliteDatabase, MemoryDatabasesAreApart) {
  auto one = sqlite_in_memory().value();
  auto two = sqlite_in_memory().value();
  ASSERT_OK(one->execute("CREATE TABLE t (a BIGINT)"));
  EXPECT_EQ(two->table_names().value(), std::vector<std::string>{});
  EXPECT_FALSE(one->capabilities().persistent);
}

TEST(SqliteDatabase, TransactionsOfSqliteThatItRollsBackItselfTakeNoMoreStatements) {
  auto db = sqlite_in_memory().value();
  ASSERT_OK(db->execute("CREATE TABLE t (id INTEGER PRIMARY KEY)"));
  ASSERT_OK(db->execute("INSERT INTO t VALUES (1)"));
  auto transaction = db->begin().value();
  ASSERT_OK(transaction->execute("INSERT INTO t VALUES (2)"));
  EXPECT_CODE(already_exists, transaction->execute("INSERT OR ROLLBACK INTO t VALUES (1)"));
  // Running on would be outside of any transaction: the next statement would be stored at once.
  EXPECT_CODE(failed_precondition, transaction->execute("INSERT INTO t VALUES (3)"));
  EXPECT_CODE(failed_precondition, transaction->commit());
  transaction.reset();
  EXPECT_EQ(db->query("SELECT count(*) FROM t").value().at(0, 0), Value(1));
}

TEST(SqliteDatabase, AWriterThatWaitsInVainIsUnavailable) {
  TestDirectory directory;
  auto db = open_sqlite({.path = directory / "a.db", .write_timeout_ms = 30}).value();
  auto holder = db->begin().value();
  auto waited = db->begin();
  EXPECT_CODE(unavailable, waited);
  EXPECT_TRUE(waited.error().retryable());
  EXPECT_CODE(deadline_exceeded, db->begin({}, Context().deadline_in_ms(5)));
  Cancellation cancel;
  cancel.cancel();
  EXPECT_CODE(cancelled, db->begin({}, Context().cancelled_by(cancel)));
  EXPECT_OK(db->query("SELECT 1"));
  holder.reset();
  EXPECT_OK(db->begin());
}

TEST(SqliteDatabase, AnotherOpenerIsWaitedForAsLongAsTheWriteTimeout) {
  TestDirectory directory;
  auto one = open_sqlite({.path = directory / "a.db"}).value();
  auto two = open_sqlite({.path = directory / "a.db", .write_timeout_ms = 40}).value();
  auto holder = one->begin().value();
  EXPECT_CODE(unavailable, two->begin());
  holder.reset();
  EXPECT_OK(two->begin());
}

/// Notes what it is asked, and that nobody holds it twice.
class RecordingGate final : public WriteGate {
 public:
  Result<std::unique_ptr<Lease>> acquire(const Context& context) override {
    if (refuse) return Error(ErrorCode::unavailable, "held by process 42");
    bounded = bounded && context.deadline().has_value();
    EXPECT_EQ(holders.fetch_add(1), 0) << "two holders";
    ++leases;
    return std::make_unique<HeldLease>(*this);
  }

  std::atomic<bool> refuse{false};
  std::atomic<bool> bounded{true};
  std::atomic<int> holders{0};
  std::atomic<int> leases{0};

 private:
  struct HeldLease final : Lease {
    explicit HeldLease(RecordingGate& g) : gate(g) {}
    ~HeldLease() override { --gate.holders; }
    RecordingGate& gate;
  };
};

TEST(SqliteDatabase, EveryWriteGoesThroughTheGateAndReadsDoNot) {
  TestDirectory directory;
  auto gate = std::make_shared<RecordingGate>();
  auto db = open_sqlite({.path = directory / "a.db", .checkpoint_pages = 1, .gate = gate}).value();
  int before = gate->leases;
  ASSERT_OK(db->execute("CREATE TABLE t (a BIGINT)"));
  EXPECT_EQ(gate->leases, before + 1);
  {
    auto transaction = db->begin().value();
    EXPECT_EQ(gate->holders, 1);
    ASSERT_OK(transaction->execute("INSERT INTO t VALUES (1)"));
    ASSERT_OK(transaction->commit());
    EXPECT_EQ(gate->holders, 0);  // given back by the commit, not when the object goes
  }
  before = gate->leases;
  EXPECT_OK(db->query("SELECT * FROM t"));
  EXPECT_OK(db->begin({.access = Access::read_only}));
  EXPECT_EQ(gate->leases, before);
  EXPECT_OK(sqlite::checkpoint(*db));
  EXPECT_OK(sqlite::compact(*db));
  EXPECT_EQ(gate->leases, before + 2);
  EXPECT_TRUE(gate->bounded);
  gate->refuse = true;
  EXPECT_CODE(unavailable, db->execute("INSERT INTO t VALUES (2)"));
  EXPECT_OK(db->query("SELECT * FROM t"));
  gate->refuse = false;
  EXPECT_OK(db->execute("INSERT INTO t VALUES (2)"));
  db.reset();
  EXPECT_EQ(gate->holders, 0);
}

/// Adds one to the counter `count` times; as the body of a child process.
int count_up(const std::string& path, int count) {
  auto db = open_sqlite({.path = path, .durability = Durability::normal, .checkpoint_pages = 5});
  if (!db.ok()) return 1;
  for (int i = 0; i < count; ++i)
    if (!(*db)->execute("UPDATE t SET n = n + 1").ok()) return 2;
  return 0;
}

TEST(SqliteDatabase, ProcessesWithoutAGateLoseNoUpdate) {
  TestDirectory directory;
  std::string path = directory / "a.db";
  {
    auto db = open_sqlite({.path = path}).value();
    ASSERT_OK(db->execute("CREATE TABLE t (n BIGINT)"));
    ASSERT_OK(db->execute("INSERT INTO t VALUES (0)"));
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    pid_t child = ::fork();
    if (child == 0) ::_exit(count_up(path, 50));
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  auto db = open_sqlite({.path = path}).value();
  EXPECT_EQ(db->query("SELECT n FROM t").value().at(0, 0), Value(150));
  EXPECT_EQ(sqlite::integrity_problems(*db).value(), std::vector<std::string>{});
}

TEST(SqliteDatabase, AChildOfForkCannotTouchWhatItsParentHasOpen) {
  TestDirectory directory;
  auto db = open_sqlite({.path = directory / "a.db"}).value();
  ASSERT_OK(db->execute("CREATE TABLE t (n BIGINT)"));
  ASSERT_OK(db->execute("INSERT INTO t VALUES (1), (2), (3)"));
  auto transaction = db->begin().value();
  ASSERT_OK(transaction->execute("INSERT INTO t VALUES (4)"));
  auto cursor = db->open_cursor("SELECT n FROM t ORDER BY n").value();
  ASSERT_TRUE(cursor->next().value());

  pid_t child = ::fork();
  if (child == 0) {
    auto refused = [](const auto& result) {
      return !result.ok() && result.error().code() == ErrorCode::failed_precondition;
    };
    bool all = refused(db->query("SELECT 1")) && refused(db->execute("DELETE FROM t")) && refused(db->begin()) &&
               refused(transaction->execute("DELETE FROM t")) && refused(transaction->commit()) && refused(cursor->next()) &&
               to_string(db->health().status) == "unhealthy";
    cursor.reset();
    transaction.reset();
    db.reset();
    ::_exit(all ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(cursor->next().value());
  EXPECT_EQ(cursor->int64(0), 2);
  cursor.reset();
  ASSERT_OK(transaction->commit());
  EXPECT_EQ(db->query("SELECT count(*) FROM t").value().at(0, 0), Value(4));
  EXPECT_EQ(sqlite::integrity_problems(*db).value(), std::vector<std::string>{});
}

TEST(SqliteDatabase, TheWalStaysBoundedUnderReadersWithoutAPause) {
  TestDirectory directory;
  auto db = open_sqlite({.path = directory / "a.db", .durability = Durability::normal, .checkpoint_pages = 10}).value();
  ASSERT_OK(db->execute("CREATE TABLE t (n BIGINT, v BLOB)"));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i)
    readers.emplace_back([&] {
      while (!stop) EXPECT_OK(db->query("SELECT count(*) FROM t"));
    });
  std::uintmax_t largest = 0;
  for (int i = 0; i < 600; ++i) {
    ASSERT_OK(db->execute("INSERT INTO t VALUES (?, ?)", {i, Bytes{std::string(3000, 'x')}}));
    largest = std::max(largest, std::filesystem::file_size(directory / "a.db-wal"));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_LT(largest, 400u * 4096u);  // 600 commits write three times that
}

TEST(SqliteDatabase, HealthShowsThePoolAndTheFiles) {
  TestDirectory directory;
  auto db = open_sqlite({.path = directory / "a.db"}).value();
  std::string json = to_json(db->health());
  for (const char* detail :
       {"\"library\":\"3.", "\"journal_mode\":\"wal\"", "\"durability\":\"full\"", "readers_max", "wal_bytes"})
    EXPECT_NE(json.find(detail), std::string::npos) << detail << " in " << json;
}

}  // namespace
}  // namespace loam::test
