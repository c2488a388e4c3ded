/// Add, update, erase: what is stored, what is refused, and that every index is in step after each.

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "loam/core/limits.hpp"
#include "loam/ports/contract/tables_contract.hpp"

namespace loam::test {
namespace {

using testing::HasSubstr;

std::string counts(const AddResult& result) {
  return std::to_string(result.inserted) + " inserted " + std::to_string(result.replaced) + " replaced " +
         std::to_string(result.skipped) + " skipped";
}

/// The stored embedding of a note.
Value embedding_of(Table& table, std::int64_t id) { return must(table.get({{id}}, {"embedding"})).at(0).value().at(0); }

// Duplicates.

TEST_P(TablesContract, T2_ErrorRuleStoresNothingAndNamesTheKey) {
  auto notes = create_notes();
  must(notes->add({note(1, "one"), note(2, "two")}));
  auto again = notes->add({note(3, "three"), note(2, "deux")});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(error_text(again.error()), HasSubstr("row 1"));
  EXPECT_THAT(error_text(again.error()), HasSubstr("id = 2"));
  EXPECT_EQ(scan_ids(*notes), "1 2");
  EXPECT_EQ(text_ids(*notes, "three"), "");
  EXPECT_EQ(text_ids(*notes, "deux"), "");
  EXPECT_EQ(text_ids(*notes, "two"), "2");
}

TEST_P(TablesContract, T2_DuplicatesInsideOneBatchFollowTheSameRule) {
  auto notes = create_notes();
  auto refused = notes->add({note(1, "first"), note(1, "second")});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(error_text(refused.error()), HasSubstr("rows 0 and 1"));
  EXPECT_EQ(must(notes->count()), 0);

  EXPECT_EQ(counts(must(notes->add({note(1, "first"), note(1, "second"), note(2, "x")}, OnDuplicate::skip))),
            "2 inserted 0 replaced 1 skipped");
  EXPECT_EQ(must(notes->get({{1}}, {"title"}))[0], std::vector<Value>{"first"});
  EXPECT_EQ(
      counts(must(notes->add({note(1, "third"), note(1, "fourth"), note(3, "y"), note(3, "z")}, OnDuplicate::replace))),
      "1 inserted 3 replaced 0 skipped");
  EXPECT_EQ(must(notes->get({{1}}, {"title"}))[0], std::vector<Value>{"fourth"});
  EXPECT_EQ(must(notes->get({{3}}, {"title"}))[0], std::vector<Value>{"z"});
  EXPECT_EQ(embedding_of(*notes, 1), Value(embedder_->vector_of("fourth")));
  EXPECT_EQ(text_ids(*notes, "second"), "");
  EXPECT_EQ(text_ids(*notes, "fourth"), "1");
}

TEST_P(TablesContract, ReplaceTakesEveryColumnAndKeepsTheRowId) {
  auto notes = create_notes();
  must(notes->add({note(1, "red apple", "sweet", "fruit", 5), note(2, "leek")}));
  std::int64_t row_id = must(notes->scan({.where = "id = 1"})).rows.row_ids[0];
  EXPECT_EQ(counts(must(notes->upsert({Record{{"id", 1}, {"title", "green pear"}}}))), "0 inserted 1 replaced 0 skipped");
  ScanPage page = must(notes->scan({.where = "id = 1"}));
  EXPECT_EQ(page.rows.row_ids[0], row_id);
  EXPECT_EQ(page.rows.rows[0], (std::vector<Value>{1, "green pear", Null{}, Null{}, 0}))
      << "left-out columns take their default";
  EXPECT_EQ(text_ids(*notes, "apple"), "");
  EXPECT_EQ(text_ids(*notes, "sweet"), "");
  EXPECT_EQ(text_ids(*notes, "pear"), "1");
  EXPECT_EQ(embedding_of(*notes, 1), Value(embedder_->vector_of("green pear")));
  EXPECT_EQ(scan_ids(*notes), "1 2");
}

TEST_P(TablesContract, SkipLeavesTheStoredRowAndEmbedsNothingForIt) {
  auto notes = create_notes();
  must(notes->add({note(1, "red apple")}));
  std::int64_t before = embedder_->texts_embedded();
  EXPECT_EQ(counts(must(notes->add({note(1, "green pear"), note(2, "leek")}, OnDuplicate::skip))),
            "1 inserted 0 replaced 1 skipped");
  EXPECT_EQ(embedder_->texts_embedded() - before, 1) << "an import that is run again pays only for what is new";
  EXPECT_EQ(must(notes->get({{1}}, {"title"}))[0], std::vector<Value>{"red apple"});
  EXPECT_EQ(text_ids(*notes, "pear"), "");
}

TEST_P(TablesContract, ReplaceWithTheSameTextKeepsTheVectorWithoutEmbedding) {
  auto notes = create_notes();
  must(notes->add({note(1, "red apple", "sweet", "fruit", 1), note(2, "leek")}));
  std::int64_t before = embedder_->texts_embedded();
  must(notes->upsert({note(1, "red apple", "sweet", "fruit", 2), note(2, "chard")}));
  EXPECT_EQ(embedder_->texts_embedded() - before, 1);
  EXPECT_EQ(embedding_of(*notes, 1), Value(embedder_->vector_of("red apple\nsweet")));
  EXPECT_EQ(embedding_of(*notes, 2), Value(embedder_->vector_of("chard")));
  EXPECT_EQ(must(notes->count("size = 2")), 1);
}

TEST_P(TablesContract, T2_OnDuplicateColumnsDecideAndNullsDiffer) {
  TableSchema schema = notes_schema();
  schema.on_duplicate_columns = {"section", "title"};
  auto notes = must(tables().create(schema, embedder_));
  must(notes->add({note(1, "a", "x", "s"), note(2, "a", "x", Null{}), note(3, "a", "x", Null{}), note(4, "a", "x", "t")}));
  EXPECT_EQ(outcome_of(notes->add({note(5, "a", "y", "s")})), "already_exists");
  EXPECT_EQ(counts(must(notes->upsert({note(6, "a", "y", "s"), note(7, "a", "y", Null{})}))),
            "1 inserted 1 replaced 0 skipped");
  EXPECT_EQ(scan_ids(*notes), "6 2 3 4 7");
  EXPECT_EQ(outcome_of(notes->upsert({note(2, "b", "y", "s")})), "already_exists") << "the primary key holds as well";
  EXPECT_EQ(scan_ids(*notes), "6 2 3 4 7");
  auto found = must(notes->get({{"s", "a"}, {Null{}, "a"}, {"t", "a"}}, {"id"}));
  EXPECT_EQ(found[0], std::vector<Value>{6});
  EXPECT_FALSE(found[1]) << "NULL equals no key";
  EXPECT_EQ(found[2], std::vector<Value>{4});
}

TEST_P(TablesContract, TableWithoutAKeyTakesAnythingAndReplacesNothing) {
  TableSchema schema = notes_schema();
  schema.primary_key = {};
  auto log = must(tables().create(schema, embedder_));
  must(log->add({note(1, "same"), note(1, "same")}));
  must(log->add({note(1, "same")}));
  EXPECT_EQ(scan_ids(*log), "1 1 1");
  EXPECT_EQ(text_ids(*log, "same"), "1 1 1");
  EXPECT_EQ(outcome_of(log->upsert({note(1, "x")})), "failed_precondition");
  EXPECT_EQ(outcome_of(log->add({note(1, "x")}, OnDuplicate::skip)), "failed_precondition");
  EXPECT_EQ(outcome_of(log->get({{1}})), "failed_precondition");
}

// What is refused.

TEST_P(TablesContract, RefusedRowsNameRowAndColumnAndStoreNothing) {
  TableSchema schema = notes_schema();
  schema.columns.push_back({.name = "v", .type = ValueKind::vector, .dimension = 2});
  schema.columns.push_back({.name = "j", .type = ValueKind::json});
  schema.columns.push_back({.name = "f", .type = ValueKind::float64});
  auto notes = must(tables().create(schema, embedder_));
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::tuple<std::string, Value> refused[] = {{"nope", 1},
                                                    {"id", "1"},
                                                    {"id", 1.5},
                                                    {"id", Null{}},
                                                    {"title", 7},
                                                    {"title", "\xC3("},
                                                    {"title", std::string("a\0b", 3)},
                                                    {"size", "many"},
                                                    {"v", Vector{1}},
                                                    {"v", Vector{1, nan}},
                                                    {"v", Vector{infinity, 1}},
                                                    {"j", Json{"{"}},
                                                    {"f", static_cast<double>(nan)},
                                                    {"embedding", Vector(8, 0.0F)}};
  for (const auto& [column, value] : refused) {
    Record bad = {{"title", "bad"}};
    if (column != "id") bad.emplace_back("id", 2);
    std::erase_if(bad, [&](const auto& field) { return field.first == column; });
    bad.emplace_back(column, value);
    auto added = notes->add({note(1, "good"), bad});
    ASSERT_FALSE(added.ok()) << column;
    EXPECT_EQ(added.error().code(), ErrorCode::invalid_argument) << column;
    EXPECT_EQ(added.error().outcome(), Outcome::not_applied);
    EXPECT_THAT(added.error().message(), HasSubstr("row 1")) << column;
    EXPECT_THAT(added.error().message(), HasSubstr('"' + column + '"')) << column;
  }
  EXPECT_EQ(must(notes->count()), 0);
  EXPECT_EQ(embedder_->texts_embedded(), 0) << "rows are checked before anything is embedded";
}

TEST_P(TablesContract, T1_RefusedTextStoresNothing) {
  auto notes = create_notes();
  must(notes->add({note(1, "fine")}));
  EXPECT_EQ(outcome_of(notes->add({note(2, "good"), note(3, "unembeddable")})), "invalid_argument");
  EXPECT_EQ(outcome_of(notes->update({{"title", "unembeddable"}}, "id = 1")), "invalid_argument");
  EXPECT_EQ(scan_ids(*notes), "1");
  EXPECT_EQ(text_ids(*notes, "fine"), "1");
}

TEST_P(TablesContract, BatchesOverTheCapAreRefusedAndEmptyOnesDoNothing) {
  auto notes = create_notes();
  EXPECT_EQ(counts(must(notes->add(std::span<const Record>()))), "0 inserted 0 replaced 0 skipped");
  std::vector<Record> many(limits::batch_count_max + 1);
  EXPECT_EQ(outcome_of(notes->add(many)), "invalid_argument");
  EXPECT_EQ(outcome_of(notes->update({}, "TRUE")), "invalid_argument");
  for (std::string_view blank : {"", "  ", "\n"}) {
    EXPECT_EQ(outcome_of(notes->erase(blank)), "invalid_argument");
    EXPECT_EQ(outcome_of(notes->update({{"size", 1}}, blank)), "invalid_argument");
  }
}

// Update and erase.

TEST_P(TablesContract, T3_UpdateOfSourceTextEmbedsEachDifferentTextOnce) {
  auto notes = create_notes();
  must(notes->add({note(1, "apple", "same"), note(2, "pear", "same"), note(3, "plum", "other"), note(4, "kiwi")}));
  std::int64_t before = embedder_->texts_embedded();
  EXPECT_EQ(must(notes->update({{"title", "fruit"}, {"size", 9}}, "body = 'same'")), 2);
  EXPECT_EQ(embedder_->texts_embedded() - before, 1);
  EXPECT_EQ(embedding_of(*notes, 1), Value(embedder_->vector_of("fruit\nsame")));
  EXPECT_EQ(embedding_of(*notes, 2), Value(embedder_->vector_of("fruit\nsame")));
  EXPECT_EQ(embedding_of(*notes, 3), Value(embedder_->vector_of("plum\nother")));
  EXPECT_EQ(text_ids(*notes, "fruit"), "1 2");
  EXPECT_EQ(text_ids(*notes, "apple"), "");
  EXPECT_EQ(must(notes->count("size = 9")), 2);

  before = embedder_->texts_embedded();
  EXPECT_EQ(must(notes->update({{"section", "s"}}, "TRUE")), 4);
  EXPECT_EQ(must(notes->update({{"title", "plum"}}, "id = 3")), 1);
  EXPECT_EQ(embedder_->texts_embedded(), before) << "no source text changed";

  EXPECT_EQ(must(notes->update({{"title", Null{}}, {"body", Null{}}}, "id = 1")), 1);
  EXPECT_TRUE(embedding_of(*notes, 1).is_null());
  EXPECT_EQ(ids_of(must(notes->search({.text = "plum", .mode = SearchMode::vector, .limit = 10}))).find('1'),
            std::string::npos);
  EXPECT_EQ(must(notes->update({{"body", "back"}}, "id = 1")), 1);
  EXPECT_EQ(embedding_of(*notes, 1), Value(embedder_->vector_of("back")));
}

TEST_P(TablesContract, UpdateMayChangeTheColumnsItFiltersBy) {
  auto notes = create_notes();
  must(notes->add({note(1, "a", "x", "old"), note(2, "b", "x", "old"), note(3, "c", "x", "new")}));
  EXPECT_EQ(must(notes->update({{"section", "new"}, {"title", "t"}}, "section = 'old'")), 2);
  EXPECT_EQ(must(notes->count("section = 'new'")), 3);
  EXPECT_EQ(text_ids(*notes, "t"), "1 2");
  EXPECT_EQ(embedding_of(*notes, 2), Value(embedder_->vector_of("t\nx")));
}

TEST_P(TablesContract, T2_UpdateCannotMakeTwoRowsTheSame) {
  auto notes = create_notes();
  must(notes->add({note(1, "a"), note(2, "b")}));
  EXPECT_EQ(outcome_of(notes->update({{"id", 1}, {"title", "c"}}, "id = 2")), "already_exists");
  EXPECT_EQ(outcome_of(notes->update({{"id", 7}}, "TRUE")), "already_exists");
  EXPECT_EQ(scan_ids(*notes), "1 2");
  EXPECT_EQ(text_ids(*notes, "c"), "");
  EXPECT_EQ(embedding_of(*notes, 2), Value(embedder_->vector_of("b")));
  EXPECT_EQ(must(notes->update({{"id", 7}}, "id = 2")), 1);
  EXPECT_EQ(scan_ids(*notes), "1 7");
}

TEST_P(TablesContract, UpdateRefusesWhatAddRefuses) {
  auto notes = create_notes();
  must(notes->add({note(1, "a")}));
  const Record refused[] = {{{"nope", 1}},       {{"id", Null{}}},           {{"size", "x"}},
                            {{"title", "\xFF"}}, {{"embedding", Vector(8)}}, {{"size", 1}, {"size", 2}}};
  for (const Record& values : refused)
    EXPECT_EQ(outcome_of(notes->update(values, "TRUE")), "invalid_argument") << values[0].first;
  EXPECT_EQ(outcome_of(notes->update({{"size", 1}}, "nope = 1")), "invalid_argument");
  EXPECT_EQ(outcome_of(notes->update({{"size", 1}}, "id = ")), "invalid_argument");
  EXPECT_EQ(must(notes->update({{"size", 1}}, "id = 99")), 0);
}

TEST_P(TablesContract, ErasedRowsAreGoneEverywhere) {
  auto notes = create_notes();
  must(notes->add({note(1, "red apple", {}, "s"), note(2, "green apple", {}, "t"), note(3, "pear", {}, "s")}));
  EXPECT_EQ(ids_of(must(notes->search({.text = "red apple", .limit = 1}))), "1");
  EXPECT_EQ(must(notes->erase("section = 's'")), 2);
  EXPECT_EQ(scan_ids(*notes), "2");
  EXPECT_EQ(text_ids(*notes, "apple"), "2");
  EXPECT_EQ(ids_of(must(notes->search({.text = "red apple", .mode = SearchMode::vector}))), "2");
  EXPECT_EQ(ids_of(must(notes->search({.text = "red apple"}))), "2");
  EXPECT_EQ(must(notes->erase("section = 's'")), 0);
  std::int64_t before = must(notes->scan()).rows.row_ids[0];
  EXPECT_EQ(must(notes->erase("TRUE")), 1);
  must(notes->add({note(1, "again")}));
  EXPECT_GT(must(notes->scan()).rows.row_ids[0], before) << "row ids are never given twice";
  EXPECT_EQ(ids_of(must(notes->search({.text = "again", .mode = SearchMode::vector}))), "1");
}

TEST_P(TablesContract, OwnVectorColumnsAreStoredUpdatedAndSearched) {
  TableSchema schema{
      .name = "points",
      .columns = {{.name = "id", .type = ValueKind::int64},
                  {.name = "v", .type = ValueKind::vector, .dimension = 2, .metric = Metric::euclidean},
                  {.name = "w", .type = ValueKind::vector, .nullable = false, .dimension = 1, .metric = Metric::manhattan}},
      .primary_key = {"id"}};
  auto points = must(tables().create(schema));
  must(points->add({{{"id", 1}, {"v", Vector{0, 0}}, {"w", Vector{5}}},
                    {{"id", 2}, {"v", Vector{3, 4}}, {"w", Vector{1}}},
                    {{"id", 3}, {"w", Vector{0}}}}));
  EXPECT_EQ(outcome_of(points->add({{{"id", 4}}})), "invalid_argument") << "w is not nullable";
  auto near = [&](std::string column, Vector to) {
    return ids_of(must(points->search({.vector = std::move(to), .vector_column = std::move(column), .limit = 9})));
  };
  EXPECT_EQ(near("v", {3, 3}), "2 1") << "row 3 has no v";
  EXPECT_EQ(near("w", {0}), "3 2 1");
  EXPECT_EQ(must(points->update({{"v", Vector{3, 3}}}, "id = 3")), 1);
  EXPECT_EQ(near("v", {3, 3}), "3 2 1");
  EXPECT_EQ(must(points->update({{"v", Null{}}}, "id = 2")), 1);
  EXPECT_EQ(near("v", {3, 3}), "3 1");
  EXPECT_EQ(must(points->upsert({{{"id", 1}, {"w", Vector{-1}}}})).replaced, 1);
  EXPECT_EQ(near("v", {3, 3}), "3") << "the left-out vector of row 1 is NULL now";
  EXPECT_EQ(near("w", {-1}), "1 3 2");
  EXPECT_EQ(outcome_of(points->search({.vector = {1}})), "invalid_argument") << "two columns, none named";
  EXPECT_EQ(outcome_of(points->search({.vector = {1}, .vector_column = "v"})), "invalid_argument") << "wrong dimension";
  EXPECT_EQ(outcome_of(points->search({.text = "x", .vector_column = "v"})), "failed_precondition") << "not an embedding";
  EXPECT_EQ(outcome_of(points->search({.text = "x", .mode = SearchMode::text})), "failed_precondition") << "no text column";
}

}  // namespace
}  // namespace loam::test
