#include "apps/loam/fit.hpp"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/loam/json_writer.hpp"
#include "apps/loam/text_layout.hpp"
#include "loam/core/json.hpp"

namespace loam::cli {
namespace {

constexpr std::size_t shown_width_max = 40;

Error does_not_fit(const Value& value, const ColumnSpec& column, std::string_view wanted) {
  std::string shown = value.kind() == ValueKind::string ? "\"" + value.as<std::string>() + "\"" : value.to_display();
  return invalid_argument(std::string(wanted) + " is wanted (" + std::string(to_string(column.type)) + "), found " +
                          truncate_to_width(escape_control(shown), shown_width_max));
}

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// The text of a string that may be read as another type, or null.
const std::string* text_of(const Value& value, TextIs text_is) {
  return text_is == TextIs::untyped ? value.get_if<std::string>() : nullptr;
}

Result<Value> fit_boolean(const Value& value, const ColumnSpec& column, TextIs text_is) {
  if (value.kind() == ValueKind::boolean) return value;
  if (const std::string* text = text_of(value, text_is)) {
    if (*text == "true" || *text == "TRUE" || *text == "True" || *text == "1") return Value(true);
    if (*text == "false" || *text == "FALSE" || *text == "False" || *text == "0") return Value(false);
  }
  return does_not_fit(value, column, "true or false");
}

Result<Value> fit_int64(const Value& value, const ColumnSpec& column, TextIs text_is) {
  if (value.kind() == ValueKind::int64) return value;
  std::int64_t whole = 0;
  if (const std::string* text = text_of(value, text_is); text != nullptr && parse_number(*text, whole)) return Value(whole);
  double number = 0.5;
  if (const Decimal* decimal = value.get_if<Decimal>()) parse_number(decimal->text, number);
  if (const double* real = value.get_if<double>()) number = *real;
  constexpr double exact_max = 9007199254740992.0;  // 2^53: above it a double does not know its last digit
  if (std::trunc(number) == number && std::abs(number) < exact_max) return Value(static_cast<std::int64_t>(number));
  return does_not_fit(value, column, "a whole number of 64 bits");
}

Result<Value> fit_float64(const Value& value, const ColumnSpec& column, TextIs text_is) {
  double number = std::nan("");
  if (const auto* whole = value.get_if<std::int64_t>()) number = static_cast<double>(*whole);
  if (const double* real = value.get_if<double>()) number = *real;
  if (const Decimal* decimal = value.get_if<Decimal>(); decimal != nullptr && !parse_number(decimal->text, number))
    number = std::nan("");
  if (const std::string* text = text_of(value, text_is); text != nullptr && !parse_number(*text, number))
    number = std::nan("");
  if (std::isfinite(number)) return Value(number);
  return does_not_fit(value, column, "a finite number");
}

Result<Value> fit_decimal(const Value& value, const ColumnSpec& column) {
  if (value.kind() == ValueKind::decimal) return value;
  if (value.kind() == ValueKind::int64) return Value(Decimal{value.to_display()});
  if (const std::string* text = value.get_if<std::string>(); text != nullptr && is_decimal(*text))
    return Value(Decimal{*text});
  return does_not_fit(value, column, "a decimal number without an exponent");
}

Result<Value> fit_string(Value value, const ColumnSpec& column) {
  switch (value.kind()) {
    case ValueKind::string: return value;
    case ValueKind::boolean:
    case ValueKind::int64:
    case ValueKind::float64:
    case ValueKind::decimal: return Value(value.to_display());
    default: return does_not_fit(value, column, "text");
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<Value> fit_bytes(const Value& value, const ColumnSpec& column) {
  const std::string* text = value.get_if<std::string>();
  if (text == nullptr || text->size() % 2 != 0) return does_not_fit(value, column, "hexadecimal text");
  std::string bytes;
  bytes.reserve(text->size() / 2);
  for (std::size_t i = 0; i < text->size(); i += 2) {
    int high = hex_digit((*text)[i]);
    int low = hex_digit((*text)[i + 1]);
    if (high < 0 || low < 0) return does_not_fit(value, column, "hexadecimal text");
    bytes += static_cast<char>(high << 4 | low);
  }
  return Value(Bytes{std::move(bytes)});
}

Result<Value> fit_timestamp(const Value& value, const ColumnSpec& column) {
  if (const std::string* text = value.get_if<std::string>()) {
    auto time = parse_timestamp(*text);
    if (time.ok()) return Value(*time);
  }
  return does_not_fit(value, column, "a time like 2026-01-31T12:00:00Z");
}

Result<Value> fit_json(Value value, const ColumnSpec& column, TextIs text_is) {
  if (value.kind() == ValueKind::json) return value;
  if (const std::string* text = text_of(value, text_is)) {
    if (!check_json(*text).ok()) return does_not_fit(value, column, "a JSON document");
    return Value(Json{std::move(*value.get_if<std::string>())});
  }
  if (const Decimal* decimal = value.get_if<Decimal>()) return Value(Json{decimal->text});
  return Value(Json{JsonWriter().value(value).take()});
}

Result<Value> fit_vector(const Value& value, const ColumnSpec& column, TextIs text_is) {
  const std::string* text = text_of(value, text_is);
  if (const Json* json = value.get_if<Json>()) text = &json->text;
  bool well_formed = text != nullptr && check_json(*text).ok();
  nlohmann::json array = well_formed ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
  if (!array.is_array()) return does_not_fit(value, column, "an array of " + std::to_string(column.dimension) + " numbers");
  if (array.size() != column.dimension)
    return invalid_argument("an array of " + std::to_string(column.dimension) + " numbers is wanted, found one of " +
                            std::to_string(array.size()));
  Vector vector;
  vector.reserve(array.size());
  for (const nlohmann::json& element : array) {
    float number = element.is_number() ? element.get<float>() : std::nanf("");
    if (!std::isfinite(number))
      return invalid_argument("element " + std::to_string(vector.size() + 1) + " of the vector is not a finite number");
    vector.push_back(number);
  }
  return Value(std::move(vector));
}

}  // namespace

Result<Value> fit_field(Value value, const ColumnSpec& column, TextIs text_is) {
  if (value.is_null()) return value;
  switch (column.type) {
    case ValueKind::boolean: return fit_boolean(value, column, text_is);
    case ValueKind::int64: return fit_int64(value, column, text_is);
    case ValueKind::float64: return fit_float64(value, column, text_is);
    case ValueKind::decimal: return fit_decimal(value, column);
    case ValueKind::string: return fit_string(std::move(value), column);
    case ValueKind::bytes: return fit_bytes(value, column);
    case ValueKind::timestamp: return fit_timestamp(value, column);
    case ValueKind::json: return fit_json(std::move(value), column, text_is);
    case ValueKind::vector: return fit_vector(value, column, text_is);
    case ValueKind::null: break;
  }
  return does_not_fit(value, column, "nothing");
}

}  // namespace loam::cli
