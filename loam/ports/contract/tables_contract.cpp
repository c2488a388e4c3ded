#include "loam/ports/contract/tables_contract.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

namespace loam::test {

using testing::HasSubstr;

BagEmbedder::BagEmbedder(std::string model)
    : identity_{
          .provider = "bag", .model = std::move(model), .dimension = dimension, .metric = "cosine", .normalized = false} {}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (char c : text) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter)
      words.back() += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Vector BagEmbedder::vector_of(std::string_view text) const {
  Vector sum(dimension, 0.0F);
  for (const std::string& word : words_of(text)) {
    std::uint64_t state = 1469598103934665603ULL;
    for (unsigned char c : word + identity_.model) state = (state ^ c) * 1099511628211ULL;
    for (float& element : sum) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      element += static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
    }
  }
  return sum;
}

Result<std::vector<Vector>> BagEmbedder::embed(std::span<const std::string> texts, const Context& context) {
  LOAM_TRY(context.check("embed"));
  if (before_batch) before_batch();
  std::vector<Vector> vectors;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].find("unembeddable") != std::string::npos)
      return invalid_argument("text " + std::to_string(i) + " is refused by the model");
    vectors.push_back(vector_of(texts[i]));
    ++texts_;
  }
  return vectors;
}

double distance_between(Metric metric, const Vector& a, const Vector& b) {
  double dot = 0, aa = 0, bb = 0, squares = 0, absolute = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    squares += (x - y) * (x - y);
    absolute += std::abs(x - y);
  }
  switch (metric) {
    case Metric::cosine: return aa == 0 || bb == 0 ? 1 : 1 - dot / std::sqrt(aa * bb);
    case Metric::euclidean: return std::sqrt(squares);
    case Metric::inner_product: return -dot;
    case Metric::manhattan: return absolute;
  }
  return 0;
}

void TablesContract::SetUp() {
  auto made = GetParam().make();
  if (!made.ok()) FAIL() << made.error().to_string();
  backend_ = std::move(made).value();
  if (backend_ == nullptr) GTEST_SKIP() << "the backend of " << GetParam().name << " is not on this machine";
}

void TablesContract::TearDown() {
  if (backend_ == nullptr || !check_problems_) return;
  EXPECT_THAT(must(backend_->problems()), testing::IsEmpty());
}

TableSchema TablesContract::notes_schema(std::string name) {
  return {.name = std::move(name),
          .columns = {{.name = "id", .type = ValueKind::int64, .nullable = false},
                      {.name = "title", .type = ValueKind::string},
                      {.name = "body", .type = ValueKind::string},
                      {.name = "section", .type = ValueKind::string},
                      {.name = "size", .type = ValueKind::int64, .default_value = 0}},
          .primary_key = {"id"},
          .text_columns = {"title", "body"},
          .embedding = EmbeddingSpec{.source_columns = {"title", "body"}}};
}

std::unique_ptr<Table> TablesContract::create_notes(std::string name) {
  auto created = tables().create(notes_schema(std::move(name)), embedder_);
  LOAM_ASSERT(created.ok(), created.error().to_string().c_str());
  return std::move(created).value();
}

std::unique_ptr<Table> TablesContract::open_notes(TablesBackend& backend, std::string name) {
  auto opened = backend.tables().open(name, embedder_);
  LOAM_ASSERT(opened.ok(), opened.error().to_string().c_str());
  return std::move(opened).value();
}

Record note(std::int64_t id, Value title, Value body, Value section, Value size) {
  Record record = {{"id", id}, {"title", std::move(title)}, {"body", std::move(body)}, {"section", std::move(section)}};
  if (!size.is_null()) record.emplace_back("size", std::move(size));
  return record;
}

std::string ids_of(const RowSet& rows) {
  std::string text;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) text += (i > 0 ? " " : "") + rows.at(i, "id").to_display();
  return text;
}
std::string ids_of(const SearchResult& result) { return ids_of(result.rows); }

std::string scan_ids(Table& table, ScanOptions options) {
  std::string text;
  for (;;) {
    ScanPage page = must(table.scan(options));
    std::string ids = ids_of(page.rows);
    text += (text.empty() || ids.empty() ? "" : " ") + ids;
    if (!page.next_cursor) return text;
    options.cursor = *page.next_cursor;
  }
}

