/// Both syntaxes: what they read, and where and how they refuse.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "loam/core/limits.hpp"
#include "loam/query/filter.hpp"

namespace loam {
namespace {

using testing::HasSubstr;

/// The tree in the SQL-like syntax, which shows its structure, or the error.
std::string parsed(std::string_view text) {
  auto filter = Filter::parse(text);
  return filter.ok() ? to_string(*filter) : filter.error().message();
}

struct Reading {
  const char* text;
  const char* tree;
};

TEST(FilterParse, ReadsTheSqlLikeSyntax) {
  const Reading readings[] = {
      {"section = 'net'", "section = 'net'"},
      {"a==1 and b<>2 AND c!=3", "a = 1 AND b != 2 AND c != 3"},
      {"a = 1 OR b = 2 AND c = 3", "a = 1 OR (b = 2 AND c = 3)"},
      {"(a = 1 OR b = 2) AND c = 3", "(a = 1 OR b = 2) AND c = 3"},
      {"((a = 1))", "a = 1"},
      {"NOT a = 1 AND b = 2", "NOT (a = 1) AND b = 2"},
      {"not not a = 1", "NOT NOT (a = 1)"},
      {"NOT (a = 1 OR b = 2)", "NOT (a = 1 OR b = 2)"},
      {"a IN (1, 'x', TRUE, NULL)", "a IN (1, 'x', TRUE, NULL)"},
      {"a not in ()", "a NOT IN ()"},
      {"a BETWEEN 1 AND 2 AND b = 3", "a BETWEEN 1 AND 2 AND b = 3"},
      {"a LIKE 'x%' OR a NOT LIKE '\\%'", "a LIKE 'x%' OR a NOT LIKE '\\%'"},
      {"a IS NULL OR b IS NOT NULL", "a IS NULL OR b IS NOT NULL"},
      {"tags CONTAINS 'cli' AND tags NOT CONTAINS 3", "tags CONTAINS 'cli' AND tags NOT CONTAINS 3"},
      {"EXISTS(a.b) OR EXISTS a OR a.c EXISTS OR a.d NOT EXISTS",
       "EXISTS(a.b) OR EXISTS(a) OR EXISTS(a.c) OR NOT EXISTS(a.d)"},
      {"attrs.owner.name = 'x' AND tags.0 = 'y' AND a.\"b.c\".d = 1",
       "attrs.owner.name = 'x' AND tags.0 = 'y' AND a.\"b.c\".d = 1"},
      {"\"and\" = 1 AND \"odd \"\"name\" = 2 AND attrs.in = 3", "\"and\" = 1 AND \"odd \"\"name\" = 2 AND attrs.in = 3"},
      {"größe > 1 AND 名前 = 'x'", "größe > 1 AND 名前 = 'x'"},
      {"a = 'it''s' AND b = ''", "a = 'it''s' AND b = ''"},
      {"a = X'00ff' AND at > TIMESTAMP '2026-01-01' AND p = DECIMAL '1.50'",
       "a = X'00ff' AND at > TIMESTAMP '2026-01-01T00:00:00.000000Z' AND p = DECIMAL '1.50'"},
      {"timestamp > TIMESTAMP '2026-01-01' AND x = 1", "timestamp > TIMESTAMP '2026-01-01T00:00:00.000000Z' AND x = 1"},
      {"TRUE AND NOT FALSE", "TRUE AND NOT FALSE"},
      {"", "TRUE"},
      {" \n\t", "TRUE"},
      {"a\n=\n1", "a = 1"},
  };
  for (const Reading& reading : readings) EXPECT_EQ(parsed(reading.text), reading.tree) << reading.text;
}

TEST(FilterParse, ReadsTheJsonSyntax) {
  const Reading readings[] = {
      {R"({"section": "net", "size": {"$gt": 1000}})", "section = 'net' AND size > 1000"},
      {R"({"a": {"$eq": 1}})", "a = 1"},
      {R"({"a": {"$ne": 1}})", "a != 1"},
      {R"({"a": {"$gte": 1, "$lt": 5}})", "a >= 1 AND a < 5"},
      {R"({"a": {"$lte": true}})", "a <= TRUE"},
      {R"({"a": {"$in": [1, "x", null]}})", "a IN (1, 'x', NULL)"},
      {R"({"a": {"$nin": [1]}})", "a NOT IN (1)"},
      {R"({"a": {"$like": "x%"}})", "a LIKE 'x%'"},
      {R"({"a": {"$between": [1, 2.5]}})", "a BETWEEN 1 AND 2.5"},
      {R"({"a": null})", "a IS NULL"},
      {R"({"a": {"$eq": null}})", "a IS NULL"},
      {R"({"a": {"$ne": null}})", "a IS NOT NULL"},
      {R"({"a": {"$null": true}})", "a IS NULL"},
      {R"({"a": {"$null": false}})", "a IS NOT NULL"},
      {R"({"a.b": {"$exists": true}})", "EXISTS(a.b)"},
      {R"({"a.b": {"$exists": false}})", "NOT EXISTS(a.b)"},
      {R"({"tags": {"$contains": "cli"}})", "tags CONTAINS 'cli'"},
      {R"({"a": {"$not": {"$gt": 1, "$lt": 5}}})", "NOT (a > 1 AND a < 5)"},
      {R"({"$or": [{"a": 1}, {"b": 2, "c": 3}]})", "a = 1 OR (b = 2 AND c = 3)"},
      {R"({"$and": [{"a": 1}, {"$not": {"b": 2}}], "c": 3})", "(a = 1 AND NOT (b = 2)) AND c = 3"},
      {R"({"$and": [{"a": 1}]})", "a = 1"},
      {R"({})", "TRUE"},
      {R"({"$and": []})", "TRUE"},
      {R"({"$or": []})", "FALSE"},
      {R"({"attrs.owner.name": "x"})", "attrs.owner.name = 'x'"},
      {R"({"attrs.\"x.y\".z": 1})", "attrs.\"x.y\".z = 1"},
      {R"({"a b": 1, "and": 2})", "\"a b\" = 1 AND \"and\" = 2"},
      {R"({"\"$a\"": 1})", "\"$a\" = 1"},
      {R"({"at": {"$gt": {"$timestamp": "2026-01-01"}}})", "at > TIMESTAMP '2026-01-01T00:00:00.000000Z'"},
      {R"({"p": {"$decimal": "1.50"}, "b": {"$in": [{"$bytes": "00FF"}]}})", "p = DECIMAL '1.50' AND b IN (X'00ff')"},
      {R"({"a": "\u00e9\ud83d\ude00\n\"\\\/"})", "a = 'é😀\n\"\\/'"},
      {" {\"a\":1} ", "a = 1"},
  };
  for (const Reading& reading : readings) EXPECT_EQ(parsed(reading.text), reading.tree) << reading.text;
}

