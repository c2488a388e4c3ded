#pragma once

/// One SQLite connection: opened with Loam's settings, with a cache of prepared statements and a way to stop what runs.
/// Internal to the adapter.

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "loam/adapters/sqlite/authorizer.hpp"
#include "loam/adapters/sqlite/fork_guard.hpp"
#include "loam/adapters/sqlite/statement.hpp"
#include "loam/core/context.hpp"
#include "loam/ports/durability.hpp"

namespace loam::sqlite {

class SqliteCursor;

enum class Role : std::uint8_t { reader, writer };

struct ConnectionSettings {
  std::string path;     ///< absolute, or a name inside `vfs`
  std::string vfs;      ///< empty: the system's
  bool create = false;  ///< in memory; a file on disk is made before SQLite sees it
  bool read_only = false;
  bool immutable = false;  ///< nobody can write the file: read it without locks and without the -shm file beside it
  Durability durability = Durability::full;
  std::int64_t cache_kib = 16'384;
  std::int64_t busy_timeout_ms = 5'000;  ///< for what SQLite itself waits for: recovery, a process that has no gate
};

class Connection;

/// A statement on loan from its connection's cache; reset when it goes.
class StatementLoan {
 public:
  StatementLoan() = default;
  StatementLoan(Connection* connection, Statement* statement, std::unique_ptr<Statement> own)
      : connection_(connection), statement_(statement), own_(std::move(own)) {}
  StatementLoan(StatementLoan&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)), own_(std::move(other.own_)) {}
  StatementLoan& operator=(StatementLoan&& other) noexcept;
  ~StatementLoan() { give_back(); }

  Statement& operator*() const { return *statement_; }
  Statement* operator->() const { return statement_; }
  Statement* get() const { return statement_; }
  void give_back();

 private:
  Connection* connection_ = nullptr;
  Statement* statement_ = nullptr;
  std::unique_ptr<Statement> own_;  ///< when the cached one was on loan already
};

/// *needs external synchronization*
class Connection {
 public:
  /// failed_precondition when the file is not a database, or does not take WAL or the durability asked for.
  static Result<std::unique_ptr<Connection>> open(const ConnectionSettings& settings, Role role);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  sqlite3* handle() const { return db_; }
  bool inherited() const { return fork_guard_.inherited(); }
  const std::string& path() const { return path_; }
  /// "wal", except of a database that others made and that is opened read-only.
  const std::string& journal_mode() const { return journal_mode_; }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

  /// The prepared form of one statement, bound. invalid_argument: not exactly one statement, `?` and values disagree, ..
  Result<StatementLoan> prepare(std::string_view sql, Parameters parameters);

  /// Runs one of the adapter's own statements (BEGIN, PRAGMA ..) without the authorizer; SQLite's result code.
  int control(std::string_view sql);
  /// The first column of the first row of one of the adapter's own statements; empty when there is no row.
  Result<std::string> control_value(const std::string& sql);

  /// Steps and, when that fails, says why. True: there is a row.
  Result<bool> step(Statement& statement, std::string_view operation) {
    if (inherited()) [[unlikely]]
      return ForkGuard::error();
    int rc = sqlite3_step(statement.handle());
    if (rc == SQLITE_ROW) [[likely]]
      return true;
    if (rc == SQLITE_DONE) return false;
    return failure(rc, operation);
  }

  /// The error of the last call, which returned `rc`, with the path and what the caller's context has to say about it.
  Error failure(int rc, std::string_view operation);

  /// While it lives, what runs on the connection stops when the context is cancelled or its deadline passes.
  class Watch {
   public:
    /// `context` outlives it.
    Watch(Connection& connection, const Context& context) : connection_(context.unbounded() ? nullptr : &connection) {
      if (connection_ != nullptr) connection_->watch(&context);
    }
    Watch(Connection& connection, Context&& context) = delete;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() {
      if (connection_ != nullptr) connection_->watch(nullptr);
    }

   private:
    Connection* connection_;
  };

  /// How long SQLite's own locks are waited for, from now on.
  void wait_for_locks_ms(std::int64_t timeout_ms) { busy_timeout_ms_ = timeout_ms; }

  /// Frames in the WAL after the last commit of this connection.
  std::int64_t wal_frames = 0;

  /// Open cursors of a transaction: they are cut off when it ends.
  void add_cursor(SqliteCursor* cursor);
  void remove_cursor(SqliteCursor* cursor);
  void end_cursors();

  Authorizer& authorizer() { return authorizer_; }

 private:
  friend class StatementLoan;
  using Cache = std::list<std::unique_ptr<Statement>>;

  Connection() = default;
  Result<void> configure(const ConnectionSettings& settings, Role role);
  Result<void> configure_file(const ConnectionSettings& settings, Role role);
  Result<void> set_pragma(const std::string& name, const std::string& value, const std::string& read_back);
  Result<std::unique_ptr<Statement>> compile(std::string_view sql, unsigned flags);
  Result<Statement*> compile_into_cache(std::string_view sql);
  void make_room();
  void forget_controls();
  bool has_more_statements(const char* tail, const char* end);
  void watch(const Context* context);
  static int on_progress(void* self);
  static int on_busy(void* self, int attempts);
  static int on_commit_to_wal(void* self, sqlite3* db, const char* schema, int frames);

  ForkGuard fork_guard_;
  sqlite3* db_ = nullptr;
  std::string path_;
  std::string journal_mode_;
  Authorizer authorizer_;
  Cache cache_;                                                   ///< the one used last is in front
  std::unordered_map<std::string_view, Cache::iterator> cached_;  ///< keys are the statements' own texts
  std::map<std::string, sqlite3_stmt*, std::less<>> controls_;    ///< of control()
  SqliteCursor* cursors_ = nullptr;
  const Context* context_ = nullptr;
  std::int64_t busy_timeout_ms_ = 0;
  std::chrono::steady_clock::time_point busy_since_;
};

}  // namespace loam::sqlite
