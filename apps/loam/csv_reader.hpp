#pragma once

/// Comma-separated values after RFC 4180: quotes, doubled quotes, line ends inside quotes, "\n" or "\r\n", a byte order
/// mark. The first record names the columns. An empty field is NULL, a quoted empty one ("") the empty string.

#include <memory>
#include <string>
#include <vector>

#include "apps/loam/input.hpp"
#include "apps/loam/record_source.hpp"
#include "loam/core/limits.hpp"

namespace loam::cli {

/// Memory: one block and the longest record.
class CsvReader final : public RecordSource {
 public:
  /// Reads the header. invalid_argument when there is none, or it is malformed.
  static Result<std::unique_ptr<CsvReader>> open(std::unique_ptr<Input> input, char delimiter = ',',
                                                 std::size_t record_bytes_max = limits::line_bytes_max);

  Result<std::optional<SourceRecord>> next() override;
  std::string name() const override { return input_->name(); }
  void abandon() noexcept override { input_->abandon(); }
  bool untyped() const override { return true; }
  std::int64_t bytes_read() const override { return input_->bytes_read(); }
  std::optional<std::int64_t> bytes_total() const override { return input_->bytes_total(); }

  const std::vector<std::string>& columns() const noexcept { return columns_; }

 private:
  struct Field {
    std::string text;
    bool quoted = false;
  };
  struct Row {
    std::int64_t line = 0;
    std::vector<Field> fields;
    std::optional<std::string> problem;
  };

  CsvReader(std::unique_ptr<Input> input, char delimiter, std::size_t record_bytes_max)
      : input_(std::move(input)), delimiter_(delimiter), record_bytes_max_(record_bytes_max) {}

  /// The next byte, or end_of_input (also after an error, which stays in failure_).
  int peek();
  int take();

  /// False at the end of the input.
  bool read_row(Row& row);
  bool read_field(Row& row, Field& field);
  bool read_quoted(Row& row, Field& field);
  bool append(Row& row, Field& field, int byte);
  bool take_line_end();
  void malformed(Row& row, std::int64_t line, std::int64_t column, const std::string& what);
  void skip_line();
  Result<void> read_header();

  std::unique_ptr<Input> input_;
  char delimiter_;
  std::size_t record_bytes_max_;
  std::vector<std::string> columns_;

  std::string buffer_;
  std::size_t at_ = 0;
  std::optional<Error> failure_;
  bool ended_ = false;
  std::int64_t line_ = 1;
  std::int64_t column_ = 1;
  std::size_t record_bytes_ = 0;
};

}  // namespace loam::cli
