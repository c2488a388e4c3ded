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

std::size_t bytes_of(const PGresult* row) { return PQresultMemorySize(row); }

class RowCursor final : public Cursor, private OpenStream {
 public:
  RowCursor(Session& session, SessionPool::Lease lease, const Context& context)
      : session_(&session), lease_(std::move(lease)), context_(context) {}
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
    if (has_waiting_) {
      has_waiting_ = false;
      row_ = shape_.get();
      return true;
    }
    if (!kept_.empty()) {
      current_ = std::move(kept_.front());
      kept_.pop_front();
      row_ = current_.get();
      return true;
    }
    row_ = nullptr;
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
      row_ = current_.get();
      return true;
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
    return row_ != nullptr && column < column_count() && PQgetisnull(row_, 0, static_cast<int>(column)) == 0;
  }
  Field field(std::size_t column) const { return field_at(row_, 0, static_cast<int>(column)); }

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

  /// The transaction goes on with another statement: what is still to come is kept in memory.
  void take_rest() override {
    std::size_t bytes = 0;
    while (streaming()) {
      Result<ResultPointer> result = exchange_->next();
      if (!result.ok()) {
        failure_ = session_->located(std::move(result).error(), "query");
        stop_streaming();
      } else if (!*result || PQntuples(result->get()) == 0) {
        (void)read_end();
      } else if (failure_) {
        continue;  // over the limit: read away
      } else if ((bytes += bytes_of(result->get())) <= kept_bytes_max) {
        kept_.push_back(std::move(result).value());
      } else {
        kept_.clear();
        failure_ =
            Error(ErrorCode::resource_exhausted,
                  "the rows of an open cursor take more than 256 MiB, and its transaction went on with another statement")
                .hint("read the cursor to its end first, or in pages");
      }
    }
  }

  void cut() override {
    abandon(true);
    kept_.clear();
    has_waiting_ = false;
    row_ = nullptr;
    failure_ = failed_precondition("the transaction of this cursor has ended");
  }

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
  std::deque<ResultPointer> kept_;
  ResultPointer current_;
  const PGresult* row_ = nullptr;
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
