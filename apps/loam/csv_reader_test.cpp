#include "apps/loam/csv_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "apps/loam/output.hpp"
#include "apps/loam/test_input.hpp"
#include "loam/core/utf8.hpp"

namespace loam::cli {
namespace {

using testing::HasSubstr;

struct Read {
  std::vector<std::string> columns;
  std::vector<SourceRecord> records;
  std::string error;

  /// "line: a|b|NULL" for each record, "line: !problem" for malformed ones.
  std::vector<std::string> rendered() const {
    std::vector<std::string> lines;
    for (const SourceRecord& record : records) {
      std::string text = std::to_string(record.line) + ": ";
      if (record.problem) text += "!" + *record.problem;
      for (std::size_t i = 0; i < record.fields.size(); ++i)
        text += (i > 0 ? "|" : "") + (record.fields[i].second.is_null() ? "NULL" : record.fields[i].second.to_display());
      lines.push_back(text);
    }
    return lines;
  }
};

Read read_csv(const std::string& text, char delimiter = ',', std::size_t record_bytes_max = limits::line_bytes_max) {
  std::signal(SIGPIPE, SIG_IGN);
  PipedText piped(text);
  Read read;
  auto reader = CsvReader::open(piped.take(), delimiter, record_bytes_max);
  if (!reader.ok()) {
    read.error = reader.error().message();
    return read;
  }
  read.columns = (*reader)->columns();
  for (;;) {
    auto record = (*reader)->next();
    if (!record.ok()) {
      read.error = record.error().message();
      return read;
    }
    if (!record->has_value()) return read;
    read.records.push_back(std::move(**record));
  }
}

TEST(CsvReader, ReadsTheFormsOfRfc4180) {
  Read read = read_csv("id,name\r\n1,\"a, b\"\r\n2,\"say \"\"hi\"\"\"\r\n3,\"two\nlines\"\r\n4,plain");
  EXPECT_EQ(read.columns, (std::vector<std::string>{"id", "name"}));
  EXPECT_EQ(read.rendered(), (std::vector<std::string>{"2: 1|a, b", "3: 2|say \"hi\"", "4: 3|two\nlines", "6: 4|plain"}));
}

TEST(CsvReader, TellsAnEmptyFieldFromAnEmptyString) {
  Read read = read_csv("a,b,c\n,\"\",x\n");
  ASSERT_EQ(read.records.size(), 1u);
  EXPECT_TRUE(read.records[0].fields[0].second.is_null());
  EXPECT_EQ(read.records[0].fields[1].second, Value(""));
}

TEST(CsvReader, LeavesOutAByteOrderMarkAndBlankLines) {
  Read read = read_csv("\xEF\xBB\xBFid,n\n\n1,x\n\r\n2,y\n\n");
  EXPECT_EQ(read.columns[0], "id");
  EXPECT_EQ(read.rendered(), (std::vector<std::string>{"3: 1|x", "5: 2|y"}));
}

TEST(CsvReader, AnEmptyLineOfAFileWithOneColumnIsANull) {
  Read read = read_csv("only\na\n\nb\n");
  EXPECT_EQ(read.rendered(), (std::vector<std::string>{"2: a", "3: NULL", "4: b"}));
}

TEST(CsvReader, TakesOtherDelimiters) {
  EXPECT_EQ(read_csv("a\tb\n1,5\t2\n", '\t').rendered(), (std::vector<std::string>{"2: 1,5|2"}));
  EXPECT_EQ(read_csv("a;b\n1;\"x;y\"\n", ';').rendered(), (std::vector<std::string>{"2: 1|x;y"}));
}

TEST(CsvReader, NamesLineAndColumnOfWhatIsMalformedAndGoesOn) {
  Read read = read_csv("a,b\n1,x\"y\n2,ok\n\"3\"x,z\n4,ok\n5\n6,7,8\n9,ok\n");
  EXPECT_EQ(read.rendered(), (std::vector<std::string>{
                                 "2: !line 2, column 4: a quote inside a field that does not begin with one", "3: 2|ok",
                                 "4: !line 4, column 4: expected a delimiter or the end of the line after a closing quote",
                                 "5: 4|ok", "6: !line 6, column 1: 1 field where the header names 2",
                                 "7: !line 7, column 1: 3 fields where the header names 2", "8: 9|ok"}));
}

TEST(CsvReader, ColumnsOfErrorsCountCharactersNotBytes) {
  EXPECT_THAT(read_csv("a,b\näöü,x\"\n").rendered().at(0), HasSubstr("column 6"));
}

TEST(CsvReader, AQuoteThatIsNeverClosedIsReportedWhereItOpened) {
  Read read = read_csv("a,b\n1,\"never\nclosed\n");
  EXPECT_EQ(read.rendered(), (std::vector<std::string>{"2: !line 2, column 3: the quote that begins here is never closed"}));
}

TEST(CsvReader, ARecordBeyondTheCapIsReportedAndNotKept) {
  Read read = read_csv("a\n" + std::string(500, 'x') + "\nshort\n", ',', 100);
  EXPECT_THAT(read.rendered().at(0), HasSubstr("more than 100 bytes"));
  EXPECT_EQ(read.rendered().at(1), "3: short");
}

TEST(CsvReader, TextIsUtf8WithoutNul) {
  EXPECT_THAT(read_csv("a\n\xff\n").rendered().at(0), HasSubstr("not UTF-8"));
  EXPECT_THAT(read_csv(std::string("a\nx\0y\n", 6)).rendered().at(0), HasSubstr("NUL"));
}

TEST(CsvReader, ABareCarriageReturnIsNoLineEnd) {
  EXPECT_THAT(read_csv("a,b\n1,2\r3,4\n").rendered().at(0), HasSubstr("carriage return"));
}

TEST(CsvReader, RefusesHeadersThatNameNothingOrOneThingTwice) {
  EXPECT_THAT(read_csv("").error, HasSubstr("is empty"));
  EXPECT_THAT(read_csv("a,,c\n").error, HasSubstr("column 2 of the header has no name"));
  EXPECT_THAT(read_csv("a,b,a\n").error, HasSubstr("names the column \"a\" twice"));
  EXPECT_THAT(read_csv("a,\"b\n").error, HasSubstr("never closed"));
  std::string many;
  for (std::size_t i = 0; i <= limits::columns_max; ++i) many += (i > 0 ? ",c" : "c") + std::to_string(i);
  EXPECT_THAT(read_csv(many + "\n").error, HasSubstr("more than 512 columns"));
}

TEST(CsvReader, ReadsBackWhatIsWritten) {
  std::mt19937 random(20261121);
  const std::vector<std::string> pieces = {"a", "\"", ",", "\n", "\r\n", " ", "ä", "日本", "", "\t", ";", "'"};
  std::vector<std::vector<Value>> rows;
  std::string text = "x,y\n";
  for (int i = 0; i < 500; ++i) {
    std::vector<Value> row;
    for (int c = 0; c < 2; ++c) {
      if (random() % 8 == 0 && !(c == 1 && row[0].is_null())) {
        row.emplace_back();
        continue;
      }
      std::string field;
      for (unsigned n = random() % 6; n > 0; --n) field += pieces[random() % pieces.size()];
      row.emplace_back(field);
    }
    append_csv_field(text, row[0]);
    text += ',';
    append_csv_field(text, row[1]);
    text += '\n';
    rows.push_back(row);
  }
  Read read = read_csv(text);
  ASSERT_EQ(read.records.size(), rows.size()) << read.error;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_FALSE(read.records[i].problem) << *read.records[i].problem;
    EXPECT_EQ(read.records[i].fields[0].second, rows[i][0]) << "row " << i;
    EXPECT_EQ(read.records[i].fields[1].second, rows[i][1]) << "row " << i;
  }
}

/// Whatever the bytes: it ends, its lines count up, a record has every column or a problem, and text is UTF-8.
TEST(CsvReader, KeepsItsPromisesOnMutatedInput) {
  const std::string good = "id,name,note\r\n1,\"a \"\"b\"\"\",x\n2,,\"\"\n3,\"l1\nl2\",ä日\n4,d,e\n";
  for (unsigned seed = 0; seed < 3'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = good;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, 1 + random() % 3); break;
        case 2: text.insert(at, 1, "\",\n\r\0\xff"[random() % 6]); break;
        default: text.resize(at + 1); break;
      }
      if (text.empty()) text = "x";
    }
    Read read = read_csv(text, ',', 64);
    std::int64_t line = 0;
    for (const SourceRecord& record : read.records) {
      ASSERT_GT(record.line, line) << "seed " << seed;
      line = record.line;
      ASSERT_NE(record.problem.has_value(), !record.fields.empty()) << "seed " << seed;
      ASSERT_TRUE(record.problem || record.fields.size() == read.columns.size()) << "seed " << seed;
      for (const auto& [name, value] : record.fields) ASSERT_TRUE(is_utf8(value.to_display())) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace loam::cli
