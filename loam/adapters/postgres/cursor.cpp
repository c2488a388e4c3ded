#include "loam/adapters/postgres/cursor.hpp"

#include <poll.h>

#include <deque>

namespace loam::postgres {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a cursor that is left early may take for the rows that are still coming.
constexpr auto abandon_patience = std::chrono::milliseconds(100);
constexpr auto abandon_patience_in_transaction = std::chrono::seconds(5);
/// What a cursor keeps when its transaction goes on with something else.
constexpr std::size_t kept_bytes_max = 256u << 20;

/// Rows that wait in memory, many to a PGresult: libpq gives each row one of its own, of 2 KiB at least.
class KeptRows {
 public:
  bool empty() const { return results_.empty(); }
  void clear() { results_.clear(); }
  /// False when the row does not fit in what may be kept.
  bool add(const PGresult* row) {
    int width = PQnfields(row);
    for (int column = 0; column < width; ++column) bytes_ += 16 + static_cast<std::size_t>(PQgetlength(row, 0, column));
    if (bytes_ > kept_bytes_max) return false;
    if (results_.empty() || PQntuples(results_.back().get()) == rows_per_result)
      results_.emplace_back(PQcopyResult(row, PG_COPYRES_ATTRS));
    PGresult* kept = results_.back().get();
    int at = PQntuples(kept);
    bool copied = kept != nullptr;
    for (int column = 0; column < width && copied; ++column) {
      bool null = PQgetisnull(row, 0, column) != 0;
      copied = PQsetvalue(kept, at, column, null ? nullptr : PQgetvalue(row, 0, column),
                          null ? -1 : PQgetlength(row, 0, column)) != 0;
    }
    return copied;
  }
  /// Moves to the next row, which is at `row` of the returned result; null when none is left.
  const PGresult* next(int& row) {
    if (!current_ || ++position_ == PQntuples(current_.get())) {
      current_.reset();
      if (results_.empty()) return nullptr;
      current_ = std::move(results_.front());
      results_.pop_front();
      position_ = 0;
    }
    row = position_;
    return current_.get();
  }

 private:
  static constexpr int rows_per_result = 1'000;
  std::deque<ResultPointer> results_;
  ResultPointer current_;
  int position_ = 0;
  std::size_t bytes_ = 0;
};

class RowCursor final : public Cursor, private OpenStream {
 public:
  RowCursor(Session& session, SessionPool::Lease lease, const Context& context)
      : session_(&session), lease_(std::move(lease)), context_(context), transaction_over_(session.transaction_over()) {}
  ~RowCursor() override {
    if (streaming()) abandon(!session_->in_transaction());
    if (lease_.held() && session_->spoiled()) lease_.discard();
  }

  Result<void> open(std::string_view sql, Parameters parameters, Access access) {
    LOAM_TRY(Stream stream,
             session_->stream(sql, parameters, {.context = context_, .operation = "query", .access = access}));
    exchange_ = std::move(stream.exchange);
    session_->set_stream(this);
    shape_ = std::move(stream.first);
    if (PQntuples(shape_.get()) > 0) {
      has_waiting_ = true;
      return {};
    }
    return read_end();
  }

  Result<bool> next() override {
    row_ = nullptr;
    if (*transaction_over_) return failed_precondition("the transaction of this cursor has ended");
    if (has_waiting_) {
      has_waiting_ = false;
      return show(shape_.get(), 0);
    }
    int kept_row = 0;
    if (const PGresult* kept = kept_.next(kept_row)) return show(kept, kept_row);
    if (failure_) return *failure_;
    if (!streaming()) return false;
    Result<ResultPointer> result = exchange_->next();
    if (!result.ok()) {
      failure_ = session_->located(std::move(result).error(), "query");
      stop_streaming();
      return *failure_;
    }
    if (*result && PQntuples(result->get()) > 0) {
      current_ = std::move(result).value();
      return show(current_.get(), 0);
    }
    LOAM_TRY(read_end());
    return false;
  }

  std::size_t column_count() const override { return static_cast<std::size_t>(PQnfields(shape_.get())); }
  std::string_view column_name(std::size_t column) const override {
    const char* name = PQfname(shape_.get(), static_cast<int>(column));
    return name != nullptr ? std::string_view(name) : std::string_view();
  }
  bool is_null(std::size_t column) const override { return !has(column); }
  std::int64_t int64(std::size_t column) const override { return has(column) ? read_int64(field(column)) : 0; }
  double float64(std::size_t column) const override { return has(column) ? read_float64(field(column)) : 0; }
  std::string_view text(std::size_t column) const override {
    if (!has(column)) return {};
    if (scratch_.size() < column_count()) scratch_.resize(column_count());
    return read_text(field(column), scratch_[column]);
  }
  Value value(std::size_t column) const override { return has(column) ? read_value(field(column)) : Value(); }

