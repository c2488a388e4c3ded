#pragma once

/// Values to and from PostgreSQL's wire formats. Internal to the adapter.
///
///   kind       asked for     sent as                          read from
///   null       -             NULL                             NULL
///   boolean    bool          binary                           bool
///   int64      int8          binary                           int2, int4, int8, oid
///   float64    float8        binary                           float4, float8
///   decimal    numeric       text                             numeric
///   string     -             text                             text, varchar, char, name, every type not listed here
///   bytes      bytea         binary                           bytea
///   timestamp  timestamptz   binary                           timestamptz, timestamp (taken as UTC)
///   json       jsonb         text                             json, jsonb
///   vector     real[]        binary                           real[]
///
/// "-": the server infers the parameter's type from its place, as it does for a quoted literal.

#include <libpq-fe.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/value.hpp"

namespace loam::postgres {

/// Of pg_type.dat, fixed for ever.
namespace oid {
inline constexpr Oid unspecified = 0;
inline constexpr Oid boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23, text = 25, oid = 26, json = 114;
inline constexpr Oid float4 = 700, float8 = 701, unknown = 705, float4_array = 1021, bpchar = 1042, varchar = 1043;
inline constexpr Oid date = 1082, timestamp = 1114, timestamptz = 1184, numeric = 1700, void_type = 2278, jsonb = 3802;
}  // namespace oid

/// The type a parameter of this kind is declared with.
Oid requested_type(ValueKind kind) noexcept;
/// What a column of this type is read as.
ValueKind kind_of(Oid type) noexcept;
/// True when binary results of this type can be read; libpq asks for one format for all columns of a statement.
bool reads_binary(Oid type) noexcept;

/// Parameters in the form libpq takes. Borrows strings and bytes from the values, which must outlive it.
class BoundParameters {
 public:
  /// `types` are those of the prepared statement; a value whose type is 0 is a NULL that stands in the text.
  /// invalid_argument naming the parameter: NUL in text, a decimal that is none, a string where the database wants bytes, a
  /// value over limits::value_bytes_max, a time out of range.
  static Result<BoundParameters> bind(std::span<const Value> values, const std::vector<Oid>& types);

  int count() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  Result<void> add(const Value& value, Oid type);
  void add_null();
  void add_binary(std::string_view bytes);
  void add_owned(std::string bytes, bool binary);
  void add_big_endian(std::uint64_t bits, std::size_t width);
  Result<void> add_text(std::string_view text, Oid type);
  Result<void> add_timestamp(Timestamp time, Oid type);

  std::vector<const char*> pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  std::deque<std::string> owned_;  ///< a deque: pointers into it stay
};

/// One column of one row as the server sent it.
struct Field {
  std::string_view data;
  Oid type;
  bool binary;
};

/// data_corruption cannot happen with a server that keeps its protocol; malformed fields read as 0 or empty, never out of
/// bounds.
Value read_value(const Field& field);
/// 0 for what is not a number.
std::int64_t read_int64(const Field& field);
double read_float64(const Field& field);
/// A view of the field where it is text or bytes already, else its text made in `scratch`; a vector as encode_vector()
/// writes it.
std::string_view read_text(const Field& field, std::string& scratch);

/// The digits of PostgreSQL's binary numeric; "NaN", "Infinity", "-Infinity" too.
std::string numeric_text(std::string_view binary);
/// "2026-11-21 06:45:00.123456+00", also with years over 9999 and " BC"; false when it is not one.
bool parse_server_time(std::string_view text, Timestamp& time);

}  // namespace loam::postgres
