/// What problems() says about a store that something has damaged, and that the change log stays bounded.

#include <gmock/gmock.h>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/ports/contract/tables_contract.hpp"
#include "loam/relational/tables.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TablesDamage : public testing::Test {
 protected:
  TablesDamage() {
    tables_ = must(open_relational_tables(*db_, {.change_log_entries = 100}));
    notes_ = must(tables_->create({.name = "notes",
                                   .columns = {{.name = "id", .type = ValueKind::int64}, {.name = "body"}},
                                   .primary_key = {"id"},
                                   .text_columns = {"body"},
                                   .embedding = EmbeddingSpec{.source_columns = {"body"}}},
                                  embedder_));
    must(notes_->add({{{"id", 1}, {"body", "apple"}}, {{"id", 2}, {"body", "pear"}}, {{"id", 3}, {"body", Null{}}}}));
    EXPECT_THAT(problems(), IsEmpty());
  }

  std::vector<std::string> problems() { return must(tables_->problems()); }
  void sql(const std::string& text, std::vector<Value> parameters = {}) { must(db_->execute(text, parameters)); }

  std::unique_ptr<Database> db_ = must(sqlite_in_memory());
  std::shared_ptr<BagEmbedder> embedder_ = std::make_shared<BagEmbedder>();
  std::unique_ptr<RelationalTables> tables_;
  std::unique_ptr<Table> notes_;
};

TEST_F(TablesDamage, MissingAndSuperfluousVectorsAreNamed) {
  sql("DELETE FROM loam_vectors_1_2 WHERE row_id = 1");
  sql("INSERT INTO loam_vectors_1_2 VALUES (3, ?)", {Vector(8, 1.0F)});
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("row 1 has source text but no vector in \"embedding\""),
                                      HasSubstr("row 3 has no source text but a vector in \"embedding\"")));
}

TEST_F(TablesDamage, WrongAndInfiniteVectorsAreNamedAndNoSearchAnswersWithThem) {
  sql("UPDATE loam_vectors_1_2 SET vector = ? WHERE row_id = 1", {Vector(7, 1.0F)});
  sql("UPDATE loam_vectors_1_2 SET vector = ? WHERE row_id = 2", {Vector(8, std::numeric_limits<float>::infinity())});
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("row 1: the vector in \"embedding\" has 28 bytes, not 32"),
                                      HasSubstr("row 2: the vector in \"embedding\" holds NaN or infinity")));
  auto found = notes_->search({.text = "apple", .mode = SearchMode::vector});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::data_corruption);
  EXPECT_THAT(found.error().message(), HasSubstr("row 1"));
  must(notes_->update({{"body", "plum"}}, "id = 1"));
  must(notes_->update({{"body", "kiwi"}}, "id = 2"));
  EXPECT_EQ(must(notes_->search({.text = "plum", .mode = SearchMode::vector})).hits.size(), 2u)
      << "writing the text again heals";
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(TablesDamage, FullTextOfRowsThatAreGoneIsNoticed) {
  sql("DROP TRIGGER loam_text_1_delete");
  must(notes_->erase("id = 1"));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("full-text index does not agree")));
}

TEST_F(TablesDamage, FullTextIndexThatLostATriggerIsNoticed) {
  sql("DROP TRIGGER loam_text_1_update");
  must(notes_->update({{"body", "plum"}}, "id = 1"));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("table \"notes\": the full-text index does not agree with the rows")));
}

TEST_F(TablesDamage, ChangesBehindTheLogAreNoticedInTheLoadedIndex) {
  must(notes_->search({.text = "apple", .mode = SearchMode::vector}));
  sql("DROP TRIGGER \"loam_changes_of_loam_vectors_1_2_UPDATE\"");
  sql("DROP TRIGGER \"loam_changes_of_loam_vectors_1_2_DELETE\"");
  sql("UPDATE loam_vectors_1_2 SET vector = ? WHERE row_id = 1", {Vector(8, 0.5F)});
  sql("DELETE FROM loam_vectors_1_2 WHERE row_id = 2");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("row 2 has source text but no vector"),
                                      HasSubstr("the index in memory holds another vector for row 1"),
                                      HasSubstr("the index in memory holds 2 vectors, the table 1")));
}

