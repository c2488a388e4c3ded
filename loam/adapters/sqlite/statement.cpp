#include "loam/adapters/sqlite/statement.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/translate.hpp"
#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"

namespace loam::sqlite {
namespace {

constexpr std::size_t parameter_bytes_kept = 4096;  ///< a cached statement does not hold on to more between its runs

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

/// column_type() may add a collation or a check; sqlite3_column_decltype() reports the type name alone.
std::string type_name(std::string type) {
  for (std::string_view clause : {" COLLATE ", " CHECK", " NOT ", " DEFAULT "})
    if (auto at = type.find(clause); at != std::string::npos) type.resize(at);
  return type;
}

struct DeclaredType {
  std::string name;
  ValueKind kind;
};

const std::vector<DeclaredType>& declared_types() {
  static const std::vector<DeclaredType> types = [] {
    std::vector<DeclaredType> all;
    for (ValueKind kind : {ValueKind::boolean, ValueKind::int64, ValueKind::float64, ValueKind::decimal, ValueKind::string,
                           ValueKind::bytes, ValueKind::timestamp, ValueKind::json, ValueKind::vector})
      all.push_back({type_name(sqlite_dialect().column_type(kind)), kind});
    all.push_back({"INTEGER", ValueKind::int64});  // auto_key_type(), and tables that others made
    all.push_back({"REAL", ValueKind::float64});
    return all;
  }();
  return types;
}

std::string_view text_of(sqlite3_stmt* handle, int column) {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle, column));
  return data == nullptr ? std::string_view() : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(handle, column)));
}

std::string_view bytes_of(sqlite3_stmt* handle, int column) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle, column));
  return data == nullptr ? std::string_view() : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(handle, column)));
}

Value integer_as(ValueKind kind, sqlite3_int64 number) {
  switch (kind) {
    case ValueKind::boolean: return number != 0;
    case ValueKind::timestamp: return Timestamp{number};
    case ValueKind::float64: return static_cast<double>(number);
    default: return static_cast<std::int64_t>(number);
  }
}

Value text_as(ValueKind kind, std::string_view text) {
  if (kind == ValueKind::decimal) return Decimal{std::string(text)};
  if (kind == ValueKind::json) return Json{std::string(text)};
  return text;
}

Value bytes_as(ValueKind kind, std::string_view bytes) {
  if (kind == ValueKind::vector) {
    Result<Vector> vector = decode_vector(bytes);
    if (vector.ok()) return std::move(vector).value();
  }
  return Bytes{std::string(bytes)};
}

}  // namespace

ValueKind kind_of_declared_type(std::string_view declared) {
  for (const DeclaredType& type : declared_types())
    if (equal_ignoring_case(type.name, declared)) return type.kind;
  return ValueKind::null;
}

Statement::Statement(sqlite3_stmt* handle, std::string_view sql)
    : handle_(handle), sql_(sql), read_only_(sqlite3_stmt_readonly(handle) != 0) {
  read_columns();
}

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::read_columns() {
  int count = sqlite3_column_count(handle_);
  kinds_.resize(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const char* declared = sqlite3_column_decltype(handle_, i);
    kinds_[static_cast<std::size_t>(i)] = declared == nullptr ? ValueKind::null : kind_of_declared_type(declared);
  }
}

void Statement::refresh_columns_if_reprepared() {
  int reprepared = sqlite3_stmt_status(handle_, SQLITE_STMTSTATUS_REPREPARE, 0);
  if (reprepared == reprepared_) return;
  reprepared_ = reprepared;
  read_columns();
}

Result<void> Statement::bind(Parameters parameters) {
  auto expected = static_cast<std::size_t>(sqlite3_bind_parameter_count(handle_));
  if (parameters.size() != expected)
    return invalid_argument("the statement has " + std::to_string(expected) + " parameters and " +
                            std::to_string(parameters.size()) + " values were given");
  int position = 0;
  for (const Value& value : parameters) LOAM_TRY(bind_one(++position, value));
  return {};
}

