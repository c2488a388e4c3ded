#include "apps/loam/output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "apps/loam/json_writer.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;

/// What a writer wrote to a file.
std::string written(Format format, const std::vector<std::string>& columns, const std::vector<std::vector<Value>>& rows,
                    const Terminal& terminal = {}) {
  char path[] = "/tmp/loam-output-XXXXXX";
  int file = ::mkstemp(path);
  ::unlink(path);
  Sink sink(file, "a test file");
  auto writer = make_row_writer(format, columns, sink, terminal);
  for (const auto& row : rows) EXPECT_TRUE(writer->row(row).ok());
  EXPECT_TRUE(writer->finish().ok());
  EXPECT_TRUE(sink.flush().ok());
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ::close(file);
  return text;
}

const std::vector<std::string> two = {"id", "name"};

TEST(Output, TableAlignsByWidthAndNumbersToTheRight) {
  EXPECT_EQ(written(Format::table, two, {{Value(1), Value("ä")}, {Value(100), Value("日本")}, {Value(), Value()}}),
            " id  name\n  1  ä\n100  日本\n\n");
}

TEST(Output, TableCellsNeverHoldControlCharacters) {
  std::string text = written(Format::table, {"t"}, {{Value("a\nb\x1b[31m\x7f\u202e")}, {Value("\xff")}});
  EXPECT_EQ(text, "t\na\\nb\\u{1b}[31m\\u{7f}\\u{202e}\n\\xff\n");
}

TEST(Output, TableIsCutToATerminalAndToNothingElse) {
  std::vector<std::vector<Value>> rows = {{Value(1), Value(std::string(100, 'x'))}};
  std::string cut = written(Format::table, two, rows, {.is_terminal = true, .width = 30});
  EXPECT_THAT(cut, HasSubstr("…"));
  std::string line = cut.substr(cut.find('\n') + 1);
  line.pop_back();
  EXPECT_EQ(display_width(line), 30u);
  EXPECT_THAT(written(Format::table, two, rows), HasSubstr(std::string(100, 'x')));
}

TEST(Output, TableKeepsColumnsReadableOnATinyTerminal) {
  std::vector<Value> row(8, Value(std::string(40, 'y')));
  std::vector<std::string> columns = {"a", "b", "c", "d", "e", "f", "g", "h"};
  std::string text = written(Format::table, columns, {row}, {.is_terminal = true, .width = 20});
  EXPECT_THAT(text, HasSubstr("yyyyy…"));
}

TEST(Output, TableStreamsBeyondTheHeldRows) {
  std::vector<std::vector<Value>> rows;
  for (int i = 0; i < 2'500; ++i) rows.push_back({Value(i), Value("n")});
  std::string text = written(Format::table, two, rows);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2'501);
}

TEST(Output, JsonIsOneDocumentAndJsonlOneObjectALine) {
  std::vector<std::vector<Value>> rows = {{Value(1), Value("a\"b")}, {Value(2), Value()}};
  EXPECT_EQ(written(Format::json, two, rows), "[\n{\"id\":1,\"name\":\"a\\\"b\"},\n{\"id\":2,\"name\":null}\n]\n");
  EXPECT_EQ(written(Format::jsonl, two, rows), "{\"id\":1,\"name\":\"a\\\"b\"}\n{\"id\":2,\"name\":null}\n");
  EXPECT_EQ(written(Format::json, two, {}), "[]\n");
  EXPECT_EQ(written(Format::jsonl, two, {}), "");
}

TEST(Output, CsvQuotesWhatMustBeAndTellsNullFromEmpty) {
  EXPECT_EQ(written(Format::csv, two, {{Value(1), Value("a,\"b\"\n")}, {Value(), Value("")}, {Value(2), Value(" x")}}),
            "id,name\n1,\"a,\"\"b\"\"\n\"\n,\"\"\n2,\" x\"\n");
}

TEST(Output, AClosedPipeIsKnownAsSuch) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  Sink sink(ends[1], "standard output");
  ASSERT_TRUE(sink.write("x").ok());
  EXPECT_FALSE(sink.flush().ok());
  EXPECT_TRUE(sink.closed());
  ::close(ends[1]);
}

TEST(Output, AFullDiskIsResourceExhausted) {
  FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Sink sink(::fileno(full), "/dev/full");
  ASSERT_TRUE(sink.write("x").ok());
  auto flushed = sink.flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code(), ErrorCode::resource_exhausted);
  EXPECT_FALSE(sink.closed());
  std::fclose(full);
}

TEST(JsonWriter, WritesEveryKindSoThatItReadsBack) {
  JsonWriter json;
  json.begin_array();
  for (const Value& value : {Value(), Value(true), Value(std::int64_t{INT64_MIN}), Value(1.0), Value(0.1),
                             Value(Decimal{"1.50"}), Value("a\x01\"\\\u00e4\xff"), Value(Bytes{"\x01\xff"}),
                             Value(Timestamp{0}), Value(Json{"{\"a\" :\n[1, \" x\\\" \"]}"}), Value(Vector{1, 0.5f})})
    json.value(value);
  json.end_array();
  std::string text = json.take();
  EXPECT_EQ(text,
            "[null,true,-9223372036854775808,1.0,0.1,\"1.50\",\"a\\u0001\\\"\\\\ä\uFFFD\",\"01ff\",\"1970-01-01T00:00:00."
            "000000Z\","
            "{\"a\":[1,\" x\\\" \"]},[1,0.5]]");
  EXPECT_TRUE(nlohmann::json::accept(text));
}

TEST(TextLayout, TruncatesByColumnsNeverInsideACharacter) {
  EXPECT_EQ(truncate_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(truncate_to_width("abcdef", 4), "abc…");
  EXPECT_EQ(truncate_to_width("日本語", 4), "日…");
  EXPECT_EQ(truncate_to_width("日本語", 5), "日本…");
  EXPECT_EQ(truncate_to_width("x", 0), "");
  EXPECT_EQ(display_width("e\u0301"), 1u);
}

TEST(TextLayout, WritesNumbersForPeople) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(-1000), "-1,000");
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(human_seconds(0.0000005), "0 µs");
  EXPECT_EQ(human_seconds(0.0042), "4.20 ms");
  EXPECT_EQ(human_seconds(8.14), "8.1 s");
  EXPECT_EQ(human_seconds(125), "2 min 5 s");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(14'890'000), "14.2 MiB");
}

}  // namespace
}  // namespace loam::cli
