#pragma once

/// Answers in the format that was asked for: a table for people; JSON, JSONL and CSV for programs.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/loam/sink.hpp"
#include "apps/loam/terminal.hpp"
#include "loam/core/value.hpp"

namespace loam::cli {

enum class Format { table, json, jsonl, csv };

/// invalid_argument for another word.
Result<Format> parse_format(std::string_view name);

/// Rows of named columns, one after the other. The keys of JSON rows stand in the order of the columns.
///   table   aligned, one line for each row, numbers to the right; on a terminal cut to its width (marked by an ellipsis);
///   column
///           widths come from the first 1,000 rows, later ones stream
///   json    one array of objects      jsonl  one object for each line
///   csv     RFC 4180 with a header; NULL is an empty field, the empty string ""
/// *needs external synchronization*
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  virtual Result<void> row(std::span<const Value> values) = 0;
  /// Writes what is still held; call it once.
  virtual Result<void> finish() = 0;
};

/// `sink` outlives the writer. `indent` stands before each line of a table.
std::unique_ptr<RowWriter> make_row_writer(Format format, std::vector<std::string> columns, Sink& sink,
                                           const Terminal& terminal, std::string indent = {});

/// One field of CSV, quoted where it must be.
void append_csv_field(std::string& out, const Value& value, char delimiter = ',');

}  // namespace loam::cli
