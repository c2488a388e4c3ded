#include "apps/loam/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/loam/infer.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;

ColumnSpec column(ValueKind type, std::size_t dimension = 0) { return {.name = "c", .type = type, .dimension = dimension}; }

struct Fit {
  Value from;
  ValueKind type;
  TextIs text_is;
  Value to;
};

TEST(FitField, BringsValuesToTheTypeOfTheColumn) {
  const TextIs csv = TextIs::untyped;
  const TextIs json = TextIs::string;
  const Fit table[] = {
      {Value(), ValueKind::int64, json, Value()},
      {Value(true), ValueKind::boolean, json, Value(true)},
      {Value("1"), ValueKind::boolean, csv, Value(true)},
      {Value("FALSE"), ValueKind::boolean, csv, Value(false)},
      {Value(5), ValueKind::int64, json, Value(5)},
      {Value(Decimal{"5.0"}), ValueKind::int64, json, Value(5)},
      {Value("-9223372036854775808"), ValueKind::int64, csv, Value(std::int64_t{INT64_MIN})},
      {Value(5), ValueKind::float64, json, Value(5.0)},
      {Value(Decimal{"1.10"}), ValueKind::float64, json, Value(1.1)},
      {Value("1e3"), ValueKind::float64, csv, Value(1000.0)},
      {Value(Decimal{"1.10"}), ValueKind::decimal, json, Value(Decimal{"1.10"})},
      {Value("12.500"), ValueKind::decimal, json, Value(Decimal{"12.500"})},
      {Value(7), ValueKind::decimal, json, Value(Decimal{"7"})},
      {Value("a"), ValueKind::string, json, Value("a")},
      {Value(7), ValueKind::string, json, Value("7")},
      {Value(Decimal{"7.50"}), ValueKind::string, json, Value("7.50")},
      {Value(true), ValueKind::string, json, Value("true")},
      {Value("00fF"), ValueKind::bytes, json, Value(Bytes{std::string("\x00\xff", 2)})},
      {Value("2026-01-31T12:00:00Z"), ValueKind::timestamp, json, Value(Timestamp{1769860800000000})},
      {Value(Json{"[1]"}), ValueKind::json, json, Value(Json{"[1]"})},
      {Value("{\"a\":1}"), ValueKind::json, csv, Value(Json{"{\"a\":1}"})},
      {Value("a\"b"), ValueKind::json, json, Value(Json{"\"a\\\"b\""})},
      {Value(Decimal{"1.50"}), ValueKind::json, json, Value(Json{"1.50"})},
  };
  for (const Fit& row : table) {
    auto fitted = fit_field(row.from, column(row.type), row.text_is);
    ASSERT_TRUE(fitted.ok()) << row.from.to_display() << ": " << fitted.error().to_string();
    EXPECT_EQ(*fitted, row.to) << row.from.to_display();
  }
}

struct Misfit {
  Value from;
  ValueKind type;
  TextIs text_is;
};

