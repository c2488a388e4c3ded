/// Full text of each dialect: in step with the rows whoever writes, and no query a syntax error.

#include "tests/dialects/dialect_fixture.hpp"

namespace loam {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class DialectFullText : public test::DialectTest {
 protected:
  void SetUp() override {
    DialectTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    std::string text = dialect().column_type(ValueKind::string);
    // Names that FTS5 keeps for itself, that need quoting, and one that differs from the index's only in being a column.
    run("CREATE TABLE " + q(index_.table) + " (id BIGINT PRIMARY KEY, " + q("rank") + " " + text + ", " + q("it's \"b\"") +
        " " + text + ")");
    run("INSERT INTO " + q(index_.table) + " VALUES (1, 'the quick brown fox', 'jumps')");
    run(dialect().create_full_text(index_));
  }

  void add(std::int64_t id, Value first, Value second) {
    run("INSERT INTO " + q(index_.table) + " VALUES (?, ?, ?)", {Value(id), std::move(first), std::move(second)});
  }

  /// Row ids, best first.
  std::vector<std::int64_t> search(std::string_view words, bool all = true) {
    std::string query = dialect().full_text_query(words, all);
    if (query.empty()) return {};
    SqlText select = dialect().full_text_select(index_, query);
    std::vector<std::int64_t> ids;
    for (const auto& row :
         rows("SELECT row_id, score FROM (" + select.sql + ") AS hits ORDER BY score DESC, row_id", select.parameters)) {
      ids.push_back(row.at(0).as<std::int64_t>());
      EXPECT_EQ(row.at(1).kind(), ValueKind::float64);
    }
    return ids;
  }

  void check_index() { run(dialect().check_full_text(index_)); }