/// The lines of the blocks marked `filter` in docs/filters.md.
std::vector<std::string> documented_filters() {
  std::ifstream page(LOAM_SOURCE_DIR "/docs/filters.md");
  std::vector<std::string> filters;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    bool fence = line.starts_with("```");
    if (!fence && inside) filters.push_back(line);
    if (fence) inside = line == "```filter";
  }
  return filters;
}

TEST(FilterParse, ReadsTheExamplesOfItsPage) {
  auto filters = documented_filters();
  EXPECT_GE(filters.size(), 8u);
  for (const std::string& text : filters) {
    auto filter = Filter::parse(text);
    EXPECT_TRUE(filter.ok()) << text << "\n" << (filter.ok() ? "" : filter.error().message());
  }
}

TEST(FilterParse, KeepsEveryDigitOfANumber) {
  auto value = [](const std::string& literal) { return Filter::parse("a = " + literal).value().values.at(0); };
  EXPECT_EQ(value("9223372036854775807"), Value(std::int64_t{9223372036854775807}));
  EXPECT_EQ(value("-9223372036854775808"), Value(std::int64_t{-9223372036854775807 - 1}));
  EXPECT_EQ(value("9223372036854775808"), Value(Decimal{"9223372036854775808"}));
  EXPECT_EQ(value("+5"), Value(5));
  EXPECT_EQ(value("1.0"), Value(1.0));
  EXPECT_EQ(value("0.10"), Value(0.1));
  EXPECT_EQ(value("1e3"), Value(1000.0));
  EXPECT_EQ(value("0.12345678901234567890"), Value(Decimal{"0.12345678901234567890"}));
}

