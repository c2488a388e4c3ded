#include "apps/loam/importer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace loam::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Records out of a list.
class ListSource final : public RecordSource {
 public:
  explicit ListSource(std::vector<SourceRecord> records) : records_(std::move(records)) {}
  Result<std::optional<SourceRecord>> next() override {
    if (next_ == records_.size()) return std::optional<SourceRecord>();
    return std::optional(records_[next_++]);
  }
  std::string name() const override { return "list"; }
  void abandon() noexcept override {}
  bool untyped() const override { return false; }
  std::int64_t bytes_read() const override { return static_cast<std::int64_t>(next_); }
  std::optional<std::int64_t> bytes_total() const override { return std::nullopt; }

 private:
  std::vector<SourceRecord> records_;
  std::size_t next_ = 0;
};

/// Ones for every text; counts how many it was asked for.
class CountingEmbedder final : public Embedder {
 public:
  const EmbedderIdentity& identity() const override { return identity_; }
  std::size_t batch_size() const override { return 100; }
  std::string spec() const override { return "counting"; }
  Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context&) override {
    asked += static_cast<std::int64_t>(texts.size());
    for (const std::string& text : texts)
      if (text == "unembeddable") return invalid_argument("text is refused");
    return std::vector<Vector>(texts.size(), Vector{1, 1});
  }
  std::atomic<std::int64_t> asked = 0;

 private:
  EmbedderIdentity identity_{.provider = "test", .model = "counting", .dimension = 2};
};

/// Keeps rows by their id, embeds like a real table, refuses what a test says.
class FakeTable final : public Table {
 public:
  explicit FakeTable(std::shared_ptr<Embedder> embedder) : embedder_(std::move(embedder)) {
    schema_.name = "t";
    schema_.columns = {{.name = "id", .type = ValueKind::int64, .nullable = false},
                       {.name = "body", .type = ValueKind::string}};
    schema_.primary_key = {"id"};
    if (embedder_) {
      schema_.embedding = EmbeddingSpec{.source_columns = {"body"}};
      schema_.columns.push_back({.name = "embedding", .type = ValueKind::vector, .dimension = 2});
    }
  }
  const TableSchema& schema() const override { return schema_; }
  Result<AddResult> add(std::span<const Record> rows, OnDuplicate on_duplicate, const Context& context) override {
    LOAM_TRY(context.check("add"));
    std::vector<std::string> texts;
    for (const Record& row : rows)
      texts.push_back(row.size() > 1 && !row[1].second.is_null() ? row[1].second.as<std::string>() : "");
    if (embedder_ && embeds_on_add) LOAM_TRY(embedder_->embed(texts, context));
    std::map<std::int64_t, std::string> next = stored;
    AddResult result;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::int64_t id = rows[i][0].second.as<std::int64_t>();
      if (texts[i] == "refused") return invalid_argument("row " + std::to_string(i) + ": refused");
      if (texts[i] == "broken disk") return Error(ErrorCode::unavailable, "the disk is gone");
      bool is_new = next.emplace(id, texts[i]).second;
      if (!is_new && on_duplicate == OnDuplicate::error) return Error(ErrorCode::already_exists, "id " + std::to_string(id));
      if (!is_new && on_duplicate == OnDuplicate::replace) next[id] = texts[i];
      ++(is_new ? result.inserted : on_duplicate == OnDuplicate::replace ? result.replaced : result.skipped);
    }
    stored = next;
    batch_sizes.push_back(rows.size());
    return result;
  }
  Result<std::vector<std::optional<std::vector<Value>>>> get(std::span<const std::vector<Value>> keys,
                                                             const std::vector<std::string>&, const Context&) override {
    std::vector<std::optional<std::vector<Value>>> found;
    for (const auto& key : keys) {
      auto row = stored.find(key[0].as<std::int64_t>());
      found.push_back(row == stored.end() ? std::nullopt : std::optional(std::vector<Value>{Value(row->second)}));
    }
    return found;
  }
  Result<ScanPage> scan(const ScanOptions&, const Context&) override { return unsupported("fake"); }
  Result<std::int64_t> count(std::string_view, const Context&) override { return unsupported("fake"); }
  Result<SearchResult> search(const SearchRequest&, const Context&) override { return unsupported("fake"); }
  Result<std::int64_t> update(const Record&, std::string_view, const Context&) override { return unsupported("fake"); }
  Result<std::int64_t> erase(std::string_view, const Context&) override { return unsupported("fake"); }
  TablesCapabilities capabilities() const override { return {}; }

  std::map<std::int64_t, std::string> stored;
  std::vector<std::size_t> batch_sizes;
  bool embeds_on_add = true;  ///< false: as a table does for rows whose text stays

 private:
  std::shared_ptr<Embedder> embedder_;
  TableSchema schema_;
};

SourceRecord row(std::int64_t id, const std::string& body) {
  return {.line = id, .fields = {{"id", Value(id)}, {"body", Value(body)}}};
}
SourceRecord bad(std::int64_t line) { return {.line = line, .problem = "line " + std::to_string(line) + ", column 3: bad"}; }