TEST(FitField, RefusesWhatWouldLoseSomething) {
  const TextIs csv = TextIs::untyped;
  const TextIs json = TextIs::string;
  const Misfit table[] = {
      {Value("true"), ValueKind::boolean, json},
      {Value("yes"), ValueKind::boolean, csv},
      {Value(Decimal{"1.5"}), ValueKind::int64, json},
      {Value(1e300), ValueKind::int64, json},
      {Value(Decimal{"9007199254740993.0"}), ValueKind::int64, json},
      {Value("12"), ValueKind::int64, json},
      {Value("12x"), ValueKind::int64, csv},
      {Value(" 12"), ValueKind::int64, csv},
      {Value("9223372036854775808"), ValueKind::int64, csv},
      {Value("nan"), ValueKind::float64, csv},
      {Value("inf"), ValueKind::float64, csv},
      {Value("1e999"), ValueKind::float64, csv},
      {Value("x"), ValueKind::float64, csv},
      {Value("1e3"), ValueKind::decimal, csv},
      {Value(Json{"{}"}), ValueKind::string, json},
      {Value("0"), ValueKind::bytes, json},
      {Value("zz"), ValueKind::bytes, json},
      {Value("yesterday"), ValueKind::timestamp, csv},
      {Value(5), ValueKind::timestamp, json},
      {Value("{"), ValueKind::json, csv},
      {Value(""), ValueKind::json, csv},
  };
  for (const Misfit& row : table) {
    auto fitted = fit_field(row.from, column(row.type), row.text_is);
    ASSERT_FALSE(fitted.ok()) << row.from.to_display() << " as " << to_string(row.type);
    EXPECT_EQ(fitted.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(fitted.error().message(), HasSubstr("is wanted")) << row.from.to_display();
  }
}

TEST(FitField, ReadsVectorsAndNamesTheBadElement) {
  ColumnSpec three = column(ValueKind::vector, 3);
  EXPECT_EQ(*fit_field(Value(Json{"[1,2.5,-3]"}), three, TextIs::string), Value(Vector{1, 2.5, -3}));
  EXPECT_EQ(*fit_field(Value("[1,2,3]"), three, TextIs::untyped), Value(Vector{1, 2, 3}));
  EXPECT_THAT(fit_field(Value(Json{"[1,2]"}), three, TextIs::string).error().message(),
              HasSubstr("array of 3 numbers is wanted, found one of 2"));
  EXPECT_THAT(fit_field(Value(Json{"[1,1e999,3]"}), three, TextIs::string).error().message(),
              HasSubstr("an array of 3 numbers"));
  EXPECT_THAT(fit_field(Value(Json{"[1,1e39,3]"}), three, TextIs::string).error().message(), HasSubstr("element 2"));
  EXPECT_THAT(fit_field(Value(Json{"[1,\"2\",3]"}), three, TextIs::string).error().message(), HasSubstr("element 2"));
  EXPECT_FALSE(fit_field(Value(Json{"{}"}), three, TextIs::string).ok());
}

TEST(FitField, ShowsALongValueShortened) {
  auto fitted = fit_field(Value(std::string(10'000, 'x')), column(ValueKind::int64), TextIs::untyped);
  EXPECT_LT(fitted.error().message().size(), 200u);
}

std::string inferred(const std::vector<std::vector<std::pair<std::string, Value>>>& rows, TextIs text_is) {
  std::vector<SourceRecord> records;
  for (const auto& fields : rows) records.push_back({.fields = fields});
  std::string text;
  for (const ColumnSpec& c : infer_columns(records, text_is)) text += c.name + ":" + std::string(to_string(c.type)) + " ";
  return text;
}

TEST(InferColumns, WidensAcrossRecords) {
  EXPECT_EQ(inferred({{{"a", Value(1)}}, {{"a", Value(Decimal{"1.5"})}}}, TextIs::string), "a:double ");
  EXPECT_EQ(inferred({{{"a", Value(1)}}, {{"a", Value("x")}}}, TextIs::string), "a:string ");
  EXPECT_EQ(inferred({{{"a", Value(1)}}, {{"a", Value(Decimal{"99999999999999999999"})}}}, TextIs::string), "a:decimal ");
  EXPECT_EQ(inferred({{{"a", Value(true)}}, {{"a", Value(1)}}}, TextIs::string), "a:string ");
  EXPECT_EQ(inferred({{{"a", Value()}}, {{"a", Value(Json{"[]"})}}}, TextIs::string), "a:json ");
  EXPECT_EQ(inferred({{{"a", Value("x")}}, {{"a", Value(Json{"[]"})}}}, TextIs::string), "a:json ");
  EXPECT_EQ(inferred({{{"a", Value()}}}, TextIs::string), "a:string ");
  EXPECT_EQ(inferred({{{"b", Value(1)}}, {{"a", Value(1)}, {"b", Value(2)}}}, TextIs::string), "b:int64 a:int64 ");
}

TEST(InferColumns, ReadsTextAsWhatItSpells) {
  auto one = [](const char* text) { return inferred({{{"a", Value(text)}}}, TextIs::untyped); };
  EXPECT_EQ(one("42"), "a:int64 ");
  EXPECT_EQ(one("-4.5e3"), "a:double ");
  EXPECT_EQ(one("0"), "a:int64 ");
  EXPECT_EQ(one("007"), "a:string ");
  EXPECT_EQ(one("+1"), "a:string ");
  EXPECT_EQ(one("1,5"), "a:string ");
  EXPECT_EQ(one("nan"), "a:string ");
  EXPECT_EQ(one("true"), "a:bool ");
  EXPECT_EQ(one(""), "a:string ");
  EXPECT_EQ(one("99999999999999999999"), "a:decimal ");
}

TEST(InferColumns, EveryValueOfTheSampleFitsItsColumn) {
  const std::vector<Value> values = {
      Value("1"), Value("1.5"), Value("x"), Value("true"), Value(""), Value("99999999999999999999"), Value("007"), Value()};
  for (const Value& a : values) {
    for (const Value& b : values) {
      std::vector<SourceRecord> records = {{.fields = {{"c", a}}}, {.fields = {{"c", b}}}};
      ColumnSpec c = infer_columns(records, TextIs::untyped).at(0);
      EXPECT_TRUE(fit_field(a, c, TextIs::untyped).ok()) << a.to_display() << " with " << b.to_display();
      EXPECT_TRUE(fit_field(b, c, TextIs::untyped).ok()) << b.to_display() << " with " << a.to_display();
    }
  }
}

}  // namespace
}  // namespace loam::cli
