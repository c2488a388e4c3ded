#include "loam/adapters/sqlite/cursor.hpp"

namespace loam::sqlite {

SqliteCursor::SqliteCursor(Connection& connection, StatementLoan statement, const Context& context)
    : connection_(connection), statement_(std::move(statement)), context_(context) {}

SqliteCursor::~SqliteCursor() {
  if (connection_.inherited()) {
    leave_to_parent(lease_);
    leave_to_parent(statement_);
    return;
  }
  if (listed_) connection_.remove_cursor(this);
  statement_.give_back();  // before the lease: the connection must be clean when the next one gets it
}

Result<std::unique_ptr<Cursor>> SqliteCursor::open(ReaderPool::Lease lease, std::string_view sql, Parameters parameters,
                                                   const Context& context) {
  LOAM_TRY(auto statement, lease->prepare(sql, parameters));
  if (!statement->read_only())
    return failed_precondition("the statement writes, and query() only reads").hint("use execute(), or a transaction");
  auto cursor = std::make_unique<SqliteCursor>(*lease, std::move(statement), context);
  cursor->lease_ = std::move(lease);
  LOAM_TRY(cursor->start());
  return cursor;
}

Result<std::unique_ptr<Cursor>> SqliteCursor::open(Connection& connection, std::string_view sql, Parameters parameters,
                                                   const Context& context) {
  LOAM_TRY(auto statement, connection.prepare(sql, parameters));
  auto cursor = std::make_unique<SqliteCursor>(connection, std::move(statement), context);
  connection.add_cursor(cursor.get());
  cursor->listed_ = true;
  LOAM_TRY(cursor->start());
  return cursor;
}

Result<void> SqliteCursor::start() {
  LOAM_TRY(context_.check("query"));
  Connection::Watch watch(connection_, context_);
  LOAM_TRY(has_first_row_, connection_.step(*statement_, "query"));
  statement_->refresh_columns_if_reprepared();
  return {};
}

Result<bool> SqliteCursor::next() {
  switch (state_) {
    case State::first_row_read: state_ = has_first_row_ ? State::running : State::at_end; return has_first_row_;
    case State::at_end: return false;
    case State::failed: return failed_precondition("the cursor failed before and has no more rows");
    case State::cut_off: return failed_precondition("the transaction of the cursor has ended");
    case State::running: break;
  }
  Connection::Watch watch(connection_, context_);
  Result<bool> more = connection_.step(*statement_, "query");
  if (!more.ok()) {
    state_ = State::failed;
  } else if (!*more) {
    state_ = State::at_end;
  }
  return more;
}

std::string_view SqliteCursor::column_name(std::size_t column) const {
  if (column >= column_count()) return {};
  return sqlite3_column_name(statement_->handle(), static_cast<int>(column));
}

bool SqliteCursor::is_null(std::size_t column) const {
  return row() == nullptr || sqlite3_column_type(row(), static_cast<int>(column)) == SQLITE_NULL;
}

std::int64_t SqliteCursor::int64(std::size_t column) const {
  if (row() == nullptr) return 0;
  int type = sqlite3_column_type(row(), static_cast<int>(column));
  return type == SQLITE_INTEGER || type == SQLITE_FLOAT ? sqlite3_column_int64(row(), static_cast<int>(column)) : 0;
}

double SqliteCursor::float64(std::size_t column) const {
  if (row() == nullptr) return 0;
  int type = sqlite3_column_type(row(), static_cast<int>(column));
  return type == SQLITE_INTEGER || type == SQLITE_FLOAT ? sqlite3_column_double(row(), static_cast<int>(column)) : 0;
}

std::string_view SqliteCursor::text(std::size_t column) const {
  if (row() == nullptr) return {};
  int index = static_cast<int>(column);
  const void* data = sqlite3_column_type(row(), index) == SQLITE_BLOB ? sqlite3_column_blob(row(), index)
                                                                      : sqlite3_column_text(row(), index);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(row(), index))};
}

Value SqliteCursor::value(std::size_t column) const {
  if (row() == nullptr) return Null{};
  return statement_->value(static_cast<int>(column));
}

void SqliteCursor::cut_off() {
  connection_.remove_cursor(this);
  listed_ = false;
  statement_.give_back();
  state_ = State::cut_off;
}

}  // namespace loam::sqlite
