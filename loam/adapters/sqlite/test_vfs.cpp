#include "loam/adapters/sqlite/test_vfs.hpp"

#include <sqlite3.h>

#include <cstring>

namespace loam::test {
namespace {

enum class Kind { database, wal, other };

/// Followed in memory by the system's own file.
struct File {
  sqlite3_file base;
  Kind kind;
};

sqlite3_vfs* inner_vfs() { return sqlite3_vfs_find("unix"); }
sqlite3_file* inner(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(reinterpret_cast<File*>(file) + 1); }
Kind kind_of(sqlite3_file* file) { return reinterpret_cast<File*>(file)->kind; }

/// Counts down; true for the call that is to fail.
bool due(std::atomic<int>& countdown) {
  if (countdown.load() <= 0 || countdown.fetch_sub(1) != 1) return false;
  ++vfs_counters().failures;
  return true;
}

int on_sync(sqlite3_file* file, int flags) {
  VfsCounters& counters = vfs_counters();
  if (kind_of(file) == Kind::wal) {
    ++counters.wal_syncs;
    if (due(counters.fail_wal_sync)) return SQLITE_IOERR_FSYNC;
  } else if (kind_of(file) == Kind::database) {
    ++counters.database_syncs;
    if (due(counters.fail_database_sync)) return SQLITE_IOERR_FSYNC;
  }
  return inner(file)->pMethods->xSync(inner(file), flags);
}

int on_write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
  VfsCounters& counters = vfs_counters();
  if (kind_of(file) == Kind::wal) {
    ++counters.wal_writes;
    if (due(counters.fail_wal_write)) return SQLITE_IOERR_WRITE;
    if (due(counters.full_wal_write)) return SQLITE_FULL;
  } else if (kind_of(file) == Kind::database) {
    ++counters.database_writes;
  }
  return inner(file)->pMethods->xWrite(inner(file), data, bytes, offset);
}

int on_close(sqlite3_file* f) { return inner(f)->pMethods->xClose(inner(f)); }
int on_read(sqlite3_file* f, void* data, int bytes, sqlite3_int64 at) {
  return inner(f)->pMethods->xRead(inner(f), data, bytes, at);
}
int on_truncate(sqlite3_file* f, sqlite3_int64 size) { return inner(f)->pMethods->xTruncate(inner(f), size); }
int on_size(sqlite3_file* f, sqlite3_int64* size) { return inner(f)->pMethods->xFileSize(inner(f), size); }
int on_lock(sqlite3_file* f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
int on_unlock(sqlite3_file* f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
int on_check(sqlite3_file* f, int* out) { return inner(f)->pMethods->xCheckReservedLock(inner(f), out); }
int on_control(sqlite3_file* f, int op, void* arg) { return inner(f)->pMethods->xFileControl(inner(f), op, arg); }
int on_sector(sqlite3_file* f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
int on_characteristics(sqlite3_file* f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }
int on_shm_map(sqlite3_file* f, int page, int bytes, int extend, void volatile** out) {
  return inner(f)->pMethods->xShmMap(inner(f), page, bytes, extend, out);
}
int on_shm_lock(sqlite3_file* f, int first, int count, int flags) {
  return inner(f)->pMethods->xShmLock(inner(f), first, count, flags);
}
void on_shm_barrier(sqlite3_file* f) { inner(f)->pMethods->xShmBarrier(inner(f)); }
int on_shm_unmap(sqlite3_file* f, int remove) { return inner(f)->pMethods->xShmUnmap(inner(f), remove); }

const sqlite3_io_methods methods = {
    2,        on_close,   on_read,   on_write,           on_truncate, on_sync,     on_size,        on_lock,      on_unlock,
    on_check, on_control, on_sector, on_characteristics, on_shm_map,  on_shm_lock, on_shm_barrier, on_shm_unmap, nullptr,
    nullptr};

int on_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  auto* own = reinterpret_cast<File*>(file);
  own->base.pMethods = nullptr;
  own->kind = (flags & SQLITE_OPEN_WAL) != 0 ? Kind::wal : (flags & SQLITE_OPEN_MAIN_DB) != 0 ? Kind::database : Kind::other;
  std::memset(inner(file), 0, static_cast<std::size_t>(inner_vfs()->szOsFile));
  int rc = inner_vfs()->xOpen(inner_vfs(), name, inner(file), flags, flags_out);
  if (rc == SQLITE_OK) own->base.pMethods = &methods;
  return rc;
}

}  // namespace

void VfsCounters::reset() {
  wal_syncs = database_syncs = wal_writes = database_writes = 0;
  fail_wal_sync = fail_wal_write = full_wal_write = fail_database_sync = failures = 0;
}

VfsCounters& vfs_counters() {
  static VfsCounters counters;
  return counters;
}

std::string test_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_initialize();
    sqlite3_vfs copy = *inner_vfs();  // every call but xOpen goes straight to the system's
    copy.zName = "loam-test";
    copy.szOsFile = static_cast<int>(sizeof(File)) + inner_vfs()->szOsFile;
    copy.xOpen = on_open;
    copy.pNext = nullptr;
    return copy;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? vfs.zName : "";
}

}  // namespace loam::test
