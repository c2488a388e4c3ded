#pragma once

/// The Database and Transaction of SQLite. Internal to the adapter.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "loam/adapters/sqlite/connection.hpp"
#include "loam/adapters/sqlite/cursor.hpp"
#include "loam/adapters/sqlite/memory_vfs.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/write_lock.hpp"

namespace loam::sqlite {

class SqliteTransaction;

/// What a write transaction holds while it runs: the turn in this process, the lease of the gate, and with them the writer.
/// Dropped in the opposite order.
struct WriterSeat {
  WriteLock::Hold turn;
  std::unique_ptr<WriteGate::Lease> gate;
};

class SqliteDatabase final : public Database {
 public:
  /// `memory` keeps the files of an in-memory database; null for one on disk.
  SqliteDatabase(SqliteOptions options, ConnectionSettings settings, std::unique_ptr<Connection> writer,
                 std::unique_ptr<MemoryFiles> memory);
  ~SqliteDatabase() override;

  Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters, const Context& context) override;
  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Context& context) override;
  const SqlDialect& dialect() const override { return sqlite_dialect(); }
  Result<std::unique_ptr<Transaction>> begin(TransactionOptions options, const Context& context) override;
  Result<std::vector<std::string>> table_names(const Context& context) override;
  Result<TableInfo> describe(std::string_view table, const Context& context) override;
  PoolStats pool_stats() const override;
  HealthStatus health(const Context& context) override;
  DatabaseCapabilities capabilities() const override;

  /// The right to use writer(), in turn with the other threads and, through the gate, the other processes.
  Result<WriterSeat> take_writer(const Context& context);
  Connection& writer() { return *writer_; }
  Result<ReaderPool::Lease> take_reader(const Context& context) {
    if (fork_guard_.inherited()) return ForkGuard::error();
    return readers_->acquire(context);
  }
  /// A connection apart from the pool, for work that takes long.
  Result<std::unique_ptr<Connection>> open_reader() const { return Connection::open(settings_, Role::reader); }
  bool read_only() const { return options_.read_only; }
  const std::string& path() const { return settings_.path; }

  /// After a commit, with the seat still held: moves the WAL into the file when it has grown enough.
  void checkpoint_if_due();
  /// With the seat held. As far as readers allow.
  Result<void> checkpoint_now();
  /// A COMMIT failed in a way that leaves open whether it is on disk: nothing more is acknowledged until the file is opened
  /// again (after a failed fsync the kernel may call lost pages clean).
  void poison(std::string why);

 private:
  Result<void> writable() const;
  void note_checkpoint(int result_code);
  std::string problem() const;

  ForkGuard fork_guard_;
  SqliteOptions options_;
  ConnectionSettings settings_;
  std::unique_ptr<MemoryFiles> memory_;  ///< outlives the connections
  WriteLock write_lock_;
  std::unique_ptr<Connection> writer_;  ///< null when read-only
  std::unique_ptr<ReaderPool> readers_;
  std::int64_t frames_moved_ = 0;  ///< of the WAL, by the last checkpoint; with the seat held
  mutable std::mutex problem_mutex_;
  std::string poisoned_;  ///< why; empty when well
  std::string checkpoint_problem_;
};

/// One transaction on the writer, or on a reader. *needs external synchronization*
class SqliteTransaction final : public Transaction {
 public:
  static Result<std::unique_ptr<SqliteTransaction>> begin_write(SqliteDatabase& database, const Context& context);
  static Result<std::unique_ptr<SqliteTransaction>> begin_read(SqliteDatabase& database, const Context& context);
  ~SqliteTransaction() override;

  Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters, const Context& context) override;
  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Context& context) override;
  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                    const Context& context) override;
  const SqlDialect& dialect() const override { return sqlite_dialect(); }
  Result<void> commit(const Context& context) override;
  Result<void> rollback() override;
  Result<void> savepoint(std::string_view name) override;
  Result<void> release(std::string_view name) override;
  Result<void> rollback_to(std::string_view name) override;

 private:
  SqliteTransaction(SqliteDatabase& database, WriterSeat seat);
  SqliteTransaction(SqliteDatabase& database, ReaderPool::Lease reader);

  Result<void> usable(std::string_view operation) const;
  /// Takes note when SQLite has rolled everything back because of `error`, and says so in it.
  Error noted(Error error);
  Result<void> run_rows(Statement& statement, std::span<const std::vector<Value>> rows, std::int64_t& total);
  Result<std::size_t> find_savepoint(std::string_view name) const;
  Result<void> control(const std::string& sql);
  void end();

  SqliteDatabase& database_;
  std::optional<WriterSeat> seat_;
  ReaderPool::Lease reader_;
  Connection& connection_;
  std::vector<std::string> savepoints_;  ///< SQLite knows them as sp0, sp1, .. : its own names ignore case
  std::string lost_because_;             ///< SQLite rolled the transaction back itself
  bool ended_ = false;
};

}  // namespace loam::sqlite
