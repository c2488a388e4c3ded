#pragma once

/// A VFS for tests that passes everything to the system's, counts the file syncs, and fails on demand.

#include <atomic>
#include <cstdint>
#include <string>

namespace loam::test {

struct VfsCounters {
  std::atomic<int> wal_syncs{0};
  std::atomic<int> database_syncs{0};
  std::atomic<int> wal_writes{0};
  std::atomic<int> database_writes{0};
  /// The nth next call fails, once; 0: none does.
  std::atomic<int> fail_wal_sync{0};
  std::atomic<int> fail_wal_write{0};
  std::atomic<int> full_wal_write{0};  ///< as when the disk is full
  std::atomic<int> fail_database_sync{0};
  std::atomic<int> failures{0};  ///< how many were made to fail: a fault test with 0 proves nothing

  void reset();
};

/// Registers it under this name on first use. Counters are the process's.
std::string test_vfs();
VfsCounters& vfs_counters();

}  // namespace loam::test