std::string text_ids(Table& table, const std::string& words, TextMatch match) {
  SearchResult result = must(table.search({.text = words, .mode = SearchMode::text, .match = match, .limit = 1000}));
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < result.rows.rows.size(); ++i) ids.push_back(result.rows.at(i, "id").as<std::int64_t>());
  std::sort(ids.begin(), ids.end());
  std::string text;
  for (std::int64_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

std::string error_text(const Error& error) { return error.to_string(); }

namespace {

// Tables: create, open, list, drop.

TEST_P(TablesContract, ExampleOfTheHeaderRuns) {
  TableSchema schema{
      .name = "notes",
      .columns = {{.name = "id", .type = ValueKind::int64, .nullable = false}, {.name = "body", .type = ValueKind::string}},
      .primary_key = {"id"},
      .text_columns = {"body"},
      .embedding = EmbeddingSpec{.source_columns = {"body"}}};
  auto notes = must(tables().create(schema, embedder_));
  must(notes->add({{{"id", 1}, {"body", "the cat sat"}}}));
  SearchResult hits = must(notes->search({.text = "cat", .limit = 5}));
  EXPECT_EQ(ids_of(hits), "1");
  EXPECT_EQ(hits.explain.mode, SearchMode::hybrid);
}

TEST_P(TablesContract, CreatedTableIsListedAndOpensWithItsSchema) {
  auto created = create_notes();
  TableSchema schema = created->schema();
  ASSERT_TRUE(schema.embedding);
  EXPECT_EQ(schema.embedding->embedder, embedder_->identity());
  EXPECT_EQ(schema.embedding->embedder_spec, "bag:bag-1");
  ASSERT_NE(schema.column("embedding"), nullptr);
  EXPECT_EQ(schema.column("embedding")->dimension, BagEmbedder::dimension);
  EXPECT_EQ(must(tables().list()), std::vector<TableSchema>{schema});
  EXPECT_EQ(must(tables().open("notes"))->schema(), schema);
}

TEST_P(TablesContract, NamesAreTakenWhateverTheirCase) {
  create_notes();
  auto again = tables().create(notes_schema("Notes"), embedder_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(again.error().to_string(), HasSubstr("\"notes\""));
}

TEST_P(TablesContract, UnknownTableNamesTheOnesThereAre) {
  create_notes("apples");
  create_notes("pears");
  for (auto& missing : {tables().open("plums", embedder_)}) {
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code(), ErrorCode::not_found);
    EXPECT_THAT(missing.error().to_string(), HasSubstr("apples, pears"));
  }
  EXPECT_EQ(outcome_of(tables().drop("plums")), "not_found");
}

TEST_P(TablesContract, T3_AnotherEmbedderIsRefusedWithBothNames) {
  create_notes();
  auto opened = tables().open("notes", std::make_shared<BagEmbedder>("bag-2"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(opened.error().to_string(), HasSubstr("bag/bag-1 (8, cosine)"));
  EXPECT_THAT(opened.error().to_string(), HasSubstr("bag/bag-2 (8, cosine)"));
}

TEST_P(TablesContract, T3_WithoutItsEmbedderATableReadsAndRefusesWhatNeedsOne) {
  must(create_notes()->add({note(1, "red apple")}));
  auto table = must(tables().open("notes"));
  EXPECT_EQ(scan_ids(*table), "1");
  EXPECT_EQ(text_ids(*table, "apple"), "1");
  EXPECT_EQ(ids_of(must(table->search({.vector = embedder_->vector_of("apple"), .mode = SearchMode::vector}))), "1");
  EXPECT_EQ(must(table->update({{"size", 5}}, "id = 1")), 1);
  EXPECT_EQ(must(table->add({{{"id", 2}}})).inserted, 1) << "a row without source text has no vector";
  for (const auto& refused :
       {outcome_of(table->search({.text = "apple"})),
        outcome_of(table->search({.text = "apple", .mode = SearchMode::vector})), outcome_of(table->add({note(3, "pear")})),
        outcome_of(table->update({{"title", "pear"}}, "id = 1"))})
    EXPECT_EQ(refused, "failed_precondition");
}

TEST_P(TablesContract, CreateRefusesWhatItCannotKeep) {
  EXPECT_EQ(outcome_of(tables().create(notes_schema())), "invalid_argument") << "an embedding without an embedder";
  TableSchema plain = notes_schema();
  plain.embedding.reset();
  EXPECT_EQ(outcome_of(tables().create(plain, embedder_)), "invalid_argument") << "an embedder without an embedding";
  TableSchema other = notes_schema();
  other.embedding->embedder = {.provider = "bag", .model = "bag-9", .dimension = 8};
  EXPECT_EQ(outcome_of(tables().create(other, embedder_)), "invalid_argument")
      << "an embedder that the schema does not name";
  TableSchema narrow = notes_schema();
  narrow.columns.push_back({.name = "embedding", .type = ValueKind::vector, .dimension = 3});
  EXPECT_EQ(outcome_of(tables().create(narrow, embedder_)), "invalid_argument") << "a vector column of another dimension";
  EXPECT_THAT(must(tables().list()), testing::IsEmpty());
}

TEST_P(TablesContract, DroppedTableIsGoneAndItsNameStartsAfresh) {
  auto old = create_notes();
  must(old->add({note(1, "red apple")}));
  EXPECT_EQ(ids_of(must(old->search({.text = "apple"}))), "1");
  must(tables().drop("notes"));
  EXPECT_EQ(outcome_of(tables().open("notes")), "not_found");

  auto fresh = create_notes();
  EXPECT_EQ(scan_ids(*fresh), "");
  EXPECT_EQ(ids_of(must(fresh->search({.text = "apple"}))), "");
  must(fresh->add({note(2, "green pear")}));
  EXPECT_EQ(ids_of(must(fresh->search({.text = "apple", .mode = SearchMode::vector}))), "2");
  // The handle of the dropped table must not touch the new one of the same name.
  for (const std::string& refused :
       {outcome_of(old->scan()), outcome_of(old->count()), outcome_of(old->get({{1}})),
        outcome_of(old->search({.text = "apple"})), outcome_of(old->search({.text = "apple", .mode = SearchMode::text})),
        outcome_of(old->add({note(3, "plum")})), outcome_of(old->update({{"size", 1}}, "TRUE")),
        outcome_of(old->erase("TRUE"))})
    EXPECT_EQ(refused, "failed_precondition");
  EXPECT_EQ(scan_ids(*fresh), "2");
}

TEST_P(TablesContract, HostileNamesAreOnlyNames) {
  for (std::string name : {"a\"; DROP TABLE victim; --", "select", "Robert'); --", "with space", "\u00fc\u4e2d\U0001f642",
                           "a.b", "%", "rank", "$1", "?"}) {
    TableSchema schema = notes_schema(name);
    schema.columns.push_back({.name = name + "x", .type = ValueKind::string});
    schema.columns.push_back({.name = "rowid", .type = ValueKind::string});
    schema.columns.push_back({.name = "rank", .type = ValueKind::string});
    schema.columns.push_back({.name = "row_id", .type = ValueKind::string});
    schema.columns.push_back({.name = "vector", .type = ValueKind::string});
    schema.text_columns = {name + "x", "rowid", "rank", "row_id", "vector"};
    auto table = must(tables().create(schema, embedder_));
    ASSERT_NE(table, nullptr) << name;
    Record record = note(1, "title");
    record.emplace_back(name + "x", "apple");
    record.emplace_back("rank", "pear");
    record.emplace_back("vector", "plum");
    must(table->add({record}));
    EXPECT_EQ(text_ids(*table, "apple pear plum"), "1") << name;
    EXPECT_EQ(must(table->update({{name + "x", "cherry"}}, "rank = 'pear'")), 1) << name;
    EXPECT_EQ(text_ids(*table, "apple"), "") << name;
    EXPECT_EQ(text_ids(*table, "cherry"), "1") << name;
    EXPECT_EQ(must(table->scan({.select = {name + "x"}})).rows.at(0, name + "x"), Value("cherry")) << name;
    must(tables().drop(name));
  }
}

// Values.

TableSchema all_kinds() {
  return {.name = "kinds",
          .columns = {{.name = "id", .type = ValueKind::int64},
                      {.name = "b", .type = ValueKind::boolean, .default_value = true},
                      {.name = "i", .type = ValueKind::int64, .default_value = -7},
                      {.name = "d", .type = ValueKind::float64, .default_value = 0.5},
                      {.name = "n", .type = ValueKind::decimal, .default_value = Decimal{"1.50"}},
                      {.name = "s", .type = ValueKind::string, .default_value = "it's"},
                      {.name = "y", .type = ValueKind::bytes, .default_value = Bytes{std::string("\0\xFF", 2)}},
                      {.name = "t", .type = ValueKind::timestamp, .default_value = Timestamp{1'700'000'000'123'456}},
                      {.name = "j", .type = ValueKind::json, .default_value = Json{R"({"a": [1, null]})"}},
                      {.name = "v", .type = ValueKind::vector, .dimension = 2}},
          .primary_key = {"id"}};
}

TEST_P(TablesContract, EveryKindComesBackWithNullsAndDefaults) {
  auto table = must(tables().create(all_kinds()));
  std::vector<std::string> all = {"id", "b", "i", "d", "n", "s", "y", "t", "j", "v"};
  std::vector<Value> extremes = {INT64_MIN,
                                 false,
                                 INT64_MAX,
                                 -1.7976931348623157e308,
                                 Decimal{"-123456789012345678901234567890.0001"},
                                 "\u00e9\U0001f642\n\t'\"\\",
                                 Bytes{std::string("\0'\"\\\xC3", 5)},
                                 Timestamp{-62'167'219'200'000'000},
                                 Json{R"([true, "\u00e9", 1.5, {}])"},
                                 Vector{-3.4e38F, 1e-38F}};
  Record full, nulls = {{"id", 2}}, left_out = {{"id", 3}},
               empty = {{"id", 4}, {"s", ""}, {"y", Bytes{}}, {"v", Vector{0, 0}}};
  for (std::size_t i = 0; i < all.size(); ++i) full.emplace_back(all[i], extremes[i]);
  for (std::size_t i = 1; i < all.size(); ++i) nulls.emplace_back(all[i], Null{});
  must(table->add({full, nulls, left_out, empty}));

  auto rows = must(table->get({{INT64_MIN}, {2}, {3}, {4}}, all));
  ASSERT_TRUE(rows[0] && rows[1] && rows[2] && rows[3]);
  auto kinds = [](const std::vector<Value>& row) {
    std::string text;
    for (const Value& value : row) text += std::string(to_string(value.kind())) + ' ';
    return text;
  };
  EXPECT_EQ(kinds(*rows[0]), "int64 bool int64 double decimal string bytes timestamp json vector ");
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == "j") continue;  // a database may write the same JSON otherwise
    EXPECT_EQ((*rows[0])[i], extremes[i]) << all[i];
  }
  EXPECT_EQ(kinds(*rows[1]), "int64 null null null null null null null null null ");
  EXPECT_EQ((*rows[2])[1], Value(true));
  EXPECT_EQ((*rows[2])[4], Value(Decimal{"1.50"}));
  EXPECT_EQ((*rows[2])[6], Value(Bytes{std::string("\0\xFF", 2)}));
  EXPECT_EQ((*rows[2])[7], Value(Timestamp{1'700'000'000'123'456}));
  EXPECT_TRUE((*rows[2])[9].is_null());
  EXPECT_EQ((*rows[3])[5], Value(""));
  EXPECT_EQ((*rows[3])[6], Value(Bytes{}));
  EXPECT_EQ((*rows[3])[9], Value(Vector{0, 0}));
  EXPECT_EQ(must(table->count("j.a EXISTS")), 2) << "rows 3 and 4 have the default";
  EXPECT_EQ(must(table->count("n > 1 AND d < 1 AND t < '2024-01-01' AND b = TRUE")), 2);
}

TEST_P(TablesContract, ValuesThatLookLikeSqlAreOnlyValues) {
  auto table = create_notes();
  std::string hostile = "'); DROP TABLE notes; --";
  must(table->add({note(1, hostile, "? $1 :x @y", hostile)}));
  EXPECT_EQ(must(table->count("section = '''); DROP TABLE notes; --'")), 1);
  EXPECT_EQ(must(table->get({{1}}, {"title"}))[0], std::vector<Value>{hostile});
  EXPECT_EQ(text_ids(*table, "drop table notes"), "1");
}

TEST_P(TablesContract, AllKeyKindsFindTheirRows) {
  TableSchema schema{.name = "keyed",
                     .columns = {{.name = "id", .type = ValueKind::int64},
                                 {.name = "b", .type = ValueKind::boolean},
                                 {.name = "s", .type = ValueKind::string},
                                 {.name = "y", .type = ValueKind::bytes},
                                 {.name = "t", .type = ValueKind::timestamp}},
                     .primary_key = {"id", "b", "s", "y", "t"}};
  auto table = must(tables().create(schema));
  std::vector<Record> rows;
  std::vector<std::vector<Value>> keys;
  for (int i = 0; i < 150; ++i) {
    std::vector<Value> key = {i % 3, i % 2 == 0, "s" + std::to_string(i), Bytes{std::string(1, static_cast<char>(i))},
                              Timestamp{i}};
    rows.push_back({{"id", key[0]}, {"b", key[1]}, {"s", key[2]}, {"y", key[3]}, {"t", key[4]}});
    keys.push_back(std::move(key));
  }
  must(table->add(rows));
  keys.push_back({0, true, "s0", Bytes{"?"}, Timestamp{0}});  // no such row
  keys.push_back(keys[7]);
  auto found = must(table->get(keys));
  ASSERT_EQ(found.size(), 152u);
  for (std::size_t i = 0; i < 150; ++i) EXPECT_EQ(found[i], keys[i]) << i;
  EXPECT_FALSE(found[150]);
  EXPECT_EQ(found[151], keys[7]);
  EXPECT_EQ(must(table->add(rows, OnDuplicate::skip)).skipped, 150);
}

}  // namespace
}  // namespace loam::test
