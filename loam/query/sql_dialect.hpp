#pragma once

/// How one SQL database spells what they all can do. The relational layer and the filter compiler write SQL through it, so
/// that each port is written once. Parameters are always `?`, in order; an adapter rewrites them to its own form.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/value.hpp"
#include "loam/query/filter.hpp"

namespace [[gnu::visibility("default")]] loam {

/// SQL text and the values of its `?` parameters, in the order of their appearance.
struct SqlText {
  std::string sql;
  std::vector<Value> parameters;

  SqlText& append(std::string_view text) {
    sql += text;
    return *this;
  }
  SqlText& bind(Value value) {
    sql += '?';
    parameters.push_back(std::move(value));
    return *this;
  }
  SqlText& append(SqlText other) {
    sql += other.sql;
    for (Value& value : other.parameters) parameters.push_back(std::move(value));
    return *this;
  }
};

/// The columns of a full-text index of one table.
struct FullTextIndex {
  std::string table;                 ///< the table it follows
  std::string row_id_column;         ///< its int64 primary key
  std::string index;                 ///< name of the index or shadow table
  std::vector<std::string> columns;  ///< indexed, in order; all of type string
};

struct SqlLimits {
  std::size_t identifier_bytes_max;
  std::size_t parameters_max;
};

/// Stateless. *thread-safe*
class SqlDialect {
 public:
  virtual ~SqlDialect() = default;

  virtual std::string_view name() const = 0;  ///< "sqlite", "postgres"
  virtual SqlLimits limits() const = 0;

  /// Any name without NUL, quoted so that it can only be a name.
  virtual std::string quote_identifier(std::string_view name) const = 0;

  /// The column type that keeps values of this kind and their order: text compares by bytes (code points), never by locale.
  virtual std::string column_type(ValueKind kind) const = 0;
  /// An int64 primary key that counts up by itself and never gives a number twice.
  virtual std::string auto_key_type() const = 0;

  /// The part of an INSERT after VALUES (..): take the new values of `update` when `key` is taken; with no columns to
  /// update, do nothing.
  virtual std::string on_conflict(const std::vector<std::string>& key, const std::vector<std::string>& update) const = 0;

  /// One condition of a filter (never and, or, not, constant) on a bound column; three-valued like evaluate(). `column_sql`
  /// is the quoted reference, `kind` its type. Values and JSON keys are bound, never written into the text.
  virtual Result<SqlText> condition(const Filter& leaf, std::string_view column_sql, ValueKind kind) const = 0;

  /// Statements that create or drop the full-text index and keep it in step with its table from then on, whoever writes.
  virtual std::vector<std::string> create_full_text(const FullTextIndex& index) const = 0;
  virtual std::vector<std::string> drop_full_text(const FullTextIndex& index) const = 0;
  /// A SELECT of (row id, score double, higher is better) of the rows that match `query`, a query in the syntax that
  /// full_text_query() made; no order, no limit.
  virtual SqlText full_text_select(const FullTextIndex& index, const std::string& query) const = 0;
  /// The backend's query for plain words: no input can be a syntax error. Empty when no word is left.
  virtual std::string full_text_query(std::string_view words, bool all_words) const = 0;

  /// Statements that read the whole index and fail with data_corruption when it does not agree with its table. Empty when
  /// the database itself keeps both in one place.
  virtual std::vector<std::string> check_full_text(const FullTextIndex& index) const = 0;

  /// Statements that make the database itself add (table_id, row_id) to `loam_changes` at each change of `table`'s rows.
  virtual std::vector<std::string> create_change_triggers(std::string_view table, std::string_view row_id_column,
                                                          std::int64_t table_id) const = 0;

  /// Statement that makes the running transaction the only writer of `resource_id` until it ends; empty when every write
  /// transaction is alone already (SQLite).
  virtual SqlText lock_for_write(std::int64_t resource_id) const = 0;
};

}  // namespace loam
