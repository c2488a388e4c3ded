#include "loam/adapters/postgres/transaction.hpp"

#include <algorithm>

#include "loam/adapters/postgres/cursor.hpp"

namespace loam::postgres {
namespace {

/// How long the destructor waits for the server to roll back before it closes the connection, which rolls back too.
constexpr std::int64_t rollback_patience_ms = 2'000;

std::string begin_sql(TransactionOptions options) {
  std::string text = "BEGIN ISOLATION LEVEL ";
  switch (options.isolation) {
    case Isolation::read_committed: text += "READ COMMITTED"; break;
    case Isolation::serializable: text += "SERIALIZABLE"; break;
    case Isolation::adapter_default:
    case Isolation::repeatable_read: text += "REPEATABLE READ"; break;
  }
  return text + (options.access == Access::read_only ? " READ ONLY" : " READ WRITE");
}

/// The BEGIN is sent with the first statement; until then there is nothing to commit or roll back.
///
///   pending --statement--> open --commit, rollback, ~--> over
///                           |
///                           +--error--> failed --rollback_to--> open
///                                         |
///                                         +--commit (refused), rollback, ~--> over
///
/// pending, open and failed are what the session says; `over_` is ours. A lost connection makes every state over.
class PostgresTransaction final : public Transaction {
 public:
  PostgresTransaction(SessionPool::Lease lease, TransactionOptions options, const SqlDialect& dialect)
      : lease_(std::move(lease)), access_(options.access), dialect_(dialect) {
    lease_->begin_later(begin_sql(options));
  }
  ~PostgresTransaction() override { (void)rollback(); }

  Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters, const Context& context) override {
    LOAM_TRY(check_usable());
    return postgres::open_cursor(*lease_, sql, parameters, context);
  }

  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Context& context) override {
    LOAM_TRY(check_usable());
    return lease_->execute(sql, parameters, {.context = context, .operation = "execute"});
  }

  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                    const Context& context) override {
    LOAM_TRY(check_usable());
    return lease_->execute_many(sql, rows, {.context = context, .operation = "execute_many"});
  }

  Result<void> commit(const Context& context) override {
    LOAM_TRY(check_usable());
    if (lease_->begin_pending()) {
      give_back();
      return {};
    }
    lease_->drop_stream();
    if (lease_->connection().in_failed_transaction()) {
      (void)rollback();
      return failed_precondition("the transaction was rolled back: a statement in it had failed")
          .hint("roll back to a savepoint after an error, or run the transaction again");
    }
    // A commit that was not even sent leaves the transaction open, so that the caller may still decide.
    LOAM_TRY(context.check("commit"));
    Commits commits = access_ == Access::read_write ? Commits::yes : Commits::no;
    Result<std::string> tag = lease_->command("COMMIT", {.context = context, .operation = "commit"}, commits);
    give_back();  // a COMMIT that failed has rolled back
    if (!tag.ok()) return std::move(tag).error();
    if (*tag != "COMMIT") return failed_precondition("the server rolled the transaction back instead of committing it");
    return {};
  }

  Result<void> rollback() override {
    if (over_) return {};
    lease_->cut_stream();
    if (still_open()) {
      Context context = Context().deadline_in_ms(rollback_patience_ms);
      Result<std::string> done = lease_->command("ROLLBACK", {.context = context, .operation = "rollback"});
      if (!done.ok()) lease_->spoil();  // closing the connection rolls back too
    }
    give_back();
    return {};
  }

  Result<void> savepoint(std::string_view name) override {
    LOAM_TRY(check_usable());
    std::string inner = "loam_savepoint_" + std::to_string(++savepoint_count_);
    LOAM_TRY(run("SAVEPOINT " + inner, "savepoint"));
    savepoints_.push_back({std::string(name), std::move(inner)});
    return {};
  }

  Result<void> release(std::string_view name) override {
    LOAM_TRY(check_usable());
    LOAM_TRY(std::size_t index, find(name));
    LOAM_TRY(run("RELEASE SAVEPOINT " + savepoints_[index].inner, "release"));
    savepoints_.resize(index);
    return {};
  }

  Result<void> rollback_to(std::string_view name) override {
    LOAM_TRY(check_usable());
    LOAM_TRY(std::size_t index, find(name));
    LOAM_TRY(run("ROLLBACK TO SAVEPOINT " + savepoints_[index].inner, "rollback_to"));
    savepoints_.resize(index + 1);
    return {};
  }

  const SqlDialect& dialect() const override { return dialect_; }

 private:
  /// The server cuts names at 63 bytes and two long ones would meet, so it knows ours under names of its own.
  struct Savepoint {
    std::string name;
    std::string inner;
  };

  bool still_open() const { return lease_->in_transaction() && !lease_->connection().broken(); }

  Result<void> check_usable() {
    if (over_) return failed_precondition("the transaction has ended");
    if (!lease_->spoiled() || still_open()) return {};
    return Error(ErrorCode::unavailable,
                 "the transaction was rolled back: its connection to " + lease_->target() + " was lost")
        .hint("run the transaction again");
  }

  Result<void> run(std::string sql, std::string_view operation) {
    LOAM_TRY(lease_->command(std::move(sql), {.context = Context(), .operation = operation}));
    return {};
  }

  /// The latest with that name counts, as in SQL.
  Result<std::size_t> find(std::string_view name) const {
    for (std::size_t i = savepoints_.size(); i-- > 0;)
      if (savepoints_[i].name == name) return i;
    return not_found("no savepoint \"" + std::string(name.substr(0, 64)) + "\" in this transaction");
  }

  void give_back() {
    over_ = true;
    lease_->end_transaction();
    if (lease_->spoiled()) lease_.discard();
    lease_ = {};
  }

  SessionPool::Lease lease_;
  Access access_;
  const SqlDialect& dialect_;
  std::vector<Savepoint> savepoints_;
  std::size_t savepoint_count_ = 0;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<Transaction> make_transaction(SessionPool::Lease lease, TransactionOptions options,
                                              const SqlDialect& dialect) {
  return std::make_unique<PostgresTransaction>(std::move(lease), options, dialect);
}

}  // namespace loam::postgres
