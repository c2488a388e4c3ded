#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {

using Work = Result<void>;

// -- Transactions --

TEST_P(DatabaseContract, ATransactionShowsItsRowsToOthersOnlyAfterCommit) {  // D5
  make_items(1);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (2, 'mine')"));
  EXPECT_EQ(count_items(**transaction), 2);
  EXPECT_EQ(count_items(), 1);
  ASSERT_OK((*transaction)->commit());
  EXPECT_EQ(count_items(), 2);
}

TEST_P(DatabaseContract, ADroppedTransactionIsRolledBack) {  // D6
  make_items(1);
  {
    auto transaction = db().begin();
    ASSERT_OK(transaction);
    ASSERT_OK((*transaction)->execute("DELETE FROM items"));
    ASSERT_OK((*transaction)->execute("CREATE TABLE gone (a BIGINT)"));
  }
  EXPECT_EQ(count_items(), 1);
  EXPECT_EQ(db().table_names().value(), std::vector<std::string>{"items"});
}

TEST_P(DatabaseContract, RollbackUndoesEverythingAndMayBeRepeated) {
  make_items(1);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->execute("DELETE FROM items"));
  EXPECT_OK((*transaction)->rollback());
  EXPECT_OK((*transaction)->rollback());
  EXPECT_EQ(count_items(), 1);
}

TEST_P(DatabaseContract, AnEndedTransactionTakesNoMoreCalls) {
  make_items(1);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->commit());
  EXPECT_CODE(failed_precondition, (*transaction)->execute("DELETE FROM items"));
  EXPECT_CODE(failed_precondition, (*transaction)->query("SELECT 1"));
  EXPECT_CODE(failed_precondition, (*transaction)->execute_many("DELETE FROM items WHERE id = ?", {}));
  EXPECT_CODE(failed_precondition, (*transaction)->savepoint("s"));
  EXPECT_CODE(failed_precondition, (*transaction)->commit());
  EXPECT_OK((*transaction)->rollback());
  EXPECT_EQ(count_items(), 1);
}

TEST_P(DatabaseContract, TransactionControlInSqlTextIsRefused) {
  make_items(1);
  for (std::string_view sql : {"COMMIT", "  commit ;", "/* x */ COMMIT", "-- x\nEND", "ROLLBACK", "BEGIN", "SAVEPOINT s",
                               "RELEASE s", "ROLLBACK TO s"}) {
    SCOPED_TRACE(sql);
    auto transaction = db().begin();
    ASSERT_OK(transaction);
    ASSERT_OK((*transaction)->execute("DELETE FROM items"));
    EXPECT_CODE(invalid_argument, (*transaction)->execute(sql));
    EXPECT_CODE(invalid_argument, db().query(sql));
    transaction->reset();
    EXPECT_EQ(count_items(), 1);
  }
}

TEST_P(DatabaseContract, AReadOnlyTransactionDoesNotWrite) {
  make_items(1);
  auto transaction = db().begin({.access = Access::read_only});
  ASSERT_OK(transaction);
  EXPECT_CODE(failed_precondition, (*transaction)->execute("DELETE FROM items"));
  transaction->reset();
  EXPECT_EQ(count_items(), 1);
}

TEST_P(DatabaseContract, AReadTransactionKeepsItsSnapshot) {  // D5
  make_items(2);
  auto transaction = db().begin({.access = Access::read_only, .isolation = Isolation::repeatable_read});
  ASSERT_OK(transaction);
  EXPECT_EQ(count_items(**transaction), 2);
  ASSERT_OK(db().execute("DELETE FROM items"));
  EXPECT_EQ(count_items(**transaction), 2);
  EXPECT_EQ(listed(**transaction, "SELECT name FROM items WHERE id = 2"), "item 2");
  ASSERT_OK((*transaction)->commit());
  EXPECT_EQ(count_items(), 0);
}

