#pragma once

/// The one implementation of Store: ports over a SQL database, which is a file of ours, in memory, or a server.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "loam/relational/kv.hpp"
#include "loam/relational/tables.hpp"
#include "loam/store/guarded_database.hpp"
#include "loam/store/process_lock.hpp"
#include "loam/store/store.hpp"

namespace loam::store_internal {

enum class StoreKind : std::uint8_t { directory, memory, server };

struct StoreParts {
  StoreKind kind = StoreKind::directory;
  std::string location;   ///< for people: the directory, ":memory:", or the URL without its password
  std::string directory;  ///< absolute; empty unless kind is directory
  std::string engine;
  std::shared_ptr<ProcessLock> lock;  ///< null when nothing is locked
  std::vector<std::string> notes;
  std::int64_t format = 0;
};

/// *thread-safe*
class SqlStore final : public Store {
 public:
  /// Opens the ports on the database, migrating them where that is needed and allowed.
  static Result<std::unique_ptr<Store>> open(StoreParts parts, std::unique_ptr<Database> database,
                                             const StoreOptions& options);

  SqlStore(StoreParts parts, std::unique_ptr<Database> database, const StoreOptions& options);

  Result<std::unique_ptr<KeyValue>> kv(std::string_view name_space) override { return kv_->open(name_space); }
  KeyValueStore& kv_store() override { return *kv_; }
  Tables& tables() override { return *tables_; }
  Database& database() override { return database_; }

  Result<void> transaction(const std::function<Result<void>(StoreTransaction&)>& work, const Context& context) override;
  Result<BackupReport> backup(std::string_view directory, const Context& context) override;
  Result<CheckReport> check(const Context& context) override;
  Result<void> compact(const Context& context) override;
  Result<StoreStats> stats(const Context& context) override;
  HealthStatus health(const Context& context) override;

 private:
  Result<std::int64_t> database_bytes(const Context& context);
  /// Of all tables.
  Result<std::int64_t> count_rows(const Context& context);
  bool on_sqlite() const { return parts_.kind != StoreKind::server; }

  const StoreParts parts_;
  const StoreOptions options_;
  const Clock& clock_;
  GuardedDatabase database_;
  std::unique_ptr<KeyValueStore> kv_;
  std::unique_ptr<RelationalTables> tables_;
};

/// What check() finds wrong among the KV entries; adds the entries it read to `rows`.
Result<std::vector<std::string>> kv_problems(Database& db, std::int64_t& rows, const Context& context);
/// Gaps in the versions that the migrations have recorded.
Result<std::vector<std::string>> migration_problems(Database& db, const Context& context);

}  // namespace loam::store_internal
