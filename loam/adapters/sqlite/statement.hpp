#pragma once

/// A prepared statement: binding typed values, reading typed columns. Internal to the adapter.

#include <sqlite3.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/ports/database.hpp"

namespace loam::sqlite {

/// Owns one sqlite3_stmt. *needs external synchronization*
class Statement {
 public:
  /// `sql` is one complete statement that `handle` was prepared from.
  Statement(sqlite3_stmt* handle, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  sqlite3_stmt* handle() const { return handle_; }
  std::string_view sql() const { return sql_; }
  bool read_only() const { return read_only_; }
  std::size_t column_count() const { return kinds_.size(); }

  /// invalid_argument: wrong number, a value too large, NaN, not a decimal.
  Result<void> bind(Parameters parameters);

  /// SQLite prepares again by itself when the schema changed; the columns of `SELECT *` may then be others. To be called
  /// after the first step of each run.
  void refresh_columns_if_reprepared();

  /// Of the current row, by the declared type of the column; by storage class when there is none.
  Value value(int column) const;

  /// Ends the run and drops what was bound.
  void reset();

  bool in_use = false;  ///< a cursor is on it: the cache must not hand it out again

 private:
  Result<void> bind_one(std::size_t index, const Value& value);
  Result<void> bind_text(std::size_t index, std::string_view text);
  Result<void> bind_bytes(std::size_t index, std::string_view bytes);
  Result<std::string_view> keep(std::size_t index, std::string_view data);
  void read_columns();

  sqlite3_stmt* handle_;
  std::string sql_;
  std::vector<ValueKind> kinds_;   ///< ValueKind::null: no declared type
  std::vector<std::string> kept_;  ///< one for each parameter: its bytes, whose memory the next run uses again
  bool read_only_;
  bool keeps_much_ = false;
  int reprepared_ = 0;
};

/// The kind of a declared column type as dialect().column_type() spells it, in any case; ValueKind::null for another.
ValueKind kind_of_declared_type(std::string_view declared);

}  // namespace loam::sqlite
