#include "loam/core/value.hpp"

#include <bit>
#include <charconv>
#include <cstring>

namespace loam {
namespace {

static_assert(std::endian::native == std::endian::little, "vectors are stored as they lie in memory, little-endian");

template <typename Number>
std::string shortest(Number number) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return std::string(buffer, end);
}

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

struct Display {
  std::string operator()(Null) const { return ""; }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::int64_t v) const { return shortest(v); }
  std::string operator()(double v) const { return shortest(v); }
  std::string operator()(const Decimal& v) const { return v.text; }
  std::string operator()(const std::string& v) const { return v; }
  std::string operator()(const Bytes& v) const { return hex(v.data); }
  std::string operator()(Timestamp v) const { return to_string(v); }
  std::string operator()(const Json& v) const { return v.text; }
  std::string operator()(const Vector& v) const {
    std::string text = "[";
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (i > 0) text += ',';
      text += shortest(v[i]);
    }
    return text + ']';
  }
};

}  // namespace

std::string_view to_string(ValueKind kind) noexcept {
  switch (kind) {
    case ValueKind::null: return "null";
    case ValueKind::boolean: return "bool";
    case ValueKind::int64: return "int64";
    case ValueKind::float64: return "double";
    case ValueKind::decimal: return "decimal";
    case ValueKind::string: return "string";
    case ValueKind::bytes: return "bytes";
    case ValueKind::timestamp: return "timestamp";
    case ValueKind::json: return "json";
    case ValueKind::vector: return "vector";
  }
  return "null";
}

std::string Value::to_display() const { return std::visit(Display{}, data_); }

std::string encode_vector(const float* values, std::size_t count) {
  std::string bytes(count * sizeof(float), '\0');
  if (count > 0) std::memcpy(bytes.data(), values, bytes.size());
  return bytes;
}

Result<Vector> decode_vector(std::string_view bytes) {
  if (bytes.size() % sizeof(float) != 0)
    return data_corruption("a stored vector has " + std::to_string(bytes.size()) + " bytes, not a multiple of four");
  Vector values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

bool is_decimal(std::string_view text) noexcept {
  if (text.empty() || text.size() > 1000) return false;
  if (text.front() == '-') text.remove_prefix(1);
  auto digits = [&text] {
    std::size_t n = 0;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
    text.remove_prefix(n);
    return n > 0;
  };
  if (!digits()) return false;
  if (text.empty()) return true;
  if (text.front() != '.') return false;
  text.remove_prefix(1);
  return digits() && text.empty();
}

}  // namespace loam
