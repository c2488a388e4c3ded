#include <atomic>
#include <chrono>

#include "loam/adapters/postgres/cursor.hpp"
#include "loam/adapters/postgres/introspection.hpp"
#include "loam/adapters/postgres/options.hpp"
#include "loam/adapters/postgres/postgres.hpp"
#include "loam/adapters/postgres/session.hpp"
#include "loam/adapters/postgres/transaction.hpp"

namespace loam {
namespace {

using postgres::Session;
using postgres::SessionPool;

class PostgresDatabase final : public Database {
 public:
  explicit PostgresDatabase(PostgresOptions options)
      : options_(std::move(options)),
        pool_(options_.pool, {.open = [this](const Context& context) { return Session::open(options_, context); },
                              .ping = [](Session& session, std::int64_t idle_ms) { return session.works(idle_ms); },
                              .name = "PostgreSQL at " + postgres::target_name(options_)}) {}

  /// Proves that the server can be reached, and makes the schema.
  Result<void> start() {
    Context context;
    LOAM_TRY(SessionPool::Lease lease, pool_.acquire(context));
    server_version_ = PQserverVersion(lease->connection().raw());
    Result<void> made = options_.schema.empty() ? Result<void>() : lease->make_schema(options_.schema, context);
    if (lease->spoiled()) lease.discard();
    return made;
  }

  Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters, const Context& context) override {
    LOAM_TRY(SessionPool::Lease lease, pool_.acquire(context));
    return postgres::open_cursor(std::move(lease), sql, parameters, Access::read_only, context);
  }

  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Context& context) override {
    LOAM_TRY(SessionPool::Lease lease, pool_.acquire(context));
    Result<ExecuteResult> done = lease->execute(sql, parameters, {.context = context, .operation = "execute"});
    if (lease->spoiled()) lease.discard();
    return done;
  }

  /// At read committed: the statements do not read what others of them depend on, and upserts of the same keys by several
  /// writers wait for each other instead of failing.
  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                    const Context& context) override {
    LOAM_TRY(auto transaction, begin({.isolation = Isolation::read_committed}, context));
    LOAM_TRY(std::int64_t affected, transaction->execute_many(sql, rows, context));
    LOAM_TRY(transaction->commit(context));
    return affected;
  }

  Result<std::unique_ptr<Transaction>> begin(TransactionOptions options, const Context& context) override {
    LOAM_TRY(SessionPool::Lease lease, pool_.acquire(context));
    return postgres::make_transaction(std::move(lease), options, dialect());
  }

  Result<std::vector<std::string>> table_names(const Context& context) override {
    return postgres::table_names(*this, context);
  }
  Result<TableInfo> describe(std::string_view table, const Context& context) override {
    LOAM_TRY(auto transaction, begin({.access = Access::read_only}, context));  // one snapshot of the catalogue
    return postgres::describe(*transaction, table, context);
  }

  const SqlDialect& dialect() const override { return postgres_dialect(); }
  PoolStats pool_stats() const override { return pool_.stats(); }
  HealthStatus health(const Context& context) override;

  DatabaseCapabilities capabilities() const override {
    return {.concurrent_writers = true,
            .enforces_read_only_query = true,
            .full_text_bm25 = false,
            .listens = false,
            .persistent = true,
            .durable = true,
            .shared = true,
            .default_isolation = Isolation::repeatable_read};
  }

 private:
  PostgresOptions options_;
  mutable SessionPool pool_;
  std::atomic<int> server_version_ = 0;
};

HealthStatus PostgresDatabase::health(const Context& context) {
  HealthStatus status{
      .status = Health::healthy, .adapter = "postgres", .port = "database", .latency_ms = 0, .details = {}, .error = {}};
  auto begun = std::chrono::steady_clock::now();
  Result<QueryResult> answer = query("SELECT current_setting('server_version')", {}, context);
  status.latency_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
  if (!answer.ok()) {
    status.status = Health::unhealthy;
    status.error = answer.error().to_string();
  }
  PoolStats pool = pool_stats();
  if (answer.ok()) {
    status.details.emplace_back("server_version", answer->at(0, 0).as<std::string>());
    if (pool.waiting > 0) status.status = Health::degraded;  // callers stand in line for a connection
  }
  status.details.emplace_back("target", postgres::target_name(options_));
  status.details.emplace_back("connections_open", std::to_string(pool.open));
  status.details.emplace_back("connections_in_use", std::to_string(pool.in_use));
  status.details.emplace_back("connections_max", std::to_string(options_.pool.connections_max));
  status.details.emplace_back("callers_waiting", std::to_string(pool.waiting));
  status.details.emplace_back("acquire_timeouts", std::to_string(pool.timeouts));
  status.details.emplace_back("connections_replaced", std::to_string(pool.replaced));
  return status;
}

}  // namespace

Result<std::unique_ptr<Database>> open_postgres(PostgresOptions options) {
  LOAM_TRY(postgres::check_options(options));
  auto database = std::make_unique<PostgresDatabase>(std::move(options));
  LOAM_TRY(database->start());
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace loam
