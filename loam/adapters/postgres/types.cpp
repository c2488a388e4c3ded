#include "loam/adapters/postgres/types.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

namespace loam::postgres {
namespace {

constexpr std::int64_t server_epoch_micros = 946'684'800'000'000;  // 2000-01-01
constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t int64_min = std::numeric_limits<std::int64_t>::min();

/// 0 when the field is shorter than `width` bytes.
std::uint64_t big_endian(std::string_view bytes, std::size_t width) {
  if (bytes.size() < width) return 0;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < width; ++i) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  return bits;
}

template <typename Number>
Number parse_number(std::string_view text) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

double parse_float(std::string_view text) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return infinity;
  if (text == "-Infinity") return -infinity;
  return parse_number<double>(text);
}

bool is_integer(Oid type) { return type == oid::int8 || type == oid::int4 || type == oid::int2 || type == oid::oid; }

std::int64_t binary_integer(const Field& field) {
  switch (field.type) {
    case oid::int8: return static_cast<std::int64_t>(big_endian(field.data, 8));
    case oid::int4: return static_cast<std::int32_t>(big_endian(field.data, 4));
    case oid::int2: return static_cast<std::int16_t>(big_endian(field.data, 2));
    default: return static_cast<std::int64_t>(big_endian(field.data, 4));
  }
}

std::int64_t integer_of(const Field& field) {
  return field.binary ? binary_integer(field) : parse_number<std::int64_t>(field.data);
}

double float_of(const Field& field) {
  if (!field.binary) return parse_float(field.data);
  if (field.type == oid::float4) return std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(field.data, 4)));
  return std::bit_cast<double>(big_endian(field.data, 8));
}

bool bool_of(const Field& field) {
  return !field.data.empty() && (field.binary ? field.data[0] != 0 : field.data[0] == 't');
}

/// Infinite times become the ends of the range.
Timestamp time_of(const Field& field) {
  Timestamp time;
  if (!field.binary) {
    parse_server_time(field.data, time);
    return time;
  }
  auto micros = static_cast<std::int64_t>(big_endian(field.data, 8));
  if (micros == int64_max || micros == int64_min) return {micros};
  return {micros + server_epoch_micros};
}

std::string unhex(std::string_view text) {
  std::string bytes;
  if (!text.starts_with("\\x")) return bytes;
  auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return bytes;
}

Vector binary_vector(std::string_view bytes) {
  constexpr std::size_t header = 20;
  if (big_endian(bytes, 4) != 1 || bytes.size() < header) return {};
  std::size_t count = big_endian(bytes.substr(12), 4);
  bytes.remove_prefix(header);
  if (count > bytes.size() / 8) return {};  // an array with NULLs, which no Vector was
  Vector values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(bytes.substr(i * 8 + 4), 4)));
  return values;
}

Vector text_vector(std::string_view text) {
  Vector values;
  if (text.size() < 2) return values;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    std::string_view element = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), element.size() + 1));
    // Not through double: that would round twice.
    bool special = element == "NaN" || element.ends_with("Infinity");
    values.push_back(special ? static_cast<float>(parse_float(element)) : parse_number<float>(element));
  }
  return values;
}

Vector vector_of(const Field& field) { return field.binary ? binary_vector(field.data) : text_vector(field.data); }

/// jsonb's binary form is a version byte and the text.
std::string_view json_of(const Field& field) {
  bool versioned = field.binary && field.type == oid::jsonb && !field.data.empty();
  return versioned ? field.data.substr(1) : field.data;
}

std::string numeric_of(const Field& field) { return field.binary ? numeric_text(field.data) : std::string(field.data); }

}  // namespace

ValueKind kind_of(Oid type) noexcept {
  switch (type) {
    case oid::boolean: return ValueKind::boolean;
    case oid::int2:
    case oid::int4:
    case oid::int8:
    case oid::oid: return ValueKind::int64;
    case oid::float4:
    case oid::float8: return ValueKind::float64;
    case oid::numeric: return ValueKind::decimal;
    case oid::bytea: return ValueKind::bytes;
    case oid::timestamp:
    case oid::timestamptz: return ValueKind::timestamp;
    case oid::json:
    case oid::jsonb: return ValueKind::json;
    case oid::float4_array: return ValueKind::vector;
    default: return ValueKind::string;
  }
}

bool reads_binary(Oid type) noexcept {
  if (kind_of(type) != ValueKind::string) return true;
  return type == oid::text || type == oid::varchar || type == oid::bpchar || type == oid::name || type == oid::unknown ||
         type == oid::void_type;
}

