#include "apps/loam/infer.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

namespace loam::cli {
namespace {

bool looks_like_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  return text[0] != '0' || text.size() == 1 || text[1] < '0' || text[1] > '9';  // 007 is a name, not a number
}

ValueKind kind_of_text(std::string_view text) {
  if (text == "true" || text == "false") return ValueKind::boolean;
  if (!looks_like_number(text)) return ValueKind::string;
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  auto as_whole = std::from_chars(text.data(), end, whole);
  if (as_whole.ptr == end) return as_whole.ec == std::errc() ? ValueKind::int64 : ValueKind::decimal;
  double number = 0;
  auto as_number = std::from_chars(text.data(), end, number);
  return as_number.ptr == end && as_number.ec == std::errc() && std::isfinite(number) ? ValueKind::float64
                                                                                      : ValueKind::string;
}

ValueKind kind_of(const Value& value, TextIs text_is) {
  if (const Decimal* decimal = value.get_if<Decimal>())
    return decimal->text.find('.') == std::string::npos ? ValueKind::decimal : ValueKind::float64;
  const std::string* text = value.get_if<std::string>();
  return text != nullptr && text_is == TextIs::untyped ? kind_of_text(*text) : value.kind();
}

bool is_numeric(ValueKind kind) {
  return kind == ValueKind::int64 || kind == ValueKind::float64 || kind == ValueKind::decimal;
}

ValueKind widened(ValueKind a, ValueKind b) {
  if (a == b || b == ValueKind::null) return a;
  if (a == ValueKind::null) return b;
  if (a == ValueKind::json || b == ValueKind::json) return ValueKind::json;
  if (!is_numeric(a) || !is_numeric(b)) return ValueKind::string;
  return a == ValueKind::float64 || b == ValueKind::float64 ? ValueKind::float64 : ValueKind::decimal;
}

}  // namespace

std::vector<ColumnSpec> infer_columns(std::span<const SourceRecord> records, TextIs text_is) {
  std::vector<ColumnSpec> columns;
  std::map<std::string, std::size_t, std::less<>> positions;
  for (const SourceRecord& record : records) {
    for (const auto& [name, value] : record.fields) {
      auto [position, is_new] = positions.try_emplace(name, columns.size());
      if (is_new) columns.push_back({.name = name, .type = ValueKind::null});
      ColumnSpec& column = columns[position->second];
      column.type = widened(column.type, kind_of(value, text_is));
    }
  }
  for (ColumnSpec& column : columns)
    if (column.type == ValueKind::null) column.type = ValueKind::string;
  return columns;
}

}  // namespace loam::cli
