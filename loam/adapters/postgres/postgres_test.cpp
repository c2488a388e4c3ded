#include "loam/adapters/postgres/postgres.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "tests/support/postgres_server.hpp"

namespace loam {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Postgres : public ::testing::Test {
 protected:
  void SetUp() override {
    LOAM_SHARED_POSTGRES(server);
    server_ = &server;
    auto options = parse_postgres_url(server.fresh_schema());
    ASSERT_TRUE(options.ok()) << options.error().to_string();
    options_ = *options;
    auto opened = open_postgres(options_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    db_ = std::move(opened).value();
  }

  void run(std::string_view sql, std::initializer_list<Value> parameters = {}) {
    auto done = db_->execute(sql, parameters);
    ASSERT_TRUE(done.ok()) << sql << ": " << done.error().to_string();
  }
  Value one(std::string_view sql, std::initializer_list<Value> parameters = {}) { return one_of(*db_, sql, parameters); }
  static Value one_of(SqlSession& session, std::string_view sql, std::initializer_list<Value> parameters = {}) {
    auto rows = session.query(sql, parameters);
    EXPECT_TRUE(rows.ok()) << sql << ": " << (rows.ok() ? "" : rows.error().to_string());
    if (!rows.ok() || rows->rows.empty()) return {};
    return rows->at(0, 0);
  }

  test::PostgresServer* server_ = nullptr;
  PostgresOptions options_;
  std::unique_ptr<Database> db_;
};

TEST_F(Postgres, EveryKindComesBackAsItWentIn) {
  const SqlDialect& dialect = db_->dialect();
  std::vector<Value> values{true,
                            std::numeric_limits<std::int64_t>::min(),
                            -0.1,
                            Decimal{"-1234567890123456789012345678901234567890.1200"},
                            "na\xC3\xAFve \xF0\x9F\x90\x98 'quoted' \\x41",
                            Bytes{std::string("\0\xFF\\x", 4)},
                            Timestamp{1'763'000'000'123'456},
                            Vector{1.5f, -0.0f, std::numeric_limits<float>::denorm_min()}};
  for (const Value& value : values) {
    SCOPED_TRACE(to_string(value.kind()));
    run("DROP TABLE IF EXISTS t");
    run("CREATE TABLE t(id int, v " + dialect.column_type(value.kind()) + ")");
    run("INSERT INTO t VALUES (1, ?), (2, NULL)", {value});
    EXPECT_EQ(one("SELECT v FROM t WHERE id = 1"), value);
    EXPECT_TRUE(one("SELECT v FROM t WHERE id = 2").is_null());
    // Next to a column that only text can carry, everything arrives as text.
    auto row = db_->query("SELECT v, '1 day'::interval FROM t WHERE id = 1");
    ASSERT_TRUE(row.ok());
    EXPECT_EQ(row->at(0, 0), value);
    EXPECT_EQ(row->at(0, 1), Value("P1D"));
  }
}

TEST_F(Postgres, ExtremeNumbersAndTimesSurviveBothFormats) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (std::string_view form : {"?::float8", "?::float8, '1 day'::interval"}) {
    std::string sql = "SELECT " + std::string(form);
    EXPECT_EQ(one(sql, {infinity}), Value(infinity));
    EXPECT_EQ(one(sql, {-infinity}), Value(-infinity));
    EXPECT_EQ(one(sql, {5e-324}), Value(5e-324));
  }
  EXPECT_TRUE(std::isnan(one("SELECT 'NaN'::float8").as<double>()));
  for (std::int64_t micros :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{-62'135'596'800'000'001}, std::int64_t{253'402'300'800'000'000},
        std::int64_t{-210'866'803'200'000'000}, std::int64_t{9'223'371'331'199'999'999}}) {
    EXPECT_EQ(one("SELECT ?::timestamptz", {Timestamp{micros}}), Value(Timestamp{micros}));
    EXPECT_EQ(one("SELECT ?::timestamptz, '1 day'::interval", {Timestamp{micros}}), Value(Timestamp{micros}));
  }
  for (const char* text :
       {"0", "0.00", "-0.0001", "10000", "9999.9999", "100000000000000000000", "0.00000000000000000001", "12.50"}) {
    EXPECT_EQ(one("SELECT ?::numeric", {Decimal{text}}), Value(Decimal{text}));
    EXPECT_EQ(one("SELECT ?::numeric, '1 day'::interval", {Decimal{text}}), Value(Decimal{text}));
  }
}

TEST_F(Postgres, PlaceholdersInQuotesAndCommentsAreText) {
  EXPECT_EQ(one("SELECT '?' || E'\\'?' || $q$?$q$ || ? /* ? /* ? */ */ -- ?\n AS \"?\"", {"x"}), Value("?'?"
                                                                                                       "?x"));
}

TEST_F(Postgres, TypesAreInferredWhereTheServerCannotTell) {
  run("CREATE TABLE t(i bigint, s smallint, d double precision, n numeric, x text, j jsonb, ts timestamptz)");
  run("INSERT INTO t(i, s, d, n) VALUES (?, ?, ?, ?)", {1, 2, 3, 4});
  run("INSERT INTO t(i, s, d, n, x, j, ts) VALUES (?, ?, ?, ?, ?, ?, ?)",
      {Null{}, Null{}, Null{}, Null{}, Null{}, Null{}, Null{}});
  run("INSERT INTO t(x, j, ts) VALUES (?, ?, ?)", {"7", Json{"{\"a\": 1}"}, "2026-01-02T03:04:05Z"});
  EXPECT_EQ(one("SELECT ? = ?", {1, 1}), Value(true));
  EXPECT_EQ(one("SELECT ? < ?", {9, 10}), Value(true));
  EXPECT_EQ(one("SELECT ? < ?", {9, 9.5}), Value(true));
  EXPECT_EQ(one("SELECT ? IS NULL", {Null{}}), Value(true));
  EXPECT_EQ(one("SELECT ? IS NULL", {"text"}), Value(false));
  EXPECT_EQ(one("SELECT ? = ?", {"a", "a"}), Value(true));
  EXPECT_EQ(one("SELECT ?", {"a"}), Value("a"));
  EXPECT_EQ(one("SELECT ? || ?", {"a", "b"}), Value("ab"));
  EXPECT_EQ(one("SELECT coalesce(?, ?)", {Null{}, "b"}), Value("b"));
  EXPECT_EQ(one("SELECT jsonb_build_object(?, ?)", {"k", "v"}), Value(Json{"{\"k\": \"v\"}"}));
  EXPECT_EQ(one("SELECT ? -> 'a'", {Json{"{\"a\": [1]}"}}), Value(Json{"[1]"}));
  EXPECT_EQ(one("SELECT count(*) FROM t WHERE i = ? AND d < ?", {1.0, 4}), Value(1));
  EXPECT_EQ(one("SELECT ts FROM t WHERE x = ?", {"7"}), Value(parse_timestamp("2026-01-02T03:04:05Z").value()));
}

TEST_F(Postgres, RowsOfNothingButNullsGoIntoColumnsOfAnyType) {
  // PostgreSQL takes a column of nothing but parameters in VALUES (..), (..) for text, and then refuses to store text in a
  // bigint.
  run("CREATE TABLE t(id int, i bigint, ts timestamptz, j jsonb, x text)");
  run("INSERT INTO t VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)",
      {1, Null{}, Null{}, Null{}, "a", 2, Null{}, Null{}, Json{"{}"}, Null{}});
  run("INSERT INTO t VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)",
      {3, 7, Timestamp{0}, Null{}, "b", 4, Null{}, Null{}, Null{}, Null{}});
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t(id, i) VALUES (?, ?), (?, ?)", {5, Null{}, 6, Null{}}).ok());
  ASSERT_TRUE(transaction->execute("INSERT INTO t(id, i) VALUES (?, ?), (?, ?)", {7, Null{}, 8, 9}).ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(one("SELECT count(*) FROM t WHERE i IS NULL"), Value(6));
}

TEST_F(Postgres, AStatementThatCannotBePreparedDoesNotAbortTheTransaction) {
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("CREATE TABLE t(i int)").ok());
  EXPECT_EQ(transaction->execute("SELECT nonsense").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(transaction->execute("INSERT INTO t VALUES (?)", {Bytes{"x"}}).error().code(), ErrorCode::invalid_argument);
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_THAT(db_->table_names().value(), ElementsAre("t"));
}

TEST_F(Postgres, ATypeThatCannotBeInferredDoesNotAbortTheTransaction) {
  // The server refuses to prepare `$1 IS NULL` without a type, and a failed parse aborts the transaction it stands in.
  auto transaction = db_->begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE((*transaction)->execute("CREATE TABLE t(x text)").ok());
  EXPECT_EQ(one_of(**transaction, "SELECT ? IS NULL AND ? IS NULL", {Null{}, Null{}}), Value(true));
  ASSERT_TRUE((*transaction)->commit().ok());
  EXPECT_THAT(db_->table_names().value(), ElementsAre("t"));
}

TEST_F(Postgres, WhatCannotBeBoundIsRefusedBeforeAnythingIsSent) {
  run("CREATE TABLE t(x text, b bytea)");
  auto refused = [&](std::string_view sql, std::initializer_list<Value> parameters) {
    auto done = db_->execute(sql, parameters);
    EXPECT_FALSE(done.ok()) << sql;
    return done.ok() ? std::string() : done.error().to_string();
  };
  EXPECT_THAT(refused("INSERT INTO t(x) VALUES (?)", {std::string("a\0b", 3)}),
              HasSubstr("parameter 1: the text contains a NUL byte"));
  EXPECT_THAT(refused("INSERT INTO t(b) VALUES (?)", {"text"}), HasSubstr("bind Bytes"));
  EXPECT_THAT(refused("SELECT ?::numeric", {Decimal{"1e5"}}), HasSubstr("is not a decimal number"));
  EXPECT_THAT(refused("SELECT ?", {}), HasSubstr("has 1 parameters, and 0 values"));
  EXPECT_THAT(refused("SELECT $1", {}), HasSubstr("parameters are written ?"));
  EXPECT_THAT(refused("", {}), HasSubstr("holds no statement"));
  EXPECT_THAT(refused("SELECT 1; SELECT 2", {}), HasSubstr("multiple commands"));
  EXPECT_THAT(refused("/* a */ cOmMit", {}), HasSubstr("COMMIT is not a statement to execute"));
  EXPECT_THAT(refused("COPY t FROM STDIN", {}), HasSubstr("COPY is not available"));

  std::string many = "SELECT 1 WHERE 1 IN (?";
  for (int i = 1; i < 65'536; ++i) many += ",?";
  std::vector<Value> values(65'536, Value(1));
  auto done = db_->execute(many + ")", values);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(done.error().message(), HasSubstr("at most 7498"));
}

TEST_F(Postgres, ANameThatTheServerWouldCutIsRefused) {
  // PostgreSQL cuts names to 63 bytes with a mere notice, and two names that differ later become one table.
  std::string name(64, 'n');
  auto done = db_->execute("CREATE TABLE " + name + "(i int)");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(done.error().message(), HasSubstr("longer than 63 bytes"));
  EXPECT_TRUE(db_->table_names().value().empty());
  run("CREATE TABLE " + name.substr(1) + "(i int)");
  EXPECT_EQ(db_->describe(name).error().code(), ErrorCode::not_found);
  EXPECT_TRUE(db_->describe(name.substr(1)).ok());

  options_.schema = name;
  EXPECT_EQ(open_postgres(options_).error().code(), ErrorCode::invalid_argument);
}

TEST_F(Postgres, QueryCannotWriteAndExecuteCanAfterIt) {
  run("CREATE TABLE t(i int)");
  run("CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (9) RETURNING i'");
  for (int round = 0; round < 3; ++round) {
    for (const char* sql : {"INSERT INTO t VALUES (1)", "WITH x AS (INSERT INTO t VALUES (2) RETURNING i) SELECT * FROM x",
                            "SELECT sneaky()", "CREATE TABLE u(i int)", "SELECT * FROM t FOR UPDATE"}) {
      auto rows = db_->query(sql);
      ASSERT_FALSE(rows.ok()) << sql;
      EXPECT_EQ(rows.error().code(), ErrorCode::failed_precondition) << rows.error().to_string();
    }
    run("INSERT INTO t VALUES (5)");
  }
  EXPECT_EQ(one("SELECT count(*) FROM t WHERE i = 5"), Value(3));
  EXPECT_EQ(one("SELECT count(*) FROM t WHERE i <> 5"), Value(0));
}

TEST_F(Postgres, ACallThatSentNothingDoesNotMixUpReadingAndWriting) {
  // The session notes what it told the server about read-only; a call that ended before sending must not have changed the
  // note.
  run("CREATE TABLE t(i int)");
  EXPECT_EQ(one("SELECT 1"), Value(1));
  run("INSERT INTO t VALUES (1)");
  EXPECT_FALSE(db_->query("SELECT 1", {}, Context().deadline_in_ms(-1)).ok());
  EXPECT_FALSE(db_->query("INSERT INTO t VALUES (1)").ok());
  EXPECT_FALSE(db_->execute("INSERT INTO t VALUES (1)", {}, Context().deadline_in_ms(-1)).ok());
  run("INSERT INTO t VALUES (1)");
  EXPECT_EQ(one("SELECT count(*) FROM t"), Value(2));
}

TEST_F(Postgres, WhatCannotRunInATransactionRunsOutsideOfOne) {
  run("CREATE TABLE t(i int)");
  for (const char* sql : {"VACUUM t", "CREATE INDEX CONCURRENTLY t_i ON t(i)", "ANALYZE t"}) {
    EXPECT_EQ(one("SELECT 1"), Value(1)) << "so that the session has to switch to writing";
    run(sql);
  }
}

TEST_F(Postgres, ASettingDoesNotReachTheNextUserOfTheConnection) {
  run("SET statement_timeout = 12345");
  EXPECT_EQ(one("SELECT current_setting('statement_timeout')"), Value("0"));
  EXPECT_EQ(db_->pool_stats().in_use, 0u);
}

TEST_F(Postgres, StatementsArePreparedOnceAndTheOldestAreDeallocated) {
  for (int round = 0; round < 3; ++round) EXPECT_EQ(one("SELECT ? + 1", {round}), Value(round + 1));
  EXPECT_EQ(one("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1 + 1'"), Value(1));
  for (int i = 0; i < 400; ++i) EXPECT_EQ(one("SELECT " + std::to_string(i)), Value(i));
  EXPECT_LE(one("SELECT count(*) FROM pg_prepared_statements").as<std::int64_t>(), 257);
  EXPECT_EQ(one("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1 + 1'"), Value(0));
}

TEST_F(Postgres, AStatementSurvivesAChangeOfItsTable) {
  run("CREATE TABLE t(i int)");
  run("INSERT INTO t VALUES (1)");
  EXPECT_EQ(one("SELECT * FROM t"), Value(1));
  run("ALTER TABLE t ALTER COLUMN i TYPE text");
  EXPECT_EQ(one("SELECT * FROM t"), Value("1"));
}

TEST_F(Postgres, SavepointsTakeAnyName) {
  run("CREATE TABLE t(i int)");
  auto transaction = db_->begin().value();
  std::string long_name(200, 'x');
  for (const std::string& name : {std::string("a\"b'; DROP TABLE t; --"), std::string(), long_name + "1", long_name + "2"}) {
    ASSERT_TRUE(transaction->savepoint(name).ok());
    ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  }
  ASSERT_TRUE(transaction->rollback_to(long_name + "1").ok());
  EXPECT_FALSE(transaction->release(long_name + "2").ok());
  EXPECT_FALSE(transaction->rollback_to("unknown").ok());
  ASSERT_TRUE(transaction->release("").ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(one("SELECT count(*) FROM t"), Value(2));
}

TEST_F(Postgres, AFailedTransactionCannotBeCommitted) {
  run("CREATE TABLE t(i int PRIMARY KEY)");
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  EXPECT_EQ(transaction->execute("INSERT INTO t VALUES (1)").error().code(), ErrorCode::already_exists);
  auto done = transaction->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(done.error().outcome(), Outcome::not_applied);
  EXPECT_EQ(one("SELECT count(*) FROM t"), Value(0));
  EXPECT_EQ(transaction->execute("SELECT 1").error().code(), ErrorCode::failed_precondition);
}

TEST_F(Postgres, SerializationFailureIsAConflict) {
  run("CREATE TABLE t(id int PRIMARY KEY, n int)");
  run("INSERT INTO t VALUES (1, 0)");
  auto first = db_->begin().value();
  auto second = db_->begin().value();
  EXPECT_EQ(one_of(*first, "SELECT n FROM t"), Value(0));
  EXPECT_EQ(one_of(*second, "SELECT n FROM t"), Value(0));
  ASSERT_TRUE(first->execute("UPDATE t SET n = n + 1").ok());
  ASSERT_TRUE(first->commit().ok());
  auto late = second->execute("UPDATE t SET n = n + 1");
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::conflict);
  EXPECT_TRUE(late.error().retryable());
}

TEST_F(Postgres, ADeferredConstraintFailsTheCommitWithNothingApplied) {
  run("CREATE TABLE p(id int PRIMARY KEY)");
  run("CREATE TABLE c(p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO c VALUES (7)").ok());
  auto done = transaction->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(done.error().outcome(), Outcome::not_applied);
  // Outside of a transaction the commit comes after the statement's own success.
  auto alone = db_->execute("INSERT INTO c VALUES (7)");
  ASSERT_FALSE(alone.ok());
  EXPECT_EQ(alone.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(one("SELECT count(*) FROM c"), Value(0));
}

TEST_F(Postgres, TheWriteLockComesBeforeTheSnapshot) {
  // A transaction with one snapshot that takes it first and waits for the lock then would count from the old number.
  run("CREATE TABLE t(n bigint)");
  run("INSERT INTO t VALUES (0)");
  SqlText lock = db_->dialect().lock_for_write(42);
  auto count_up = [&] {
    auto transaction = db_->begin().value();
    auto locked = transaction->execute(lock.sql, lock.parameters);
    ASSERT_TRUE(locked.ok()) << locked.error().to_string();
    auto n = one_of(*transaction, "SELECT n FROM t").as<std::int64_t>();
    auto written = transaction->execute("UPDATE t SET n = ?", {n + 1});
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    ASSERT_TRUE(transaction->commit().ok());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 25; ++k) count_up();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(one("SELECT n FROM t"), Value(100));
  EXPECT_EQ(one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), Value(0));
}

TEST_F(Postgres, ACursorReadsMoreRowsThanMemoryWouldHold) {
  auto cursor = db_->open_cursor("SELECT i, repeat('x', 1000) FROM generate_series(1, 200000) AS i");
  ASSERT_TRUE(cursor.ok()) << cursor.error().to_string();
  std::int64_t sum = 0;
  for (;;) {
    auto more = (*cursor)->next();
    ASSERT_TRUE(more.ok()) << more.error().to_string();
    if (!*more) break;
    sum += (*cursor)->int64(0);
  }
  EXPECT_EQ(sum, 200'000ll * 200'001 / 2);
  EXPECT_EQ(db_->pool_stats().in_use, 0u) << "given back at the end, not only when destroyed";
}

TEST_F(Postgres, ACursorLeftEarlyGivesItsConnectionBack) {
  for (const char* sql : {"SELECT generate_series(1, 10)", "SELECT generate_series(1, 100000000)",
                          "SELECT repeat('x', 9000), pg_sleep(0.01) FROM generate_series(1, 100000)"}) {
    auto cursor = db_->open_cursor(sql);
    ASSERT_TRUE(cursor.ok());
    ASSERT_TRUE((*cursor)->next().value());
    cursor->reset();
    EXPECT_EQ(db_->pool_stats().in_use, 0u);
    EXPECT_EQ(one("SELECT 1"), Value(1));
  }
  EXPECT_EQ(one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active' "
                "AND pid <> pg_backend_pid()"),
            Value(0));
}

TEST_F(Postgres, ATransactionGoesOnWhileItsCursorIsOpen) {
  run("CREATE TABLE t(i int)");
  auto transaction = db_->begin().value();
  auto cursor = transaction->open_cursor("SELECT generate_series(1, 50000)").value();
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(cursor->next().value());
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  auto left = transaction->open_cursor("SELECT generate_series(1, 50000)").value();
  ASSERT_TRUE(left->next().value());
  left.reset();
  std::int64_t count = 5;
  while (cursor->next().value()) EXPECT_EQ(cursor->int64(0), ++count);
  EXPECT_EQ(count, 50'000);
  auto kept = transaction->open_cursor("SELECT generate_series(1, 50000), NULL").value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (2)").ok());
  ASSERT_TRUE(kept->next().value());
  EXPECT_TRUE(kept->is_null(1));
  auto cut = transaction->open_cursor("SELECT generate_series(1, 50000)").value();
  ASSERT_TRUE(transaction->rollback().ok());
  EXPECT_EQ(cut->next().error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(kept->next().error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(one("SELECT count(*) FROM t"), Value(0));
  EXPECT_EQ(db_->pool_stats().in_use, 0u);
}

TEST_F(Postgres, ExecuteManyIsAllOrNothingAndNamesTheRow) {
  run("CREATE TABLE t(i int PRIMARY KEY, x text, f double precision)");
  std::vector<std::vector<Value>> rows;
  for (int i = 0; i < 3'000; ++i)
    rows.push_back({i, i % 3 == 0 ? Value() : Value("row"), i % 2 == 0 ? Value(0.5) : Value(i)});
  EXPECT_EQ(db_->execute_many("INSERT INTO t VALUES (?, ?, ?)", rows).value(), 3'000);
  EXPECT_EQ(one("SELECT count(*) FROM t WHERE x IS NULL"), Value(1'000));
  rows[1234][0] = 7;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (i != 1234) rows[i][0] = static_cast<std::int64_t>(10'000 + i);
  auto failed = db_->execute_many("INSERT INTO t VALUES (?, ?, ?)", rows);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(failed.error().to_string(), HasSubstr("row 1235"));
  EXPECT_EQ(one("SELECT count(*) FROM t"), Value(3'000));
  EXPECT_EQ(db_->execute_many("UPDATE t SET x = 'y' WHERE i < ?", std::vector<std::vector<Value>>{{10}, {20}}).value(), 30);
}

TEST_F(Postgres, DescribeTellsTheWholeTable) {
  run("CREATE TABLE p(a int, b text, PRIMARY KEY (b, a))");
  run("CREATE TABLE c(id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, pa int, pb text, note text NOT NULL DEFAULT "
      "'none', "
      "price numeric(10,2), FOREIGN KEY (pb, pa) REFERENCES p(b, a))");
  run("CREATE UNIQUE INDEX c_note ON c(note, lower(pb))");
  TableInfo parent = db_->describe("p").value();
  EXPECT_THAT(parent.primary_key, ElementsAre("b", "a"));
  TableInfo info = db_->describe("c").value();
  ASSERT_EQ(info.columns.size(), 5u);
  EXPECT_EQ(info.columns[0].kind, ValueKind::int64);
  EXPECT_EQ(info.columns[0].primary_key_position, 1);
  EXPECT_EQ(info.columns[3].default_sql, "'none'::text");
  EXPECT_FALSE(info.columns[3].nullable);
  EXPECT_EQ(info.columns[4].native_type, "numeric(10,2)");
  EXPECT_EQ(info.columns[4].kind, ValueKind::decimal);
  ASSERT_EQ(info.foreign_keys.size(), 1u);
  EXPECT_EQ(info.foreign_keys[0].referenced_table, "p");
  EXPECT_THAT(info.foreign_keys[0].columns, ElementsAre("pb", "pa"));
  EXPECT_THAT(info.foreign_keys[0].referenced_columns, ElementsAre("b", "a"));
  ASSERT_EQ(info.indexes.size(), 1u);
  EXPECT_TRUE(info.indexes[0].unique);
  EXPECT_THAT(info.indexes[0].columns, ElementsAre("note", "lower(pb)"));
  EXPECT_EQ(db_->describe("missing").error().code(), ErrorCode::not_found);
}

TEST_F(Postgres, TextIsOrderedByBytesWhateverTheDatabasesLocale) {
  auto created = server_->sql("CREATE DATABASE localized TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
  if (!created.ok()) GTEST_SKIP() << "needs a PostgreSQL with ICU: " << created.error().message();
  options_.database = "localized";
  auto db = open_postgres(options_).value();
  ASSERT_TRUE(db->execute("CREATE TABLE t(x " + db->dialect().column_type(ValueKind::string) + ")").ok());
  ASSERT_TRUE(db->execute("INSERT INTO t VALUES ('a'), ('B'), ('\xC3\xA4'), ('b')").ok());
  auto rows = db->query("SELECT x FROM t ORDER BY x").value();
  EXPECT_EQ(rows.at(0, 0), Value("B"));
  EXPECT_EQ(rows.at(3, 0), Value("\xC3\xA4"));
}

TEST_F(Postgres, HealthTellsVersionAndPool) {
  HealthStatus status = db_->health();
  EXPECT_EQ(status.status, Health::healthy);
  EXPECT_EQ(status.adapter, "postgres");
  EXPECT_GT(status.latency_ms, 0);
  EXPECT_THAT(to_json(status), HasSubstr("server_version"));
}

}  // namespace
}  // namespace loam