TEST_P(DatabaseContract, AConstraintCheckedAtCommitFailsTheCommitWithNothingStored) {  // D3
  ASSERT_OK(db().execute("CREATE TABLE parents (id BIGINT PRIMARY KEY)"));
  ASSERT_OK(
      db().execute("CREATE TABLE children (id BIGINT, parent BIGINT REFERENCES parents(id) DEFERRABLE INITIALLY DEFERRED)"));
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->execute("INSERT INTO children VALUES (1, 99)"));
  auto committed = (*transaction)->commit();
  EXPECT_CODE(failed_precondition, committed);
  EXPECT_EQ(committed.error().outcome(), Outcome::not_applied);
  transaction->reset();
  EXPECT_EQ(listed(db(), "SELECT count(*) FROM children"), "0");
  EXPECT_OK(db().execute("INSERT INTO parents VALUES (1)"));
}

TEST_P(DatabaseContract, ExecuteManyInATransactionIsPartOfIt) {
  make_items();
  std::vector<std::vector<Value>> rows = {{1, "a"}, {2, "b"}};
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  EXPECT_EQ((*transaction)->execute_many("INSERT INTO items (id, name) VALUES (?, ?)", rows).value(), 2);
  EXPECT_EQ(count_items(**transaction), 2);
  ASSERT_OK((*transaction)->rollback());
  EXPECT_EQ(count_items(), 0);
}

TEST_P(DatabaseContract, CommittedRowsAreThereAfterReopening) {  // D2
  if (!db().capabilities().persistent) GTEST_SKIP() << "keeps nothing";
  make_items(3);
  {
    auto transaction = db().begin();
    ASSERT_OK(transaction);
    ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (4, 'never')"));
  }
  reopen(contract_pool);
  EXPECT_EQ(listed(db(), "SELECT name FROM items ORDER BY id"), "item 1 item 2 item 3");
}

TEST_P(DatabaseContract, TwoOpenDatabasesSeeEachOthersCommits) {
  if (!db().capabilities().shared) GTEST_SKIP() << "has one opener";
  make_items(1);
  auto second = backend_->open(contract_pool);
  ASSERT_OK(second);
  EXPECT_EQ(count_items(**second), 1);
  ASSERT_OK((*second)->execute("INSERT INTO items (id, name) VALUES (2, 'b')"));
  EXPECT_EQ(count_items(), 2);
  ASSERT_OK(db().execute("DELETE FROM items"));
  EXPECT_EQ(count_items(**second), 0);
}

// -- Savepoints --

TEST_P(DatabaseContract, RollingBackToASavepointUndoesWhatCameAfterIt) {
  make_items();
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  auto add = [&](int id) { ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (?, 'x')", {id})); };
  add(1);
  ASSERT_OK((*transaction)->savepoint("a"));
  add(2);
  ASSERT_OK((*transaction)->savepoint("b"));
  add(3);
  ASSERT_OK((*transaction)->rollback_to("b"));
  EXPECT_EQ(listed(**transaction, "SELECT id FROM items ORDER BY id"), "1 2");
  add(4);
  ASSERT_OK((*transaction)->rollback_to("b"));  // it is still there
  EXPECT_EQ(listed(**transaction, "SELECT id FROM items ORDER BY id"), "1 2");
  ASSERT_OK((*transaction)->rollback_to("a"));
  EXPECT_CODE(not_found, (*transaction)->rollback_to("b"));  // undone with what came after a
  add(5);
  ASSERT_OK((*transaction)->release("a"));
  EXPECT_CODE(not_found, (*transaction)->release("a"));
  ASSERT_OK((*transaction)->commit());
  EXPECT_EQ(listed(db(), "SELECT id FROM items ORDER BY id"), "1 5");
}

TEST_P(DatabaseContract, SavepointNamesAreAnyText) {
  make_items();
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  std::string long_name(200, 'n');
  std::vector<std::string> names = {
      "",  "a\"b", "'; DROP TABLE items; --", "select",       "A", "a", "\xC3\xA4 \xF0\x9F\x8C\xB1",
      "?", "x?y",  long_name + "1",           long_name + "2"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    ASSERT_OK((*transaction)->savepoint(names[i]));
    ASSERT_OK((*transaction)->execute("INSERT INTO items (id) VALUES (?)", {static_cast<std::int64_t>(i)}));
  }
  for (std::size_t i = names.size(); i > 0; --i) {
    ASSERT_OK((*transaction)->rollback_to(names[i - 1]));
    EXPECT_EQ(count_items(**transaction), static_cast<std::int64_t>(i - 1)) << names[i - 1];
    ASSERT_OK((*transaction)->release(names[i - 1]));
  }
}

TEST_P(DatabaseContract, TheInnerOfTwoSavepointsOfOneNameIsMeant) {
  make_items();
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->savepoint("s"));
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id) VALUES (1)"));
  ASSERT_OK((*transaction)->savepoint("s"));
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id) VALUES (2)"));
  ASSERT_OK((*transaction)->rollback_to("s"));
  EXPECT_EQ(count_items(**transaction), 1);
  ASSERT_OK((*transaction)->release("s"));
  ASSERT_OK((*transaction)->rollback_to("s"));
  EXPECT_EQ(count_items(**transaction), 0);
}

