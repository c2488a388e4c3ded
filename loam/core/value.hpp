#pragma once

/// One typed value: a column of a row, a bound parameter, a literal of a filter.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/time.hpp"

namespace [[gnu::visibility("default")]] loam {

struct Null {
  friend bool operator==(Null, Null) { return true; }
};
/// An exact decimal number as text: optional minus, digits, optional point and digits ("-12.50").
struct Decimal {
  std::string text;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};
struct Bytes {
  std::string data;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};
/// A JSON document as UTF-8 text; that it is well formed is checked where it enters.
struct Json {
  std::string text;
  friend bool operator==(const Json&, const Json&) = default;
};
using Vector = std::vector<float>;

/// In the order of Value's alternatives.
enum class ValueKind : std::uint8_t { null, boolean, int64, float64, decimal, string, bytes, timestamp, json, vector };

std::string_view to_string(ValueKind kind) noexcept;

/// A tagged value. Equality is exact: same kind, same content (-0.0 == 0.0; NaN differs from itself).
/// *const methods are thread-safe*
class Value {
 public:
  Value() = default;
  Value(Null) {}
  Value(bool v) : data_(v) {}
  Value(int v) : data_(static_cast<std::int64_t>(v)) {}
  Value(std::int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(Decimal v) : data_(std::move(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(Bytes v) : data_(std::move(v)) {}
  Value(Timestamp v) : data_(v) {}
  Value(Json v) : data_(std::move(v)) {}
  Value(Vector v) : data_(std::move(v)) {}
  template <typename T>
  Value(T*) = delete;  // a pointer would become a bool

  ValueKind kind() const noexcept { return static_cast<ValueKind>(data_.index()); }
  bool is_null() const noexcept { return kind() == ValueKind::null; }

  /// Null when the value is of another kind.
  template <typename T>
  const T* get_if() const noexcept {
    return std::get_if<T>(&data_);
  }
  template <typename T>
  T* get_if() noexcept {
    return std::get_if<T>(&data_);
  }
  /// Asserts the kind: for values whose kind the caller has fixed.
  template <typename T>
  const T& as() const {
    const T* v = get_if<T>();
    LOAM_ASSERT(v != nullptr, "Value holds another kind");
    return *v;
  }

  /// For people and CSV: strings as they are, null as "", bytes as hex, vectors as [1,2.5].
  std::string to_display() const;

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<Null, bool, std::int64_t, double, Decimal, std::string, Bytes, Timestamp, Json, Vector> data_;
};

/// A vector as Database adapters store it: little-endian IEEE 754 binary32, element after element.
std::string encode_vector(const float* values, std::size_t count);
/// data_corruption unless the size is a multiple of four.
Result<Vector> decode_vector(std::string_view bytes);

/// True for an optional minus, digits, optionally a point and digits; no exponent; at most 1000 characters.
bool is_decimal(std::string_view text) noexcept;

}  // namespace loam
