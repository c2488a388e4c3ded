#include <string>

#include "loam/adapters/sqlite/sqlite_database.hpp"
#include "loam/adapters/sqlite/translate.hpp"
#include "loam/core/kill_point.hpp"
#include "loam/core/limits.hpp"

namespace loam::sqlite {
namespace {

/// The rows a finished statement changed, DDL and reading ones counting none: sqlite3_changes() alone would repeat the
/// number of an earlier statement after those.
class ChangeCount {
 public:
  explicit ChangeCount(sqlite3* db) : db_(db), before_(sqlite3_total_changes64(db)) {}
  std::int64_t rows() const { return sqlite3_total_changes64(db_) == before_ ? 0 : sqlite3_changes64(db_); }

 private:
  sqlite3* db_;
  sqlite3_int64 before_;
};

Result<void> read_all(Connection& connection, Statement& statement, QueryResult& result) {
  LOAM_TRY(bool more, connection.step(statement, "execute"));
  statement.refresh_columns_if_reprepared();
  std::size_t width = statement.column_count();
  for (std::size_t i = 0; i < width; ++i)
    result.columns.emplace_back(sqlite3_column_name(statement.handle(), static_cast<int>(i)));
  while (more) {
    auto& row = result.rows.emplace_back();
    row.reserve(width);
    for (std::size_t i = 0; i < width; ++i) row.push_back(statement.value(static_cast<int>(i)));
    LOAM_TRY(more, connection.step(statement, "execute"));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SqliteTransaction>> SqliteTransaction::begin_write(SqliteDatabase& database, const Context& context) {
  LOAM_TRY(auto seat, database.take_writer(context));
  Connection::Watch watch(database.writer(), context);
  int rc = database.writer().control("BEGIN IMMEDIATE");
  if (rc != SQLITE_OK) return database.writer().failure(rc, "begin");
  return std::unique_ptr<SqliteTransaction>(new SqliteTransaction(database, std::move(seat)));
}

Result<std::unique_ptr<SqliteTransaction>> SqliteTransaction::begin_read(SqliteDatabase& database, const Context& context) {
  LOAM_TRY(auto reader, database.take_reader(context));
  int rc = reader->control("BEGIN");
  if (rc != SQLITE_OK) return reader->failure(rc, "begin");
  return std::unique_ptr<SqliteTransaction>(new SqliteTransaction(database, std::move(reader)));
}

SqliteTransaction::SqliteTransaction(SqliteDatabase& database, WriterSeat seat)
    : database_(database), seat_(std::move(seat)), connection_(database.writer()) {}

SqliteTransaction::SqliteTransaction(SqliteDatabase& database, ReaderPool::Lease reader)
    : database_(database), reader_(std::move(reader)), connection_(*reader_) {}

SqliteTransaction::~SqliteTransaction() { (void)rollback(); }

Result<void> SqliteTransaction::usable(std::string_view operation) const {
  if (connection_.inherited()) return ForkGuard::error();
  if (ended_) return failed_precondition(std::string(operation) + " after the transaction has ended");
  if (!lost_because_.empty())
    return failed_precondition("the transaction was rolled back by SQLite before this call: " + lost_because_)
        .hint("begin another transaction");
  return {};
}

Error SqliteTransaction::noted(Error error) {
  if (ended_ || connection_.in_transaction() || !lost_because_.empty()) return error;
  lost_because_ = error.message();
  return std::move(error).hint("the whole transaction was rolled back; begin another one");
}

Result<std::unique_ptr<Cursor>> SqliteTransaction::open_cursor(std::string_view sql, Parameters parameters,
                                                               const Context& context) {
  LOAM_TRY(usable("query"));
  auto cursor = SqliteCursor::open(connection_, sql, parameters, context);
  if (!cursor.ok()) return noted(std::move(cursor).error());
  return cursor;
}

Result<ExecuteResult> SqliteTransaction::execute(std::string_view sql, Parameters parameters, const Context& context) {
  LOAM_TRY(usable("execute"));
  LOAM_TRY(context.check("execute"));
  LOAM_TRY(auto statement, connection_.prepare(sql, parameters));
  Connection::Watch watch(connection_, context);
  ChangeCount changes(connection_.handle());
  ExecuteResult result;
  Result<void> done = read_all(connection_, *statement, result.returned);
  statement.give_back();
  if (!done.ok()) return noted(std::move(done).error());
  result.rows_affected = changes.rows();
  return result;
}

Result<std::int64_t> SqliteTransaction::execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                                     const Context& context) {
  LOAM_TRY(usable("execute_many"));
  LOAM_TRY(context.check("execute_many"));
  if (rows.size() > limits::batch_count_max)
    return invalid_argument(std::to_string(rows.size()) + " rows in one call; at most " +
                            std::to_string(limits::batch_count_max) + " are allowed");
  if (rows.empty()) return 0;
  LOAM_TRY(auto statement, connection_.prepare(sql, rows.front()));
  LOAM_TRY(control("SAVEPOINT many"));
  Connection::Watch watch(connection_, context);
  std::int64_t total = 0;
  Result<void> done = run_rows(*statement, rows, total);
  statement.give_back();
  if (!done.ok()) {
    Error error = noted(std::move(done).error());
    if (lost_because_.empty() && control("ROLLBACK TO many").ok()) (void)control("RELEASE many");
    return error;
  }
  LOAM_TRY(control("RELEASE many"));
  return total;
}

Result<void> SqliteTransaction::run_rows(Statement& statement, std::span<const std::vector<Value>> rows,
                                         std::int64_t& total) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto with_row = [i](Error error) { return std::move(error).frame({"row " + std::to_string(i + 1), "", ""}); };
    if (i > 0) {
      if (Result<void> bound = statement.bind(rows[i]); !bound.ok()) return with_row(std::move(bound).error());
    }
    ChangeCount changes(connection_.handle());
    for (bool more = true; more;) {
      Result<bool> stepped = connection_.step(statement, "execute_many");
      if (!stepped.ok()) return with_row(std::move(stepped).error());
      more = *stepped;
    }
    total += changes.rows();
    statement.reset();
  }
  return {};
}

Result<void> SqliteTransaction::commit(const Context& context) {
  LOAM_TRY(usable("commit"));
  LOAM_TRY(context.check("commit"));
  connection_.end_cursors();
  connection_.wal_frames = 0;
  if (seat_) LOAM_KILL_POINT("sqlite.before_commit");
  int rc = connection_.control("COMMIT");
  if (rc == SQLITE_OK) {
    if (seat_) LOAM_KILL_POINT("sqlite.after_commit");
    if (seat_) database_.checkpoint_if_due();
    end();
    return {};
  }
  Outcome outcome = seat_ ? commit_outcome(rc) : Outcome::not_applied;
  Error error = connection_.failure(rc, "commit").outcome(outcome);
  if (outcome == Outcome::unknown) {
    database_.poison(error.message());
    error = std::move(error).hint("open the database again, then read whether the transaction is there");
  }
  (void)rollback();
  return error;
}

Result<void> SqliteTransaction::rollback() {
  if (ended_) return {};
  if (connection_.inherited()) {
    ended_ = true;
    leave_to_parent(seat_);
    leave_to_parent(reader_);
    return ForkGuard::error();
  }
  connection_.end_cursors();
  int rc = connection_.in_transaction() ? connection_.control("ROLLBACK") : SQLITE_OK;
  Result<void> done;
  if (rc != SQLITE_OK) done = connection_.failure(rc, "rollback");
  if (connection_.in_transaction()) {
    // Whoever came next on this connection would continue the transaction.
    if (seat_) {
      database_.poison("a transaction could not be rolled back");
    } else {
      reader_.discard();
    }
  }
  end();
  return done;
}

void SqliteTransaction::end() {
  ended_ = true;
  if (seat_) {
    seat_->gate.reset();
    seat_->turn.release();
  }
  reader_ = {};
}

Result<void> SqliteTransaction::control(const std::string& sql) {
  int rc = connection_.control(sql);
  if (rc != SQLITE_OK) return noted(connection_.failure(rc, sql));
  return {};
}

Result<void> SqliteTransaction::savepoint(std::string_view name) {
  LOAM_TRY(usable("savepoint"));
  LOAM_TRY(control("SAVEPOINT sp" + std::to_string(savepoints_.size())));
  savepoints_.emplace_back(name);
  return {};
}

Result<void> SqliteTransaction::release(std::string_view name) {
  LOAM_TRY(usable("release"));
  LOAM_TRY(std::size_t index, find_savepoint(name));
  LOAM_TRY(control("RELEASE sp" + std::to_string(index)));
  savepoints_.resize(index);
  return {};
}

Result<void> SqliteTransaction::rollback_to(std::string_view name) {
  LOAM_TRY(usable("rollback_to"));
  LOAM_TRY(std::size_t index, find_savepoint(name));
  LOAM_TRY(control("ROLLBACK TO sp" + std::to_string(index)));
  savepoints_.resize(index + 1);
  return {};
}

Result<std::size_t> SqliteTransaction::find_savepoint(std::string_view name) const {
  for (std::size_t i = savepoints_.size(); i > 0; --i)
    if (savepoints_[i - 1] == name) return i - 1;
  return not_found("there is no savepoint \"" + std::string(name) + "\" in this transaction");
}

}  // namespace loam::sqlite
