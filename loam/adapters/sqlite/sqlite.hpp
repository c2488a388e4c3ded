#pragma once

/// The Database port on SQLite (system library, 3.40 or newer): WAL, one writer connection, a pool of readers.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "loam/ports/database.hpp"
#include "loam/ports/durability.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Serializes write transactions and checkpoints with other processes. acquire() is called before a write transaction begins
/// and the returned lease is dropped after it ended and after the checkpoint that may follow.
class WriteGate {
 public:
  class Lease {
   public:
    virtual ~Lease() = default;
  };
  virtual ~WriteGate() = default;
  /// unavailable, naming the holder, when it cannot be had before the deadline.
  virtual Result<std::unique_ptr<Lease>> acquire(const Context& context) = 0;
};

struct SqliteOptions {
  std::string path;        ///< of the file; its directory exists
  bool read_only = false;  ///< failed_precondition for what writes; see open_sqlite()
  bool create = true;      ///< make the file when it is not there; else not_found
  Durability durability = Durability::full;
  PoolOptions readers = {.connections_min = 1, .connections_max = 8};
  std::int64_t write_timeout_ms = 30'000;     ///< how long a writer waits for the others
  std::int64_t checkpoint_pages = 4'000;      ///< WAL pages (4 KiB) after which a commit is followed by a checkpoint
  std::int64_t cache_kib = 16'384;            ///< page cache of each connection
  std::shared_ptr<WriteGate> gate = nullptr;  ///< null: threads of this process only
  std::string vfs = {};                       ///< a registered VFS by name; empty: the system's
};

/// Opens or creates a database; a new file is readable by its owner alone. *the Database is thread-safe*
///
/// Read-only, the database is neither created nor changed. A file in WAL mode is read together with its writers by means of
/// the -wal and -shm files beside it, which SQLite makes where they are missing; in a directory that cannot be written the
/// file is read as it is (failed_precondition when its -wal holds commits: only a writer could recover them).
///
/// not_found; failed_precondition when the file is not an SQLite database or the library is older than 3.40 (the file is
/// untouched); permission_denied; unavailable.
Result<std::unique_ptr<Database>> open_sqlite(SqliteOptions options);

/// A database that lives in memory as long as the returned object; the same behaviour, nothing on disk.
Result<std::unique_ptr<Database>> sqlite_in_memory(PoolOptions readers = {.connections_min = 1, .connections_max = 8});

/// What only an SQLite database can do; for the store. `db` came from open_sqlite().
namespace sqlite {

/// Copies a consistent state of the database to a new, synced file while others read and write. already_exists when the file
/// is there; cancelled, deadline_exceeded and every other failure leave no file.
Result<void> copy_to(Database& db, const std::string& path, const Context& context = {});
/// Lines of PRAGMA integrity_check (the first 1000), foreign_key_check and, unless opened read-only, of FTS5's own check of
/// each full-text table against its content, for which it becomes a writer; empty when all is well.
Result<std::vector<std::string>> integrity_problems(Database& db, const Context& context = {});
/// Gives free pages back to the file system and truncates the WAL. Writes the whole database once; other writers wait.
Result<void> compact(Database& db, const Context& context = {});
/// Moves the WAL into the database file as far as readers allow, under the gate.
Result<void> checkpoint(Database& db, const Context& context = {});
std::string library_version();

}  // namespace sqlite

const SqlDialect& sqlite_dialect();

}  // namespace loam
