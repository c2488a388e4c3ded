#include "loam/ports/tables_values.hpp"

#include <cmath>

#include "loam/core/json_internal.hpp"
#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"

namespace loam {
namespace {

std::string column_text(const ColumnSpec& column) { return "column \"" + column.name + "\""; }

Error wrong_type(const Value& value, const ColumnSpec& column) {
  return invalid_argument(column_text(column) + " is of type " + std::string(to_string(column.type)) +
                          ", the value of type " + std::string(to_string(value.kind())));
}

Result<Value> fit_text(Value value, const ColumnSpec& column) {
  const auto* text = value.get_if<std::string>();
  if (text == nullptr) return wrong_type(value, column);
  if (text->size() > limits::value_bytes_max)
    return invalid_argument(column_text(column) + ": the text has " + std::to_string(text->size()) + " bytes; at most " +
                            std::to_string(limits::value_bytes_max) + " are allowed");
  if (text->find('\0') != std::string::npos)
    return invalid_argument(column_text(column) + ": the text holds a NUL character");
  if (!is_utf8(*text)) return invalid_argument(column_text(column) + ": the text is not valid UTF-8");
  return value;
}

Result<Value> fit_bytes(Value value, const ColumnSpec& column) {
  const auto* bytes = value.get_if<Bytes>();
  if (bytes == nullptr) return wrong_type(value, column);
  if (bytes->data.size() > limits::value_bytes_max)
    return invalid_argument(column_text(column) + ": the value has " + std::to_string(bytes->data.size()) +
                            " bytes; at most " + std::to_string(limits::value_bytes_max) + " are allowed");
  return value;
}

Result<Value> fit_double(const Value& value, const ColumnSpec& column) {
  double number;
  if (const auto* real = value.get_if<double>()) {
    number = *real;
  } else if (const auto* whole = value.get_if<std::int64_t>()) {
    number = static_cast<double>(*whole);
    // 2^63 as a double cannot go back, so the largest values are asked for before the cast.
    if (std::abs(number) >= 9223372036854775808.0 || static_cast<std::int64_t>(number) != *whole)
      return invalid_argument(column_text(column) + " is of type double, which cannot hold " + std::to_string(*whole) +
                              " exactly");
  } else {
    return wrong_type(value, column);
  }
  if (!std::isfinite(number)) return invalid_argument(column_text(column) + ": the value is NaN or infinite");
  return Value(number);
}

Result<Value> fit_decimal(Value value, const ColumnSpec& column) {
  std::string text;
  if (const auto* decimal = value.get_if<Decimal>()) {
    text = decimal->text;
  } else if (const auto* string = value.get_if<std::string>()) {
    text = *string;
  } else if (const auto* whole = value.get_if<std::int64_t>()) {
    text = std::to_string(*whole);
  } else {
    return wrong_type(value, column);
  }
  if (!is_decimal(text)) return invalid_argument(column_text(column) + ": the value is not a decimal number such as -12.50");
  return Value(Decimal{std::move(text)});
}

Result<Value> fit_timestamp(Value value, const ColumnSpec& column) {
  constexpr std::int64_t year_0000 = -62'167'219'200'000'000, year_10000 = 253'402'300'800'000'000;
  if (const auto* text = value.get_if<std::string>()) {
    auto parsed = parse_timestamp(*text);
    if (!parsed.ok()) return invalid_argument(column_text(column) + ": " + parsed.error().message());
    value = Value(*parsed);
  }
  const auto* time = value.get_if<Timestamp>();
  if (time == nullptr) return wrong_type(value, column);
  if (time->micros < year_0000 || time->micros >= year_10000)
    return invalid_argument(column_text(column) + ": the time is outside the years 0000 to 9999");
  return value;
}

/// An escaped NUL, which PostgreSQL's JSON cannot hold; what one adapter takes all must take.
bool escapes_nul(std::string_view json) {
  for (std::size_t at = json.find("\\u0000"); at != json.npos; at = json.find("\\u0000", at + 1)) {
    std::size_t first = at;
    while (first > 0 && json[first - 1] == '\\') --first;
    if ((at - first) % 2 == 0) return true;  // else the backslash is itself escaped, and u0000 is text
  }
  return false;
}

Result<Value> fit_json(Value value, const ColumnSpec& column) {
  if (const auto* text = value.get_if<std::string>()) value = Value(Json{*text});
  const auto* json = value.get_if<Json>();
  if (json == nullptr) return wrong_type(value, column);
  auto checked = check_json(json->text);
  if (!checked.ok()) return invalid_argument(column_text(column) + ": " + checked.error().message());
  if (escapes_nul(json->text)) return invalid_argument(column_text(column) + ": the JSON holds a NUL character");
  return value;
}

Result<Vector> vector_of_json(const Json& json, const ColumnSpec& column) {
  Error refused = invalid_argument(column_text(column) + ": the value is not a JSON array of numbers");
  auto parsed = parse_json(json.text);
  if (!parsed.ok() || !parsed->is_array()) return refused;
  Vector vector;
  vector.reserve(std::min(parsed->size(), limits::dimension_max));
  for (const auto& element : *parsed) {
    if (!element.is_number()) return refused;
    vector.push_back(element.get<float>());
    if (vector.size() > limits::dimension_max) return refused;
  }
  return vector;
}

Result<Value> fit_vector(Value value, const ColumnSpec& column) {
  if (const auto* json = value.get_if<Json>()) {
    LOAM_TRY(Vector read, vector_of_json(*json, column));
    value = Value(std::move(read));
  }
  const auto* vector = value.get_if<Vector>();
  if (vector == nullptr) return wrong_type(value, column);
  if (vector->size() != column.dimension)
    return invalid_argument(column_text(column) + " has dimension " + std::to_string(column.dimension) + ", the vector " +
                            std::to_string(vector->size()));
  for (std::size_t i = 0; i < vector->size(); ++i)
    if (!std::isfinite((*vector)[i]))
      return invalid_argument(column_text(column) + ": element " + std::to_string(i) + " of the vector is NaN or infinite");
  return value;
}

}  // namespace

Error unknown_column(const TableSchema& schema, std::string_view name) {
  std::string known;
  for (const ColumnSpec& column : schema.columns) known += (known.empty() ? "" : ", ") + column.name;
  return invalid_argument("unknown column \"" + std::string(name) + "\"; table \"" + schema.name + "\" has " + known);
}

Result<Value> fit_value(Value value, const ColumnSpec& column) {
  if (value.is_null()) {
    if (!column.nullable) return invalid_argument(column_text(column) + " must have a value: it is not nullable");
    return value;
  }
  switch (column.type) {
    case ValueKind::string: return fit_text(std::move(value), column);
    case ValueKind::bytes: return fit_bytes(std::move(value), column);
    case ValueKind::float64: return fit_double(value, column);
    case ValueKind::decimal: return fit_decimal(std::move(value), column);
    case ValueKind::timestamp: return fit_timestamp(std::move(value), column);
    case ValueKind::json: return fit_json(std::move(value), column);
    case ValueKind::vector: return fit_vector(std::move(value), column);
    case ValueKind::boolean:
    case ValueKind::int64:
      if (value.kind() != column.type) return wrong_type(value, column);
      return value;
    case ValueKind::null: break;
  }
  return wrong_type(value, column);
}

Result<std::vector<Value>> fit_record(const Record& record, const TableSchema& schema, std::size_t row_number) {
  auto in_row = [&](const Error& error) {
    return invalid_argument("row " + std::to_string(row_number) + ", " + error.message());
  };
  std::vector<Value> row(schema.columns.size());
  std::vector<bool> given(schema.columns.size());
  for (const auto& [name, value] : record) {
    const ColumnSpec* column = schema.column(name);
    if (column == nullptr) return in_row(unknown_column(schema, name));
    auto at = static_cast<std::size_t>(column - schema.columns.data());
    if (given[at]) return in_row(invalid_argument(column_text(*column) + " is given twice"));
    if (schema.embedding && schema.embedding->vector_column == name)
      return in_row(invalid_argument(column_text(*column) + " is computed from the source text and cannot be written"));
    auto fitted = fit_value(value, *column);
    if (!fitted.ok()) return in_row(fitted.error());
    row[at] = std::move(*fitted);
    given[at] = true;
  }
  for (std::size_t at = 0; at < row.size(); ++at) {
    if (given[at]) continue;
    auto fitted = fit_value(schema.columns[at].default_value, schema.columns[at]);
    if (!fitted.ok()) return in_row(fitted.error());
    row[at] = std::move(*fitted);
  }
  return row;
}

}  // namespace loam
