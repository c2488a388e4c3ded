/// Names, upserts, change triggers and write locks of each dialect.

#include "tests/dialects/dialect_fixture.hpp"

namespace loam {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class DialectSchema : public test::DialectTest {
 protected:
  /// (table id, row id) of every change since the last call, in order of their number.
  std::vector<std::pair<std::int64_t, std::int64_t>> changes() {
    std::vector<std::pair<std::int64_t, std::int64_t>> list;
    for (const auto& row : rows("SELECT table_id, row_id FROM loam_changes ORDER BY seq"))
      list.emplace_back(row.at(0).as<std::int64_t>(), row.at(1).as<std::int64_t>());
    run("DELETE FROM loam_changes");
    return list;
  }

  void create_change_log() {
    run("CREATE TABLE loam_changes (seq " + dialect().auto_key_type() + ", table_id " +
        dialect().column_type(ValueKind::int64) + " NOT NULL, row_id " + dialect().column_type(ValueKind::int64) +
        " NOT NULL)");
  }
};

TEST_P(DialectSchema, AnyNameStaysAName) {
  for (const char* name : {"plain", "select", "with space", "quo\"te", "'); DROP TABLE sentinel; --", "?", "ü😀", "$1",
                           "a\\b", "--", "[x]", "`y`"}) {
    run("CREATE TABLE " + q(name) + " (" + q(name) + " " + dialect().column_type(ValueKind::string) + ")");
    run("INSERT INTO " + q(name) + " (" + q(name) + ") VALUES (?)", {"value"});
    auto found = rows("SELECT " + q(name) + " FROM " + q(name) + " WHERE " + q(name) + " = ?", {"value"});
    ASSERT_EQ(found.size(), 1u) << name;
    EXPECT_EQ(found[0].at(0), Value("value")) << name;
    run("DROP TABLE " + q(name));
  }
}

TEST_P(DialectSchema, OnConflictUpdatesOrDoesNothing) {
  run("CREATE TABLE t (a BIGINT, b BIGINT, \"v\"\"w\" BIGINT, PRIMARY KEY (a, b))");
  std::string insert = "INSERT INTO t VALUES (?, ?, ?) ";
  run(insert, {1, 2, 10});
  run(insert + dialect().on_conflict({"a", "b"}, {}), {1, 2, 20});
  EXPECT_THAT(integers("SELECT \"v\"\"w\" FROM t"), ElementsAre(10));
  run(insert + dialect().on_conflict({"a", "b"}, {"v\"w"}), {1, 2, 30});
  EXPECT_THAT(integers("SELECT \"v\"\"w\" FROM t"), ElementsAre(30));
}

TEST_P(DialectSchema, AutoKeysCountUpAndNeverComeBack) {
  run("CREATE TABLE t (id " + dialect().auto_key_type() + ", v BIGINT)");
  run("INSERT INTO t(v) VALUES (1), (2)");
  run("DELETE FROM t");
  run("INSERT INTO t(v) VALUES (3)");
  auto ids = integers("SELECT id FROM t");
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_GT(ids[0], 2);
}

TEST_P(DialectSchema, ChangeTriggersLogEveryRowOnce) {
  create_change_log();
  run("CREATE TABLE " + q("my \"table\"") + " (" + q("row 'id'") + " BIGINT PRIMARY KEY, v BIGINT)");
  run("CREATE TABLE other (id BIGINT PRIMARY KEY, v BIGINT)");
  run(dialect().create_change_triggers("my \"table\"", "row 'id'", 7));
  run(dialect().create_change_triggers("other", "id", 8));
  std::string table = q("my \"table\""), id = q("row 'id'");

  run("INSERT INTO " + table + " VALUES (1, 10), (2, 20), (3, 30)");
  EXPECT_THAT(changes(), ElementsAre(std::pair(7, 1), std::pair(7, 2), std::pair(7, 3)));
  run("UPDATE " + table + " SET v = 0 WHERE " + id + " < 3");
  EXPECT_THAT(changes(), UnorderedElementsAre(std::pair(7, 1), std::pair(7, 2)));
  run("UPDATE " + table + " SET " + id + " = 9 WHERE " + id + " = 3");
  EXPECT_THAT(changes(), UnorderedElementsAre(std::pair(7, 3), std::pair(7, 9)));
  run("INSERT INTO " + table + " VALUES (1, 11) " + dialect().on_conflict({"row 'id'"}, {"v"}));
  EXPECT_THAT(changes(), ElementsAre(std::pair(7, 1)));
  run("DELETE FROM " + table + " WHERE " + id + " IN (1, 2)");
  EXPECT_THAT(changes(), UnorderedElementsAre(std::pair(7, 1), std::pair(7, 2)));
  run("DELETE FROM " + table + " WHERE " + id + " = 12345");
  EXPECT_THAT(changes(), ElementsAre());
  run("INSERT INTO other VALUES (5, 5)");
  EXPECT_THAT(changes(), ElementsAre(std::pair(8, 5)));
}

TEST_P(DialectSchema, ReplaceAndTruncateAreLoggedToo) {
  create_change_log();
  run("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT UNIQUE)");
  run(dialect().create_change_triggers("t", "id", 1));
  run("INSERT INTO t VALUES (1, 10), (2, 20)");
  (void)changes();
  run(sqlite() ? "INSERT OR REPLACE INTO t VALUES (3, 10)" : "TRUNCATE t");
  if (sqlite()) {
    EXPECT_THAT(changes(), UnorderedElementsAre(std::pair(1, 1), std::pair(1, 3)));  // the row in the way is gone
  } else {
    EXPECT_THAT(changes(), UnorderedElementsAre(std::pair(1, 1), std::pair(1, 2)));
  }
}

TEST_P(DialectSchema, ChangesOfARolledBackTransactionAreNotThere) {
  create_change_log();
  run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
  run(dialect().create_change_triggers("t", "id", 1));
  auto failed = db_->atomically([](SqlSession& session) -> Result<void> {
    LOAM_TRY(session.execute("INSERT INTO t VALUES (1)"));
    return failed_precondition("on purpose");
  });
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(changes(), ElementsAre());
}

TEST_P(DialectSchema, TheWriteLockRunsInsideATransaction) {
  SqlText lock = dialect().lock_for_write(42);
  EXPECT_EQ(lock.sql.empty(), sqlite());
  if (lock.sql.empty()) return;
  EXPECT_TRUE(db_->atomically([&](SqlSession& session) -> Result<void> {
                   LOAM_TRY(session.execute(lock.sql, lock.parameters));
                   return {};
                 })
                  .ok());
}

LOAM_ON_EVERY_DIALECT(DialectSchema);

}  // namespace
}  // namespace loam