std::vector<SourceRecord> rows(std::int64_t count) {
  std::vector<SourceRecord> list;
  for (std::int64_t i = 1; i <= count; ++i) list.push_back(row(i, "text " + std::to_string(i)));
  return list;
}

struct Imported {
  Result<void> result;
  ImportReport report;
};
Imported import_list(std::vector<SourceRecord> records, FakeTable& table, ImportOptions options, EmbedAhead* ahead = nullptr,
                     std::vector<SourceRecord> first = {}, const Context& context = {}) {
  ListSource source(std::move(records));
  Imported imported;
  imported.result = import_records(source, std::move(first), table, ahead, options, imported.report, context);
  return imported;
}

TEST(Importer, StoresAllRowsInBatchesOfTheAskedSize) {
  FakeTable table(nullptr);
  Imported imported = import_list(rows(25), table, {.batch_rows = 10});
  ASSERT_TRUE(imported.result.ok());
  EXPECT_THAT(table.batch_sizes, ElementsAre(10, 10, 5));
  EXPECT_EQ(imported.report.inserted, 25);
  EXPECT_EQ(imported.report.last_line, 25);
}

TEST(Importer, TakesTheRecordsThatWereReadBeforeFirst) {
  FakeTable table(nullptr);
  Imported imported = import_list({row(3, "c")}, table, {.batch_rows = 2}, nullptr, {row(1, "a"), row(2, "b")});
  ASSERT_TRUE(imported.result.ok());
  EXPECT_EQ(table.stored, (std::map<std::int64_t, std::string>{{1, "a"}, {2, "b"}, {3, "c"}}));
}

TEST(Importer, TheLaterOfTwoRowsWithOneKeyWins) {
  FakeTable table(nullptr);
  Imported imported = import_list({row(1, "old"), row(2, "x"), row(1, "new")}, table,
                                  {.on_duplicate = OnDuplicate::replace, .batch_rows = 1});
  ASSERT_TRUE(imported.result.ok());
  EXPECT_EQ(table.stored[1], "new");
  EXPECT_EQ(imported.report.replaced, 1);
}

