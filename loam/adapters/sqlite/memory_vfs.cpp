#include "loam/adapters/sqlite/memory_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace loam::sqlite {
namespace {

constexpr std::size_t block_bytes = 64 * 1024;
using Block = std::unique_ptr<unsigned char[]>;

Block zeroed(std::size_t bytes) { return Block(new (std::nothrow) unsigned char[bytes]()); }

struct Handle;

/// One file: its bytes, its lock state and the shared memory that would be its -shm file.
struct MemoryFile {
  std::shared_mutex content_mutex;
  std::vector<Block> blocks;
  std::size_t size = 0;

  std::mutex lock_mutex;
  int shared_holders = 0;
  const Handle* reserved = nullptr;
  const Handle* pending = nullptr;
  const Handle* exclusive = nullptr;

  std::mutex shm_mutex;
  std::vector<Block> regions;
  std::array<int, SQLITE_SHM_NLOCK> shm_shared{};
  std::array<const Handle*, SQLITE_SHM_NLOCK> shm_exclusive{};
};

/// The names of all in-memory files of the process.
struct Directory {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<MemoryFile>> files;
};

Directory& directory() {
  static Directory instance;
  return instance;
}

/// What SQLite holds: C layout, constructed and destroyed by hand in the memory that SQLite gives.
struct Handle {
  sqlite3_file base;
  std::shared_ptr<MemoryFile>* file;
  int lock_level;
  unsigned shm_shared;  ///< bit i: this handle holds lock i shared
};

Handle* handle_of(sqlite3_file* file) { return reinterpret_cast<Handle*>(file); }
MemoryFile& file_of(sqlite3_file* file) { return **handle_of(file)->file; }

int file_unlock(sqlite3_file* base, int level) {
  Handle* handle = handle_of(base);
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.lock_mutex);
  if (level >= handle->lock_level) return SQLITE_OK;
  if (file.exclusive == handle) file.exclusive = nullptr;
  if (file.pending == handle) file.pending = nullptr;
  if (file.reserved == handle) file.reserved = nullptr;
  if (level == SQLITE_LOCK_NONE) --file.shared_holders;
  handle->lock_level = level;
  return SQLITE_OK;
}

int file_lock(sqlite3_file* base, int level) {
  Handle* handle = handle_of(base);
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.lock_mutex);
  if (handle->lock_level >= level) return SQLITE_OK;
  auto taken = [handle](const Handle* holder) { return holder != nullptr && holder != handle; };
  if (level == SQLITE_LOCK_SHARED) {
    if (taken(file.pending) || taken(file.exclusive)) return SQLITE_BUSY;
    ++file.shared_holders;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (taken(file.reserved)) return SQLITE_BUSY;
    file.reserved = handle;
  } else {
    if (taken(file.reserved) || taken(file.pending)) return SQLITE_BUSY;
    file.pending = handle;  // keeps new readers out while the present ones finish
    if (file.shared_holders > 1) {
      handle->lock_level = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
    file.exclusive = handle;
  }
  handle->lock_level = level;
  return SQLITE_OK;
}

int file_check_reserved(sqlite3_file* base, int* out) {
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.lock_mutex);
  *out = file.reserved != nullptr || file.exclusive != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int shm_unmap(sqlite3_file* base, int delete_it) {
  Handle* handle = handle_of(base);
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.shm_mutex);
  for (std::size_t i = 0; i < SQLITE_SHM_NLOCK; ++i) {
    if ((handle->shm_shared >> i & 1u) != 0) --file.shm_shared[i];
    if (file.shm_exclusive[i] == handle) file.shm_exclusive[i] = nullptr;
  }
  handle->shm_shared = 0;
  if (delete_it != 0) file.regions.clear();
  return SQLITE_OK;
}

int file_close(sqlite3_file* base) {
  shm_unmap(base, 0);
  file_unlock(base, SQLITE_LOCK_NONE);
  delete handle_of(base)->file;
  handle_of(base)->file = nullptr;
  return SQLITE_OK;
}