Value read_value(const Field& field) {
  switch (kind_of(field.type)) {
    case ValueKind::boolean: return bool_of(field);
    case ValueKind::int64: return integer_of(field);
    case ValueKind::float64: return float_of(field);
    case ValueKind::decimal: return Decimal{numeric_of(field)};
    case ValueKind::bytes: return Bytes{field.binary ? std::string(field.data) : unhex(field.data)};
    case ValueKind::timestamp: return time_of(field);
    case ValueKind::json: return Json{std::string(json_of(field))};
    case ValueKind::vector: return vector_of(field);
    case ValueKind::null:
    case ValueKind::string: return field.data;
  }
  return field.data;
}

std::int64_t read_int64(const Field& field) {
  if (is_integer(field.type)) return integer_of(field);
  switch (kind_of(field.type)) {
    case ValueKind::boolean: return bool_of(field) ? 1 : 0;
    case ValueKind::timestamp: return time_of(field).micros;
    case ValueKind::decimal: return parse_number<std::int64_t>(numeric_of(field));
    case ValueKind::float64: {
      double number = float_of(field);
      constexpr double limit = 9223372036854775808.0;
      if (!(number >= -limit)) return number < 0 ? int64_min : 0;  // NaN gives 0
      return number >= limit ? int64_max : static_cast<std::int64_t>(number);
    }
    default: return 0;
  }
}

double read_float64(const Field& field) {
  switch (kind_of(field.type)) {
    case ValueKind::float64: return float_of(field);
    case ValueKind::decimal: return parse_float(numeric_of(field));
    default: return static_cast<double>(read_int64(field));
  }
}

std::string_view read_text(const Field& field, std::string& scratch) {
  switch (kind_of(field.type)) {
    case ValueKind::string: return field.data;
    case ValueKind::json: return json_of(field);
    case ValueKind::bytes:
      if (field.binary) return field.data;
      return scratch = unhex(field.data);
    case ValueKind::vector: {
      Vector values = vector_of(field);
      return scratch = encode_vector(values.data(), values.size());
    }
    default: return scratch = read_value(field).to_display();
  }
}

// Digits in base 10000: count, weight of the first (its power of 10000), sign, digits to show after the point, the digits.
std::string numeric_text(std::string_view binary) {
  if (binary.size() < 8) return "0";
  auto count = static_cast<std::size_t>(big_endian(binary, 2));
  int weight = static_cast<std::int16_t>(big_endian(binary.substr(2), 2));
  auto sign = static_cast<unsigned>(big_endian(binary.substr(4), 2));
  auto scale = static_cast<std::size_t>(big_endian(binary.substr(6), 2));
  if (sign == 0xC000) return "NaN";
  if (sign == 0xD000) return "Infinity";
  if (sign == 0xF000) return "-Infinity";
  if (binary.size() < 8 + count * 2) return "0";

  auto group = [&](int power) {  // four decimal digits
    int index = weight - power;
    bool stored = index >= 0 && static_cast<std::size_t>(index) < count;
    auto digits = stored ? static_cast<int>(big_endian(binary.substr(8 + static_cast<std::size_t>(index) * 2), 2)) : 0;
    std::string text = "0000";
    for (std::size_t i = 4; i-- > 0; digits /= 10) text[i] = static_cast<char>('0' + digits % 10);
    return text;
  };
  std::string whole;
  for (int power = weight; power >= 0; --power) whole += group(power);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  std::string fraction;
  for (int power = -1; fraction.size() < scale; --power) fraction += group(power);
  fraction.resize(scale);

  std::string text = sign == 0x4000 ? "-" : "";
  text += whole.empty() ? "0" : whole;
  return scale == 0 ? text : text + '.' + fraction;
}

namespace {

/// Days since 1970-01-01 of a proleptic Gregorian date, for years far outside of std::chrono::year.
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms".
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  std::int64_t year_of_era = year - era * 400;
  std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

/// A number up to the next character that is not a digit.
bool take_number(std::string_view& text, std::int64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

bool parse_server_time(std::string_view text, Timestamp& time) {
  if (text == "infinity" || text == "-infinity") {
    time.micros = text == "infinity" ? int64_max : int64_min;
    return true;
  }
  bool before_christ = text.ends_with(" BC");
  if (before_christ) text.remove_suffix(3);
  std::int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0;
  bool good = take_number(text, year) && take(text, '-') && take_number(text, month) && take(text, '-') &&
              take_number(text, day) && take(text, ' ') && take_number(text, hour) && take(text, ':') &&
              take_number(text, minute) && take(text, ':') && take_number(text, second);
  if (good && take(text, '.')) {
    std::size_t before = text.size();
    good = take_number(text, micros);
    for (std::size_t width = before - text.size(); width < 6; ++width) micros *= 10;
  }
  // Sessions run in UTC, so an offset is always +00.
  if (!good || (!text.empty() && text != "+00") || year > 300'000) return false;
  if (before_christ) year = 1 - year;
  time.micros = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  time.micros = time.micros * 1'000'000 + micros;
  return true;
}

}  // namespace loam::postgres
