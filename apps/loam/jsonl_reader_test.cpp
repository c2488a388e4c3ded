#include "apps/loam/jsonl_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "apps/loam/test_input.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string problem_of(const std::string& text) {
  SourceRecord record = parse_json_record(text, 7);
  return record.problem.value_or("none");
}

std::vector<SourceRecord> read_jsonl(const std::string& text) {
  std::signal(SIGPIPE, SIG_IGN);
  PipedText piped(text);
  JsonlReader reader(piped.take());
  std::vector<SourceRecord> records;
  for (;;) {
    auto record = reader.next();
    EXPECT_TRUE(record.ok());
    if (!record.ok() || !record->has_value()) return records;
    records.push_back(std::move(**record));
  }
}

TEST(JsonlReader, KeepsEveryKindOfValueExactly) {
  SourceRecord record = parse_json_record(
      R"({"n":null,"b":true,"i":-7,"big":9223372036854775807,"huge":18446744073709551615,"f":1.10,"e":1e3,)"
      R"("s":"a\u00e4\n","o":{"k": [1, 2.50]},"a":[]})",
      1);
  ASSERT_FALSE(record.problem) << *record.problem;
  std::vector<Value> values;
  for (const auto& [name, value] : record.fields) values.push_back(value);
  EXPECT_EQ(values, (std::vector<Value>{Value(), Value(true), Value(-7), Value(std::int64_t{INT64_MAX}),
                                        Value(Decimal{"18446744073709551615"}), Value(Decimal{"1.10"}), Value(1000.0),
                                        Value("aä\n"), Value(Json{R"({"k":[1,2.50]})"}), Value(Json{"[]"})}));
}

TEST(JsonlReader, NamesLineAndColumnOfASyntaxError) {
  EXPECT_THAT(problem_of(R"({"a": 1,})"), StartsWith("line 7, column 9: "));
  EXPECT_THAT(problem_of(R"({"ä": tru})"), StartsWith("line 7, column 10: "));
  EXPECT_THAT(problem_of(R"({"a": 1)"), StartsWith("line 7, column 8: "));
  EXPECT_THAT(problem_of(R"({"a": 1} x)"), StartsWith("line 7, column 10: "));
  EXPECT_THAT(problem_of("{\"a\": \"\xff\"}"), StartsWith("line 7, column 8: "));
}

TEST(JsonlReader, SaysWhatIsWrongWithoutQuotingTheParser) {
  std::string said = problem_of(R"({"a": tru})");
  EXPECT_THAT(said, HasSubstr("syntax error"));
  EXPECT_THAT(said, testing::Not(HasSubstr("json.exception")));
  EXPECT_THAT(said, testing::Not(HasSubstr("last read")));
}

TEST(JsonlReader, ALineIsAnObject) {
  for (const char* text : {"[1]", "1", "\"a\"", "null", "true", "1.5"})
    EXPECT_THAT(problem_of(text), HasSubstr("expected an object")) << text;
}

TEST(JsonlReader, RefusesAKeyThatAppearsTwice) {
  EXPECT_THAT(problem_of(R"({"a":1,"b":2,"a":3})"), HasSubstr("the key \"a\" appears twice"));
}

TEST(JsonlReader, RefusesWhatIsNestedTooDeep) {
  std::string deep = R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_THAT(problem_of(deep), HasSubstr("nested deeper than 64"));
  std::string allowed = R"({"a":)" + std::string(60, '[') + std::string(60, ']') + "}";
  EXPECT_EQ(problem_of(allowed), "none");
}

TEST(JsonlReader, CountsLinesAndPassesOverBlankOnes) {
  auto records = read_jsonl("\xEF\xBB\xBF{\"a\":1}\r\n\n  \n{\"a\":2}\n{bad\n{\"a\":3}");
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].line, 1);
  EXPECT_EQ(records[1].line, 4);
  EXPECT_TRUE(records[2].problem.has_value());
  EXPECT_EQ(records[3].line, 6);
  EXPECT_EQ(records[3].fields[0].second, Value(3));
}

TEST(LineReader, ALineBeyondTheCapIsMarkedAndPassedOver) {
  std::signal(SIGPIPE, SIG_IGN);
  PipedText piped("short\n" + std::string(1'000'000, 'x') + "\nafter\n" + std::string(700'000, 'y'));
  auto input = piped.take();
  LineReader lines(*input, 1'000);
  std::vector<std::string> seen;
  for (;;) {
    auto line = lines.next();
    ASSERT_TRUE(line.ok());
    if (!line->has_value()) break;
    seen.push_back(std::to_string((*line)->number) + ((*line)->too_long ? " too long" : " " + std::string((*line)->text)));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"1 short", "2 too long", "3 after", "4 too long"}));
}

TEST(Input, AWaitForInputEndsAtCancellation) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Cancellation cancel;
  auto input = Input::adopt(ends[0], "a silent pipe", Context().cancelled_by(cancel));
  std::thread canceller([&] { cancel.cancel(); });
  char byte = 0;
  auto read = input->read(&byte, 1);
  canceller.join();
  ::close(ends[1]);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::cancelled);
}

/// Whatever the bytes: the same verdict as a full parser on well-formedness, fields without a problem, none with one.
TEST(JsonlReader, AgreesWithAFullParserOnMutatedInput) {
  const std::string good = R"({"id":12,"name":"a\u00e4\"b","f":-1.5e-3,"tags":["x",{"y":null}],"ok":true})";
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = good;
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, 1 + random() % 3); break;
        case 2: text.insert(at, 1, "{}[]\",:\\0-\xC3"[random() % 12]); break;
        default: text.resize(at + 1); break;
      }
      if (text.empty()) text = "{";
    }
    SourceRecord record = parse_json_record(text, 1);
    if (record.problem) {
      ASSERT_TRUE(record.fields.empty()) << "seed " << seed;
      continue;
    }
    auto parsed = nlohmann::json::parse(text, nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << "seed " << seed << ": " << text;
    ASSERT_EQ(parsed.size(), record.fields.size()) << "seed " << seed << ": " << text;
    for (const auto& [name, value] : record.fields) ASSERT_TRUE(parsed.contains(name)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace loam::cli
