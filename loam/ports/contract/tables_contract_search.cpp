/// Scans and searches: pages, filters, scores, and searches that must not run.

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "loam/core/limits.hpp"
#include "loam/ports/contract/tables_contract.hpp"

namespace loam::test {
namespace {

using testing::HasSubstr;

std::vector<Record> numbered(int count) {
  std::vector<Record> rows;
  for (int i = 1; i <= count; ++i)
    rows.push_back(
        note(i, i % 2 == 0 ? "even apple" : "odd pear", "number " + std::to_string(i), i % 5 == 0 ? "five" : "rest", i));
  return rows;
}

// Scan, get, count.

TEST_P(TablesContract, T5_PagesOfAScanGoThroughAllRowsInOrder) {
  auto notes = create_notes();
  must(notes->add(numbered(25)));
  std::string all = scan_ids(*notes);
  EXPECT_EQ(all.substr(0, 13), "1 2 3 4 5 6 7");
  for (std::size_t limit : {1, 7, 24, 25, 26}) EXPECT_EQ(scan_ids(*notes, {.limit = limit}), all) << limit;
  EXPECT_EQ(scan_ids(*notes, {.where = "section = 'five'", .limit = 2}), "5 10 15 20 25");
  EXPECT_FALSE(must(notes->scan({.limit = 25})).next_cursor) << "no page follows the last row";
}

TEST_P(TablesContract, T5_RowsThatComeAndGoDuringAScanMoveNoOthers) {
  auto notes = create_notes();
  must(notes->add(numbered(9)));
  ScanPage page = must(notes->scan({.limit = 3}));
  must(notes->erase("id = 2 OR id = 5"));
  must(notes->add({note(10, "new")}));
  must(notes->upsert({note(1, "changed")}));
  EXPECT_EQ(ids_of(page.rows) + " | " + scan_ids(*notes, {.limit = 3, .cursor = *page.next_cursor}), "1 2 3 | 4 6 7 8 9 10");
}

TEST_P(TablesContract, ScanRefusesForeignCursorsAndLimits) {
  auto notes = create_notes();
  auto others = create_notes("others");
  must(notes->add(numbered(3)));
  must(others->add(numbered(3)));
  std::string foreign = *must(others->scan({.limit = 1})).next_cursor;
  for (std::string cursor :
       {foreign, std::string("x"), std::string("1--1"), std::string("1-999999999999999999999"), std::string("1-1 ")})
    EXPECT_EQ(outcome_of(notes->scan({.cursor = cursor})), "invalid_argument") << cursor;
  EXPECT_EQ(outcome_of(notes->scan({.limit = 0})), "invalid_argument");
  EXPECT_EQ(outcome_of(notes->scan({.limit = limits::page_count_max + 1})), "invalid_argument");
}

TEST_P(TablesContract, SelectGivesTheColumnsAskedForInTheirOrder) {
  auto notes = create_notes();
  must(notes->add({note(1, "a", "b", "c", 4)}));
  EXPECT_EQ(must(notes->scan()).rows.columns, (std::vector<std::string>{"id", "title", "body", "section", "size"}));
  ScanPage page = must(notes->scan({.select = {"size", "embedding", "id"}}));
  EXPECT_EQ(page.rows.columns, (std::vector<std::string>{"size", "embedding", "id"}));
  EXPECT_EQ(page.rows.rows[0], (std::vector<Value>{4, embedder_->vector_of("a\nb"), 1}));
  SearchResult found = must(notes->search({.text = "a", .select = {"title"}}));
  EXPECT_EQ(found.rows.columns, std::vector<std::string>{"title"});
  for (const auto& select :
       {std::vector<std::string>{"nope"}, std::vector<std::string>{"id", "id"}, std::vector<std::string>{"loam_row"}}) {
    EXPECT_EQ(outcome_of(notes->scan({.select = select})), "invalid_argument");
    EXPECT_EQ(outcome_of(notes->get({{1}}, select)), "invalid_argument");
    EXPECT_EQ(outcome_of(notes->search({.text = "a", .select = select})), "invalid_argument");
  }
  auto unknown = notes->scan({.select = {"titel"}});
  EXPECT_THAT(error_text(unknown.error()), HasSubstr("id, title, body, section, size, embedding"));
}

TEST_P(TablesContract, GetAnswersInTheOrderOfTheKeys) {
  auto notes = create_notes();
  must(notes->add(numbered(700)));
  std::vector<std::vector<Value>> keys;
  for (int i = 800; i > 0; --i) keys.push_back({i});
  auto rows = must(notes->get(keys, {"id"}));
  for (int i = 800; i > 0; --i) {
    auto& row = rows[static_cast<std::size_t>(800 - i)];
    ASSERT_EQ(row.has_value(), i <= 700) << i;
    if (row) {
      EXPECT_EQ(row->at(0), Value(i));
    }
  }
  EXPECT_EQ(outcome_of(notes->get({{1, 2}})), "invalid_argument");
  EXPECT_EQ(outcome_of(notes->get({{"x"}})), "invalid_argument");
}

TEST_P(TablesContract, WrongFiltersAreRefusedByEveryCall) {
  auto notes = create_notes();
  for (std::string where : {"nope = 1", "size = 'x'", "size >", "embedding = 1", "(((", "{\"size\": {\"$no\": 1}}"}) {
    EXPECT_EQ(outcome_of(notes->scan({.where = where})), "invalid_argument") << where;
    EXPECT_EQ(outcome_of(notes->count(where)), "invalid_argument") << where;
    EXPECT_EQ(outcome_of(notes->erase(where)), "invalid_argument") << where;
    EXPECT_EQ(outcome_of(notes->search({.text = "a", .where = where})), "invalid_argument") << where;
  }
}

// Vector search.

TEST_P(TablesContract, T7_VectorSearchEqualsBruteForceForEveryMetric) {
  constexpr std::size_t rows = 300, dimension = 7;
  std::mt19937 random(20261121);
  std::normal_distribution<float> normal;
  auto vector = [&] {
    Vector v(dimension);
    for (float& x : v) x = normal(random);
    return v;
  };
  for (Metric metric : {Metric::cosine, Metric::euclidean, Metric::inner_product, Metric::manhattan}) {
    std::string name = "points_" + std::string(to_string(metric));
    auto table = must(
        tables().create({.name = name,
                         .columns = {{.name = "id", .type = ValueKind::int64},
                                     {.name = "v", .type = ValueKind::vector, .dimension = dimension, .metric = metric}},
                         .primary_key = {"id"}}));
    std::vector<Vector> vectors;
    std::vector<Record> records;
    for (std::size_t i = 0; i < rows; ++i) {
      vectors.push_back(i % 50 == 7 ? vectors[3] : vector());  // equal vectors: ties
      records.push_back({{"id", static_cast<std::int64_t>(i)}, {"v", vectors.back()}});
    }
    must(table->add(records));
    for (int query_number = 0; query_number < 10; ++query_number) {
      Vector query = query_number == 0 ? vectors[3] : vector();
      std::vector<double> truth;
      for (const Vector& v : vectors) truth.push_back(distance_between(metric, query, v));
      SearchResult found = must(table->search({.vector = query, .limit = 20, .offset = 5}));
      std::vector<double> sorted = truth;
      std::sort(sorted.begin(), sorted.end());
      ASSERT_EQ(found.hits.size(), 20u);
      for (std::size_t i = 0; i < 20; ++i) {
        auto id = static_cast<std::size_t>(found.rows.at(i, "id").as<std::int64_t>());
        EXPECT_NEAR(*found.hits[i].distance, truth[id], 1e-5) << to_string(metric);
        EXPECT_NEAR(truth[id], sorted[5 + i], 1e-5) << to_string(metric) << ": a closer row is missing";
        double score = metric == Metric::cosine          ? 1 - *found.hits[i].distance
                       : metric == Metric::inner_product ? -*found.hits[i].distance
                                                         : 1 / (1 + *found.hits[i].distance);
        EXPECT_DOUBLE_EQ(found.hits[i].score, score);
        if (i > 0 && *found.hits[i].distance == *found.hits[i - 1].distance) {
          EXPECT_LT(found.hits[i - 1].row_id, found.hits[i].row_id) << "ties go by row";
        }
      }
      EXPECT_EQ(found.explain.distances_computed, static_cast<std::int64_t>(rows));
    }
  }
}

TEST_P(TablesContract, T4_FilterIsAppliedBeforeRankingWhenTheFarthestRowsPass) {
  auto notes = create_notes();
  std::vector<Record> rows;
  for (int i = 1; i <= 400; ++i) rows.push_back(note(i, "apple", {}, "near"));
  for (int i = 401; i <= 412; ++i) rows.push_back(note(i, "quince " + std::to_string(i), {}, "far"));
  must(notes->add(rows));
  for (SearchMode mode : {SearchMode::vector, SearchMode::hybrid}) {
    SearchResult ten = must(notes->search({.text = "apple", .mode = mode, .where = "section = 'far'"}));
    EXPECT_EQ(ten.hits.size(), 10u);
    EXPECT_EQ(ten.explain.filter_matches, 12);
    SearchResult all = must(notes->search({.text = "apple", .mode = mode, .where = "section = 'far'", .limit = 50}));
    EXPECT_EQ(all.hits.size(), 12u) << "min(limit, matching rows)";
    for (std::size_t i = 0; i < all.hits.size(); ++i) EXPECT_EQ(all.rows.at(i, "section"), Value("far"));
    EXPECT_FALSE(all.explain.filter_sql.empty());
  }
  EXPECT_EQ(must(notes->search({.text = "apple quince", .mode = SearchMode::text, .where = "section = 'far'", .limit = 50}))
                .hits.size(),
            12u);
  EXPECT_EQ(must(notes->search({.text = "apple", .where = "section = 'nowhere'"})).hits.size(), 0u);
}

TEST_P(TablesContract, OffsetsAndThresholdsCutTheSameOrder) {
  auto notes = create_notes();
  must(notes->add(numbered(40)));
  for (SearchMode mode : {SearchMode::vector, SearchMode::text, SearchMode::hybrid}) {
    SearchRequest request{.text = "even apple", .mode = mode, .limit = 20};
    if (mode == SearchMode::hybrid) request.candidates = 100;
    SearchResult whole = must(notes->search(request));
    ASSERT_EQ(whole.hits.size(), 20u);
    for (std::size_t i = 1; i < whole.hits.size(); ++i) EXPECT_GE(whole.hits[i - 1].score, whole.hits[i].score);
    std::string pages;
    for (std::size_t offset = 0; offset < 20; offset += 5) {
      request.limit = 5;
      request.offset = offset;
      pages += (pages.empty() ? "" : " ") + ids_of(must(notes->search(request)));
    }
    EXPECT_EQ(pages, ids_of(whole)) << static_cast<int>(mode);
    request = {.text = "even apple", .mode = mode, .limit = 20, .threshold = whole.hits[9].score};
    if (mode == SearchMode::hybrid) request.candidates = 100;
    SearchResult above = must(notes->search(request));
    EXPECT_GE(above.hits.size(), 10u);
    for (const SearchHit& hit : above.hits) EXPECT_GE(hit.score, whole.hits[9].score);
    request.threshold = whole.hits[0].score + 1;
    EXPECT_EQ(must(notes->search(request)).hits.size(), 0u);
  }
}

TEST_P(TablesContract, ZeroVectorsAndEmptyTextsAreAnsweredToo) {
  auto notes = create_notes();
  must(notes->add({note(1, ""), note(2, "apple"), Record{{"id", 3}}}));
  SearchResult found = must(notes->search({.text = "apple", .mode = SearchMode::vector}));
  EXPECT_EQ(ids_of(found), "2 1") << "row 3 has no source text, so no vector";
  EXPECT_NEAR(*found.hits[1].distance, 1, 1e-6);
  EXPECT_EQ(ids_of(must(notes->search({.text = "!!!", .mode = SearchMode::vector}))), "1 2")
      << "the query is the zero vector: all are equally far";
}

// Text search.

TEST_P(TablesContract, TextSearchFindsWordsOfAllTextColumns) {
  auto notes = create_notes();
  must(notes->add({note(1, "Red Apple", "sweet fruit"), note(2, "green apple", Null{}), note(3, Null{}, "APPLE"),
                   note(4, "applesauce", "red")}));
  EXPECT_EQ(text_ids(*notes, "apple"), "1 2 3");
  EXPECT_EQ(text_ids(*notes, "red"), "1 4");
  EXPECT_EQ(text_ids(*notes, "red apple"), "1");
  EXPECT_EQ(text_ids(*notes, "apple red"), "1");
  EXPECT_EQ(text_ids(*notes, "fruit apple"), "1") << "words may stand in different columns";
  EXPECT_EQ(text_ids(*notes, "red apple", TextMatch::any), "1 2 3 4");
  EXPECT_EQ(text_ids(*notes, "nothing"), "");
}

TEST_P(TablesContract, AutomaticMatchFallsToAnyWordAndSaysSo) {
  auto notes = create_notes();
  must(notes->add({note(1, "red apple"), note(2, "green apple"), note(3, "red car")}));
  SearchResult few = must(notes->search({.text = "red apple", .mode = SearchMode::text, .limit = 3}));
  EXPECT_EQ(few.hits.size(), 3u);
  EXPECT_EQ(few.explain.text_plan, "any word (1 rows match all)");
  SearchResult enough = must(notes->search({.text = "red apple", .mode = SearchMode::text, .limit = 1}));
  EXPECT_EQ(ids_of(enough), "1");
  EXPECT_EQ(enough.explain.text_plan, "all words");
  EXPECT_EQ(must(notes->search({.text = "red apple", .mode = SearchMode::text, .match = TextMatch::all})).hits.size(), 1u);
  EXPECT_EQ(must(notes->search({.text = "red apple", .mode = SearchMode::text, .match = TextMatch::any})).explain.text_plan,
            "any word");
}

TEST_P(TablesContract, QuerySyntaxOfTheBackendIsPlainText) {
  auto notes = create_notes();
  must(notes->add({note(1, "near and not or"), note(2, "title body apple")}));
  for (std::string query :
       {"\"",     "'",      "*",      "apple*", "NEAR(apple title)",  "title:apple",  "apple AND",        "NOT apple",
        "-apple", "(apple", "apple)", "a^2",    "{title}: apple",     "apple & pear", "apple | !pear",    "<->",
        ":*",     "\\",     "%",      "?",      "; DROP TABLE notes", "\u00e9",       "\xF0\x9F\x99\x82", "AND",
        "OR",     "\t\n"}) {
    auto found = notes->search({.text = query, .mode = SearchMode::text, .match = TextMatch::any});
    EXPECT_TRUE(found.ok()) << query << ": " << error_text(found.error());
    EXPECT_TRUE(notes->search({.text = query}).ok()) << query;
  }
  EXPECT_EQ(text_ids(*notes, "apple*"), "2") << "no prefix search";
  EXPECT_EQ(text_ids(*notes, "app*"), "");
  EXPECT_EQ(text_ids(*notes, "title:apple"), "2") << "two words";
  EXPECT_EQ(text_ids(*notes, "NOT"), "1") << "a word like any other";
  EXPECT_EQ(text_ids(*notes, "NEAR(and, not)"), "1");
  SearchResult none = must(notes->search({.text = "!!!", .mode = SearchMode::text}));
  EXPECT_EQ(none.hits.size(), 0u);
  EXPECT_EQ(none.explain.text_plan, "no words");
}

TEST_P(TablesContract, T8_MoreAndRarerWordsScoreHigher) {
  auto notes = create_notes();
  std::vector<Record> rows = numbered(30);
  rows.push_back(note(100, "quince apricot", "pie"));
  rows.push_back(note(101, "quince", "pie"));
  for (int id = 102; id < 107; ++id) rows.push_back(note(id, "apricot", "pie"));
  must(notes->add(rows));
  SearchResult found =
      must(notes->search({.text = "quince apricot", .mode = SearchMode::text, .match = TextMatch::any, .limit = 5}));
  EXPECT_EQ(found.rows.at(0, "id"), Value(100));
  EXPECT_GT(found.hits[0].score, found.hits[1].score);
  if (notes->capabilities().text_score_is_bm25) {
    EXPECT_EQ(found.rows.at(1, "id"), Value(101)) << "quince is rarer than apricot";
  }
  for (const SearchHit& hit : found.hits) EXPECT_EQ(hit.text_score, hit.score);
}

// Hybrid search.

TEST_P(TablesContract, HybridHoldsRowsOfBothListsAndExplainsItself) {
  auto notes = create_notes();
  std::vector<Record> rows = numbered(20);
  rows.push_back(note(50, "zebra", "crossing the road near the river"));
  must(notes->add(rows));
  SearchResult found = must(notes->search({.text = "zebra", .where = "id >= 10"}));
  EXPECT_EQ(found.explain.mode, SearchMode::hybrid);
  EXPECT_EQ(found.rows.at(0, "id"), Value(50)) << "first of the text list";
  EXPECT_EQ(found.hits.size(), 10u);
  EXPECT_TRUE(found.hits[0].text_score && found.hits[0].distance);
  EXPECT_EQ(found.explain.fusion, "rrf(k=60)");
  EXPECT_EQ(found.explain.filter_matches, 12);
  EXPECT_EQ(found.explain.candidates, 12);
  EXPECT_EQ(found.explain.vector_plan, "exact scan of 12 filtered vectors");
  EXPECT_THAT(found.explain.text_plan, HasSubstr("word"));
  std::vector<std::string> steps;
  for (const auto& [step, ms] : found.explain.timings_ms) {
    steps.push_back(step);
    EXPECT_GE(ms, 0);
  }
  for (const char* step : {"embed", "filter", "vector", "text", "fuse", "rows"}) EXPECT_THAT(steps, testing::Contains(step));
}

TEST_P(TablesContract, RerankersDecideTheOrder) {
  auto notes = create_notes();
  must(notes->add(numbered(12)));
  auto by_row = callback_reranker(
      "by row", [](std::string_view query, std::vector<RankedCandidate>& candidates, const Context&) -> Result<void> {
        EXPECT_EQ(query, "even apple");
        for (RankedCandidate& one : candidates) one.score = static_cast<double>(one.row_id % 7);
        return {};
      });
  SearchResult found = must(notes->search({.text = "even apple", .limit = 12, .threshold = 1, .reranker = by_row.get()}));
  EXPECT_EQ(found.explain.fusion, "by row");
  for (std::size_t i = 0; i < found.hits.size(); ++i)
    EXPECT_EQ(found.hits[i].score, static_cast<double>(found.hits[i].row_id % 7));
  EXPECT_EQ(found.hits.size(), 11u) << "the row with score 0 is under the threshold";

  auto weighted = must(weighted_fusion(0, 1));
  SearchResult text_first = must(notes->search({.text = "even apple", .limit = 6, .reranker = weighted.get()}));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(text_first.rows.at(i, "title"), Value("even apple"));

  auto failing =
      callback_reranker("failing", [](auto, auto&, const Context&) -> Result<void> { return internal_error("it broke"); });
  EXPECT_EQ(outcome_of(notes->search({.text = "apple", .reranker = failing.get()})), "internal") << "no silent fallback";
  auto inventing = callback_reranker("inventing", [](auto, auto& candidates, const Context&) -> Result<void> {
    candidates.push_back({.row_id = 4711});
    return {};
  });
  EXPECT_EQ(outcome_of(notes->search({.text = "apple", .reranker = inventing.get()})), "invalid_argument");
  auto unordered = callback_reranker("unordered", [](auto, auto& candidates, const Context&) -> Result<void> {
    for (auto& one : candidates) one.score = std::nan("");
    return {};
  });
  EXPECT_EQ(outcome_of(notes->search({.text = "apple", .reranker = unordered.get()})), "invalid_argument");
}

TEST_P(TablesContract, T6_SearchesThatCannotRunAsAskedAreErrors) {
  auto notes = create_notes();
  must(notes->add(numbered(5)));
  auto rrf = reciprocal_rank_fusion();
  const float nan = std::nanf("");
  const SearchRequest refused[] = {
      {},
      {.mode = SearchMode::vector},
      {.mode = SearchMode::text},
      {.vector = Vector(8, 1.0F), .mode = SearchMode::hybrid},
      {.vector = Vector(8, 1.0F), .mode = SearchMode::text},
      {.text = "a", .vector = Vector(8, 1.0F), .mode = SearchMode::vector},
      {.vector = Vector(3, 1.0F)},
      {.vector = Vector(8, nan)},
      {.text = "a", .vector_column = "title"},
      {.text = "a", .vector_column = "nope"},
      {.text = "a", .limit = 0},
      {.text = "a", .limit = limits::search_k_max + 1},
      {.text = "a", .limit = 2, .offset = limits::search_k_max - 1},
      {.text = "a", .limit = 2, .offset = SIZE_MAX},
      {.text = "a", .candidates = limits::search_k_max + 1},
      {.text = "a", .threshold = std::nan("")},
      {.text = "a", .mode = SearchMode::text, .reranker = rrf.get()},
      {.text = "a", .mode = SearchMode::vector, .reranker = rrf.get()},
      {.text = "a", .mode = SearchMode::vector, .candidates = 5},
      {.text = "a", .mode = SearchMode::vector, .match = TextMatch::any},
      {.text = "\xFF"},
      {.text = std::string("a\0b", 3)},
      {.text = std::string(limits::query_text_bytes_max + 1, 'a')},
  };
  for (const SearchRequest& request : refused)
    EXPECT_EQ(outcome_of(notes->search(request)), "invalid_argument") << (&request - refused);
  EXPECT_EQ(ids_of(must(notes->search({.vector = embedder_->vector_of("odd pear\nnumber 3"), .limit = 1}))), "3")
      << "a vector alone is searched by vector";

  TableSchema text_only = notes_schema("text_only");
  text_only.embedding.reset();
  auto words = must(tables().create(text_only));
  EXPECT_EQ(must(words->search({.text = "a"})).explain.mode, SearchMode::text);
  EXPECT_EQ(outcome_of(words->search({.text = "a", .mode = SearchMode::vector})), "failed_precondition");
  EXPECT_EQ(outcome_of(words->search({.text = "a", .mode = SearchMode::hybrid})), "failed_precondition");
  TableSchema vectors_only = notes_schema("vectors_only");
  vectors_only.text_columns = {};
  auto vectors = must(tables().create(vectors_only, embedder_));
  EXPECT_EQ(must(vectors->search({.text = "a"})).explain.mode, SearchMode::vector);
  EXPECT_EQ(outcome_of(vectors->search({.text = "a", .mode = SearchMode::text})), "failed_precondition");
  EXPECT_EQ(outcome_of(vectors->search({.text = "a", .mode = SearchMode::hybrid})), "failed_precondition");
}

TEST_P(TablesContract, DeadlinesAndCancellationEndACall) {
  auto notes = create_notes();
  Cancellation cancelled;
  cancelled.cancel();
  const Context gone = Context().cancelled_by(cancelled), late = Context().deadline_in_ms(-1);
  for (const auto& [context, code] : {std::pair{gone, "cancelled"}, {late, "deadline_exceeded"}}) {
    EXPECT_EQ(outcome_of(notes->add({note(1, "a")}, OnDuplicate::error, context)), code);
    EXPECT_EQ(outcome_of(notes->scan({}, context)), code);
    EXPECT_EQ(outcome_of(notes->get({{1}}, {}, context)), code);
    EXPECT_EQ(outcome_of(notes->count("", context)), code);
    EXPECT_EQ(outcome_of(notes->search({.text = "a"}, context)), code);
    EXPECT_EQ(outcome_of(notes->update({{"size", 1}}, "TRUE", context)), code);
    EXPECT_EQ(outcome_of(notes->erase("TRUE", context)), code);
  }
  EXPECT_EQ(must(notes->count()), 0);
}

}  // namespace
}  // namespace loam::test