struct Refusal {
  const char* text;
  const char* message;  ///< a part of it
};

TEST(FilterParse, SaysWhereTheSqlLikeSyntaxIsWrong) {
  const Refusal refusals[] = {
      {"size >", "1:7: expected a value after >, found the end of the filter"},
      {"size",
       "1:5: expected an operator (=, !=, <, <=, >, >=, IN, LIKE, BETWEEN, IS NULL, CONTAINS or EXISTS) after size, found "
       "the end"},
      {"size 5", "1:6: expected an operator"},
      {"a = 1 b = 2", "1:7: expected AND, OR or the end of the filter, found \"b\""},
      {"a = 1 AND", "1:10: expected a column at the start of a condition, found the end of the filter"},
      {"a = 1 AND\n  OR b = 2", "2:3: expected a column at the start of a condition, found the keyword \"OR\""},
      {"é = 'ü' x", "1:9: expected AND, OR or the end of the filter"},
      {"(a = 1", "1:7: expected ) or AND or OR, found the end of the filter"},
      {"a = 1)", "1:6: expected AND, OR or the end of the filter, found \")\""},
      {"1 = a", "1:1: expected a column at the start of a condition, found \"1\""},
      {"'a' = 1",
       "1:1: expected a column at the start of a condition, found the string \"'a'\"; names are bare or in double quotes"},
      {"in = 3", "1:1: expected a column at the start of a condition, found the keyword \"in\"; a column of that name"},
      {"a = \"net\"", "1:5: expected a value after =, found the name \"\"net\"\"; strings are written in single quotes"},
      {"a = NULL", "1:5: nothing equals NULL, so it cannot stand after =; write IS NULL or IS NOT NULL"},
      {"a = 'x", "1:5: this string has no closing '"},
      {"\"a = 1", "1:1: this name has no closing \""},
      {"a LIKE 5", "1:8: expected a string in single quotes after LIKE"},
      {"a LIKE 'x\\'", "1:8: a LIKE pattern cannot end in a lone \\"},
      {"a IN 1", "1:6: expected ( after IN, found \"1\""},
      {"a IN (1 2)", "1:9: expected , or ) in the list of IN"},
      {"a IN (1,)", "1:9: expected a value in the list of IN, found \")\""},
      {"a BETWEEN 1 OR 2", "1:13: expected AND between the two ends of BETWEEN, found \"OR\""},
      {"a IS 5", "1:6: expected NULL or NOT NULL after IS"},
      {"a IS NOT 5", "1:10: expected NULL after IS NOT"},
      {"a NOT = 5", "1:7: expected an operator"},
      {"EXISTS 5", "1:8: expected a column after EXISTS"},
      {"EXISTS(a", "1:9: expected ) after the name"},
      {"a. = 1", "1:3: expected a name after the dot of \"a.\""},
      {"a & 1", "1:3: \"&\" does not belong into a filter outside of quotes"},
      {"a = 12abc", "1:7: expected a blank or an operator after the number \"12\""},
      {"a = 1.", "1:7: expected a digit after the point of a number"},
      {"a = 1e", "1:7: expected a digit in the exponent of a number"},
      {"a = 1e999", "1:5: the number \"1e999\" is outside the range of a double"},
      {"a = X'0'", "1:6: \"0\" is not an even number of hexadecimal digits"},
      {"a = X'0g'", "1:6: \"0g\" is not an even number of hexadecimal digits"},
      {"a = TIMESTAMP 'soon'", "1:15: \"soon\" is not an RFC 3339 time"},
      {"a = TIMESTAMP 5", "1:15: expected a string in single quotes after \"TIMESTAMP\""},
      {"a = DECIMAL '1e5'", "1:13: \"1e5\" is not a decimal such as -12.50"},
      {"a; DROP TABLE t", "1:2: \";\" does not belong into a filter outside of quotes"},
  };
  for (const Refusal& refusal : refusals) EXPECT_THAT(parsed(refusal.text), HasSubstr(refusal.message)) << refusal.text;
}

