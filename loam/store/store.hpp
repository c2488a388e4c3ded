#pragma once

/// The embedded store: one directory, or a database URL, with every port on it and transactions over all of them.
///
///   LOAM_TRY(auto store, Store::open("app.loam"));
///   LOAM_TRY(auto notes, store->tables().open("notes", make_hash_embedder(384)));
///   LOAM_TRY(store->transaction([&](StoreTransaction& t) -> Result<void> {
///     LOAM_TRY(auto kv, t.kv("sessions"));
///     LOAM_TRY(kv->set("last", "42"));
///     LOAM_TRY(auto table, t.table("notes"));
///     LOAM_TRY(table->add(rows));
///     return {};
///   }));

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/ports/kv.hpp"
#include "loam/ports/tables.hpp"

namespace [[gnu::visibility("default")]] loam {

struct StoreOptions {
  bool create = true;      ///< make the directory when it is not there; else not_found
  bool read_only = false;  ///< nothing is written, no lock is taken; a read-only disk will do
  Durability durability = Durability::full;
  std::int64_t write_timeout_ms = 30'000;  ///< how long a writer waits for other threads and processes; not on a server
  std::size_t search_threads = 0;          ///< 0: one for each core
  const Clock* clock = nullptr;            ///< null: the machine's
  /// WAL pages (4 KiB) after which a commit is followed by a checkpoint; not on a server.
  std::int64_t checkpoint_pages = 4'000;
};

/// Every port, bound to one transaction. Valid until the function it was given to returns.
class StoreTransaction {
 public:
  virtual ~StoreTransaction() = default;
  virtual Result<std::unique_ptr<KeyValue>> kv(std::string_view name_space) = 0;
  virtual Result<std::unique_ptr<Table>> table(std::string_view name, std::shared_ptr<Embedder> embedder = nullptr) = 0;
  /// Runs `work` inside a savepoint: its error undoes its own part and no more.
  virtual Result<void> savepoint(const std::function<Result<void>()>& work) = 0;
  virtual Transaction& sql() = 0;
};

struct StoreTableStats {
  std::string name;
  std::int64_t rows = 0;
  std::int64_t vectors = 0;  ///< stored, over all vector columns
};
struct StoreStats {
  std::string location;
  std::string engine;  ///< "sqlite 3.40.1"
  std::int64_t format_version = 0;
  std::int64_t database_bytes = 0;
  std::int64_t wal_bytes = 0;
  std::int64_t index_bytes = 0;  ///< vector indexes in this process's memory
  std::int64_t kv_entries = 0;
  std::uint64_t lock_epoch = 0;
  std::vector<StoreTableStats> tables;
  std::vector<std::string> notes;  ///< what open() repaired or ignored, one sentence each
};

struct BackupReport {
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  Timestamp taken_at;
  std::string former_store;  ///< of a restore with `replace`: the path where the store that was there now is
};

struct RestoreOptions {
  /// Put the restored store in place of an existing one, which is kept beside it as `<path>.before-restore-<time>`.
  bool replace = false;
};

struct CheckReport {
  std::vector<std::string> problems;  ///< empty: every row and every index was read and agrees
  std::vector<std::string> skipped;   ///< what could not be looked at, and why; only in a read-only store
  std::int64_t rows_checked = 0;
  bool ok() const { return problems.empty(); }
};

/// *thread-safe*
class Store {
 public:
  virtual ~Store() = default;

  /// Opens a directory ("app.loam", "file:app.loam"), memory (":memory:") or a database ("postgresql://..").
  /// not_found; failed_precondition when the path is something else or of a newer format (named, untouched);
  /// permission_denied; data_corruption when the database file is damaged. Never fails because of an index or leftover file.
  static Result<std::unique_ptr<Store>> open(std::string_view location, StoreOptions options = {});

  virtual Result<std::unique_ptr<KeyValue>> kv(std::string_view name_space) = 0;
  virtual KeyValueStore& kv_store() = 0;
  virtual Tables& tables() = 0;
  virtual Database& database() = 0;

  /// Runs `work` as one transaction over all ports and commits when it returns ok. Other writers wait; readers do not.
  /// Its error, or the commit's; nothing is stored then unless the outcome is unknown. conflict is not retried here.
  virtual Result<void> transaction(const std::function<Result<void>(StoreTransaction&)>& work,
                                   const Context& context = {}) = 0;

  /// Copies a consistent state to a new directory while others read and write, with a manifest of SHA-256 hashes written
  /// last. already_exists unless `directory` is absent or empty; unsupported on a server: use its own backup.
  virtual Result<BackupReport> backup(std::string_view directory, const Context& context = {}) = 0;
  /// Reads every row and every index. An error only when reading itself failed.
  virtual Result<CheckReport> check(const Context& context = {}) = 0;
  /// Gives unused space back to the file system, expired KV entries included.
  virtual Result<void> compact(const Context& context = {}) = 0;
  virtual Result<StoreStats> stats(const Context& context = {}) = 0;
  virtual HealthStatus health(const Context& context = {}) = 0;
};

/// data_corruption naming every file that is missing, changed or too much. Reads every byte.
Result<BackupReport> verify_backup(std::string_view directory, const Context& context = {});
/// Copies a verified backup to `path`, verifies the copy, then puts it in place by one rename. The backup is only read.
/// already_exists when `path` is there and replace is not set; data_corruption as verify_backup(), `path` untouched.
Result<BackupReport> restore_backup(std::string_view directory, std::string_view path, RestoreOptions options = {},
                                    const Context& context = {});

}  // namespace loam
