#include "loam/adapters/lmdb/environment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <functional>
#include <thread>

#include "loam/adapters/lmdb/open_environments.hpp"
#include "loam/adapters/lmdb/translate.hpp"

namespace loam::lmdb {
namespace {

constexpr std::string_view format_key = "format";
constexpr std::string_view format_value = "loam-kv-lmdb 1";
constexpr std::string_view chunk_key = "chunk_bytes";

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view to_view(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

Result<void> make_directory(const LmdbOptions& options) {
  struct stat found = {};
  if (::stat(options.path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return {};
    return failed_precondition("\"" + options.path + "\" is not a directory, so it holds no lmdb store");
  }
  if (errno != ENOENT) return translate(errno, "open \"" + options.path + "\"");
  if (!options.create) return not_found("there is no lmdb store at \"" + options.path + "\"");
  if (::mkdir(options.path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return translate(errno, "make the directory \"" + options.path + "\"");
}

/// Makes the names of new files survive a power cut; LMDB syncs only their contents.
Result<void> sync_directory(const std::filesystem::path& path) {
  int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return translate(errno, "open the directory \"" + path.string() + "\"");
  int code = ::fsync(directory) == 0 ? 0 : errno;
  ::close(directory);
  if (code != 0) return translate(code, "sync the directory \"" + path.string() + "\"");
  return {};
}

/// Ends a transaction that nobody commits.
struct Rollback {
  void operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
};
using OwnedTransaction = std::unique_ptr<MDB_txn, Rollback>;

}  // namespace

Result<std::shared_ptr<Environment>> Environment::open(const LmdbOptions& options, std::size_t chunk_bytes) {
  LOAM_TRY(make_directory(options));
  struct stat directory = {};
  if (::stat(options.path.c_str(), &directory) != 0) return translate(errno, "open \"" + options.path + "\"");
  LOAM_TRY(auto environment,
           share_environment({directory.st_dev, directory.st_ino}, [&]() -> Result<std::unique_ptr<Environment>> {
             std::unique_ptr<Environment> made(new Environment);
             LOAM_TRY(made->open_files(options, chunk_bytes));
             return made;
           }));
  if (environment->durability() != options.durability)
    return Error(failed_precondition("\"" + options.path + "\" is open in this process with another durability"))
        .hint("open it everywhere with the same durability");
  return environment;
}

Environment::~Environment() {
  if (native_ == nullptr || !check_process().ok()) return;  // in a forked child it belongs to the parent
  for (Slot& slot : slots_)
    if (slot.transaction != nullptr) mdb_txn_abort(slot.transaction);
  mdb_env_close(native_);
}

Result<void> Environment::check_process() const {
  if (fork_generation_ == fork_generation()) return {};
  return Error(failed_precondition("an lmdb store was opened before fork() and is used in the child"))
      .hint("open the store again in the child");
}

Result<void> Environment::open_files(const LmdbOptions& options, std::size_t chunk_bytes) {
  options_ = options;
  fork_generation_ = fork_generation();
  const std::filesystem::path directory = options.path;
  const std::string data_path = directory / "data.mdb";
  struct stat data = {};
  const bool is_new = ::stat(data_path.c_str(), &data) != 0 || data.st_size == 0;
  if (is_new && !options.create) return not_found("there is no lmdb store at \"" + options.path + "\"");
  LOAM_TRY(write_lock_.open(directory / "write.lock"));

  if (int code = mdb_env_create(&native_); code != 0) return translate(code, "make an environment");
  // An old file keeps the size of its map, which other processes may be using.
  if (is_new) (void)mdb_env_set_mapsize(native_, std::min(options.map_bytes_initial, options.map_bytes_max));
  (void)mdb_env_set_maxdbs(native_, 4);
  (void)mdb_env_set_maxreaders(native_, options.readers_max);
  unsigned flags = MDB_NOTLS;
  // The data pages are synced either way; without the sync of the last page a power cut undoes commits but tears none.
  if (options.durability == Durability::normal) flags |= MDB_NOMETASYNC;
  if (int code = mdb_env_open(native_, options.path.c_str(), flags, 0600); code != 0)
    return translate(code, "open \"" + options.path + "\"");
  LOAM_TRY(check_size());
  drop_dead_readers();
  LOAM_TRY(open_tables(chunk_bytes));
  if (is_new) {
    LOAM_TRY(sync_directory(directory));
    LOAM_TRY(sync_directory(std::filesystem::absolute(directory).parent_path()));
  }
  return {};
}

// Reading a page behind the end of the file would end the process with SIGBUS.
Result<void> Environment::check_size() const {
  MDB_envinfo info;
  MDB_stat stat;
  mdb_env_info(native_, &info);
  mdb_env_stat(native_, &stat);
  int file = -1;
  mdb_env_get_fd(native_, &file);
  struct stat data = {};
  if (::fstat(file, &data) != 0) return translate(errno, "read the size of the data file");
  std::uint64_t needed = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  if (static_cast<std::uint64_t>(data.st_size) >= needed) return {};
  return Error(data_corruption("\"" + options_.path + "/data.mdb\" has " + std::to_string(data.st_size) +
                               " bytes but uses " + std::to_string(needed)))
      .hint("the file was cut: restore it from a backup");
}

Result<void> Environment::open_tables(std::size_t chunk_bytes) {
  {
    MDB_txn* transaction = nullptr;
    if (int code = mdb_txn_begin(native_, nullptr, MDB_RDONLY, &transaction); code != 0) return translate(code, "read");
    OwnedTransaction owned(transaction);
    int code = mdb_dbi_open(transaction, "loam_meta", 0, &tables_.meta);
    if (code == 0) {
      LOAM_TRY(read_format(transaction));
      code = mdb_txn_commit(owned.release());  // keeps the handles
      return code == 0 ? Result<void>() : translate(code, "open the tables");
    }
    if (code != MDB_NOTFOUND) return translate(code, "open \"" + options_.path + "\"");
  }
  return write({}, [&](MDB_txn* transaction) -> Result<Verdict> {
    LOAM_TRY(write_format(transaction, chunk_bytes));
    return Verdict::commit;
  });
}

Result<void> Environment::read_format(MDB_txn* transaction) {
  MDB_val key = to_val(format_key), value;
  if (int code = mdb_get(transaction, tables_.meta, &key, &value); code != 0) return translate(code, "read the format");
  if (to_view(value) != format_value)
    return Error(failed_precondition("\"" + options_.path + "\" has the format \"" +
                                     std::string(to_view(value).substr(0, 40)) + "\"; this version knows \"" +
                                     std::string(format_value) + "\""))
        .hint("open it with the version of Loam that made it, or a newer one");
  key = to_val(chunk_key);
  if (int code = mdb_get(transaction, tables_.meta, &key, &value); code != 0) return translate(code, "read the format");
  std::string_view digits = to_view(value);
  auto read = std::from_chars(digits.data(), digits.data() + digits.size(), chunk_bytes_);
  auto longest = static_cast<std::size_t>(mdb_env_get_maxkeysize(native_));
  if (read.ec != std::errc() || chunk_bytes_ == 0 || chunk_bytes_ + 9 > longest)
    return failed_precondition("\"" + options_.path + "\" has keys of another length than this build of LMDB allows");
  if (int code = mdb_dbi_open(transaction, "loam_namespaces", 0, &tables_.namespaces); code != 0)
    return translate(code, "open the namespaces");
  if (int code = mdb_dbi_open(transaction, "loam_entries", 0, &tables_.entries); code != 0)
    return translate(code, "open the entries");
  return {};
}

Result<void> Environment::write_format(MDB_txn* transaction, std::size_t chunk_bytes) {
  MDB_dbi main = 0;
  MDB_stat stat;
  if (int code = mdb_dbi_open(transaction, nullptr, 0, &main); code != 0) return translate(code, "open the main table");
  if (mdb_stat(transaction, main, &stat) == 0 && stat.ms_entries > 0 &&
      mdb_dbi_open(transaction, "loam_meta", 0, &tables_.meta) == 0)
    return read_format(transaction);  // another process was first
  if (stat.ms_entries > 0)
    return Error(failed_precondition("\"" + options_.path + "\" is an LMDB environment of another program"))
        .hint("give the store a directory of its own");
  for (auto [name, table] :
       {std::pair{"loam_meta", &tables_.meta}, {"loam_namespaces", &tables_.namespaces}, {"loam_entries", &tables_.entries}})
    if (int code = mdb_dbi_open(transaction, name, MDB_CREATE, table); code != 0) return translate(code, "make the tables");
  const std::string chunk_text = std::to_string(chunk_bytes);
  for (auto [key_text, value_text] : {std::pair{format_key, format_value}, {chunk_key, std::string_view(chunk_text)}}) {
    MDB_val key = to_val(key_text), value = to_val(value_text);
    if (int code = mdb_put(transaction, tables_.meta, &key, &value, 0); code != 0)
      return translate(code, "write the format");
  }
  return read_format(transaction);
}

Environment::Slot& Environment::lock_any_slot() {
  // Each thread begins at a slot of its own, so that threads meet only when there are more than slots.
  static thread_local const std::size_t home =
      std::hash<std::thread::id>()(std::this_thread::get_id()) * 0x9E3779B97F4A7C15u >> 58;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (Slot& slot = slots_[(home + i) % slots_.size()]; slot.mutex.try_lock()) return slot;
  slots_[home % slots_.size()].mutex.lock();
  return slots_[home % slots_.size()];
}

Result<Environment::Read> Environment::read() {
  LOAM_TRY(check_process());
  bool dropped_readers = false;
  for (;;) {
    Slot& slot = lock_any_slot();
    std::unique_lock lock(slot.mutex, std::adopt_lock);
    int code = slot.transaction != nullptr ? mdb_txn_renew(slot.transaction)
                                           : mdb_txn_begin(native_, nullptr, MDB_RDONLY, &slot.transaction);
    if (code == 0) return Read(std::move(lock), slot.transaction);
    if (slot.transaction != nullptr) mdb_txn_abort(std::exchange(slot.transaction, nullptr));
    lock.unlock();
    if (code == MDB_MAP_RESIZED) {
      LOAM_TRY(auto held, write_lock_.acquire_in_process({}, options_.write_timeout_ms));
      LOAM_TRY(set_map_size(0));  // 0: what the file says now
    } else if (code == MDB_READERS_FULL && !dropped_readers) {
      dropped_readers = true;
      drop_dead_readers();
    } else {
      return translate(code, "read");
    }
  }
}

Result<void> Environment::write(const Context& context, const Work& work) {
  LOAM_TRY(check_process());
  LOAM_TRY(auto held, write_lock_.acquire(context, options_.write_timeout_ms));
  bool dropped_readers = false;
  for (;;) {
    LOAM_TRY(context.check("lmdb write"));
    auto written = write_once(work);
    if (written.ok()) return {};
    if (!is_map_full(written.error())) return std::move(written).error();
    // Pages that only a dead reader holds are free again without a larger map.
    bool pages_came_back = !std::exchange(dropped_readers, true) && drop_dead_readers() > 0;
    if (!pages_came_back) LOAM_TRY(make_room());
  }
}

Result<Environment::Verdict> Environment::write_once(const Work& work) {
  if (broken_) return translate(MDB_PANIC, "write");
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(native_, nullptr, 0, &transaction);
  if (code == MDB_MAP_RESIZED) {
    LOAM_TRY(set_map_size(0));
    code = mdb_txn_begin(native_, nullptr, 0, &transaction);
  }
  if (code != 0) return translate(code, "begin to write");
  OwnedTransaction owned(transaction);
  LOAM_TRY(Verdict verdict, work(transaction));
  if (verdict == Verdict::roll_back) return verdict;
  const std::size_t commit_number = mdb_txn_id(transaction);
  code = mdb_txn_commit(owned.release());
  if (code == 0) return verdict;
  if (old_state_stands(commit_number)) return translate(code, "commit");
  broken_ = true;
  return translate(code, "commit").outcome(Outcome::unknown);
}

// A commit writes and syncs new pages first, which nothing refers to yet, and last the one page that makes them count. When
// that page was not reached, nothing happened. When writing it failed, what the disk has is not known, and a later sync that
// succeeds would prove nothing about it: LMDB then refuses to begin (MDB_PANIC).
bool Environment::old_state_stands(std::size_t failed_commit) {
  MDB_txn* probe = nullptr;
  if (mdb_txn_begin(native_, nullptr, MDB_RDONLY, &probe) != 0) return false;
  const bool stands = mdb_txn_id(probe) < failed_commit;
  mdb_txn_abort(probe);
  return stands;
}

Result<void> Environment::make_room() {
  MDB_envinfo info;
  mdb_env_info(native_, &info);
  if (info.me_mapsize >= options_.map_bytes_max)
    return Error(ErrorCode::resource_exhausted, "the lmdb store \"" + options_.path + "\" is full: its map has " +
                                                    std::to_string(info.me_mapsize) +
                                                    " bytes, the most that map_bytes_max allows")
        .hint("delete entries or raise map_bytes_max");
  return set_map_size(std::min(info.me_mapsize * 2, options_.map_bytes_max));
}

// The write lock is held.
Result<void> Environment::set_map_size(std::size_t bytes) {
  std::array<std::unique_lock<std::mutex>, std::tuple_size_v<decltype(slots_)>> no_reads;
  for (std::size_t i = 0; i < slots_.size(); ++i) no_reads[i] = std::unique_lock(slots_[i].mutex);
  if (int code = mdb_env_set_mapsize(native_, bytes); code != 0) return translate(code, "change the size of the map");
  return {};
}

std::size_t Environment::drop_dead_readers() {
  int dead = 0;
  mdb_reader_check(native_, &dead);
  return static_cast<std::size_t>(std::max(dead, 0));
}

}  // namespace loam::lmdb