/// Calls copy(pointer into the file, bytes, offset from the start) for each piece of the range; the blocks are there.
template <typename Copy>
void for_each_piece(MemoryFile& file, std::size_t offset, std::size_t bytes, Copy copy) {
  for (std::size_t done = 0; done < bytes;) {
    std::size_t inside = (offset + done) % block_bytes;
    std::size_t piece = std::min(bytes - done, block_bytes - inside);
    copy(file.blocks[(offset + done) / block_bytes].get() + inside, piece, done);
    done += piece;
  }
}

int file_read(sqlite3_file* base, void* buffer, int amount, sqlite3_int64 at) {
  MemoryFile& file = file_of(base);
  auto* out = static_cast<unsigned char*>(buffer);
  auto wanted = static_cast<std::size_t>(amount);
  auto offset = static_cast<std::size_t>(at);
  std::shared_lock lock(file.content_mutex);
  std::size_t there = offset < file.size ? std::min(wanted, file.size - offset) : 0;
  for_each_piece(file, offset, there,
                 [&](unsigned char* bytes, std::size_t piece, std::size_t done) { std::memcpy(out + done, bytes, piece); });
  if (there == wanted) return SQLITE_OK;
  std::memset(out + there, 0, wanted - there);  // SQLite relies on the zeros after a short read
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* base, const void* buffer, int amount, sqlite3_int64 at) {
  MemoryFile& file = file_of(base);
  const auto* in = static_cast<const unsigned char*>(buffer);
  auto bytes = static_cast<std::size_t>(amount);
  auto offset = static_cast<std::size_t>(at);
  std::unique_lock lock(file.content_mutex);
  while (file.blocks.size() * block_bytes < offset + bytes) {
    Block block = zeroed(block_bytes);
    if (block == nullptr) return SQLITE_FULL;
    file.blocks.push_back(std::move(block));
  }
  for_each_piece(file, offset, bytes,
                 [&](unsigned char* place, std::size_t piece, std::size_t done) { std::memcpy(place, in + done, piece); });
  file.size = std::max(file.size, offset + bytes);
  return SQLITE_OK;
}

int file_truncate(sqlite3_file* base, sqlite3_int64 size) {
  MemoryFile& file = file_of(base);
  auto bytes = static_cast<std::size_t>(size);
  std::unique_lock lock(file.content_mutex);
  if (bytes >= file.size) return SQLITE_OK;
  file.size = bytes;
  file.blocks.resize((bytes + block_bytes - 1) / block_bytes);
  if (std::size_t inside = bytes % block_bytes; inside != 0)
    std::memset(file.blocks.back().get() + inside, 0, block_bytes - inside);  // growing again must show zeros
  return SQLITE_OK;
}

int file_sync(sqlite3_file*, int) { return SQLITE_OK; }

int file_size(sqlite3_file* base, sqlite3_int64* out) {
  MemoryFile& file = file_of(base);
  std::shared_lock lock(file.content_mutex);
  *out = static_cast<sqlite3_int64>(file.size);
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int file_sector_size(sqlite3_file*) { return 4096; }
int file_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL | SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int shm_map(sqlite3_file* base, int region, int bytes, int extend, void volatile** out) {
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.shm_mutex);
  auto index = static_cast<std::size_t>(region);
  *out = nullptr;
  if (index >= file.regions.size() && extend == 0) return SQLITE_OK;
  while (file.regions.size() <= index) {
    Block block = zeroed(static_cast<std::size_t>(bytes));
    if (block == nullptr) return SQLITE_IOERR_NOMEM;
    file.regions.push_back(std::move(block));
  }
  *out = file.regions[index].get();
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* base, int first, int count, int flags) {
  Handle* handle = handle_of(base);
  MemoryFile& file = file_of(base);
  std::lock_guard lock(file.shm_mutex);
  auto begin = static_cast<std::size_t>(first);
  auto end = begin + static_cast<std::size_t>(count);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (std::size_t i = begin; i < end; ++i) {
      if ((flags & SQLITE_SHM_SHARED) != 0 && (handle->shm_shared >> i & 1u) != 0) {
        --file.shm_shared[i];
        handle->shm_shared &= ~(1u << i);
      }
      if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && file.shm_exclusive[i] == handle) file.shm_exclusive[i] = nullptr;
    }
    return SQLITE_OK;
  }
  for (std::size_t i = begin; i < end; ++i) {
    if (file.shm_exclusive[i] != nullptr && file.shm_exclusive[i] != handle) return SQLITE_BUSY;
    int others = file.shm_shared[i] - static_cast<int>(handle->shm_shared >> i & 1u);
    if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && others > 0) return SQLITE_BUSY;
  }
  for (std::size_t i = begin; i < end; ++i) {
    if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
      file.shm_exclusive[i] = handle;
    } else if ((handle->shm_shared >> i & 1u) == 0) {
      ++file.shm_shared[i];
      handle->shm_shared |= 1u << i;
    }
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file* base) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::lock_guard lock(file_of(base).shm_mutex);  // a full barrier on every compiler, as SQLite's own VFS does it
}