TEST_P(DatabaseContract, ASavepointSavesTheTransactionFromAFailedStatement) {  // D6
  make_items(1);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (2, 'b')"));
  ASSERT_OK((*transaction)->savepoint("try"));
  EXPECT_CODE(already_exists, (*transaction)->execute("INSERT INTO items (id, name) VALUES (1, 'taken')"));
  ASSERT_OK((*transaction)->rollback_to("try"));
  ASSERT_OK((*transaction)->execute("INSERT INTO items (id, name) VALUES (3, 'c')"));
  ASSERT_OK((*transaction)->commit());
  EXPECT_EQ(count_items(), 3);
}

// -- atomically() --

TEST_P(DatabaseContract, AtomicallyKeepsAllOrNothingAndReturnsTheWorksOwnError) {
  make_items();
  EXPECT_OK(db().atomically([](SqlSession& session) -> Work {
    LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (1)"));
    LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (2)"));
    return {};
  }));
  auto failed = db().atomically([](SqlSession& session) -> Work {
    LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (3)"));
    return not_found("changed my mind");
  });
  EXPECT_CODE(not_found, failed);
  EXPECT_EQ(failed.error().message(), "changed my mind");
  EXPECT_EQ(count_items(), 2);
}

TEST_P(DatabaseContract, AtomicallyNestsAsSavepoints) {
  make_items();
  EXPECT_OK(db().atomically([](SqlSession& outer) -> Work {
    LOAM_TRY(outer.execute("INSERT INTO items (id) VALUES (1)"));
    EXPECT_TRUE(outer.in_transaction());
    auto inner = outer.atomically([](SqlSession& session) -> Work {
      LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (2)"));
      LOAM_TRY(session.atomically([](SqlSession& deep) -> Work {
        LOAM_TRY(deep.execute("INSERT INTO items (id) VALUES (3)"));
        return {};
      }));
      LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (1)"));
      return {};
    });
    EXPECT_EQ(to_string(inner.ok() ? ErrorCode::internal : inner.error().code()), "already_exists");
    LOAM_TRY(outer.atomically([](SqlSession& session) -> Work {
      LOAM_TRY(session.execute("INSERT INTO items (id) VALUES (4)"));
      return {};
    }));
    return {};
  }));
  EXPECT_FALSE(db().in_transaction());
  EXPECT_EQ(listed(db(), "SELECT id FROM items ORDER BY id"), "1 4");
}

TEST_P(DatabaseContract, AtomicallyAfterItsDeadlineDoesNoWork) {
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  bool worked = false;
  auto work = [&worked](SqlSession&) -> Work {
    worked = true;
    return {};
  };
  EXPECT_CODE(deadline_exceeded, (*transaction)->atomically(work, Context().deadline_in_ms(-1)));
  EXPECT_CODE(deadline_exceeded, db().atomically(work, Context().deadline_in_ms(-1)));
  EXPECT_FALSE(worked);
}

// -- What there is --

