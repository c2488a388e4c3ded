#include "apps/loam/output.hpp"

#include <algorithm>

#include "apps/loam/json_writer.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

constexpr std::size_t rows_held_max = 1'000;
constexpr std::size_t held_bytes_max = 16u << 20;
constexpr std::size_t column_width_min = 6;  // a cut column still says something
constexpr std::string_view column_gap = "  ";

std::string json_row(const std::vector<std::string>& columns, std::span<const Value> values) {
  JsonWriter json;
  json.begin_object();
  for (std::size_t i = 0; i < columns.size(); ++i) json.key(columns[i]).value(values[i]);
  json.end_object();
  return json.take();
}

class JsonRows final : public RowWriter {
 public:
  JsonRows(std::vector<std::string> columns, Sink& sink) : columns_(std::move(columns)), sink_(sink) {}
  Result<void> row(std::span<const Value> values) override {
    LOAM_TRY(sink_.write(first_ ? "[\n" : ",\n"));
    first_ = false;
    return sink_.write(json_row(columns_, values));
  }
  Result<void> finish() override { return sink_.write(first_ ? "[]\n" : "\n]\n"); }

 private:
  std::vector<std::string> columns_;
  Sink& sink_;
  bool first_ = true;
};

class JsonlRows final : public RowWriter {
 public:
  JsonlRows(std::vector<std::string> columns, Sink& sink) : columns_(std::move(columns)), sink_(sink) {}
  Result<void> row(std::span<const Value> values) override { return sink_.write(json_row(columns_, values) + "\n"); }
  Result<void> finish() override { return {}; }

 private:
  std::vector<std::string> columns_;
  Sink& sink_;
};

class CsvRows final : public RowWriter {
 public:
  CsvRows(std::vector<std::string> columns, Sink& sink) : sink_(sink) {
    for (const std::string& column : columns) append(Value(column));
    end_line();
  }
  Result<void> row(std::span<const Value> values) override {
    for (const Value& value : values) append(value);
    end_line();
    LOAM_TRY(sink_.write(lines_));
    lines_.clear();
    return {};
  }
  Result<void> finish() override { return sink_.write(lines_); }

 private:
  void append(const Value& value) {
    if (!start_of_line_) lines_ += ',';
    append_csv_field(lines_, value);
    start_of_line_ = false;
  }
  void end_line() {
    lines_ += '\n';
    start_of_line_ = true;
  }

  Sink& sink_;
  std::string lines_;
  bool start_of_line_ = true;
};

bool is_number(const Value& value) {
  return value.kind() == ValueKind::int64 || value.kind() == ValueKind::float64 || value.kind() == ValueKind::decimal;
}

class TableRows final : public RowWriter {
 public:
  TableRows(std::vector<std::string> columns, Sink& sink, const Terminal& terminal, std::string indent)
      : sink_(sink), terminal_(terminal), indent_(std::move(indent)), right_(columns.size(), true) {
    for (std::string& column : columns) header_.push_back(escape_control(column));
  }

  Result<void> row(std::span<const Value> values) override {
    std::vector<std::string> cells;
    for (std::size_t i = 0; i < values.size(); ++i) {
      cells.push_back(escape_control(values[i].to_display()));
      if (!streaming_ && !is_number(values[i]) && !values[i].is_null()) right_[i] = false;
      held_bytes_ += cells.back().size();
    }
    if (streaming_) return write_line(cells);
    held_.push_back(std::move(cells));
    if (held_.size() >= rows_held_max || held_bytes_ > held_bytes_max) return start_streaming();
    return {};
  }

  Result<void> finish() override { return streaming_ ? Result<void>() : start_streaming(); }

 private:
  Result<void> start_streaming() {
    streaming_ = true;
    choose_widths();
    std::string line = indent_ + terminal_.styled("1", padded(header_));
    LOAM_TRY(sink_.write(line + "\n"));
    for (const auto& cells : held_) LOAM_TRY(write_line(cells));
    held_ = {};
    return {};
  }

  void choose_widths() {
    for (const std::string& name : header_) widths_.push_back(display_width(name));
    for (const auto& cells : held_)
      for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], display_width(cells[i]));
    if (terminal_.width == 0) return;
    std::size_t gaps = indent_.size() + column_gap.size() * (widths_.empty() ? 0 : widths_.size() - 1);
    for (;;) {  // take from the widest until the line fits
      std::size_t total = gaps;
      for (std::size_t width : widths_) total += width;
      auto widest = std::max_element(widths_.begin(), widths_.end());
      if (total <= terminal_.width || widest == widths_.end() || *widest <= column_width_min) return;
      std::size_t next = column_width_min;
      for (std::size_t width : widths_)
        if (width < *widest) next = std::max(next, width);
      *widest = std::max(next == *widest ? *widest - 1 : next, *widest - std::min(*widest, total - terminal_.width));
    }
  }

  Result<void> write_line(const std::vector<std::string>& cells) { return sink_.write(indent_ + padded(cells) + "\n"); }

  std::string padded(const std::vector<std::string>& cells) const {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += column_gap;
      // Only a terminal cuts: in a pipe every byte of the answer comes through.
      std::string cell = terminal_.width > 0 ? truncate_to_width(cells[i], widths_[i]) : cells[i];
      std::size_t width = display_width(cell);
      std::string padding(width < widths_[i] ? widths_[i] - width : 0, ' ');
      line += right_[i] ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  }

  Sink& sink_;
  Terminal terminal_;
  std::string indent_;
  std::vector<std::string> header_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> held_;
  std::vector<std::size_t> widths_;
  std::size_t held_bytes_ = 0;
  bool streaming_ = false;
};

}  // namespace

Result<Format> parse_format(std::string_view name) {
  if (name == "table") return Format::table;
  if (name == "json") return Format::json;
  if (name == "jsonl") return Format::jsonl;
  if (name == "csv") return Format::csv;
  return invalid_argument("\"" + std::string(name) + "\" is not a format: table, json, jsonl or csv");
}

void append_csv_field(std::string& out, const Value& value, char delimiter) {
  if (value.is_null()) return;
  std::string text = value.to_display();
  bool quoted = text.empty() || text.front() == ' ' || text.back() == ' ' ||
                text.find_first_of("\"\r\n") != std::string::npos || text.find(delimiter) != std::string::npos;
  if (!quoted) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::unique_ptr<RowWriter> make_row_writer(Format format, std::vector<std::string> columns, Sink& sink,
                                           const Terminal& terminal, std::string indent) {
  switch (format) {
    case Format::json: return std::make_unique<JsonRows>(std::move(columns), sink);
    case Format::jsonl: return std::make_unique<JsonlRows>(std::move(columns), sink);
    case Format::csv: return std::make_unique<CsvRows>(std::move(columns), sink);
    case Format::table: break;
  }
  return std::make_unique<TableRows>(std::move(columns), sink, terminal, std::move(indent));
}

}  // namespace loam::cli