Result<void> Statement::bind_one(int position, const Value& value) {
  auto refuse = [position](const std::string& why) {
    return invalid_argument("parameter " + std::to_string(position) + " " + why);
  };
  auto bind_bytes = [&](std::string_view data, bool text) -> Result<void> {
    // Other databases refuse such text, and SQLite's own functions would see it cut at the NUL.
    if (text && (data.find('\0') != std::string_view::npos || !is_utf8(data)))
      return Error(refuse("is not UTF-8 text without NUL")).hint("store it as bytes");
    if (data.size() > limits::value_bytes_max)
      return refuse("has " + std::to_string(data.size()) + " bytes; at most " + std::to_string(limits::value_bytes_max) +
                    " are allowed");
    if (data.size() > parameter_bytes_kept) has_large_parameters_ = true;
    // A null pointer would bind NULL in place of an empty value.
    const char* start = data.data() == nullptr ? "" : data.data();
    int rc = text ? sqlite3_bind_text64(handle_, position, start, data.size(), SQLITE_TRANSIENT, SQLITE_UTF8)
                  : sqlite3_bind_blob64(handle_, position, start, data.size(), SQLITE_TRANSIENT);
    if (rc != SQLITE_OK) return translate(sqlite3_db_handle(handle_), rc);
    return {};
  };
  int rc = SQLITE_OK;
  switch (value.kind()) {
    case ValueKind::null: rc = sqlite3_bind_null(handle_, position); break;
    case ValueKind::boolean: rc = sqlite3_bind_int64(handle_, position, value.as<bool>() ? 1 : 0); break;
    case ValueKind::int64: rc = sqlite3_bind_int64(handle_, position, value.as<std::int64_t>()); break;
    case ValueKind::timestamp: rc = sqlite3_bind_int64(handle_, position, value.as<Timestamp>().micros); break;
    case ValueKind::float64:
      // SQLite would store NULL in its place without a word.
      if (std::isnan(value.as<double>())) return refuse("is NaN, which a database cannot order or compare");
      rc = sqlite3_bind_double(handle_, position, value.as<double>());
      break;
    case ValueKind::decimal:
      if (!is_decimal(value.as<Decimal>().text)) return refuse("is not a decimal number: \"" + value.as<Decimal>().text.substr(0, 40) + '"');
      return bind_bytes(value.as<Decimal>().text, true);
    case ValueKind::string: return bind_bytes(value.as<std::string>(), true);
    case ValueKind::json: return bind_bytes(value.as<Json>().text, true);
    case ValueKind::bytes: return bind_bytes(value.as<Bytes>().data, false);
    case ValueKind::vector: return bind_bytes(encode_vector(value.as<Vector>().data(), value.as<Vector>().size()), false);
  }
  if (rc != SQLITE_OK) return translate(sqlite3_db_handle(handle_), rc);
  return {};
}

Value Statement::value(int column) const {
  if (column < 0 || static_cast<std::size_t>(column) >= kinds_.size()) return Null{};
  ValueKind kind = kinds_[static_cast<std::size_t>(column)];
  switch (sqlite3_column_type(handle_, column)) {
    case SQLITE_INTEGER: return integer_as(kind, sqlite3_column_int64(handle_, column));
    case SQLITE_FLOAT: return sqlite3_column_double(handle_, column);
    case SQLITE_TEXT: return text_as(kind, text_of(handle_, column));
    case SQLITE_BLOB: return bytes_as(kind, bytes_of(handle_, column));
    default: return Null{};
  }
}

void Statement::reset() {
  sqlite3_reset(handle_);
  // Small values stay bound: the next run overwrites them, and clearing costs as much as binding.
  if (has_large_parameters_) sqlite3_clear_bindings(handle_);
  has_large_parameters_ = false;
}

}  // namespace loam::sqlite
