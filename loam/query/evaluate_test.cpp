/// The reference meaning, as truth tables.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "loam/query/evaluate.hpp"
#include "loam/query/schema.hpp"

namespace loam {
namespace {

using Row = std::map<std::string, Value, std::less<>>;

std::string truth(const Filter& filter, const Row& row) {
  static const Value null;
  Truth result = evaluate(filter, [&](std::string_view column) -> const Value& {
    auto found = row.find(column);
    return found == row.end() ? null : found->second;
  });
  return result == Truth::yes ? "yes" : result == Truth::no ? "no" : "unknown";
}

std::string truth(std::string_view text, const Row& row) { return truth(Filter::parse(text).value(), row); }

/// Of a filter about `attrs`, a JSON column with this document.
std::string of_json(std::string_view text, std::string_view document) {
  return truth(text, {{"attrs", Json{std::string(document)}}});
}

TEST(FilterEvaluate, LogicIsThreeValued) {
  Row row = {{"t", 1}, {"f", 0}};
  // t = 1 is yes, f = 1 is no, u = 1 (no such value) is unknown.
  struct Case {
    const char* text;
    const char* result;
  };
  const Case cases[] = {
      {"t = 1 AND t = 1", "yes"},
      {"t = 1 AND f = 1", "no"},
      {"t = 1 AND u = 1", "unknown"},
      {"f = 1 AND u = 1", "no"},
      {"u = 1 AND f = 1", "no"},
      {"u = 1 AND u = 1", "unknown"},
      {"f = 1 OR t = 1", "yes"},
      {"f = 1 OR f = 1", "no"},
      {"u = 1 OR t = 1", "yes"},
      {"t = 1 OR u = 1", "yes"},
      {"u = 1 OR f = 1", "unknown"},
      {"NOT t = 1", "no"},
      {"NOT f = 1", "yes"},
      {"NOT u = 1", "unknown"},
      {"TRUE", "yes"},
      {"FALSE", "no"},
      {"NOT TRUE OR NOT FALSE", "yes"},
  };
  for (const Case& c : cases) EXPECT_EQ(truth(c.text, row), c.result) << c.text;
}

TEST(FilterEvaluate, NullIsUnknownToEveryConditionButThoseThatAskForIt) {
  for (const char* text :
       {"n = 1", "n != 1", "n < 1", "n IN (1)", "n NOT IN (1)", "n LIKE '%'", "n BETWEEN 1 AND 2", "n CONTAINS 'x'"})
    EXPECT_EQ(truth(text, {}), "unknown") << text;
  EXPECT_EQ(truth("n IS NULL", {}), "yes");
  EXPECT_EQ(truth("n EXISTS", {}), "no");
  EXPECT_EQ(truth("n IN ()", {}), "no");
  EXPECT_EQ(truth("n IN (NULL)", {}), "no");
  EXPECT_EQ(truth("n NOT IN ()", {}), "yes");
  EXPECT_EQ(truth("n IS NULL", {{"n", std::nan("")}}), "yes");
  EXPECT_EQ(truth("n = 1", {{"n", std::nan("")}}), "unknown");
}

TEST(FilterEvaluate, NullElementsOfAListNeverMatch) {
  EXPECT_EQ(truth("n IN (1, NULL)", {{"n", 1}}), "yes");
  EXPECT_EQ(truth("n IN (1, NULL)", {{"n", 2}}), "no");
  EXPECT_EQ(truth("n NOT IN (1, NULL)", {{"n", 2}}), "yes");
}

TEST(FilterEvaluate, FamiliesDoNotCompare) {
  EXPECT_EQ(truth("v = '1'", {{"v", 1}}), "unknown");
  EXPECT_EQ(truth("v != '1'", {{"v", 1}}), "unknown");
  EXPECT_EQ(truth("v = 1", {{"v", true}}), "unknown");
  EXPECT_EQ(truth("v = 'a'", {{"v", Bytes{"a"}}}), "unknown");
  EXPECT_EQ(truth("v IN ('1', TRUE)", {{"v", 1}}), "unknown");
  EXPECT_EQ(truth("v IN ('1', 2)", {{"v", 1}}), "no");
}

TEST(FilterEvaluate, NumbersCompareExactlyAcrossKinds) {
  std::int64_t odd = 9007199254740993;  // 2^53 + 1, which no double is
  EXPECT_EQ(truth("v = 9007199254740993", {{"v", 9007199254740992.0}}), "no");
  EXPECT_EQ(truth("v < 9007199254740993", {{"v", 9007199254740992.0}}), "yes");
  EXPECT_EQ(truth("v > 9007199254740992.0", {{"v", odd}}), "yes");
  EXPECT_EQ(truth("v < 9223372036854775808", {{"v", std::numeric_limits<std::int64_t>::max()}}), "yes");
  EXPECT_EQ(truth("v > -1e300", {{"v", std::numeric_limits<std::int64_t>::min()}}), "yes");
  EXPECT_EQ(truth("v = 0.1", {{"v", Decimal{"0.10"}}}), "yes");
  EXPECT_EQ(truth("v = DECIMAL '0.1'", {{"v", 0.1}}), "yes");
  EXPECT_EQ(truth("v > 0.30000000000000000001", {{"v", Decimal{"0.30000000000000000002"}}}), "yes");
  EXPECT_EQ(truth("v = 0", {{"v", -0.0}}), "yes");
  EXPECT_EQ(truth("v = -0.0", {{"v", Decimal{"0.00"}}}), "yes");
  EXPECT_EQ(truth("v > 1e300", {{"v", std::numeric_limits<double>::infinity()}}), "yes");
  EXPECT_EQ(truth("v < DECIMAL '-1'", {{"v", -std::numeric_limits<double>::infinity()}}), "yes");
}

TEST(FilterEvaluate, StringsCompareByBytes) {
  EXPECT_EQ(truth("s < 'a'", {{"s", "Z"}}), "yes");
  EXPECT_EQ(truth("s < '😀'", {{"s", "\uFFFD"}}), "yes");  // UTF-16 order would say no
  EXPECT_EQ(truth("s = 'é'", {{"s", "e\u0301"}}), "no");
  EXPECT_EQ(truth("s BETWEEN 'a' AND 'b'", {{"s", "b"}}), "yes");
  EXPECT_EQ(truth("s BETWEEN 'a' AND 'b'", {{"s", "ba"}}), "no");
  EXPECT_EQ(truth("s CONTAINS ''", {{"s", ""}}), "yes");
  EXPECT_EQ(truth("s CONTAINS 'b%'", {{"s", "ab%c"}}), "yes");
}

TEST(FilterEvaluate, LikeIsCaseSensitiveWithEscapes) {
  struct Case {
    const char* pattern;
    const char* text;
    bool fits;
  };
  const Case cases[] = {
      {"abc", "abc", true},       {"abc", "ABC", false},
      {"a%", "abc", true},        {"%c", "abc", true},
      {"%b%", "abc", true},       {"a_c", "abc", true},
      {"a_c", "aéc", true},       {"a_c", "a😀c", true},
      {"a__", "ab", false},       {"", "", true},
      {"", "a", false},           {"%", "", true},
      {"%%", "", true},           {"_", "", false},
      {"a\\%b", "a%b", true},     {"a\\%b", "axb", false},
      {"\\_", "_", true},         {"\\_", "a", false},
      {"\\\\", "\\", true},       {"\\a", "a", true},
      {"%a%b%c", "xaxbxc", true}, {"%a%b%c", "xaxcxb", false},
      {"%ab", "aab", true},       {"a%a", "a", false},
      {"%_", "é", true},          {"_%_", "é", false},
      {"%aab", "aaaaab", true},
  };
  for (const Case& c : cases) {
    Filter filter{.op = FilterOp::like, .field = {"s", {}}, .values = {c.pattern}};
    EXPECT_EQ(truth(filter, {{"s", c.text}}), c.fits ? "yes" : "no") << c.pattern << " for " << c.text;
  }
}

TEST(FilterEvaluate, EvilLikePatternsTakeNoTime) {
  std::string pattern;
  for (int i = 0; i < 1'000; ++i) pattern += "%a";
  Filter filter{.op = FilterOp::like, .field = {"s", {}}, .values = {pattern + "%b"}};
  EXPECT_EQ(truth(filter, {{"s", std::string(100'000, 'a')}}), "no");  // exponential matchers never come back from this
}

TEST(FilterEvaluate, JsonLeavesHaveTheTypeTheyAreWrittenIn) {
  const char* document =
      R"({"n": 1, "r": 0.10, "s": "1", "b": true, "z": null, "o": {"k": [10, {"x": "deep"}]},
          "big": 123456789012345678901234567890})";
  struct Case {
    const char* text;
    const char* result;
  };
  const Case cases[] = {
      {"attrs.n = 1", "yes"},
      {"attrs.n = 1.0", "yes"},
      {"attrs.n = '1'", "unknown"},
      {"attrs.n != '1'", "unknown"},
      {"attrs.s = '1'", "yes"},
      {"attrs.s = 1", "unknown"},
      {"attrs.b = TRUE", "yes"},
      {"attrs.b = 1", "unknown"},
      {"attrs.r = 0.1", "yes"},
      {"attrs.r < 0.10000001", "yes"},
      {"attrs.z = 1", "unknown"},
      {"attrs.z IS NULL", "yes"},
      {"attrs.z EXISTS", "yes"},
      {"attrs.q IS NULL", "yes"},
      {"attrs.q EXISTS", "no"},
      {"attrs.o.k.0 = 10", "yes"},
      {"attrs.o.k.1.x LIKE 'd%'", "yes"},
      {"attrs.o.k.2 EXISTS", "no"},
      {"attrs.o = 1", "unknown"},
      {"attrs.o IS NULL", "no"},
      {"attrs.n.x EXISTS", "no"},
      {"attrs.o.k CONTAINS 10", "yes"},
      {"attrs.o.k CONTAINS 10.0", "yes"},
      {"attrs.o.k CONTAINS '10'", "no"},
      {"attrs.s CONTAINS '1'", "yes"},
      {"attrs.s CONTAINS 1", "unknown"},
      {"attrs.n CONTAINS 1", "unknown"},
      {"attrs.o CONTAINS 'k'", "unknown"},
      {"attrs.big = 123456789012345678901234567890", "yes"},
      {"attrs.big > 123456789012345678901234567889", "yes"},
      {"attrs IS NULL", "no"},
      {"attrs EXISTS", "yes"},
      {"attrs.n IN ('a', 1)", "yes"},
      {"attrs.n IN ('a', 2)", "no"},
      {"attrs.n IN ('a')", "unknown"},
      {"attrs.n IN ()", "no"},
      {"attrs.q IN ()", "no"},
      {"attrs.n LIKE '1'", "unknown"},
  };
  for (const Case& c : cases) EXPECT_EQ(of_json(c.text, document), c.result) << c.text;
}

TEST(FilterEvaluate, AJsonColumnItselfIsALeaf) {
  EXPECT_EQ(of_json("attrs = 5", "5"), "yes");
  EXPECT_EQ(of_json("attrs = 'x'", " \"x\" "), "yes");
  EXPECT_EQ(of_json("attrs IS NULL", "null"), "yes");
  EXPECT_EQ(of_json("attrs EXISTS", "null"), "yes");
  EXPECT_EQ(of_json("attrs CONTAINS 'a'", R"(["b", "a"])"), "yes");
  EXPECT_EQ(of_json("attrs CONTAINS 'a'", "[]"), "no");
  EXPECT_EQ(of_json("attrs.0 = 'b'", R"(["b", "a"])"), "yes");
}

TEST(FilterEvaluate, JsonKeysMayBeAnything) {
  EXPECT_EQ(of_json(R"(attrs."a.b" = 1)", R"({"a.b": 1})"), "yes");
  EXPECT_EQ(of_json(R"(attrs."q""q" = 1)", R"({"q\"q": 1})"), "yes");
  EXPECT_EQ(of_json(R"(attrs."" = 1)", R"({"": 1})"), "yes");
  EXPECT_EQ(of_json(R"(attrs.é = 1)", R"({"\u00e9": 1})"), "yes");
  EXPECT_EQ(of_json("attrs.0 = 1", R"({"0": 1})"), "yes");
  EXPECT_EQ(of_json(R"(attrs."-1" EXISTS)", "[1]"), "no");
  EXPECT_EQ(of_json("attrs.01 EXISTS", "[1, 2]"), "no");
}

TEST(FilterEvaluate, TheLastOfRepeatedKeysCounts) {
  EXPECT_EQ(of_json("attrs.a = 2", R"({"a": 1, "a": 2})"), "yes");
  EXPECT_EQ(of_json("attrs.a.x EXISTS", R"({"a": {"x": 1}, "a": {"y": 2}})"), "no");
}

TEST(FilterEvaluate, BrokenJsonIsLikeNoJson) {
  for (const char* document :
       {"", "{", "{\"a\":1", "{\"a\":1}}", "{\"a\" 1}", "nul", "{\"a\":01}", "{'a':1}", "[1,]", "{\"a\":1,}"}) {
    EXPECT_EQ(of_json("attrs.a = 1", document), "unknown") << document;
    EXPECT_EQ(of_json("attrs.a IS NULL", document), "yes") << document;
  }
}

TEST(FilterEvaluate, DeepJsonDoesNotRecurse) {
  std::string deep(500'000, '[');
  EXPECT_EQ(of_json("attrs.a = 1", deep + std::string(500'000, ']')), "unknown");
  EXPECT_EQ(of_json("attrs.a = 1", deep), "unknown");
}

}  // namespace
}  // namespace loam
