#include "loam/store/sql_store.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/store/backup.hpp"
#include "loam/store/layout.hpp"

namespace loam::store_internal {
namespace {

std::int64_t file_bytes(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::int64_t>(status.st_size) : 0;
}

class BoundTransaction final : public StoreTransaction {
 public:
  BoundTransaction(Transaction& transaction, RelationalTables& tables, const Clock& clock)
      : transaction_(transaction), tables_(tables), clock_(clock) {}

  Result<std::unique_ptr<KeyValue>> kv(std::string_view name_space) override {
    return relational_kv_in(transaction_, name_space, clock_);
  }
  Result<std::unique_ptr<Table>> table(std::string_view name, std::shared_ptr<Embedder> embedder) override {
    return tables_.open_in(transaction_, name, std::move(embedder));
  }
  Transaction& sql() override { return transaction_; }

  Result<void> savepoint(const std::function<Result<void>()>& work) override {
    std::string name = "loam_store_" + std::to_string(++depth_);
    LOAM_TRY(transaction_.savepoint(name));
    Result<void> done;
    try {
      done = work();
    } catch (...) {
      undo(name);
      throw;
    }
    --depth_;
    if (done.ok()) return transaction_.release(name);
    undo(name);
    return done;
  }

 private:
  /// The work's own error is what the caller needs; when this fails too, the commit says so.
  void undo(const std::string& name) {
    if (transaction_.rollback_to(name).ok()) (void)transaction_.release(name);
  }