TEST(FilterParse, SaysWhereTheJsonSyntaxIsWrong) {
  const Refusal refusals[] = {
      {R"({"a": 1, "a": 2})", "1:10: the key \"a\" is there twice"},
      {R"({"a": {"$gt": 1, "$gt": 2}})", "1:18: the key \"$gt\" is there twice"},
      {R"({"a": {"$gtt": 1}})", "1:8: \"$gtt\" is not an operator that can stand below a column; did you mean $gt?"},
      {R"({"$nor": []})", "1:2: \"$nor\" is not an operator that can stand in place of a column; did you mean $or?"},
      {R"({"a": {"b": 1}})",
       "1:8: expected an operator that begins with $, found \"b\"; a path into JSON is one key: \"a.b\""},
      {R"({"a": [1, 2]})", "1:7: expected a value or an object of operators, found an array; membership is {\"$in\": [..]}"},
      {R"({"a": {}})", "1:7: expected an operator such as {\"$gt\": 1} for a, found {}"},
      {R"({"a": {"$gt": null}})", "1:15: null cannot be compared"},
      {R"({"a": {"$like": 5}})", "1:17: expected a string after $like"},
      {R"({"a": {"$like": "x\\"}})", "1:17: a LIKE pattern cannot end in a lone \\"},
      {R"({"a": {"$in": 5}})", "1:15: expected an array of values after $in"},
      {R"({"a": {"$between": [1]}})", "1:20: expected the two ends of the range"},
      {R"({"a": {"$null": 1}})", "1:17: expected true or false after $null"},
      {R"({"a": {"$eq": {"x": 1}}})", "1:16: expected a value; an object is one only as"},
      {R"({"a": {"$timestamp": "2026-01-01", "$gt": 1}})", "1:36: a typed value has one key only"},
      {R"({"a": {"$gt": 1, "$decimal": "1"}})", "1:18: \"$decimal\" is a value, not an operator"},
      {R"({"a": {"$eq": {"$bytes": "0"}}})", "1:26: \"0\" is not an even number of hexadecimal digits"},
      {R"({"$and": {"a": 1}})", "1:10: expected an array of filters after $and"},
      {R"({"$not": [1]})", "1:10: expected an object"},
      {R"({"a": 1} x)", "1:10: expected the end of the filter"},
      {R"({"a": 1,})", "1:9: expected a key in double quotes"},
      {R"({"a" 1})", "1:6: expected a colon after the key"},
      {R"({a: 1})", "1:2: expected a key in double quotes or }"},
      {R"({"a": 01})", "this is not a JSON number"},
      {R"({"a": 1e999})", "1:7: the number \"1e999\" is outside the range"},
      {R"({"a": tru})", "1:7: expected true, false or null"},
      {R"({"a": "\ud800"})", "this is not a JSON string"},
      {R"({"a": "\u0000"})", "1:7: a filter cannot hold the character U+0000"},
      {R"({"a..b": 1})", "1:2: the key \"a..b\" has an empty part"},
      {R"({"a.\"b": 1})", "1:2: the key \"a.\"b\" has a quote that is not closed"},
      {"{\n  \"a\": 1,\n  \"b\": }", "3:8: expected a value, found \"}\""},
      {"{", "1:2: expected a key in double quotes or }, found the end of the filter"},
  };
  for (const Refusal& refusal : refusals) EXPECT_THAT(parsed(refusal.text), HasSubstr(refusal.message)) << refusal.text;
}

}  // namespace
}  // namespace loam
