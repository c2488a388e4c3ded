#pragma once

/// The Database port: SQL with typed values on whatever relational database is behind it. The other relational ports (KV,
/// tables, ..) are written once on top of it.
///
///   LOAM_TRY(auto db, open_sqlite({.path = "app.db"}));
///   LOAM_TRY(db->execute("INSERT INTO t(id, name) VALUES (?, ?)", {1, "loam"}));
///   LOAM_TRY(auto rows, db->query("SELECT name FROM t WHERE id = ?", {1}));
///   std::string name = rows.at(0, "name").as<std::string>();
///
/// Guarantees of every adapter:
///  D1 A statement outside a transaction is one transaction of its own: all of it or nothing.
///  D2 After commit() or execute() returned ok, the effect survives a crash of the process; of the machine too unless the
///     adapter was opened with a lower durability.
///  D3 A failed call has outcome not_applied, or unknown when a commit's reply was lost. No other case is called unknown.
///  D4 Values come back as they went in, kind included, through a column declared with dialect().column_type(kind); a vector
///     may come back as its bytes, and a JSON document in its database's spelling. What databases disagree about is
///     invalid_argument in all of them: NaN, text that is not UTF-8 or holds a NUL, a Decimal that is not a number.
///  D5 A transaction sees its own writes and, from its first read on, one snapshot of the others' (isolation: capabilities).
///  D6 Dropping a Transaction that was not committed rolls it back. After an error inside one, roll back to a savepoint or
///  end it. D7 Parameters are bound, never pasted. `?` inside quotes and comments is text. SQL text is one statement; it
///  cannot begin
///     or end transactions (invalid_argument).
///  D8 A Cursor sees one snapshot, holds one connection and gives it back when destroyed.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/health.hpp"
#include "loam/core/value.hpp"
#include "loam/query/sql_dialect.hpp"

namespace [[gnu::visibility("default")]] loam {

using Parameters = std::span<const Value>;

/// Rows read into memory.
struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;

  std::optional<std::size_t> column_index(std::string_view name) const;
  /// Asserts that the row and the column are there.
  const Value& at(std::size_t row, std::string_view column) const;
  const Value& at(std::size_t row, std::size_t column) const { return rows.at(row).at(column); }
};

struct ExecuteResult {
  std::int64_t rows_affected = 0;
  QueryResult returned;  ///< of a RETURNING clause
};

/// Rows one by one. Views and the row are valid until the next next(). *needs external synchronization*
class Cursor {
 public:
  virtual ~Cursor() = default;
  /// Moves to the next row; false at the end. An error ends the cursor.
  virtual Result<bool> next() = 0;
  virtual std::size_t column_count() const = 0;
  virtual std::string_view column_name(std::size_t column) const = 0;
  virtual bool is_null(std::size_t column) const = 0;
  /// 0 for NULL and for what is not a number.
  virtual std::int64_t int64(std::size_t column) const = 0;
  virtual double float64(std::size_t column) const = 0;
  /// The text or bytes of the column without a copy; empty for NULL.
  virtual std::string_view text(std::size_t column) const = 0;
  /// The typed value, copied. The kind comes from the column's declared type; an expression gives what the database says.
  virtual Value value(std::size_t column) const = 0;
};

/// What Database and Transaction share: something that runs statements.
class SqlSession {
 public:
  virtual ~SqlSession() = default;

  /// Runs a reading statement. On a Database it goes to a reader and a statement that writes is failed_precondition.
  Result<QueryResult> query(std::string_view sql, Parameters parameters = {}, const Context& context = {});
  Result<QueryResult> query(std::string_view sql, std::initializer_list<Value> parameters, const Context& context = {}) {
    return query(sql, Parameters(parameters.begin(), parameters.size()), context);
  }
  /// The same, row by row, as of the moment of the call. `parameters` are read before it returns. A cursor of a Transaction
  /// ends with it: next() is failed_precondition then.
  virtual Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters = {},
                                                      const Context& context = {}) = 0;

  /// Runs one statement that may write.
  /// invalid_argument: SQL or parameters are wrong; already_exists, failed_precondition: a unique, other constraint;
  /// conflict: serialization failure; unavailable: a lock or connection; deadline_exceeded, cancelled, resource_exhausted.
  virtual Result<ExecuteResult> execute(std::string_view sql, Parameters parameters = {}, const Context& context = {}) = 0;
  Result<ExecuteResult> execute(std::string_view sql, std::initializer_list<Value> parameters, const Context& context = {}) {
    return execute(sql, Parameters(parameters.begin(), parameters.size()), context);
  }
  /// Runs one statement for each row of parameters, as one all-or-nothing unit; returns the rows affected in total.
  virtual Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                            const Context& context = {}) = 0;

  /// Runs `work` as one all-or-nothing unit: a transaction on a Database, a savepoint inside a Transaction.
  /// Its error, or the commit's, is returned after the rollback.
  virtual Result<void> atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context = {}) = 0;

  /// True inside a Transaction.
  virtual bool in_transaction() const = 0;
  virtual const SqlDialect& dialect() const = 0;
};

