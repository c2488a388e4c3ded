#pragma once

/// One open LMDB environment of this process, shared by all who opened its path. Private to the adapter.
///
/// What is built around the library here:
///  - Reads borrow one of a fixed set of slots, each with a reset read transaction that is renewed: no allocation, no lock
///  that two
///    threads share while there are free slots.
///  - The map may change its size only while no transaction of the process runs: whoever changes it takes the write lock and
///  all slots.
///  - A full map is doubled and the write runs again; a map that another process grew is adopted.
///  - A process that was forked must not touch it; every call says so instead.

#include <lmdb.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "loam/adapters/lmdb/lmdb.hpp"
#include "loam/adapters/lmdb/write_lock.hpp"

namespace loam::lmdb {

struct Tables {
  MDB_dbi meta = 0;
  MDB_dbi namespaces = 0;
  MDB_dbi entries = 0;
};

/// *thread-safe*
class Environment {
  struct alignas(64) Slot {
    std::mutex mutex;
    MDB_txn* transaction = nullptr;  // reset between reads
  };

 public:
  /// The environment of the path, opened now or before. A new store cuts long keys into chunks of `chunk_bytes`
  /// (key_tree.hpp).
  static Result<std::shared_ptr<Environment>> open(const LmdbOptions& options, std::size_t chunk_bytes);
  ~Environment();

  /// A snapshot to read from; ends when destroyed. Not while this thread is inside write().
  class Read {
   public:
    Read(Read&&) noexcept = default;
    ~Read() {
      if (lock_.owns_lock()) mdb_txn_reset(transaction_);
    }
    MDB_txn* transaction() const { return transaction_; }

   private:
    friend class Environment;
    Read(std::unique_lock<std::mutex> lock, MDB_txn* transaction) : lock_(std::move(lock)), transaction_(transaction) {}
    std::unique_lock<std::mutex> lock_;
    MDB_txn* transaction_;
  };
  Result<Read> read();

  enum class Verdict { commit, roll_back };
  using Work = std::function<Result<Verdict>(MDB_txn* transaction)>;
  /// Runs `work` in the one write transaction, once more for each time the map had to grow.
  Result<void> write(const Context& context, const Work& work);

  const Tables& tables() const { return tables_; }
  std::size_t chunk_bytes() const { return chunk_bytes_; }
  Durability durability() const { return options_.durability; }
  /// True after a commit that failed half-way.
  bool broken() const { return broken_; }
  MDB_env* native() const { return native_; }
  /// failed_precondition in a process that was forked after the environment was opened.
  Result<void> check_process() const;

 private:
  Environment() = default;
  Result<void> open_files(const LmdbOptions& options, std::size_t chunk_bytes);
  Result<void> check_size() const;
  Result<void> open_tables(std::size_t chunk_bytes);
  Result<void> read_format(MDB_txn* transaction);
  Result<void> write_format(MDB_txn* transaction, std::size_t chunk_bytes);
  Slot& lock_any_slot();
  Result<Verdict> write_once(const Work& work);
  bool old_state_stands(std::size_t failed_commit);
  Result<void> make_room();
  Result<void> set_map_size(std::size_t bytes);
  std::size_t drop_dead_readers();

  LmdbOptions options_;
  MDB_env* native_ = nullptr;
  Tables tables_;
  std::size_t chunk_bytes_ = 0;
  std::uint64_t fork_generation_ = 0;
  WriteLock write_lock_;
  std::atomic<bool> broken_ = false;  // a commit failed at its last page: no more writes until the store is opened anew
  std::array<Slot, 64> slots_;
};

}  // namespace loam::lmdb