  Transaction& transaction_;
  RelationalTables& tables_;
  const Clock& clock_;
  int depth_ = 0;
};

}  // namespace

SqlStore::SqlStore(StoreParts parts, std::unique_ptr<Database> database, const StoreOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      database_(std::move(database), options.read_only) {}

Result<std::unique_ptr<Store>> SqlStore::open(StoreParts parts, std::unique_ptr<Database> database,
                                              const StoreOptions& options) {
  auto store = std::make_unique<SqlStore>(std::move(parts), std::move(database), options);
  LOAM_TRY(store->kv_, open_relational_kv(store->database_, store->clock_));
  LOAM_TRY(store->tables_, open_relational_tables(store->database_, {.search_threads = options.search_threads}));
  return std::unique_ptr<Store>(std::move(store));
}

Result<void> SqlStore::transaction(const std::function<Result<void>(StoreTransaction&)>& work, const Context& context) {
  LOAM_TRY(auto transaction, database_.begin({}, context));
  BoundTransaction bound(*transaction, *tables_, clock_);
  Result<void> done;
  try {
    GuardedDatabase::Inside inside(database_);
    done = work(bound);
  } catch (...) {
    (void)transaction->rollback();
    throw;
  }
  if (!done.ok()) {
    (void)transaction->rollback();
    return done;
  }
  return transaction->commit(context);
}

Result<BackupReport> SqlStore::backup(std::string_view directory, const Context& context) {
  if (!on_sqlite())
    return unsupported("a backup of " + parts_.location + " is the server's own matter")
        .hint("use pg_dump or pg_basebackup");
  return take_backup({database_.inner(), parts_.directory, parts_.engine, clock_}, directory, context);
}

Result<CheckReport> SqlStore::check(const Context& context) {
  LOAM_TRY(database_.check_outside("check()"));
  CheckReport report;
  // Damage may show as an answer or as a read that fails; either way the other checks go on.
  auto add = [&](Result<std::vector<std::string>> found) -> Result<void> {
    if (!found.ok() && found.error().code() != ErrorCode::data_corruption) return std::move(found).error();
    if (!found.ok()) report.problems.push_back(found.error().to_string());
    if (found.ok()) std::move(found->begin(), found->end(), std::back_inserter(report.problems));
    return {};
  };
  if (on_sqlite()) LOAM_TRY(add(sqlite::integrity_problems(database_.inner(), context)));
  LOAM_TRY(add(migration_problems(database_, context)));
  LOAM_TRY(add(kv_problems(database_, report.rows_checked, context)));
  LOAM_TRY(add(tables_->problems(context)));
  if (options_.read_only)
    report.skipped.push_back(
        "full-text indexes against their rows: that takes a write transaction, and the store is read-only");
  auto rows = count_rows(context);
  if (!rows.ok() && rows.error().code() != ErrorCode::data_corruption) return std::move(rows).error();
  report.rows_checked += std::move(rows).value_or(0);
  return report;
}

Result<std::int64_t> SqlStore::count_rows(const Context& context) {
  std::int64_t total = 0;
  LOAM_TRY(auto schemas, tables_->list(context));
  for (const TableSchema& schema : schemas) {
    LOAM_TRY(auto table, tables_->open(schema.name, nullptr, context));
    LOAM_TRY(auto rows, table->count({}, context));
    total += rows;
  }
  return total;
}

Result<void> SqlStore::compact(const Context& context) {
  LOAM_TRY(database_.check_may_write());
  LOAM_TRY(auto names, kv_->namespaces(context));
  for (const std::string& name : names) {
    LOAM_TRY(auto kv, kv_->open(name));
    LOAM_TRY(kv->purge_expired(context));
  }
  if (!on_sqlite()) return {};
  return sqlite::compact(database_.inner(), context);
}

Result<std::int64_t> SqlStore::database_bytes(const Context& context) {
  if (parts_.kind == StoreKind::directory) return file_bytes(database_path(parts_.directory));
  std::string sql = parts_.kind == StoreKind::memory
                        ? "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
                        : "SELECT pg_database_size(current_database())";
  LOAM_TRY(auto size, database_.query(sql, {}, context));
  return size.at(0, 0u).as<std::int64_t>();
}

Result<StoreStats> SqlStore::stats(const Context& context) {
  StoreStats stats;
  stats.location = parts_.location;
  stats.engine = parts_.engine;
  stats.format_version = parts_.format;
  stats.notes = parts_.notes;
  stats.index_bytes = static_cast<std::int64_t>(tables_->index_bytes());
  LOAM_TRY(stats.database_bytes, database_bytes(context));
  if (parts_.kind == StoreKind::directory) {
    stats.wal_bytes = file_bytes(database_path(parts_.directory) + "-wal");
    if (auto record = read_lock_record(parts_.directory)) stats.lock_epoch = record->epoch;
  }
  LOAM_TRY(auto entries, database_.query("SELECT count(*) FROM loam_kv WHERE expires_at IS NULL OR expires_at > ?",
                                         {clock_.now().micros}, context));
  stats.kv_entries = entries.at(0, 0u).as<std::int64_t>();
  LOAM_TRY(auto schemas, tables_->list(context));
  for (const TableSchema& schema : schemas) {
    LOAM_TRY(auto table, tables_->open(schema.name, nullptr, context));
    LOAM_TRY(auto rows, table->count({}, context));
    LOAM_TRY(auto vectors, tables_->vector_count(schema.name, context));
    stats.tables.push_back({schema.name, rows, vectors});
  }
  return stats;
}

HealthStatus SqlStore::health(const Context& context) {
  HealthStatus status = database_.health(context);
  status.port = "store";
  status.details.emplace_back("location", parts_.location);
  status.details.emplace_back("engine", parts_.engine);
  status.details.emplace_back("read_only", options_.read_only ? "true" : "false");
  if (parts_.kind != StoreKind::directory) return status;
  if (auto record = read_lock_record(parts_.directory)) {
    status.details.emplace_back("lock_epoch", std::to_string(record->epoch));
    status.details.emplace_back("last_writer", "process " + std::to_string(record->pid) + " on " + record->host);
  }
  auto header = check_database_header(database_path(parts_.directory));
  if (!header.ok() && status.status == Health::healthy) {
    status.status = Health::unhealthy;
    status.error = header.error().to_string();
  }
  return status;
}

}  // namespace loam::store_internal
