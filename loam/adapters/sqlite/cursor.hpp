#pragma once

/// Rows of one running statement. Internal to the adapter.

#include <string>

#include "loam/adapters/sqlite/connection.hpp"
#include "loam/ports/connection_pool.hpp"

namespace loam::sqlite {

using ReaderPool = ConnectionPool<Connection>;

/// Steps once when it is opened, so that its snapshot is that of the call and what fails at once fails there.
class SqliteCursor final : public Cursor {
 public:
  /// On a connection of its own, given back when the cursor goes.
  static Result<std::unique_ptr<Cursor>> open(ReaderPool::Lease lease, std::string_view sql, Parameters parameters,
                                              const Context& context);
  /// On the connection of a transaction, whose end cuts it off.
  static Result<std::unique_ptr<Cursor>> open(Connection& connection, std::string_view sql, Parameters parameters,
                                              const Context& context);
  SqliteCursor(Connection& connection, StatementLoan statement, const Context& context);
  ~SqliteCursor() override;

  Result<bool> next() override;
  std::size_t column_count() const override { return statement_.get() != nullptr ? statement_->column_count() : 0; }
  std::string_view column_name(std::size_t column) const override;
  bool is_null(std::size_t column) const override;
  std::int64_t int64(std::size_t column) const override;
  double float64(std::size_t column) const override;
  std::string_view text(std::size_t column) const override;
  Value value(std::size_t column) const override;

  /// Its transaction has ended.
  void cut_off();

  SqliteCursor* next_open = nullptr;  ///< list of the transaction's cursors, kept by the connection
  SqliteCursor* previous_open = nullptr;

 private:
  enum class State : std::uint8_t { first_row_read, running, at_end, failed, cut_off };

  Result<void> start();
  sqlite3_stmt* row() const { return state_ == State::running ? statement_->handle() : nullptr; }

  ReaderPool::Lease lease_;
  Connection& connection_;
  StatementLoan statement_;
  Context context_;
  State state_ = State::first_row_read;
  bool has_first_row_ = false;
  bool listed_ = false;
};

}  // namespace loam::sqlite