 private:
  bool streaming() const { return exchange_ != nullptr; }
  bool has(std::size_t column) const {
    return row_ != nullptr && column < column_count() && PQgetisnull(row_, row_number_, static_cast<int>(column)) == 0;
  }
  Field field(std::size_t column) const { return field_at(row_, row_number_, static_cast<int>(column)); }
  bool show(const PGresult* result, int row) {
    row_ = result;
    row_number_ = row;
    return true;
  }

  /// After the last row: the rest of the conversation, which may still hold an error.
  Result<void> read_end() {
    Result<ResultPointer> rest = exchange_->finish();
    if (!rest.ok()) failure_ = session_->located(std::move(rest).error(), "query");
    stop_streaming();
    if (failure_) return *failure_;
    return {};
  }

  void stop_streaming() {
    session_->after(*exchange_);
    session_->set_stream(nullptr);
    exchange_.reset();
    if (session_->spoiled() && lease_.held()) lease_.discard();
    lease_ = {};
  }

  void take_rest(Rest rest) override {
    while (streaming()) {
      Result<ResultPointer> result = exchange_->next();
      if (!result.ok()) {
        failure_ = session_->located(std::move(result).error(), "query");
        stop_streaming();
      } else if (!*result || PQntuples(result->get()) == 0) {
        (void)read_end();
      } else if (rest == Rest::drop || failure_) {
        continue;
      } else if (!kept_.add(result->get())) {
        kept_.clear();
        failure_ =
            Error(ErrorCode::resource_exhausted,
                  "the rows of an open cursor take more than 256 MiB, and its transaction went on with another statement")
                .hint("read the cursor to its end first, or in pages");
      }
    }
  }

  void cut() override { abandon(true); }

  /// Reads away what is still coming when that is little; else has it cancelled. A cancel inside a transaction would abort
  /// it, so there patience is longer.
  void abandon(bool may_cancel) {
    while (exchange_->poll_next()) continue;
    if (!exchange_->finished() && may_cancel) session_->connection().request_cancel();
    auto deadline = Clock::now() + (may_cancel ? Clock::duration(abandon_patience) : abandon_patience_in_transaction);
    while (!exchange_->finished() && !session_->connection().broken() && Clock::now() < deadline) {
      PGconn* handle = session_->connection().raw();
      if (!poll_socket(PQsocket(handle), POLLIN, deadline)) break;
      if (PQconsumeInput(handle) == 0) break;
      while (exchange_->poll_next()) continue;
    }
    if (!exchange_->finished()) session_->connection().mark_broken();
    if (!session_->connection().cancel_settled(abandon_patience)) session_->spoil();
    stop_streaming();
  }

  Session* session_;
  SessionPool::Lease lease_;
  Context context_;
  std::unique_ptr<Exchange> exchange_;  ///< null when everything has been read
  ResultPointer shape_;                 ///< the first result: columns, and the first row if there is one
  bool has_waiting_ = false;            ///< the first row was not handed out yet
  std::shared_ptr<const bool> transaction_over_;
  KeptRows kept_;
  ResultPointer current_;
  const PGresult* row_ = nullptr;  ///< null before the first row and after the last
  int row_number_ = 0;
  std::optional<Error> failure_;
  mutable std::vector<std::string> scratch_;
};

Result<std::unique_ptr<Cursor>> opened(std::unique_ptr<RowCursor> cursor, std::string_view sql, Parameters parameters,
                                       Access access) {
  LOAM_TRY(cursor->open(sql, parameters, access));
  return std::unique_ptr<Cursor>(std::move(cursor));
}

}  // namespace

Result<std::unique_ptr<Cursor>> open_cursor(SessionPool::Lease lease, std::string_view sql, Parameters parameters,
                                            Access access, const Context& context) {
  Session& session = *lease;
  return opened(std::make_unique<RowCursor>(session, std::move(lease), context), sql, parameters, access);
}

Result<std::unique_ptr<Cursor>> open_cursor(Session& session, std::string_view sql, Parameters parameters,
                                            const Context& context) {
  return opened(std::make_unique<RowCursor>(session, SessionPool::Lease(), context), sql, parameters, Access::read_write);
}

}  // namespace loam::postgres
