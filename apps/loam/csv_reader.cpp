#include "apps/loam/csv_reader.hpp"

#include <algorithm>

#include "loam/core/utf8.hpp"

namespace loam::cli {
namespace {

constexpr int end_of_input = -1;
constexpr std::size_t block_bytes = 256u << 10;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

}  // namespace

Result<std::unique_ptr<CsvReader>> CsvReader::open(std::unique_ptr<Input> input, char delimiter,
                                                   std::size_t record_bytes_max) {
  std::unique_ptr<CsvReader> reader(new CsvReader(std::move(input), delimiter, record_bytes_max));
  LOAM_TRY(reader->read_header());
  return reader;
}

int CsvReader::peek() {
  if (at_ < buffer_.size()) return static_cast<unsigned char>(buffer_[at_]);
  if (ended_) return end_of_input;
  buffer_.resize(block_bytes);
  at_ = 0;
  auto count = input_->read(buffer_.data(), block_bytes);
  buffer_.resize(count.ok() ? *count : 0);
  if (!count.ok()) failure_ = std::move(count).error();
  ended_ = buffer_.empty();
  return ended_ ? end_of_input : static_cast<unsigned char>(buffer_[0]);
}

int CsvReader::take() {
  int byte = peek();
  if (byte == end_of_input) return byte;
  ++at_;
  if (byte == '\n') {
    ++line_;
    column_ = 1;
  } else if ((byte & 0xC0) != 0x80) {
    ++column_;
  }
  return byte;
}

void CsvReader::malformed(Row& row, std::int64_t line, std::int64_t column, const std::string& what) {
  row.problem = "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what;
}

void CsvReader::skip_line() {
  for (int byte = take(); byte != '\n' && byte != end_of_input;) byte = take();
}

bool CsvReader::append(Row& row, Field& field, int byte) {
  if (++record_bytes_ > record_bytes_max_) {
    malformed(row, row.line, 1,
              "a record of more than " + std::to_string(record_bytes_max_) + " bytes (is a quote missing?)");
    return false;
  }
  field.text += static_cast<char>(byte);
  return true;
}

bool CsvReader::read_quoted(Row& row, Field& field) {
  std::int64_t line = line_;
  std::int64_t column = column_;
  field.quoted = true;
  take();
  for (;;) {
    int byte = take();
    if (byte == end_of_input) {
      malformed(row, line, column, "the quote that begins here is never closed");
      return false;
    }
    if (byte == '"') {
      if (peek() != '"') break;
      take();
    }
    if (!append(row, field, byte)) return false;
  }
  int next = peek();
  if (next == delimiter_ || next == '\n' || next == '\r' || next == end_of_input) return true;
  malformed(row, line_, column_, "expected a delimiter or the end of the line after a closing quote");
  return false;
}

bool CsvReader::read_field(Row& row, Field& field) {
  std::int64_t line = line_;
  std::int64_t column = column_;
  if (peek() == '"') {
    if (!read_quoted(row, field)) return false;
  } else {
    for (int byte = peek(); byte != end_of_input && byte != delimiter_ && byte != '\n' && byte != '\r'; byte = peek()) {
      if (byte == '"') {
        malformed(row, line_, column_, "a quote inside a field that does not begin with one");
        return false;
      }
      take();
      if (!append(row, field, byte)) return false;
    }
  }
  if (is_utf8(field.text) && field.text.find('\0') == std::string::npos) return true;
  malformed(row, line, column, is_utf8(field.text) ? "a NUL character in the field" : "the field is not UTF-8");
  return false;
}

bool CsvReader::take_line_end() {
  if (peek() == '\r') {
    take();
    if (peek() != '\n') return peek() == end_of_input;  // a bare CR is no line end
  }
  if (peek() == '\n') take();
  return true;
}

bool CsvReader::read_row(Row& row) {
  row = {.line = line_};
  record_bytes_ = 0;
  if (peek() == end_of_input) return false;
  for (;;) {
    row.fields.emplace_back();
    if (!read_field(row, row.fields.back())) break;
    int next = peek();
    if (next == delimiter_) {
      take();
      continue;
    }
    std::int64_t column = column_;
    if (!take_line_end()) malformed(row, line_, column, "a carriage return that is not followed by a line feed");
    break;
  }
  if (row.problem) skip_line();
  return !failure_;
}

Result<void> CsvReader::read_header() {
  for (std::size_t i = 0; i < byte_order_mark.size() && peek() == static_cast<unsigned char>(byte_order_mark[i]); ++i)
    take();
  column_ = 1;
  Row row;
  bool found = read_row(row);
  if (failure_) return *failure_;
  if (!found) return invalid_argument(name() + " is empty: the first line of a CSV file names the columns");
  if (row.problem) return invalid_argument(name() + ": " + *row.problem);
  for (const Field& field : row.fields) {
    if (field.text.empty())
      return invalid_argument(name() + ": line 1: column " + std::to_string(columns_.size() + 1) +
                              " of the header has no name");
    if (std::find(columns_.begin(), columns_.end(), field.text) != columns_.end())
      return invalid_argument(name() + ": line 1: the header names the column \"" + field.text + "\" twice");
    columns_.push_back(field.text);
  }
  if (columns_.size() > limits::columns_max)
    return invalid_argument(name() + ": line 1: more than " + std::to_string(limits::columns_max) + " columns");
  return {};
}

Result<std::optional<SourceRecord>> CsvReader::next() {
  Row row;
  bool blank = false;
  do {
    if (!read_row(row)) {
      if (failure_) return *failure_;
      return std::optional<SourceRecord>();
    }
    // In a file of one column an empty line is a row with NULL.
    blank =
        !row.problem && columns_.size() > 1 && row.fields.size() == 1 && row.fields[0].text.empty() && !row.fields[0].quoted;
  } while (blank);
  SourceRecord record{.line = row.line, .problem = std::move(row.problem)};
  if (!record.problem && row.fields.size() != columns_.size())
    record.problem = "line " + std::to_string(row.line) + ", column 1: " + std::to_string(row.fields.size()) +
                     (row.fields.size() == 1 ? " field" : " fields") + " where the header names " +
                     std::to_string(columns_.size());
  if (record.problem) return std::optional(std::move(record));
  record.fields.reserve(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Field& field = row.fields[i];
    record.fields.emplace_back(columns_[i], field.text.empty() && !field.quoted ? Value() : Value(std::move(field.text)));
  }
  return std::optional(std::move(record));
}

}  // namespace loam::cli
