#pragma once

/// A server session as the pool holds it: a connection, the statements it has prepared, and what it was told last. Internal
/// to the adapter.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/adapters/postgres/connection.hpp"
#include "loam/adapters/postgres/exchange.hpp"
#include "loam/adapters/postgres/statement_cache.hpp"
#include "loam/ports/connection_pool.hpp"
#include "loam/ports/database.hpp"

namespace loam::postgres {

/// A cursor that is still being read from a connection.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  enum class Rest { keep, drop };
  /// Something else is to be sent: the rest of the rows is read, into memory or away.
  virtual void take_rest(Rest rest) = 0;
  /// The transaction is to be rolled back: reading stops, by a cancel if need be.
  virtual void cut() = 0;
};

/// How one call uses the session.
struct Call {
  const Context& context;
  std::string_view operation;  ///< "execute", for errors
  Access access = Access::read_write;
};

/// Rows on their way.
struct Stream {
  std::unique_ptr<Exchange> exchange;
  ResultPointer first;  ///< the first row, or the empty result with the columns
};

/// *needs external synchronization*
class Session {
 public:
  /// How the parameters of a statement are declared to the server.
  struct Declaration {
    std::vector<Oid> types;          ///< 0: the server infers it
    std::vector<bool> literal_null;  ///< written as NULL instead of being a parameter

    std::string text(const RewrittenSql& sql) const;
    std::vector<Oid> sent_types() const;
  };

  static Result<std::unique_ptr<Session>> open(const PostgresOptions& options, const Context& context);

  /// For the pool: whether it still works after so long.
  bool works(std::int64_t idle_ms);
  /// True when it must be closed instead of going back to the pool.
  bool spoiled() const { return spoiled_ || connection_->broken(); }
  void spoil() { spoiled_ = true; }
  const std::string& target() const { return target_; }
  Connection& connection() { return *connection_; }

  /// Runs one statement to its end.
  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Call& call);
  /// Sends one statement and waits for its first row. `call.context` must outlive the stream.
  Result<Stream> stream(std::string_view sql, Parameters parameters, const Call& call);
  /// One statement for each row, in pipelines; the caller's transaction makes it all or nothing.
  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows, const Call& call);
  /// One statement of the adapter's own without parameters: SAVEPOINT, COMMIT, ..; returns the command's tag.
  Result<std::string> command(std::string text, const Call& call, Commits commits = Commits::no);
  /// Creates the schema unless it is there.
  Result<void> make_schema(const std::string& schema, const Context& context);

  /// The next statement opens a transaction first, in the same round trip.
  void begin_later(std::string begin_sql) {
    begin_sql_ = std::move(begin_sql);
    transaction_over_ = std::make_shared<bool>(false);
  }
  bool begin_pending() const { return !begin_sql_.empty(); }
  bool in_transaction() const { return in_transaction_; }
  /// Becomes true when the transaction that is now open or pending ends; stays false outside of one.
  std::shared_ptr<const bool> transaction_over() const { return transaction_over_; }
  /// The transaction is over, or never began.
  void end_transaction();

  /// At most one cursor reads from the session; null when it is done.
  void set_stream(OpenStream* stream) { stream_ = stream; }
  void cut_stream() {
    if (stream_ != nullptr) stream_->cut();
  }
  void drop_stream() {
    if (stream_ != nullptr) stream_->take_rest(OpenStream::Rest::drop);
  }

  /// To be called when an exchange has ended, or has given its first row.
  void after(const Exchange& exchange);
  /// Adds where the error happened.
  Error located(Error error, std::string_view operation) const;

 private:
  Session(std::unique_ptr<Connection> connection, std::string target)
      : connection_(std::move(connection)), target_(std::move(target)) {}
  Result<void> configure(const PostgresOptions& options, const Context& context);

  void settle_stream();
  Result<StatementCache::Entry*> entry_for(std::string_view sql, std::size_t values);
  /// The prepared statement for values of these kinds; a round trip when it is new.
  Result<Prepared*> prepare(StatementCache::Entry& entry, Parameters parameters, const Call& call);
  Result<Prepared*> prepare_new(StatementCache::Entry& entry, Parameters parameters, const Call& call);
  Result<Prepared> try_prepare(const StatementCache::Entry& entry, const Declaration& declaration, const Call& call,
                               std::string& sqlstate);
  Result<void> undo_prepare(const Call& call);
  void deallocate_dropped(Exchange& exchange);
  bool add_prefix(Exchange& exchange, const Call& call);

  /// A statement with its values, ready to send.
  struct Ready {
    StatementCache::Entry* entry = nullptr;
    Prepared* prepared = nullptr;
    BoundParameters bound;
    bool may_retry = false;
  };
  template <typename Answer>
  using Attempt = Result<Answer> (Session::*)(std::string_view, Parameters, const Call&, bool& again);
  template <typename Answer>
  Result<Answer> twice_if_outdated(std::string_view sql, Parameters parameters, const Call& call, Attempt<Answer> attempt);
  Result<Ready> make_ready(std::string_view sql, Parameters parameters, const Call& call);
  Result<void> start(Exchange& exchange, const Ready& ready, const Call& call, Rows rows);
  Result<ExecuteResult> execute_once(std::string_view sql, Parameters parameters, const Call& call, bool& again);
  Result<Stream> stream_once(std::string_view sql, Parameters parameters, const Call& call, bool& again);
  bool forget_outdated(const Exchange& exchange, const Ready& ready);
  Result<void> lock_before_snapshot(std::string_view sql, Parameters parameters, const Call& call);
  Result<void> send_rows(StatementCache::Entry& entry, std::span<const std::vector<Value>> rows, std::size_t& first,
                         const Call& call, std::int64_t& affected);
  Commits commits(const Call& call) const;

  std::unique_ptr<Connection> connection_;
  std::string target_;
  StatementCache cache_;
  OpenStream* stream_ = nullptr;
  std::string begin_sql_;
  bool in_transaction_ = false;
  std::shared_ptr<bool> transaction_over_ = std::make_shared<bool>(false);
  std::optional<std::int64_t> held_lock_;  ///< by the session, until the transaction's own hold
  Access mode_ = Access::read_only;        ///< default_transaction_read_only of the session
  bool spoiled_ = false;
};

using SessionPool = ConnectionPool<Session>;

/// One field of a result that is not NULL.
Field field_at(const PGresult* result, int row, int column);
/// NULL included.
Value value_at(const PGresult* result, int row, int column);

}  // namespace loam::postgres
