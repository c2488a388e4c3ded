#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "loam/adapters/postgres/types.hpp"
#include "loam/core/limits.hpp"

namespace loam::postgres {
namespace {

constexpr std::int64_t server_epoch_micros = 946'684'800'000'000;  // 2000-01-01

std::string big_endian(std::uint64_t bits, std::size_t width) {
  std::string bytes(width, '\0');
  for (std::size_t i = 0; i < width; ++i) bytes[i] = static_cast<char>(bits >> (8 * (width - 1 - i)));
  return bytes;
}

/// Of a one-dimensional real[] without NULLs: dimensions, null flag, element type, length, lower bound, then the elements.
std::string float4_array(const Vector& values) {
  std::string bytes;
  bytes.reserve(20 + values.size() * 8);
  bytes += big_endian(values.empty() ? 0 : 1, 4) + big_endian(0, 4) + big_endian(oid::float4, 4);
  if (values.empty()) return bytes;
  bytes += big_endian(values.size(), 4) + big_endian(1, 4);
  for (float value : values) {
    std::uint32_t bits = __builtin_bswap32(std::bit_cast<std::uint32_t>(value));
    char element[8] = {0, 0, 0, 4};
    std::memcpy(element + 4, &bits, 4);
    bytes.append(element, 8);
  }
  return bytes;
}

std::string float_text(double value) {
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

}  // namespace

Oid requested_type(ValueKind kind) noexcept {
  switch (kind) {
    case ValueKind::boolean: return oid::boolean;
    case ValueKind::int64: return oid::int8;
    case ValueKind::float64: return oid::float8;
    case ValueKind::decimal: return oid::numeric;
    case ValueKind::bytes: return oid::bytea;
    case ValueKind::timestamp: return oid::timestamptz;
    case ValueKind::json: return oid::jsonb;
    case ValueKind::vector: return oid::float4_array;
    case ValueKind::null:
    case ValueKind::string: return oid::unspecified;
  }
  return oid::unspecified;
}

Result<BoundParameters> BoundParameters::bind(std::span<const Value> values, const std::vector<Oid>& types) {
  LOAM_ASSERT(values.size() == types.size(), "a statement is run with as many values as it has parameters");
  BoundParameters bound;
  bound.pointers_.reserve(values.size());
  bound.lengths_.reserve(values.size());
  bound.formats_.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (types[i] == oid::unspecified) continue;
    Result<void> added = bound.add(values[i], types[i]);
    if (!added.ok())
      return invalid_argument("parameter " + std::to_string(i + 1) + ": " + added.error().message())
          .hint(added.error().hint());
  }
  return bound;
}

Result<void> BoundParameters::add(const Value& value, Oid type) {
  switch (value.kind()) {
    case ValueKind::null: add_null(); return {};
    case ValueKind::boolean: {
      bool v = value.as<bool>();
      if (type != oid::boolean) return add_text(v ? "true" : "false", type);
      add_big_endian(v ? 1 : 0, 1);
      return {};
    }
    case ValueKind::int64: {
      auto v = value.as<std::int64_t>();
      if (type == oid::int8) {
        add_big_endian(static_cast<std::uint64_t>(v), 8);
      } else {
        add_owned(std::to_string(v), false);
      }
      return {};
    }
    case ValueKind::float64: {
      double v = value.as<double>();
      if (std::isnan(v)) return invalid_argument("the number is NaN, which databases store and compare differently");
      if (type == oid::float8) {
        add_big_endian(std::bit_cast<std::uint64_t>(v), 8);
      } else {
        add_owned(float_text(v), false);
      }
      return {};
    }
    case ValueKind::decimal: {
      const std::string& text = value.as<Decimal>().text;
      if (!is_decimal(text)) return invalid_argument("\"" + text.substr(0, 64) + "\" is not a decimal number");
      return add_text(text, type);
    }
    case ValueKind::string: return add_text(value.as<std::string>(), type);
    case ValueKind::json: return add_text(value.as<Json>().text, type);
    case ValueKind::bytes: {
      const std::string& bytes = value.as<Bytes>().data;
      if (bytes.size() > limits::value_bytes_max)
        return invalid_argument("the value is larger than limits::value_bytes_max");
      if (type != oid::bytea) return invalid_argument("bytes are bound where the database does not expect bytea");
      add_binary(bytes);
      return {};
    }
    case ValueKind::timestamp: return add_timestamp(value.as<Timestamp>(), type);
    case ValueKind::vector: add_owned(float4_array(value.as<Vector>()), true); return {};
  }
  return {};
}

void BoundParameters::add_null() {
  pointers_.push_back(nullptr);
  lengths_.push_back(0);
  formats_.push_back(0);
}

void BoundParameters::add_binary(std::string_view bytes) {
  pointers_.push_back(bytes.data() != nullptr ? bytes.data() : "");  // a null pointer would be NULL
  lengths_.push_back(static_cast<int>(bytes.size()));
  formats_.push_back(1);
}

void BoundParameters::add_owned(std::string bytes, bool binary) {
  const std::string& kept = owned_.emplace_back(std::move(bytes));
  pointers_.push_back(kept.c_str());
  lengths_.push_back(static_cast<int>(kept.size()));
  formats_.push_back(binary ? 1 : 0);
}

void BoundParameters::add_big_endian(std::uint64_t bits, std::size_t width) { add_owned(big_endian(bits, width), true); }

Result<void> BoundParameters::add_text(std::string_view text, Oid type) {
  if (text.size() > limits::value_bytes_max) return invalid_argument("the value is larger than limits::value_bytes_max");
  if (text.find('\0') != std::string_view::npos)
    return invalid_argument("the text contains a NUL byte, which PostgreSQL cannot store").hint("store it as bytes");
  // As text it would be read as an escaped form: "\x41" would silently become "A".
  if (type == oid::bytea) return invalid_argument("text is bound where the database expects bytea").hint("bind Bytes");
  add_owned(std::string(text), false);  // libpq wants a terminated string
  return {};
}

Result<void> BoundParameters::add_timestamp(Timestamp time, Oid type) {
  if (type != oid::timestamptz && type != oid::timestamp) return add_text(to_string(time), type);
  // Below it the subtraction would wrap; the server's own range is smaller and checked by it, but its least and greatest
  // numbers mean infinity.
  if (time.micros < std::numeric_limits<std::int64_t>::min() + server_epoch_micros + 1)
    return invalid_argument("the time is before PostgreSQL's first year, 4714 BC");
  add_big_endian(static_cast<std::uint64_t>(time.micros - server_epoch_micros), 8);
  return {};
}

}  // namespace loam::postgres
