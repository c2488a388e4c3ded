#include "loam/ports/contract/database_contract.hpp"

#include <cmath>
#include <limits>

namespace loam::test {

void DatabaseContract::SetUp() {
  auto backend = GetParam().make();
  ASSERT_TRUE(backend.ok()) << backend.error().to_string();
  backend_ = std::move(backend).value();
  auto opened = backend_->open(contract_pool);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  db_ = std::move(opened).value();
}

void DatabaseContract::make_items(int count) {
  ASSERT_OK(db().execute("CREATE TABLE items (id " + type(ValueKind::int64) + " PRIMARY KEY, name " +
                         type(ValueKind::string) + ")"));
  std::vector<std::vector<Value>> rows;
  for (int i = 1; i <= count; ++i) rows.push_back({i, "item " + std::to_string(i)});
  ASSERT_OK(db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", rows));
}

std::int64_t DatabaseContract::count_items(SqlSession& session) {
  auto rows = session.query("SELECT count(*) FROM items");
  EXPECT_TRUE(rows.ok()) << rows.error().to_string();
  return rows.ok() ? rows->at(0, 0).as<std::int64_t>() : -1;
}

std::string DatabaseContract::listed(SqlSession& session, std::string_view sql, std::initializer_list<Value> parameters) {
  auto rows = session.query(sql, parameters);
  if (!rows.ok()) return rows.error().to_string();
  std::string text;
  for (const auto& row : rows->rows) text += (text.empty() ? "" : " ") + row[0].to_display();
  return text;
}

void DatabaseContract::reopen(PoolOptions pool) {
  db_.reset();
  auto opened = backend_->open(pool);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  db_ = std::move(opened).value();
}

// -- Statements --

TEST_P(DatabaseContract, ExecuteCountsTheRowsItChanged) {
  make_items(3);
  EXPECT_EQ(db().execute("UPDATE items SET name = 'x' WHERE id >= 2").value().rows_affected, 2);
  EXPECT_EQ(db().execute("DELETE FROM items WHERE id = 99").value().rows_affected, 0);
  EXPECT_EQ(db().execute("DELETE FROM items").value().rows_affected, 3);
  EXPECT_EQ(db().execute("CREATE TABLE other (a BIGINT)").value().rows_affected, 0);
}

TEST_P(DatabaseContract, ExecuteGivesWhatReturningAsksFor) {
  make_items(2);
  auto result = db().execute("UPDATE items SET name = ? WHERE id = 2 RETURNING id, name", {"new"});
  ASSERT_OK(result);
  EXPECT_EQ(result->rows_affected, 1);
  EXPECT_EQ(result->returned.at(0, "id"), Value(2));
  EXPECT_EQ(result->returned.at(0, "name"), Value("new"));
}

TEST_P(DatabaseContract, AnInsertThatReturnsManyRowsReturnsThemAll) {
  make_items();
  auto result =
      db().execute("INSERT INTO items (id, name) VALUES (?, ?), (?, ?), (?, ?) RETURNING id", {1, "a", 2, "b", 3, "c"});
  ASSERT_OK(result);
  EXPECT_EQ(result->rows_affected, 3);
  EXPECT_EQ(result->returned.rows.size(), 3u);
}

TEST_P(DatabaseContract, QuestionMarksInQuotesAndCommentsAreText) {  // D7
  make_items(1);
  auto rows = db().query(
      "SELECT '?' AS a, '''?' AS b, /* ? /x */ ? AS \"c?\", id FROM items -- ?\n WHERE name = ? AND 'it''s ?' <> '?'",
      {"bound", "item 1"});
  ASSERT_OK(rows);
  ASSERT_EQ(rows->rows.size(), 1u);
  EXPECT_EQ(rows->at(0, "a"), Value("?"));
  EXPECT_EQ(rows->at(0, "b"), Value("'?"));
  EXPECT_EQ(rows->at(0, "c?").to_display(), "bound");
}

TEST_P(DatabaseContract, HostileTextStaysAValue) {  // D7
  make_items(1);
  for (const char* text : {"'; DROP TABLE items; --", "\\'; DELETE FROM items", "$1", "?", "\" OR 1=1", "{}", "E'\\x27'"}) {
    ASSERT_OK(db().execute("UPDATE items SET name = ? WHERE id = 1", {text}));
    EXPECT_EQ(listed(db(), "SELECT name FROM items WHERE name = ?", {text}), text);
  }
  EXPECT_EQ(count_items(), 1);
}

TEST_P(DatabaseContract, WrongSqlIsTheCallersMistake) {
  make_items();
  for (std::string_view sql : {"SELEC 1", "SELECT * FROM no_such_table", "SELECT no_such_column FROM items", "", "  ",
                               "-- nothing", "SELECT 1; SELECT 2", "SELECT 'open"}) {
    SCOPED_TRACE(sql);
    EXPECT_CODE(invalid_argument, db().query(sql));
    EXPECT_CODE(invalid_argument, db().execute(sql));
  }
  using namespace std::string_view_literals;
  EXPECT_CODE(invalid_argument, db().query("SELECT 1\0"sv));
  EXPECT_CODE(invalid_argument, db().query("SELECT '\0'"sv));
}

TEST_P(DatabaseContract, OneStatementMayEndWithASemicolonAndAComment) {
  EXPECT_EQ(listed(db(), "SELECT 7; -- done"), "7");
  EXPECT_EQ(listed(db(), "SELECT 7 ; /* done */ "), "7");
}

TEST_P(DatabaseContract, TheNumberOfValuesIsTheNumberOfParameters) {
  make_items();
  EXPECT_CODE(invalid_argument, db().query("SELECT id FROM items WHERE id = ?"));
  EXPECT_CODE(invalid_argument, db().query("SELECT id FROM items WHERE id = ?", {1, 2}));
  EXPECT_CODE(invalid_argument, db().execute("INSERT INTO items (id, name) VALUES (?, ?)", {1}));
  EXPECT_EQ(count_items(), 0);
}

TEST_P(DatabaseContract, QueryOnADatabaseOnlyReads) {
  make_items(2);
  ASSERT_TRUE(db().capabilities().enforces_read_only_query);
  for (std::string_view sql : {"DELETE FROM items", "INSERT INTO items (id) VALUES (9) RETURNING id",
                               "CREATE TABLE sneaked (a BIGINT)", "UPDATE items SET name = 'x'", "DROP TABLE items"}) {
    SCOPED_TRACE(sql);
    EXPECT_CODE(failed_precondition, db().query(sql));
  }
  EXPECT_EQ(listed(db(), "SELECT name FROM items ORDER BY id"), "item 1 item 2");
  EXPECT_EQ(db().table_names().value(), std::vector<std::string>{"items"});
}

TEST_P(DatabaseContract, ConstraintsAreToldApart) {
  ASSERT_OK(db().execute("CREATE TABLE parents (id BIGINT PRIMARY KEY)"));
  ASSERT_OK(
      db().execute("CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parents(id), "
                   "email TEXT UNIQUE, age BIGINT CHECK (age >= 0))"));
  ASSERT_OK(db().execute("INSERT INTO parents VALUES (1)"));
  ASSERT_OK(db().execute("INSERT INTO children VALUES (1, 1, 'a', 1)"));
  EXPECT_CODE(already_exists, db().execute("INSERT INTO children VALUES (1, 1, 'b', 1)"));
  EXPECT_CODE(already_exists, db().execute("INSERT INTO children VALUES (2, 1, 'a', 1)"));
  EXPECT_CODE(failed_precondition, db().execute("INSERT INTO children VALUES (2, NULL, 'b', 1)"));
  EXPECT_CODE(failed_precondition, db().execute("INSERT INTO children VALUES (2, 1, 'b', -1)"));
  EXPECT_CODE(failed_precondition, db().execute("INSERT INTO children VALUES (2, 77, 'b', 1)"));
  EXPECT_CODE(failed_precondition, db().execute("DELETE FROM parents"));
  EXPECT_CODE(already_exists, db().execute("CREATE TABLE parents (id BIGINT)"));
  EXPECT_EQ(listed(db(), "SELECT count(*) FROM children"), "1");
}

TEST_P(DatabaseContract, AFailedStatementStoresNothingOfItself) {  // D1
  make_items(3);
  auto failed = db().execute("INSERT INTO items (id, name) VALUES (10, 'a'), (11, 'b'), (3, 'taken')");
  EXPECT_CODE(already_exists, failed);
  EXPECT_EQ(failed.error().outcome(), Outcome::not_applied);  // D3
  EXPECT_EQ(count_items(), 3);
}

TEST_P(DatabaseContract, ExecuteManyIsAllOrNothing) {  // D1
  make_items(1);
  std::vector<std::vector<Value>> good = {{2, "b"}, {3, "c"}};
  EXPECT_EQ(db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", good).value(), 2);
  std::vector<std::vector<Value>> bad = {{4, "d"}, {5, "e"}, {1, "taken"}, {6, "f"}};
  EXPECT_CODE(already_exists, db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", bad));
  std::vector<std::vector<Value>> uneven = {{4, "d"}, {5}};
  EXPECT_CODE(invalid_argument, db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", uneven));
  EXPECT_EQ(db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", {}).value(), 0);
  EXPECT_EQ(count_items(), 3);
}

TEST_P(DatabaseContract, ExecuteManyAddsUpTheRowsOfEachRun) {
  make_items(10);
  std::vector<std::vector<Value>> rows = {{3}, {3}, {8}};
  EXPECT_EQ(db().execute_many("DELETE FROM items WHERE id <= ?", rows).value(), 8);
}

TEST_P(DatabaseContract, NamesWithQuotesAndQuestionMarksWork) {
  std::string table = quoted("we\"ird ta?ble"), column = quoted("se?l\"ect 'x'");
  ASSERT_OK(db().execute("CREATE TABLE " + table + " (" + column + " BIGINT PRIMARY KEY)"));
  ASSERT_OK(db().execute("INSERT INTO " + table + " (" + column + ") VALUES (?)", {5}));
  auto rows = db().query("SELECT " + column + " FROM " + table + " WHERE " + column + " = ?", {5});
  ASSERT_OK(rows);
  EXPECT_EQ(rows->columns, std::vector<std::string>{"se?l\"ect 'x'"});
  EXPECT_EQ(rows->rows.size(), 1u);
  EXPECT_EQ(db().describe("we\"ird ta?ble").value().primary_key, std::vector<std::string>{"se?l\"ect 'x'"});
}

// -- Values --

/// Writes the value into a column of its kind and reads it back.
Result<Value> there_and_back(Database& db, const Value& value, ValueKind kind) {
  LOAM_TRY(db.execute("CREATE TABLE IF NOT EXISTS kept_" + std::string(to_string(kind)) + " (v " +
                      db.dialect().column_type(kind) + ")"));
  std::string table = "kept_" + std::string(to_string(kind));
  LOAM_TRY(db.execute("DELETE FROM " + table));
  LOAM_TRY(db.execute("INSERT INTO " + table + " (v) VALUES (?)", {value}));
  LOAM_TRY(auto rows, db.query("SELECT v FROM " + table));
  return rows.at(0, 0);
}

TEST_P(DatabaseContract, ValuesOfEveryKindComeBackAsTheyWent) {  // D4
  using namespace std::string_literals;
  // clang-format off
  const std::vector<Value> values = {
      true, false,
      0, 1, -1, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(), std::int64_t{1} << 53,
      (std::int64_t{1} << 53) + 1,
      0.0, 1.5, -1.0, 3.0, 0.1, 1e300, -1e-300, 5e-324, 1.7976931348623157e308, 9007199254740993.0,
      std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
      Decimal{"0"}, Decimal{"-12.50"}, Decimal{"1000000000000000000000000000000.000000000000000001"},
      Decimal{"12"}, Decimal{"0.10"},
      "", " ", "plain", "1", "1.0", "1e5", "null", "true", "gr\xC3\xBC\xC3\x9F", "\xF0\x9F\x8C\xB1 loam",
      "line\nbreak\ttab\\", "'\"`;--",
      Bytes{""}, Bytes{"\0"s}, Bytes{"a\0b\0"s}, Bytes{"\xFF\xFE\x00\x80"s}, Bytes{"\\x41"},
      Timestamp{0}, Timestamp{1}, Timestamp{-1}, Timestamp{-62'135'596'800'000'000},
      Timestamp{253'402'300'799'999'999}, Timestamp{1'763'707'500'123'456},
      // Written the way a database that keeps documents and not their text writes them.
      Json{"{\"a\": [1, 2.5, \"x\"], \"bb\": null}"}, Json{"[]"}, Json{"{}"},
      Json{"1"}, Json{"\"s\""}, Json{"null"}, Json{"true"},
  };
  // clang-format on
  for (const Value& value : values) {
    auto back = there_and_back(db(), value, value.kind());
    ASSERT_TRUE(back.ok()) << to_string(value.kind()) << ' ' << value.to_display() << ": " << back.error().to_string();
    EXPECT_EQ(to_string(back->kind()), to_string(value.kind())) << value.to_display();
    EXPECT_EQ(*back, value) << to_string(value.kind()) << ' ' << value.to_display() << " came back as "
                            << back->to_display();
  }
}

TEST_P(DatabaseContract, NullIsNullInAColumnOfAnyKind) {  // D4
  for (auto kind : {ValueKind::boolean, ValueKind::int64, ValueKind::float64, ValueKind::decimal, ValueKind::string,
                    ValueKind::bytes, ValueKind::timestamp, ValueKind::json, ValueKind::vector})
    EXPECT_EQ(there_and_back(db(), Null{}, kind).value(), Value(Null{})) << to_string(kind);
}

TEST_P(DatabaseContract, AVectorComesBackAsItselfOrAsItsBytes) {  // D4
  Vector vector = {1.0f, -2.5f, 0.0f, 3.4e38f, 1e-45f};
  auto back = there_and_back(db(), vector, ValueKind::vector);
  ASSERT_OK(back);
  if (const Bytes* bytes = back->get_if<Bytes>()) {
    EXPECT_EQ(bytes->data, encode_vector(vector.data(), vector.size()));
  } else {
    EXPECT_EQ(*back, Value(vector));
  }
}

TEST_P(DatabaseContract, MinusZeroComesBackAsAZero) {
  auto back = there_and_back(db(), -0.0, ValueKind::float64);
  ASSERT_OK(back);
  EXPECT_EQ(back->as<double>(), 0.0);
}

TEST_P(DatabaseContract, WhatDatabasesDisagreeAboutIsRefused) {
  using namespace std::string_literals;
  make_items();
  std::vector<Value> refused = {std::nan(""),     Decimal{""},    Decimal{"1e5"}, Decimal{"abc"},
                                Decimal{"1.2.3"}, "nul\0inside"s, "\xC3\x28",     "\xED\xA0\x80"};
  for (const Value& value : refused) {
    SCOPED_TRACE(value.to_display());
    EXPECT_CODE(invalid_argument, db().query("SELECT id FROM items WHERE name = ?", {value}));
  }
}

TEST_P(DatabaseContract, ValuesOfMebibytesComeBackWhole) {
  std::string text(8u << 20, 'x');
  for (std::size_t i = 0; i < text.size(); i += 997) text[i] = 'y';
  EXPECT_TRUE(there_and_back(db(), text, ValueKind::string).value() == Value(text));
  for (std::size_t i = 0; i < text.size(); i += 4) text[i] = static_cast<char>(i % 256);
  EXPECT_TRUE(there_and_back(db(), Bytes{text}, ValueKind::bytes).value() == Value(Bytes{text}));
}

TEST_P(DatabaseContract, TextIsOrderedByItsBytes) {
  make_items();
  std::vector<std::vector<Value>> rows = {{1, "b"}, {2, "a"}, {3, "B"}, {4, "\xC3\xA4"}, {5, "_"}, {6, "ab"}, {7, "a b"}};
  ASSERT_OK(db().execute_many("INSERT INTO items (id, name) VALUES (?, ?)", rows));
  EXPECT_EQ(listed(db(), "SELECT id FROM items ORDER BY name"), "3 5 2 7 6 1 4");
}

TEST_P(DatabaseContract, ExpressionsHaveTheirOwnKind) {
  make_items(2);
  auto rows =
      db().query("SELECT count(*) AS n, max(name) AS last, CAST(1.5 AS DOUBLE PRECISION) * count(*) AS x FROM items");
  ASSERT_OK(rows);
  EXPECT_EQ(rows->at(0, "n"), Value(2));
  EXPECT_EQ(rows->at(0, "last"), Value("item 2"));
  ASSERT_EQ(to_string(rows->at(0, "x").kind()), "double");
  EXPECT_DOUBLE_EQ(rows->at(0, "x").as<double>(), 3.0);
}

// -- Cursors --

TEST_P(DatabaseContract, ACursorGivesTypedViewsOfItsRow) {
  ASSERT_OK(db().execute("CREATE TABLE t (i " + type(ValueKind::int64) + ", x " + type(ValueKind::float64) + ", s " +
                         type(ValueKind::string) + ", b " + type(ValueKind::bytes) + ", n " + type(ValueKind::string) +
                         ")"));
  using namespace std::string_literals;
  ASSERT_OK(db().execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", {7, 2.5, "text", Bytes{"a\0b"s}, Null{}}));
  auto opened = db().open_cursor("SELECT i, x, s, b, n FROM t");
  ASSERT_OK(opened);
  Cursor& cursor = **opened;
  ASSERT_EQ(cursor.column_count(), 5u);
  EXPECT_EQ(cursor.column_name(2), "s");
  ASSERT_TRUE(cursor.next().value());
  EXPECT_EQ(cursor.int64(0), 7);
  EXPECT_EQ(cursor.float64(0), 7.0);
  EXPECT_EQ(cursor.float64(1), 2.5);
  EXPECT_EQ(cursor.text(2), "text");
  EXPECT_EQ(cursor.int64(2), 0);
  EXPECT_EQ(cursor.text(3), "a\0b"s);
  EXPECT_FALSE(cursor.is_null(3));
  EXPECT_TRUE(cursor.is_null(4));
  EXPECT_EQ(cursor.text(4), "");
  EXPECT_EQ(cursor.int64(4), 0);
  EXPECT_EQ(cursor.value(4), Value(Null{}));
  EXPECT_FALSE(cursor.next().value());
  EXPECT_FALSE(cursor.next().value());
}

TEST_P(DatabaseContract, ACursorStreamsManyRowsInOrder) {
  auto cursor = db().open_cursor(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n ORDER BY i");
  ASSERT_OK(cursor);
  std::int64_t expected = 0;
  for (;;) {
    auto more = (*cursor)->next();
    ASSERT_OK(more);
    if (!*more) break;
    ASSERT_EQ((*cursor)->int64(0), ++expected);
  }
  EXPECT_EQ(expected, 50'000);
}

TEST_P(DatabaseContract, ACursorSeesTheRowsOfTheMomentItWasOpened) {  // D8
  make_items(2000);
  auto cursor = db().open_cursor("SELECT id FROM items ORDER BY id");
  ASSERT_OK(cursor);
  ASSERT_OK(db().execute("DELETE FROM items WHERE id > 1"));
  ASSERT_OK(db().execute("INSERT INTO items (id, name) VALUES (9999, 'late')"));
  std::int64_t rows = 0, last = 0;
  while ((*cursor)->next().value()) {
    ++rows;
    last = (*cursor)->int64(0);
  }
  EXPECT_EQ(rows, 2000);
  EXPECT_EQ(last, 2000);
  EXPECT_EQ(count_items(), 2);
}

TEST_P(DatabaseContract, ACursorTakesItsParametersBeforeItReturns) {
  make_items(3);
  std::vector<Value> parameters = {2};
  auto cursor = db().open_cursor("SELECT id FROM items WHERE id >= ? ORDER BY id", parameters);
  ASSERT_OK(cursor);
  parameters[0] = std::string(1000, 'z');
  ASSERT_TRUE((*cursor)->next().value());
  EXPECT_EQ((*cursor)->int64(0), 2);
}

TEST_P(DatabaseContract, TwoCursorsOfOneStatementRunSideBySide) {
  make_items(3);
  auto transaction = db().begin({.access = Access::read_only});
  ASSERT_OK(transaction);
  auto outer = (*transaction)->open_cursor("SELECT id FROM items ORDER BY id");
  ASSERT_OK(outer);
  std::string pairs;
  while ((*outer)->next().value()) {
    auto inner = (*transaction)->open_cursor("SELECT id FROM items ORDER BY id");
    ASSERT_OK(inner);
    while ((*inner)->next().value()) pairs += std::to_string((*outer)->int64(0)) + std::to_string((*inner)->int64(0)) + ' ';
  }
  EXPECT_EQ(pairs, "11 12 13 21 22 23 31 32 33 ");
}

TEST_P(DatabaseContract, ATransactionMayWriteWhileItReadsACursor) {
  make_items(50);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  auto cursor = (*transaction)->open_cursor("SELECT id FROM items ORDER BY id");
  ASSERT_OK(cursor);
  int rows = 0;
  while ((*cursor)->next().value()) {
    ASSERT_OK((*transaction)->execute("UPDATE items SET name = ? WHERE id = ?", {"seen", (*cursor)->int64(0)}));
    ++rows;
  }
  ASSERT_OK((*transaction)->commit());
  EXPECT_EQ(rows, 50);
  EXPECT_EQ(listed(db(), "SELECT count(*) FROM items WHERE name = 'seen'"), "50");
}

TEST_P(DatabaseContract, ACursorWhoseTransactionEndedSaysSo) {
  make_items(100);
  auto transaction = db().begin();
  ASSERT_OK(transaction);
  auto cursor = (*transaction)->open_cursor("SELECT id, name FROM items ORDER BY id");
  ASSERT_OK(cursor);
  ASSERT_TRUE((*cursor)->next().value());
  ASSERT_OK((*transaction)->rollback());
  EXPECT_CODE(failed_precondition, (*cursor)->next());
  transaction->reset();
  EXPECT_FALSE((*cursor)->next().ok());
}

TEST_P(DatabaseContract, AStatementFollowsAChangeOfTheSchema) {
  make_items(1);
  EXPECT_EQ(db().query("SELECT * FROM items").value().columns.size(), 2u);
  ASSERT_OK(db().execute("ALTER TABLE items ADD COLUMN extra " + type(ValueKind::boolean)));
  ASSERT_OK(db().execute("UPDATE items SET extra = ?", {true}));
  auto rows = db().query("SELECT * FROM items");
  ASSERT_OK(rows);
  EXPECT_EQ(rows->at(0, "extra"), Value(true));
}

}  // namespace loam::test