TEST(Importer, TheBatchOfAMalformedRecordIsNotStoredAndThoseBeforeAre) {
  FakeTable table(nullptr);
  std::vector<SourceRecord> records = rows(15);
  records.push_back(bad(16));
  Imported imported = import_list(records, table, {.batch_rows = 10});
  ASSERT_FALSE(imported.result.ok());
  EXPECT_EQ(imported.result.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(imported.result.error().message(), HasSubstr("line 16, column 3"));
  EXPECT_EQ(table.stored.size(), 10u);
  EXPECT_EQ(imported.report.last_line, 10);
}

TEST(Importer, SkipCountsEveryMalformedRecordAndNamesTheFirstTen) {
  FakeTable table(nullptr);
  std::vector<SourceRecord> records = rows(5);
  for (int i = 0; i < 30; ++i) records.push_back(bad(100 + i));
  records.push_back(row(6, "last"));
  Imported imported = import_list(records, table, {.on_error = OnError::skip, .batch_rows = 3});
  ASSERT_TRUE(imported.result.ok());
  EXPECT_EQ(table.stored.size(), 6u);
  EXPECT_EQ(imported.report.rejected, 30);
  EXPECT_EQ(imported.report.first_rejections.size(), 10u);
  EXPECT_THAT(imported.report.first_rejections[0], HasSubstr("line 100"));
}

TEST(Importer, AnUnknownFieldIsNamedWithTheColumnsThereAre) {
  FakeTable table(nullptr);
  SourceRecord record{.line = 4, .fields = {{"id", Value(1)}, {"bodi", Value("x")}}};
  Imported imported = import_list({record}, table, {});
  ASSERT_FALSE(imported.result.ok());
  EXPECT_THAT(imported.result.error().message(), HasSubstr("line 4, column \"bodi\""));
  EXPECT_THAT(imported.result.error().message(), HasSubstr("it has: id, body"));
  EXPECT_THAT(imported.result.error().hint(), HasSubstr("did you mean body?"));
}

TEST(Importer, IgnoredFieldsAreLeftOut) {
  FakeTable table(nullptr);
  SourceRecord record{.line = 1, .fields = {{"id", Value(1)}, {"other", Value("x")}, {"body", Value("b")}}};
  Imported imported = import_list({record}, table, {.ignored_fields = {"other"}});
  ASSERT_TRUE(imported.result.ok()) << imported.result.error().to_string();
  EXPECT_EQ(table.stored[1], "b");
}

TEST(Importer, AMisfitAndAMissingValueNameLineAndColumn) {
  FakeTable table(nullptr);
  Imported misfit = import_list({{.line = 9, .fields = {{"id", Value("nine")}}}}, table, {});
  EXPECT_THAT(misfit.result.error().message(), HasSubstr("line 9, column \"id\": a whole number of 64 bits is wanted"));
  Imported missing = import_list({{.line = 9, .fields = {{"body", Value("x")}}}}, table, {});
  EXPECT_THAT(missing.result.error().message(), HasSubstr("line 9, column \"id\": a value is needed"));
}

TEST(Importer, TheColumnThatTheTableComputesIsNotTakenFromTheFile) {
  auto embedder = std::make_shared<EmbedAhead>(std::make_shared<CountingEmbedder>());
  FakeTable table(embedder);
  SourceRecord record{.line = 1, .fields = {{"id", Value(1)}, {"embedding", Value(Json{"[1,2]"})}}};
  Imported imported = import_list({record}, table, {}, embedder.get());
  EXPECT_THAT(imported.result.error().message(), HasSubstr("computes this column itself"));
  EXPECT_EQ(imported.result.error().hint(), "--ignore embedding leaves the field out");
}

TEST(Importer, ARowThatTheTableRefusesIsFoundAndLeftOut) {
  FakeTable table(nullptr);
  std::vector<SourceRecord> records = rows(20);
  records[13] = row(14, "refused");
  Imported imported = import_list(records, table, {.on_error = OnError::skip, .batch_rows = 20});
  ASSERT_TRUE(imported.result.ok());
  EXPECT_EQ(table.stored.size(), 19u);
  EXPECT_EQ(imported.report.rejected, 1);
  EXPECT_THAT(imported.report.first_rejections.at(0), HasSubstr("line 14: "));
}

TEST(Importer, ARowThatTheTableRefusesStopsTheImportNamingItsBatch) {
  FakeTable table(nullptr);
  std::vector<SourceRecord> records = rows(20);
  records[13] = row(14, "refused");
  Imported imported = import_list(records, table, {.batch_rows = 10});
  ASSERT_FALSE(imported.result.ok());
  EXPECT_THAT(imported.result.error().message(), HasSubstr("lines 11 to 20"));
  EXPECT_EQ(table.stored.size(), 10u);
}

TEST(Importer, AFailureOfTheTableEndsTheImportEvenWithSkip) {
  FakeTable table(nullptr);
  std::vector<SourceRecord> records = rows(20);
  records[5] = row(6, "broken disk");
  Imported imported = import_list(records, table, {.on_error = OnError::skip, .batch_rows = 2});
  ASSERT_FALSE(imported.result.ok());
  EXPECT_EQ(imported.result.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(table.stored.size(), 4u);
}

TEST(Importer, CancellationStopsBetweenBatchesAndKeepsWhatWasStored) {
  FakeTable table(nullptr);
  Cancellation cancel;
  ImportOptions options{.batch_rows = 2, .on_batch = [&](const ImportReport& report) {
                          if (report.inserted == 6) cancel.cancel();
                        }};
  Imported imported = import_list(rows(1'000), table, options, nullptr, {}, Context().cancelled_by(cancel));
  ASSERT_FALSE(imported.result.ok());
  EXPECT_EQ(imported.result.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(table.stored.size(), 6u);
  EXPECT_EQ(imported.report.inserted, 6);
}

TEST(Importer, EachTextIsEmbeddedOnceAndAheadOfTheTable) {
  auto counting = std::make_shared<CountingEmbedder>();
  auto ahead = std::make_shared<EmbedAhead>(counting);
  FakeTable table(ahead);
  Imported imported = import_list(rows(100), table, {.batch_rows = 10}, ahead.get());
  ASSERT_TRUE(imported.result.ok()) << imported.result.error().to_string();
  EXPECT_EQ(counting->asked, 100);
  EXPECT_EQ(ahead->misses(), 0);
}

TEST(Importer, ATextThatIsStoredAlreadyIsNotPaidForAgain) {
  auto counting = std::make_shared<CountingEmbedder>();
  auto ahead = std::make_shared<EmbedAhead>(counting);
  FakeTable table(nullptr);
  std::vector<SourceRecord> again = rows(10);
  ASSERT_TRUE(import_list(rows(10), table, {}).result.ok());
  FakeTable embedding_table(ahead);
  embedding_table.embeds_on_add = false;
  embedding_table.stored = table.stored;
  again[3] = row(4, "changed");
  ImportOptions options{.on_duplicate = OnDuplicate::replace, .look_for_stored_texts = true};
  ASSERT_TRUE(import_list(again, embedding_table, options, ahead.get()).result.ok());
  EXPECT_EQ(counting->asked, 1);
}

TEST(Importer, ATextThatTheModelRefusesCostsItsOwnRowOnly) {
  auto ahead = std::make_shared<EmbedAhead>(std::make_shared<CountingEmbedder>());
  FakeTable table(ahead);
  std::vector<SourceRecord> records = rows(10);
  records[4] = row(5, "unembeddable");
  Imported imported = import_list(records, table, {.on_error = OnError::skip, .batch_rows = 10}, ahead.get());
  ASSERT_TRUE(imported.result.ok()) << imported.result.error().to_string();
  EXPECT_EQ(table.stored.size(), 9u);
  EXPECT_THAT(imported.report.first_rejections.at(0), HasSubstr("line 5: "));
}

}  // namespace
}  // namespace loam::cli