TEST_P(DatabaseContract, TableNamesAreSortedAndWithoutTheDatabasesOwn) {
  EXPECT_EQ(db().table_names().value(), std::vector<std::string>{});
  for (const char* name : {"pears", "apples", "Mangos"})
    ASSERT_OK(db().execute("CREATE TABLE " + quoted(name) + " (id " + db().dialect().auto_key_type() + ")"));
  ASSERT_OK(db().execute("CREATE VIEW some_view AS SELECT 1 AS one"));
  EXPECT_EQ(db().table_names().value(), (std::vector<std::string>{"Mangos", "apples", "pears"}));
}

TEST_P(DatabaseContract, DescribeTellsColumnsKeysAndIndexes) {
  ASSERT_OK(db().execute("CREATE TABLE parents (a BIGINT NOT NULL, b TEXT NOT NULL, PRIMARY KEY (b, a))"));
  std::string sql = "CREATE TABLE children (";
  std::vector<std::pair<std::string, ValueKind>> kinds = {{"flag", ValueKind::boolean},  {"number", ValueKind::int64},
                                                          {"ratio", ValueKind::float64}, {"price", ValueKind::decimal},
                                                          {"title", ValueKind::string},  {"content", ValueKind::bytes},
                                                          {"at", ValueKind::timestamp},  {"extra", ValueKind::json}};
  for (const auto& [name, kind] : kinds)
    sql += name + " " + type(kind) + (kind == ValueKind::string ? " NOT NULL DEFAULT 'none'" : "") + ", ";
  ASSERT_OK(db().execute(
      sql + "id BIGINT NOT NULL PRIMARY KEY, pa BIGINT, pb TEXT, FOREIGN KEY (pb, pa) REFERENCES parents (b, a))"));
  ASSERT_OK(db().execute("CREATE UNIQUE INDEX children_title ON children (title, number)"));
  ASSERT_OK(db().execute("CREATE INDEX children_at ON children (at)"));

  auto described = db().describe("children");
  ASSERT_OK(described);
  const TableInfo& table = *described;
  EXPECT_EQ(table.name, "children");
  ASSERT_EQ(table.columns.size(), kinds.size() + 3);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(table.columns[i].name, kinds[i].first);
    EXPECT_EQ(to_string(table.columns[i].kind), to_string(kinds[i].second)) << kinds[i].first;
    EXPECT_EQ(table.columns[i].nullable, kinds[i].second != ValueKind::string);
    EXPECT_EQ(table.columns[i].default_sql.has_value(), kinds[i].second == ValueKind::string);
  }
  EXPECT_EQ(table.columns[8].primary_key_position, 1);
  EXPECT_EQ(table.primary_key, std::vector<std::string>{"id"});
  ASSERT_EQ(table.foreign_keys.size(), 1u);
  EXPECT_EQ(table.foreign_keys[0].columns, (std::vector<std::string>{"pb", "pa"}));
  EXPECT_EQ(table.foreign_keys[0].referenced_table, "parents");
  EXPECT_EQ(table.foreign_keys[0].referenced_columns, (std::vector<std::string>{"b", "a"}));
  ASSERT_EQ(table.indexes.size(), 2u);  // by name; the primary key is not repeated
  EXPECT_EQ(table.indexes[0].name, "children_at");
  EXPECT_FALSE(table.indexes[0].unique);
  EXPECT_EQ(table.indexes[1].columns, (std::vector<std::string>{"title", "number"}));
  EXPECT_TRUE(table.indexes[1].unique);
  EXPECT_GE(table.row_count_estimate, -1);
  EXPECT_EQ(db().describe("parents").value().primary_key, (std::vector<std::string>{"b", "a"}));
}

TEST_P(DatabaseContract, DescribeOfAMissingTableIsNotFound) {
  EXPECT_CODE(not_found, db().describe("nothing"));
  EXPECT_CODE(not_found, db().describe(""));
  EXPECT_CODE(not_found, db().describe("'; DROP TABLE items; --"));
}

TEST_P(DatabaseContract, AWorkingDatabaseIsHealthy) {
  HealthStatus status = db().health();
  EXPECT_EQ(to_string(status.status), "healthy") << status.error;
  EXPECT_EQ(status.port, "database");
  EXPECT_FALSE(status.adapter.empty());
  EXPECT_GE(status.latency_ms, 0);
  EXPECT_TRUE(status.error.empty());
}

}  // namespace loam::test
