#include "loam/ports/tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "loam/core/limits.hpp"
#include "loam/ports/tables_values.hpp"

namespace loam {
namespace {

using testing::HasSubstr;

TableSchema notes() {
  return {.name = "notes",
          .columns = {{.name = "id", .type = ValueKind::int64, .nullable = false},
                      {.name = "body", .type = ValueKind::string},
                      {.name = "size", .type = ValueKind::float64, .default_value = 1.5}},
          .primary_key = {"id"},
          .text_columns = {"body"},
          .embedding = EmbeddingSpec{.source_columns = {"body"}}};
}

std::string refusal(const TableSchema& schema) {
  auto checked = check_schema(schema);
  return checked.ok() ? "accepted" : checked.error().to_string();
}

TEST(TableSchema, AcceptsTheExampleOfTheHeader) { EXPECT_EQ(refusal(notes()), "accepted"); }

TEST(TableSchema, RefusesNamesThatCouldCollideOrHide) {
  for (std::string name : {"", "loam_x", "LOAM_x", "sqlite_master", "a\nb", "\xFF"}) {
    TableSchema table = notes();
    table.name = name;
    EXPECT_THAT(refusal(table), HasSubstr("invalid_argument")) << testing::PrintToString(name);
    TableSchema column = notes();
    column.columns[1].name = name;
    EXPECT_THAT(refusal(column), HasSubstr("invalid_argument")) << testing::PrintToString(name);
  }
  TableSchema longest = notes();
  longest.name = std::string(limits::identifier_bytes_max, 'x');
  EXPECT_EQ(refusal(longest), "accepted");
  longest.name += 'x';
  EXPECT_THAT(refusal(longest), HasSubstr("longer than 63 bytes"));
}

TEST(TableSchema, RefusesColumnsThatDifferInCaseOnly) {
  TableSchema schema = notes();
  schema.columns.push_back({.name = "BODY"});
  EXPECT_THAT(refusal(schema), HasSubstr("\"body\" and \"BODY\""));
}

TEST(TableSchema, NamesTheColumnThatCannotDoItsJob) {
  TableSchema key = notes();
  key.primary_key = {"nope"};
  EXPECT_THAT(refusal(key), HasSubstr("\"nope\""));
  key.primary_key = {"body"};
  EXPECT_THAT(refusal(key), HasSubstr("nullable"));
  key.primary_key = {"size"};
  EXPECT_THAT(refusal(key), HasSubstr("double"));
  TableSchema text = notes();
  text.text_columns = {"id"};
  EXPECT_THAT(refusal(text), HasSubstr("\"id\" is of type int64"));
  TableSchema source = notes();
  source.embedding->source_columns = {};
  EXPECT_THAT(refusal(source), HasSubstr("no source column"));
  TableSchema vector = notes();
  vector.columns.push_back({.name = "embedding", .type = ValueKind::vector, .dimension = 0});
  EXPECT_THAT(refusal(vector), HasSubstr("dimension 0"));
  vector.columns.back().dimension = limits::dimension_max + 1;
  EXPECT_THAT(refusal(vector), HasSubstr("65536"));
  TableSchema fallback = notes();
  fallback.columns[2].default_value = "many";
  EXPECT_THAT(refusal(fallback), HasSubstr("default of column \"size\""));
}

TEST(TableSchema, ComesBackFromItsJsonForm) {
  TableSchema schema = notes();
  schema.columns.push_back({.name = "v", .type = ValueKind::vector, .dimension = 3, .metric = Metric::manhattan});
  schema.columns.push_back({.name = "flag", .type = ValueKind::boolean, .default_value = true});
  schema.columns.push_back({.name = "price", .type = ValueKind::decimal, .default_value = Decimal{"-12.50"}});
  schema.columns.push_back({.name = "raw", .type = ValueKind::bytes, .default_value = Bytes{std::string("\0\xFF", 2)}});
  schema.columns.push_back({.name = "at", .type = ValueKind::timestamp, .default_value = Timestamp{1}});
  schema.columns.push_back({.name = "more", .type = ValueKind::json, .default_value = Json{R"({"a":[1,null]})"}});
  schema.on_duplicate_columns = {"body"};
  schema.embedding->embedder = {.provider = "hash", .model = "hash-64-v1", .dimension = 64};
  schema.embedding->embedder_spec = "hash:64";

  auto read = parse_table_schema(to_json(schema));

  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(*read, schema) << to_json(*read);
}

TEST(TableSchema, JsonFormRefusesWhatItDoesNotKnow) {
  for (std::string json :
       {"", "[]", "{}", R"({"name":"t","columns":[{"name":"a","typ":"string"}]})",
        R"({"name":"t","columns":[{"name":"a","type":"text"}]})", R"({"name":"t","columns":[{"name":1}]})",
        R"({"name":"t","columns":[{"name":"a","dimension":-1}]})", R"({"name":"t","columns":"a"})",
        R"({"name":"t","columns":[{"name":"a","type":"int64","default":18446744073709551615}]})",
        R"({"name":"t","columns":[{"name":"a"}],"extra":1})"}) {
    auto read = parse_table_schema(json);
    ASSERT_FALSE(read.ok()) << json;
    EXPECT_EQ(read.error().code(), ErrorCode::invalid_argument) << json;
  }
}

Value fitted(Value value, ValueKind kind, std::size_t dimension = 0) {
  auto result = fit_value(std::move(value), {.name = "c", .type = kind, .dimension = dimension});
  return result.ok() ? *result : Value("refused: " + result.error().message());
}

TEST(TableValues, BringsValuesToTheirColumn) {
  EXPECT_EQ(fitted(3, ValueKind::float64), Value(3.0));
  EXPECT_EQ(fitted("2026-01-01", ValueKind::timestamp), Value(*parse_timestamp("2026-01-01")));
  EXPECT_EQ(fitted("1.50", ValueKind::decimal), Value(Decimal{"1.50"}));
  EXPECT_EQ(fitted(7, ValueKind::decimal), Value(Decimal{"7"}));
  EXPECT_EQ(fitted("[1]", ValueKind::json), Value(Json{"[1]"}));
  EXPECT_EQ(fitted(Json{"[1,2.5]"}, ValueKind::vector, 2), Value(Vector{1, 2.5}));
  EXPECT_EQ(fitted(Null{}, ValueKind::int64), Value());
}

TEST(TableValues, RefusesWhatAColumnCannotHold) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto huge = static_cast<float>(infinity);
  const std::pair<Value, ValueKind> refused[] = {{"1", ValueKind::int64},
                                                 {1.0, ValueKind::int64},
                                                 {1, ValueKind::boolean},
                                                 {nan, ValueKind::float64},
                                                 {infinity, ValueKind::float64},
                                                 {std::int64_t{9007199254740993}, ValueKind::float64},
                                                 {"1e5", ValueKind::decimal},
                                                 {"\xFF", ValueKind::string},
                                                 {std::string("a\0b", 3), ValueKind::string},
                                                 {1, ValueKind::string},
                                                 {"text", ValueKind::bytes},
                                                 {"yesterday", ValueKind::timestamp},
                                                 {"{", ValueKind::json},
                                                 {Json{"[1e999]"}, ValueKind::json},
                                                 {Json{R"(["\u0000"])"}, ValueKind::json},
                                                 {Vector{1}, ValueKind::vector},
                                                 {Vector{1, huge}, ValueKind::vector},
                                                 {Json{R"(["a",1])"}, ValueKind::vector}};
  for (const auto& [value, kind] : refused)
    EXPECT_THAT(fitted(value, kind, 2).to_display(), testing::StartsWith("refused: column \"c\""))
        << to_string(kind) << " took " << value.to_display();
}

TEST(TableValues, JsonMayHoldTheTextOfAnEscapeButNotNulItself) {
  EXPECT_EQ(fitted(Json{R"(["\\u0000"])"}, ValueKind::json), Value(Json{R"(["\\u0000"])"}));
  EXPECT_THAT(fitted(Json{R"(["\\\u0000"])"}, ValueKind::json).to_display(), HasSubstr("NUL"));
}

TEST(TableValues, RecordErrorsNameRowAndColumn) {
  auto message = [](const Record& record) {
    auto row = fit_record(record, notes(), 7);
    return row.ok() ? "accepted" : row.error().message();
  };
  EXPECT_EQ(message({{"id", 1}, {"body", "x"}}), "accepted");
  EXPECT_THAT(message({{"body", "x"}}), HasSubstr("row 7, column \"id\" must have a value"));
  EXPECT_THAT(message({{"id", 1}, {"boody", "x"}}),
              HasSubstr("row 7, unknown column \"boody\"; table \"notes\" has id, body, size"));
  EXPECT_THAT(message({{"id", 1}, {"id", 2}}), HasSubstr("given twice"));
  EXPECT_EQ(fit_record({{"id", 1}}, notes(), 0)->at(2), Value(1.5));
}

}  // namespace
}  // namespace loam