  FullTextIndex index_{
      .table = "my \"notes\"", .row_id_column = "id", .index = "notes 'fts'", .columns = {"rank", "it's \"b\""}};
};

TEST_P(DialectFullText, RowsFromBeforeTheIndexAreFound) { EXPECT_THAT(search("quick jumps"), ElementsAre(1)); }

TEST_P(DialectFullText, FollowsEveryKindOfWrite) {
  add(2, "a lazy dog", Value());
  add(3, Value(), "dog and fox");
  EXPECT_THAT(search("dog"), UnorderedElementsAre(2, 3));
  run("UPDATE " + q(index_.table) + " SET " + q("rank") + " = 'a busy cat' WHERE id = 2");
  EXPECT_THAT(search("dog"), ElementsAre(3));
  EXPECT_THAT(search("cat"), ElementsAre(2));
  run("UPDATE " + q(index_.table) + " SET id = 20 WHERE id = 2");
  EXPECT_THAT(search("cat"), ElementsAre(20));
  run("INSERT INTO " + q(index_.table) + " VALUES (20, 'bird', 'fish') " +
      dialect().on_conflict({"id"}, {"rank", "it's \"b\""}));
  EXPECT_THAT(search("cat"), IsEmpty());
  EXPECT_THAT(search("bird fish"), ElementsAre(20));
  if (sqlite()) {
    run("INSERT OR REPLACE INTO " + q(index_.table) + " VALUES (20, 'snail', NULL)");
    EXPECT_THAT(search("bird"), IsEmpty());
    EXPECT_THAT(search("snail"), ElementsAre(20));
  }
  run("DELETE FROM " + q(index_.table));
  EXPECT_THAT(search("fox"), IsEmpty());
  check_index();
}

TEST_P(DialectFullText, AllOrAnyOfTheWords) {
  add(2, "quick silver", "");
  EXPECT_THAT(search("quick fox"), ElementsAre(1));
  EXPECT_THAT(search("quick fox", false), UnorderedElementsAre(1, 2));
  EXPECT_THAT(search("nothing quick", true), IsEmpty());
  EXPECT_THAT(search("nothing quick", false), UnorderedElementsAre(1, 2));
}

TEST_P(DialectFullText, MoreMatchesScoreHigher) {
  add(2, "cat cat cat", "cat");
  add(3, "cat among many other words that are here", "only to make it longer and longer");
  EXPECT_THAT(search("cat"), ElementsAre(2, 3));
}

TEST_P(DialectFullText, WordsOfAnyScriptAreFoundWithoutCase) {
  add(2, "Größe und Übermut", "東京、大阪");
  EXPECT_THAT(search("GRÖSSE größe übermut", false), ElementsAre(2));
  add(3, "東京 大阪", "");
  // PostgreSQL splits words by its database's locale, and C takes the ideographic comma for a letter.
  using Ids = std::vector<std::int64_t>;
  EXPECT_THAT(search("東京"), testing::UnorderedElementsAreArray(sqlite() ? Ids{2, 3} : Ids{3}));
  EXPECT_THAT(search("大阪!"), testing::UnorderedElementsAreArray(sqlite() ? Ids{2, 3} : Ids{3}));
}

TEST_P(DialectFullText, NoQueryIsASyntaxErrorOrMeansAnythingButItsWords) {
  const std::string_view queries[] = {"\"",
                                      "'",
                                      "quick\" OR \"jumps",
                                      "quick' | 'x",
                                      "NEAR(quick fox)",
                                      "quick*",
                                      "^quick",
                                      "rank:quick",
                                      "-quick",
                                      "quick & !fox",
                                      "quick:*",
                                      "(((",
                                      ")",
                                      "AND",
                                      "OR",
                                      "NOT",
                                      "quick AND",
                                      "a + b",
                                      "{rank}: x",
                                      "\\",
                                      "quick\\",
                                      "''",
                                      "<->",
                                      "quick <-> fox",
                                      "%",
                                      "_",
                                      ";",
                                      "--",
                                      "/*",
                                      "\xff\xfe",
                                      "quick\xff"
                                      "fox",
                                      std::string_view("quick\0fox", 9),
                                      "e\u0301",
                                      "😀",
                                      "😀 quick",
                                      "—",
                                      "\u200d",
                                      "?",
                                      "$1",
                                      "*"};
  for (std::string_view query : queries) {
    for (bool all : {true, false}) {
      std::string built = dialect().full_text_query(query, all);
      if (built.empty()) continue;
      SqlText select = dialect().full_text_select(index_, built);
      auto found = db_->query(select.sql, select.parameters);
      EXPECT_TRUE(found.ok()) << query << ": " << (found.ok() ? "" : found.error().to_string());
    }
  }
  EXPECT_THAT(search("quick*"), ElementsAre(1));
  EXPECT_THAT(search("qui*"), IsEmpty());
  EXPECT_THAT(search("rank:quick"), IsEmpty());  // the words rank and quick
  EXPECT_THAT(search("quick AND jumps"), IsEmpty());
  EXPECT_THAT(search(std::string_view("quick\0fox", 9)), ElementsAre(1));
  EXPECT_THAT(dialect().full_text_query(" \" ' ( ) — ", true), "");
}

TEST_P(DialectFullText, AQueryOfManyWordsRuns) {
  std::string words;
  for (int i = 0; i < 5'000; ++i) words += "w" + std::to_string(i) + " ";
  EXPECT_THAT(search(words + "quick", false), ElementsAre(1));
  EXPECT_THAT(search(words + "quick", true), IsEmpty());
}

TEST_P(DialectFullText, DroppedAndMadeAgain) {
  run(dialect().drop_full_text(index_));
  add(2, "written without an index", "");
  run(dialect().create_full_text(index_));
  EXPECT_THAT(search("without"), ElementsAre(2));
  check_index();
  run(dialect().drop_full_text(index_));
  run(dialect().drop_full_text(index_));  // nothing left to drop is not an error
}

LOAM_ON_EVERY_DIALECT(DialectFullText);

}  // namespace
}  // namespace loam