const sqlite3_io_methods io_methods = {
    2,
    file_close,
    file_read,
    file_write,
    file_truncate,
    file_sync,
    file_size,
    file_lock,
    file_unlock,
    file_check_reserved,
    file_control,
    file_sector_size,
    file_characteristics,
    shm_map,
    shm_lock,
    shm_barrier,
    shm_unmap,
    nullptr,
    nullptr,
};

int vfs_open(sqlite3_vfs*, const char* name, sqlite3_file* base, int flags, int* flags_out) {
  Handle* handle = handle_of(base);
  handle->base.pMethods = nullptr;
  std::shared_ptr<MemoryFile> file;
  if (name == nullptr) {
    file = std::make_shared<MemoryFile>();  // a temporary file: gone when it is closed
  } else {
    std::lock_guard lock(directory().mutex);
    auto found = directory().files.find(name);
    if (found != directory().files.end()) {
      file = found->second;
    } else {
      if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
      file = std::make_shared<MemoryFile>();
      directory().files.emplace(name, file);
    }
  }
  handle->file = new std::shared_ptr<MemoryFile>(std::move(file));
  handle->lock_level = SQLITE_LOCK_NONE;
  handle->shm_shared = 0;
  handle->base.pMethods = &io_methods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs*, const char* name, int) {
  std::lock_guard lock(directory().mutex);
  return directory().files.erase(name) != 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int vfs_access(sqlite3_vfs*, const char* name, int, int* out) {
  std::lock_guard lock(directory().mutex);
  *out = directory().files.count(name) != 0 ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_pathname(sqlite3_vfs*, const char* name, int bytes, char* out) {
  sqlite3_snprintf(bytes, out, "%s", name);
  return SQLITE_OK;
}

/// Time, sleep and randomness are the system's.
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }
int vfs_randomness(sqlite3_vfs*, int bytes, char* out) { return system_vfs()->xRandomness(system_vfs(), bytes, out); }
int vfs_sleep(sqlite3_vfs*, int micros) { return system_vfs()->xSleep(system_vfs(), micros); }
int vfs_current_time(sqlite3_vfs*, double* out) { return system_vfs()->xCurrentTime(system_vfs(), out); }
int vfs_last_error(sqlite3_vfs*, int, char*) { return 0; }
int vfs_current_time_64(sqlite3_vfs*, sqlite3_int64* out) { return system_vfs()->xCurrentTimeInt64(system_vfs(), out); }

sqlite3_vfs make_vfs() {
  sqlite3_vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(Handle);
  vfs.mxPathname = 512;
  vfs.zName = MemoryFiles::vfs_name();
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_pathname;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_current_time;
  vfs.xGetLastError = vfs_last_error;
  vfs.xCurrentTimeInt64 = vfs_current_time_64;
  return vfs;
}

}  // namespace

const char* MemoryFiles::vfs_name() { return "loam-memory"; }

Result<std::unique_ptr<MemoryFiles>> MemoryFiles::create() {
  static sqlite3_vfs vfs = make_vfs();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  if (registered != SQLITE_OK) return internal_error("SQLite did not take the VFS for memory");
  static std::atomic<std::uint64_t> count{0};
  return std::unique_ptr<MemoryFiles>(new MemoryFiles("/memory/" + std::to_string(++count)));
}

MemoryFiles::~MemoryFiles() {
  std::lock_guard lock(directory().mutex);
  for (const char* suffix : {"", "-wal", "-journal"}) directory().files.erase(name_ + suffix);
}

}  // namespace loam::sqlite
