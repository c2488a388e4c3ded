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
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
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
  return data == nullptr ? std::string_view()
                         : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(handle, column)));
}

std::string_view bytes_of(sqlite3_stmt* handle, int column) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle, column));
  return data == nullptr ? std::string_view()
                         : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(handle, column)));
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

Error refused(std::size_t index, const std::string& why) {
  return invalid_argument("parameter " + std::to_string(index + 1) + " " + why);
}

}  // namespace

ValueKind kind_of_declared_type(std::string_view declared) {
  for (const DeclaredType& type : declared_types())
    if (equal_ignoring_case(type.name, declared)) return type.kind;
  return ValueKind::null;
}

Statement::Statement(sqlite3_stmt* handle, std::string_view sql)
    : handle_(handle),
      sql_(sql),
      kept_(static_cast<std::size_t>(sqlite3_bind_parameter_count(handle))),
      read_only_(sqlite3_stmt_readonly(handle) != 0) {
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
  if (parameters.size() != kept_.size())
    return invalid_argument("the statement has " + std::to_string(kept_.size()) + " parameters and " +
                            std::to_string(parameters.size()) + " values were given");
  for (std::size_t i = 0; i < parameters.size(); ++i) LOAM_TRY(bind_one(i, parameters[i]));
  return {};
}

Result<void> Statement::bind_one(std::size_t index, const Value& value) {
  int position = static_cast<int>(index) + 1;
  int rc = SQLITE_OK;
  switch (value.kind()) {
    case ValueKind::null: rc = sqlite3_bind_null(handle_, position); break;
    case ValueKind::boolean: rc = sqlite3_bind_int64(handle_, position, value.as<bool>() ? 1 : 0); break;
    case ValueKind::int64: rc = sqlite3_bind_int64(handle_, position, value.as<std::int64_t>()); break;
    case ValueKind::timestamp: rc = sqlite3_bind_int64(handle_, position, value.as<Timestamp>().micros); break;
    case ValueKind::float64:
      // SQLite would store NULL in its place without a word.
      if (std::isnan(value.as<double>())) return refused(index, "is NaN, which a database cannot order or compare");
      rc = sqlite3_bind_double(handle_, position, value.as<double>());
      break;
    case ValueKind::decimal:
      if (!is_decimal(value.as<Decimal>().text))
        return refused(index, "is not a decimal number: \"" + value.as<Decimal>().text.substr(0, 40) + '"');
      return bind_text(index, value.as<Decimal>().text);
    case ValueKind::string: return bind_text(index, value.as<std::string>());
    case ValueKind::json: return bind_text(index, value.as<Json>().text);
    case ValueKind::bytes: return bind_bytes(index, value.as<Bytes>().data);
    case ValueKind::vector: return bind_bytes(index, encode_vector(value.as<Vector>().data(), value.as<Vector>().size()));
  }
  if (rc != SQLITE_OK) return translate(sqlite3_db_handle(handle_), rc);
  return {};
}

Result<void> Statement::bind_text(std::size_t index, std::string_view text) {
  // Other databases refuse such text, and SQLite's own functions would see it cut at the NUL.
  if (text.find('\0') != std::string_view::npos || !is_utf8(text))
    return Error(refused(index, "is not UTF-8 text without NUL")).hint("store it as bytes");
  LOAM_TRY(std::string_view kept, keep(index, text));
  int rc = sqlite3_bind_text64(handle_, static_cast<int>(index) + 1, kept.data(), kept.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (rc != SQLITE_OK) return translate(sqlite3_db_handle(handle_), rc);
  return {};
}

Result<void> Statement::bind_bytes(std::size_t index, std::string_view bytes) {
  LOAM_TRY(std::string_view kept, keep(index, bytes));
  int rc = sqlite3_bind_blob64(handle_, static_cast<int>(index) + 1, kept.data(), kept.size(), SQLITE_STATIC);
  if (rc != SQLITE_OK) return translate(sqlite3_db_handle(handle_), rc);
  return {};
}

/// SQLite would copy into memory of its own, fresh for each run.
Result<std::string_view> Statement::keep(std::size_t index, std::string_view data) {
  if (data.size() > limits::value_bytes_max)
    return refused(index, "has " + std::to_string(data.size()) + " bytes; at most " +
                              std::to_string(limits::value_bytes_max) + " are allowed");
  if (data.size() > parameter_bytes_kept) keeps_much_ = true;
  kept_[index].assign(data);
  return std::string_view(kept_[index]);
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
  if (!keeps_much_) return;  // small values stay: the next run writes over them
  sqlite3_clear_bindings(handle_);
  for (std::string& kept : kept_)
    if (kept.capacity() > parameter_bytes_kept) kept = std::string();
  keeps_much_ = false;
}

}  // namespace loam::sqlite
