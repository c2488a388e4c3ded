#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "loam/adapters/sqlite/sqlite_database.hpp"
#include "loam/adapters/sqlite/translate.hpp"

namespace loam {
namespace sqlite {
namespace {

constexpr int library_version_min = 3'040'000;

Result<void> check_library() {
  if (sqlite3_libversion_number() < library_version_min)
    return failed_precondition(std::string("the SQLite library is ") + sqlite3_libversion() + ", older than 3.40");
  if (sqlite3_threadsafe() == 0) return failed_precondition("the SQLite library was built without threads");
  return {};
}

Error from_errno(int number, const std::string& what) {
  ErrorCode code = number == ENOENT || number == ENOTDIR       ? ErrorCode::not_found
                   : number == EACCES || number == EPERM       ? ErrorCode::permission_denied
                   : number == EROFS                           ? ErrorCode::failed_precondition
                   : number == ENOSPC || number == EDQUOT      ? ErrorCode::resource_exhausted
                   : number == ENAMETOOLONG || number == ELOOP ? ErrorCode::invalid_argument
                                                               : ErrorCode::unavailable;
  return Error(code, what + ": " + std::strerror(number)).native({"errno", std::to_string(number), std::strerror(number)});
}

/// Absolute, so that SQLite never takes a name such as "file:x?mode=memory" or ":memory:" for something else than a file.
Result<std::string> absolute(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    return invalid_argument("the path of a database is empty or holds a NUL");
  if (path == ":memory:")
    return invalid_argument("\":memory:\" is no path").hint("sqlite_in_memory() makes such a database");
  auto slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..")
    return failed_precondition("\"" + path + "\" is a directory, not a database file");
  char* resolved = ::realpath(directory.c_str(), nullptr);
  if (resolved == nullptr) return from_errno(errno, "the directory of \"" + path + '"');
  std::string whole = resolved;
  std::free(resolved);
  return (whole == "/" ? "" : whole) + '/' + name;
}

/// Whether the file is there; what cannot be a database is refused by its kind.
///
/// The file is never opened here: closing a descriptor of it would drop the locks of every SQLite connection that this
/// process has on it.
Result<bool> exists(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    return from_errno(errno, '"' + path + '"');
  }
  if (S_ISDIR(status.st_mode)) return failed_precondition("\"" + path + "\" is a directory, not a database file");
  if (!S_ISREG(status.st_mode)) return failed_precondition("\"" + path + "\" is not a regular file");
  return true;
}

Result<void> check_access(const std::string& path, bool read_only) {
  if (::access(path.c_str(), R_OK) != 0) return from_errno(errno, "reading \"" + path + '"');
  if (!read_only && ::access(path.c_str(), W_OK) != 0)
    return from_errno(errno, "writing \"" + path + '"').hint("open it read-only");
  return {};
}

/// An empty file that only its owner can read: SQLite would make it as the umask says. Its -wal and -shm inherit the mode.
Result<void> create_file(const std::string& path) {
  // Another thread must not lock the file between our open() and close(): the close would drop its locks.
  int descriptor = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) {
    if (errno == EEXIST) return {};  // another process was faster
    return from_errno(errno, "creating \"" + path + '"');
  }
  ::fchmod(descriptor, 0600);
  ::close(descriptor);
  return {};
}

std::mutex& creation_mutex() {
  static std::mutex mutex;
  return mutex;
}

Result<void> prepare_file(const SqliteOptions& options, const std::string& path) {
  std::lock_guard lock(creation_mutex());
  LOAM_TRY(bool there, exists(path));
  if (there) return check_access(path, options.read_only);
  if (options.read_only || !options.create) return not_found("there is no database file \"" + path + '"');
  return create_file(path);
}

bool directory_is_read_only(const std::string& path) {
  std::string directory = path.substr(0, path.rfind('/'));
  return ::access(directory.empty() ? "/" : directory.c_str(), W_OK) != 0;
}

/// A database in WAL mode needs its -shm file even to be read, and where that cannot be made nobody else can write either:
/// then, and when no -wal holds commits that only recovery could read, the file is read as it is.
Result<bool> must_be_immutable(const std::string& path) {
  if (!directory_is_read_only(path)) return false;
  struct stat status{};
  if (::stat((path + "-shm").c_str(), &status) == 0) return false;
  if (::stat((path + "-wal").c_str(), &status) != 0) return true;
  if (status.st_size == 0) return true;
  return failed_precondition("\"" + path + "\" has commits in its -wal file, which cannot be read in a read-only directory")
      .hint("copy the database and its -wal file to a directory that can be written, and open it there");
}

Result<std::unique_ptr<Database>> assemble(SqliteOptions options, ConnectionSettings settings,
                                           std::unique_ptr<MemoryFiles> memory) {
  std::unique_ptr<Connection> writer;
  if (options.read_only) {
    LOAM_TRY(auto probe, Connection::open(settings, Role::reader));  // what is wrong with the file shows now
  } else {
    LOAM_TRY(writer, Connection::open(settings, Role::writer));
  }
  return std::make_unique<SqliteDatabase>(std::move(options), std::move(settings), std::move(writer), std::move(memory));
}

Result<void> check_options(const SqliteOptions& options) {
  if (options.readers.connections_max == 0)
    return invalid_argument("readers.connections_max is 0; a database needs one reader");
  if (options.checkpoint_pages < 1) return invalid_argument("checkpoint_pages must be at least 1");
  if (options.cache_kib < 1) return invalid_argument("cache_kib must be at least 1");
  if (options.write_timeout_ms < 0) return invalid_argument("write_timeout_ms is negative");
  return {};
}

}  // namespace

std::string library_version() { return sqlite3_libversion(); }

}  // namespace sqlite

Result<std::unique_ptr<Database>> open_sqlite(SqliteOptions options) {
  LOAM_TRY(sqlite::check_library());
  LOAM_TRY(sqlite::check_options(options));
  LOAM_TRY(auto path, sqlite::absolute(options.path));
  LOAM_TRY(sqlite::prepare_file(options, path));
  bool immutable = false;
  if (options.read_only) {
    LOAM_TRY(immutable, sqlite::must_be_immutable(path));
  }
  sqlite::ConnectionSettings settings{.path = path,
                                      .vfs = options.vfs,
                                      .read_only = options.read_only,
                                      .immutable = immutable,
                                      .durability = options.durability,
                                      .cache_kib = options.cache_kib};
  return sqlite::assemble(std::move(options), std::move(settings), nullptr);
}

Result<std::unique_ptr<Database>> sqlite_in_memory(PoolOptions readers) {
  SqliteOptions options{.durability = Durability::normal, .readers = readers};
  LOAM_TRY(sqlite::check_library());
  LOAM_TRY(sqlite::check_options(options));
  LOAM_TRY(auto memory, sqlite::MemoryFiles::create());
  sqlite::ConnectionSettings settings{.path = memory->database_name(),
                                      .vfs = sqlite::MemoryFiles::vfs_name(),
                                      .create = true,
                                      .durability = Durability::normal,
                                      .cache_kib = options.cache_kib};
  return sqlite::assemble(std::move(options), std::move(settings), std::move(memory));
}

}  // namespace loam
