#include "apps/loam/jsonl_reader.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/loam/json_writer.hpp"

namespace loam::cli {
namespace {

std::string at_place(std::int64_t line, std::size_t column, std::string_view what) {
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + std::string(what);
}

/// Characters before byte `offset`, plus one.
std::size_t column_at(std::string_view text, std::size_t offset) {
  std::string_view before = text.substr(0, std::min(offset, text.size()));
  auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  return before.size() - static_cast<std::size_t>(std::count_if(before.begin(), before.end(), continues)) + 1;
}

/// Only what the parser expected: its other words name its own classes, and quote the input.
std::string reason_of(std::string_view message) {
  std::size_t start = message.find("syntax error");
  if (start == std::string_view::npos) start = message.rfind(": ") == std::string_view::npos ? 0 : message.rfind(": ") + 2;
  std::string reason(message.substr(start));
  std::size_t last_read = reason.find("; last read:");
  if (last_read != std::string::npos) {
    std::size_t next = reason.find("; expected", last_read + 1);
    reason.erase(last_read, next == std::string::npos ? std::string::npos : next - last_read);
  }
  return reason;
}

/// Builds the fields of the object at depth 1; what lies deeper is written down as JSON text again.
class RecordHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit RecordHandler(SourceRecord& record) : record_(record) {}

  std::string problem;
  std::size_t offset = 0;  ///< of the problem; 0: not known

  bool null() override {
    return scalar(Value(), [&] { nested_.null(); });
  }
  bool boolean(bool v) override {
    return scalar(Value(v), [&] { nested_.boolean(v); });
  }
  bool number_integer(number_integer_t v) override {
    return scalar(Value(std::int64_t{v}), [&] { nested_.integer(v); });
  }
  bool number_unsigned(number_unsigned_t v) override {
    std::string text = std::to_string(v);
    Value value = v <= INT64_MAX ? Value(static_cast<std::int64_t>(v)) : Value(Decimal{text});
    return scalar(std::move(value), [&] { nested_.raw(text); });
  }
  bool number_float(number_float_t v, const string_t& text) override {
    return scalar(is_decimal(text) ? Value(Decimal{text}) : Value(v), [&] { nested_.raw(text); });
  }
  bool string(string_t& v) override {
    if (depth_ > 1) {
      nested_.string(v);
      return true;
    }
    return scalar(Value(std::move(v)), [] {});
  }
  bool binary(binary_t&) override { return fail("binary data"); }

  bool start_object(std::size_t) override {
    if (!enter()) return false;
    if (depth_ > 1) nested_.begin_object();
    return true;
  }
  bool end_object() override {
    if (depth_ > 1) nested_.end_object();
    return leave();
  }
  bool start_array(std::size_t) override {
    if (depth_ == 0) return fail("expected an object, {\"column\": value, ..}, and found an array");
    if (!enter()) return false;
    nested_.begin_array();
    return true;
  }
  bool end_array() override {
    nested_.end_array();
    return leave();
  }

  bool key(string_t& name) override {
    if (depth_ > 1) {
      nested_.key(name);
      return true;
    }
    for (const auto& [known, value] : record_.fields)
      if (known == name) return fail("the key \"" + name + "\" appears twice");
    name_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    offset = position;
    return fail(reason_of(error.what()));
  }

 private:
  template <typename WriteNested>
  bool scalar(Value value, WriteNested write_nested) {
    if (depth_ == 0) return fail("expected an object, {\"column\": value, ..}");
    if (depth_ > 1)
      write_nested();
    else
      record_.fields.emplace_back(std::move(name_), std::move(value));
    return true;
  }

  bool enter() {
    if (++depth_ > static_cast<int>(limits::json_depth_max))
      return fail("nested deeper than " + std::to_string(limits::json_depth_max) + " levels");
    return true;
  }
  bool leave() {
    if (--depth_ == 1) record_.fields.emplace_back(std::move(name_), Value(Json{nested_.take()}));
    return true;
  }
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }

  SourceRecord& record_;
  std::string name_;
  JsonWriter nested_;
  int depth_ = 0;
};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

SourceRecord parse_json_record(std::string_view text, std::int64_t line) {
  SourceRecord record{.line = line};
  RecordHandler handler(record);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler)) {
    record.fields.clear();
    std::size_t column = column_at(text, handler.offset == 0 ? 0 : handler.offset - 1);
    record.problem = at_place(line, column, handler.problem);
  }
  return record;
}

Result<std::optional<SourceRecord>> JsonlReader::next() {
  for (;;) {
    LOAM_TRY(std::optional<Line> line, lines_.next());
    if (!line) return std::optional<SourceRecord>();
    if (line->too_long) {
      SourceRecord record{.line = line->number};
      record.problem = at_place(line->number, 1, "longer than " + std::to_string(limits::line_bytes_max) + " bytes");
      return std::optional(std::move(record));
    }
    if (!is_blank(line->text)) return std::optional(parse_json_record(line->text, line->number));
  }
}

}  // namespace loam::cli