TEST_F(TablesDamage, ChangesByPlainSqlReachTheIndexesAsWell) {
  must(notes_->search({.text = "apple", .mode = SearchMode::vector}));
  sql("DELETE FROM notes WHERE id = 2");
  sql("UPDATE notes SET body = 'apple pie' WHERE id = 1");
  EXPECT_EQ(must(notes_->search({.text = "apple", .mode = SearchMode::vector})).hits.size(), 1u);
  EXPECT_EQ(must(notes_->search({.text = "pie", .mode = SearchMode::text})).hits.size(), 1u);
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(TablesDamage, ChangeLogIsCutAndItsFloorRecorded) {
  for (int i = 0; i < 400; ++i) must(notes_->upsert({{{"id", i % 7}, {"body", "text " + std::to_string(i)}}}));
  auto log = must(db_->query("SELECT count(*), min(seq), (SELECT change_floor FROM loam_tables) FROM loam_changes"));
  EXPECT_LE(log.at(0, std::size_t{0}).as<std::int64_t>(), 200);
  EXPECT_GE(log.at(0, std::size_t{0}).as<std::int64_t>(), 100);
  EXPECT_EQ(log.at(0, std::size_t{1}).as<std::int64_t>(), log.at(0, std::size_t{2}).as<std::int64_t>() + 1);
  EXPECT_THAT(problems(), IsEmpty());
  sql("UPDATE loam_tables SET change_floor = change_floor + 5");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("although it was cut at")));
}

TEST_F(TablesDamage, UnreadableCatalogueEntryIsCorruption) {
  sql("UPDATE loam_tables SET schema_json = '{'");
  EXPECT_EQ(outcome_of(tables_->open("notes")), "data_corruption");
  EXPECT_EQ(outcome_of(tables_->list()), "data_corruption");
}

TEST_F(TablesDamage, TableOfAnothersMakingIsNotTouched) {
  sql("CREATE TABLE theirs (x INTEGER)");
  EXPECT_EQ(outcome_of(tables_->create({.name = "theirs", .columns = {{.name = "x"}}})), "already_exists");
  EXPECT_EQ(outcome_of(tables_->open("theirs")), "not_found");
  EXPECT_EQ(outcome_of(tables_->drop("theirs")), "not_found");
  sql("INSERT INTO theirs VALUES (1)");
}

TEST_F(TablesDamage, IndexBytesGrowWithTheIndexAndGoWithTheTable) {
  std::size_t empty = tables_->index_bytes();
  must(notes_->search({.text = "apple", .mode = SearchMode::vector}));
  EXPECT_GE(tables_->index_bytes(), empty + 2 * 8 * sizeof(float));
  must(tables_->drop("notes"));
  EXPECT_EQ(tables_->index_bytes(), 0u);
}

TEST(TablesReadOnly, EverythingIsReadAndNothingIsWritten) {
  TemporaryDirectory directory;
  auto embedder = std::make_shared<BagEmbedder>();
  {
    auto db = must(open_sqlite({.path = directory / "t.db"}));
    auto tables = must(open_relational_tables(*db));
    auto notes = must(tables->create({.name = "notes",
                                      .columns = {{.name = "body"}},
                                      .text_columns = {"body"},
                                      .embedding = EmbeddingSpec{.source_columns = {"body"}}},
                                     embedder));
    must(notes->add({{{"body", "apple"}}}));
  }
  auto db = must(open_sqlite({.path = directory / "t.db", .read_only = true}));
  auto tables = must(open_relational_tables(*db));
  auto notes = must(tables->open("notes", embedder));
  EXPECT_EQ(must(notes->search({.text = "apple"})).hits.size(), 1u);
  EXPECT_THAT(must(tables->problems()), IsEmpty());
  EXPECT_EQ(outcome_of(notes->add({{{"body", "pear"}}})), "failed_precondition");
  EXPECT_EQ(outcome_of(notes->erase("TRUE")), "failed_precondition");
  EXPECT_EQ(outcome_of(tables->drop("notes")), "failed_precondition");
}

}  // namespace
}  // namespace loam::test
