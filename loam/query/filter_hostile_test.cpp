/// Input that wants to crash, hang or fill memory: every cap just below, at and above it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loam/core/limits.hpp"
#include "loam/query/compile.hpp"
#include "loam/query/filter.hpp"
#include "loam/query/filter_parse.hpp"
#include "loam/query/schema.hpp"

namespace loam {
namespace {

using testing::HasSubstr;

std::string repeated(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

std::string outcome(std::string_view text) {
  auto filter = Filter::parse(text);
  return filter.ok() ? "ok" : filter.error().message();
}

TEST(FilterCaps, ParenthesesMayNestAsDeepAsTheCap) {
  auto nested = [](std::size_t depth) { return repeated("(", depth) + "a = 1" + repeated(")", depth); };
  EXPECT_EQ(outcome(nested(limits::filter_depth_max)), "ok");
  EXPECT_THAT(outcome(nested(limits::filter_depth_max + 1)), HasSubstr("1:65: a filter is nested at most 64 levels deep"));
  EXPECT_THAT(outcome(nested(100'000)), HasSubstr("nested at most"));
  EXPECT_THAT(outcome(repeated("(", 200'000)), HasSubstr("nested at most"));
}

TEST(FilterCaps, NotMayNestUpToTheTreeDepth) {
  auto nested = [](std::size_t count) { return repeated("NOT ", count) + "a = 1"; };
  EXPECT_EQ(outcome(nested(limits::filter_depth_max - 1)), "ok");
  EXPECT_THAT(outcome(nested(limits::filter_depth_max)), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(outcome(nested(60'000)), HasSubstr("nested at most 64 levels"));
}

TEST(FilterCaps, JsonMayNestUpToTheTreeDepth) {
  auto nested = [](std::size_t count) { return repeated(R"({"$not":)", count) + R"({"a":1})" + repeated("}", count); };
  EXPECT_EQ(outcome(nested(limits::filter_depth_max - 1)), "ok");
  EXPECT_THAT(outcome(nested(limits::filter_depth_max)), HasSubstr("nested"));
  EXPECT_THAT(outcome(nested(29'000)), HasSubstr("nested at most 64 levels deep"));
  EXPECT_THAT(outcome(repeated(R"({"$and":[)", 25'000)), HasSubstr("nested at most 64 levels deep"));
  EXPECT_THAT(outcome(R"({"a":{"$not":)" + repeated(R"({"$not":)", 29'000)), HasSubstr("nested at most"));
  EXPECT_THAT(outcome("{\"a\":" + repeated("[", 100'000)), HasSubstr("found an array"));
}

TEST(FilterCaps, ATreeHasAtMostAThousandConditions) {
  auto many = [](std::size_t count) { return repeated("a = 1 OR ", count - 1) + "a = 1"; };
  EXPECT_EQ(outcome(many(limits::filter_nodes_max)), "ok");
  EXPECT_THAT(outcome(many(limits::filter_nodes_max + 1)), HasSubstr("1:9001: a filter has at most 1000 conditions"));
  std::string json = R"({"$or": [{"a":1})" + repeated(R"(,{"a":1})", 1'000) + "]}";
  EXPECT_THAT(outcome(json), HasSubstr("at most 1000 conditions"));
}

TEST(FilterCaps, TextHasAtMostTheBytesOfTheCap) {
  std::string fits = "a = '" + std::string(limits::filter_bytes_max - 6, 'x') + "'";
  ASSERT_EQ(fits.size(), limits::filter_bytes_max);
  EXPECT_EQ(outcome(fits), "ok");
  EXPECT_THAT(outcome(fits + " "), HasSubstr("a filter has at most 262144"));
}

TEST(FilterCaps, APathHasAtMostSixtyFourParts) {
  EXPECT_EQ(outcome("a" + repeated(".b", limits::json_depth_max) + " = 1"), "ok");
  EXPECT_THAT(outcome("a" + repeated(".b", limits::json_depth_max + 1) + " = 1"), HasSubstr("a path has at most 64 parts"));
  EXPECT_THAT(outcome("{\"a" + repeated(".b", 65) + "\": 1}"), HasSubstr("a path has at most 64 parts"));
}

TEST(FilterCaps, ADecimalHasAtMostAThousandCharacters) {
  EXPECT_EQ(outcome("a = " + std::string(1'000, '7')), "ok");
  EXPECT_THAT(outcome("a = " + std::string(1'001, '7')), HasSubstr("longer than a decimal may be"));
}

TEST(FilterHostile, NulAndInvalidUtf8AreRefusedWithTheirPlace) {
  EXPECT_THAT(outcome(std::string("a = 'x\0y'", 9)), HasSubstr("1:7: a filter cannot hold the character U+0000"));
  EXPECT_THAT(outcome("a = '\xff'"), HasSubstr("1:6: this byte is not UTF-8"));
  EXPECT_THAT(outcome("a = '\xc0\xaf'"), HasSubstr("1:6: this byte is not UTF-8"));
  EXPECT_THAT(outcome("a = '\xed\xa0\x80'"), HasSubstr("this byte is not UTF-8"));
  EXPECT_THAT(outcome("a = 'x\xe2\x82"), HasSubstr("1:7: this byte is not UTF-8"));
  EXPECT_THAT(outcome("{\"a\": \"\xff\"}"), HasSubstr("1:8: this byte is not UTF-8"));
}

TEST(FilterHostile, ErrorsShowNoControlCharactersAndNoLongTexts) {
  std::string message = outcome("a = 1 \"\x1b[31m" + std::string(10'000, 'x') + "\"");
  EXPECT_EQ(message.find('\x1b'), message.npos);
  EXPECT_LT(message.size(), 200u);
}

TEST(FilterHostile, QuotesInNamesStayNames) {
  Filter filter = Filter::parse(R"("a""b; DROP TABLE t --"."'x'" = 1)").value();
  EXPECT_EQ(filter.field.column, "a\"b; DROP TABLE t --");
  EXPECT_EQ(filter.field.path.at(0), "'x'");
}

TEST(FilterHostile, EveryCutOfAFilterIsAFilterOrAnError) {
  std::string_view texts[] = {
      R"(attrs."o w".0 NOT IN ('it''s', -1.5e3, X'00ff', TIMESTAMP '2026-01-01', NULL) AND (EXISTS(a) OR b LIKE 'ü%\%'))",
      R"({"a.\"b\"": {"$between": [1, {"$decimal": "2.50"}]}, "$or": [{"c": null}, {"d": {"$nin": ["\ud83d\ude00"]}}]})"};
  for (std::string_view text : texts) {
    ASSERT_EQ(outcome(text), "ok");
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
      (void)outcome(text.substr(0, cut));
      (void)outcome(text.substr(cut));
    }
  }
}

TEST(FilterHostile, TreesOfAProgramAreCheckedByBind) {
  FilterColumns columns = {
      {"a", ValueKind::int64, "\"a\""}, {"j", ValueKind::json, "\"j\""}, {"s", ValueKind::string, "\"s\""}};
  auto refusal = [&](Filter filter) {
    auto bound = bind_filter(std::move(filter), columns);
    return bound.ok() ? "ok" : bound.error().message();
  };
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"a", {}}}), HasSubstr("wrong number of values"));
  EXPECT_THAT(refusal({.op = FilterOp::logical_not}), HasSubstr("wrong number of values"));
  EXPECT_THAT(refusal({.op = FilterOp::constant}), HasSubstr("wrong number of values"));
  EXPECT_THAT(refusal({.op = FilterOp::is_null, .field = {"a", {}}, .values = {1}}), HasSubstr("wrong number of values"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"a", {}}, .values = {Value()}}), HasSubstr("with NULL"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"a", {}}, .values = {Decimal{"x"}}}), HasSubstr("no decimal"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"s", {}}, .values = {"\xff"}}), HasSubstr("not UTF-8 without NUL"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"s", {}}, .values = {std::string("a\0", 2)}}),
              HasSubstr("not UTF-8 without NUL"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"j", {"\xff"}}, .values = {1}}), HasSubstr("not UTF-8 without NUL"));
  EXPECT_THAT(refusal({.op = FilterOp::eq, .field = {"j", std::vector<std::string>(65, "x")}, .values = {1}}),
              HasSubstr("64 parts"));
  Filter pattern{.op = FilterOp::like, .field = {"s", {}}, .values = {std::string(limits::like_pattern_bytes_max, 'x')}};
  EXPECT_EQ(refusal(pattern), "ok");
  pattern.values = {std::string(limits::like_pattern_bytes_max + 1, 'x')};
  EXPECT_THAT(refusal(pattern), HasSubstr("has more than 4096 bytes"));
  Filter deep = Filter::parse("a = 1").value();
  for (int i = 0; i < 64; ++i) deep = negated(std::move(deep));
  EXPECT_THAT(refusal(std::move(deep)), HasSubstr("nested deeper than 64"));
  Filter wide{.op = FilterOp::logical_or, .children = std::vector<Filter>(1'000, Filter::everything())};
  EXPECT_THAT(refusal(std::move(wide)), HasSubstr("more than 1000 conditions"));
}

}  // namespace
}  // namespace loam