enum class Isolation : std::uint8_t { adapter_default, read_committed, repeatable_read, serializable };
enum class Access : std::uint8_t { read_write, read_only };

struct TransactionOptions {
  Access access = Access::read_write;
  Isolation isolation = Isolation::adapter_default;
};

/// One transaction. *needs external synchronization*
class Transaction : public SqlSession {
 public:
  /// After ok everything is stored. After an error with outcome not_applied nothing is; with unknown, read to find out.
  virtual Result<void> commit(const Context& context = {}) = 0;
  /// ok also when there is nothing to roll back any more.
  virtual Result<void> rollback() = 0;

  /// Savepoints nest; names are any text. release() keeps, rollback_to() undoes what came after and keeps the savepoint.
  virtual Result<void> savepoint(std::string_view name) = 0;
  virtual Result<void> release(std::string_view name) = 0;
  virtual Result<void> rollback_to(std::string_view name) = 0;

  Result<void> atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context = {}) override;
  bool in_transaction() const final { return true; }

 private:
  int depth_ = 0;  ///< names the savepoints of atomically()
};

struct ColumnInfo {
  std::string name;
  std::string native_type;  ///< as the database writes it
  ValueKind kind = ValueKind::string;
  bool nullable = true;
  std::optional<std::string> default_sql;
  int primary_key_position = 0;  ///< from 1; 0 when not part of it
};
struct ForeignKeyInfo {
  std::vector<std::string> columns;
  std::string referenced_table;
  std::vector<std::string> referenced_columns;
};
struct IndexInfo {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;
};
struct TableInfo {
  std::string name;
  std::vector<ColumnInfo> columns;
  std::vector<std::string> primary_key;
  std::vector<ForeignKeyInfo> foreign_keys;
  std::vector<IndexInfo> indexes;
  std::int64_t row_count_estimate = 0;  ///< from the database's statistics; -1 when it has none
};

struct PoolOptions {
  std::size_t connections_min = 5;  ///< kept open when idle
  std::size_t connections_max = 20;
  std::int64_t acquire_timeout_ms = 30'000;
  std::int64_t idle_timeout_ms = 600'000;  ///< idle ones above the minimum are closed after it
  std::int64_t lifetime_ms = 3'600'000;    ///< a connection is replaced after it, at its next return
  bool pre_ping = true;                    ///< a connection that was idle is checked before it is handed out
};
struct PoolStats {
  std::size_t open = 0;
  std::size_t in_use = 0;
  std::size_t waiting = 0;
  std::uint64_t acquired = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t replaced = 0;  ///< failed the ping, idle or too old
};

struct DatabaseCapabilities {
  bool concurrent_writers = false;  ///< write transactions on different rows do not wait for each other
  bool enforces_read_only_query = true;
  bool full_text_bm25 = false;  ///< text scores are BM25; else the backend's own rank
  bool listens = false;
  bool persistent = true;  ///< survives the process
  bool durable = true;     ///< a commit that returned survives a power cut
  bool shared = true;      ///< other processes can open the same data
  Isolation default_isolation = Isolation::serializable;
};

/// *thread-safe*
class Database : public SqlSession {
 public:
  Result<void> atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context = {}) override;
  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                    const Context& context = {}) override;
  bool in_transaction() const final { return false; }

  /// unavailable when no connection or the writer cannot be had before the deadline.
  virtual Result<std::unique_ptr<Transaction>> begin(TransactionOptions options = {}, const Context& context = {}) = 0;

  /// Names of the tables, sorted; not the database's own.
  virtual Result<std::vector<std::string>> table_names(const Context& context = {}) = 0;
  /// not_found when there is no such table.
  virtual Result<TableInfo> describe(std::string_view table, const Context& context = {}) = 0;

  virtual PoolStats pool_stats() const = 0;
  virtual HealthStatus health(const Context& context = {}) = 0;
  virtual DatabaseCapabilities capabilities() const = 0;
};

}  // namespace loam
