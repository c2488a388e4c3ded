#include "loam/store/layout.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/core/kill_point.hpp"
#include "loam/store/file_system.hpp"
#include "loam/store/manifest.hpp"

namespace loam::store_internal {
namespace {

constexpr std::array<std::string_view, 3> derived_names = {"LOCK", "index", "files"};
constexpr std::array<std::string_view, 3> database_side_files = {"-wal", "-shm", "-journal"};
constexpr std::string_view unfinished_marker = ".new-";  ///< loam.db.new-<random>: a store that was being created

// The header of an SQLite file (sqlite.org/fileformat.html, 1.3), big-endian.
constexpr std::size_t sqlite_header_bytes = 100;
constexpr std::string_view sqlite_magic{"SQLite format 3\0", 16};
constexpr std::size_t user_version_offset = 60;
constexpr std::size_t application_id_offset = 68;

std::int64_t big_endian_u32(std::string_view bytes, std::size_t offset) {
  std::int64_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return number;
}

bool is_known(std::string_view name) {
  if (std::find(derived_names.begin(), derived_names.end(), name) != derived_names.end()) return true;
  if (!name.starts_with(database_file_name)) return false;
  name.remove_prefix(database_file_name.size());
  return name.empty() ||
         std::find(database_side_files.begin(), database_side_files.end(), name) != database_side_files.end();
}

bool is_unfinished(std::string_view name) {
  return name.starts_with(std::string(database_file_name) + std::string(unfinished_marker));
}

/// A few names for an error message.
std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 3; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 3 ? text + ", .." : text;
}

Error newer_format(const std::string& path, std::int64_t version) {
  return failed_precondition(path + " has store format " + std::to_string(version) + "; this library reads formats up to " +
                             std::to_string(format_version))
      .hint("open it with the newer version that wrote it");
}

Error foreign(const std::string& path, std::string what) {
  return failed_precondition(path + " is not a Loam store: " + std::move(what)).hint("give another path");
}

/// Makes the database under another name and renames it when it is whole, so that a file named loam.db always carries our
/// mark in its header and is never taken for another program's. Who comes second finds the first one's file.
Result<void> create_database(const std::string& directory) {
  std::string unfinished = database_path(directory) + std::string(unfinished_marker) + random_suffix();
  LOAM_TRY(create_file(unfinished));  // for its mode; SQLite opens an empty file as a new database
  {
    LOAM_TRY(auto db, open_sqlite({.path = unfinished, .readers = {.connections_min = 1, .connections_max = 1}}));
    LOAM_TRY(mark_database(*db));
    LOAM_TRY(sqlite::checkpoint(*db));
  }
  LOAM_KILL_POINT("store.before_create");
  LOAM_TRY(sync_file(unfinished));
  auto renamed = rename_new(unfinished, database_path(directory));
  if (!renamed.ok()) {
    ::unlink(unfinished.c_str());
    if (renamed.error().code() != ErrorCode::already_exists) return renamed;
  }
  return sync_directory(directory);
}

Result<void> make_store_directory(const std::string& directory, LayoutOptions options) {
  if (options.read_only || !options.create) return not_found("there is no store " + directory);
  LOAM_TRY(auto parent, resolved_kind(parent_of(directory)));
  if (parent != PathKind::directory)
    return not_found("there is no directory " + parent_of(directory) + " to create the store " + name_of(directory) + " in");
  auto made = make_directory(directory);
  if (!made.ok() && made.error().code() != ErrorCode::already_exists) return made;  // another process was faster
  return sync_directory(parent_of(directory));
}

Result<void> check_directory(const std::string& directory) {
  LOAM_TRY(auto kind, resolved_kind(directory));
  if (kind == PathKind::directory) return {};
  if (kind == PathKind::regular_file)
    return failed_precondition(directory + " is a file; a store is a directory").hint("give the path of a store directory");
  return failed_precondition(directory + " is neither a file nor a directory");
}

/// There is no loam.db: may one be made here?
Result<void> check_room_for_a_store(const std::string& directory, const std::vector<std::string>& names,
                                    LayoutOptions options) {
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (name.starts_with(database_file_name) && is_known(name))
      return data_corruption(directory + " holds " + name + " but no loam.db: the store's main file is gone")
          .hint("restore a backup to another path");
    if (!is_known(name) && !is_unfinished(name)) others.push_back(name);
  }
  if (!others.empty())
    return failed_precondition("the directory " + directory + " holds other files (" + some_of(others) +
                               ") and is not a store")
        .hint("give a path that does not exist yet, and it is created");
  if (options.read_only || !options.create) return not_found("the directory " + directory + " holds no store");
  return {};
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string database_path(const std::string& directory) { return directory + "/" + std::string(database_file_name); }

Result<void> check_database_header(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.open() && errno == ELOOP) return foreign(path, "it is a symbolic link");
  if (!file.open()) return errno_error("open", path, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return errno_error("stat", path, errno);
  if (!S_ISREG(status.st_mode)) return foreign(path, "it is not a regular file");
  std::string header(sqlite_header_bytes, '\0');
  ssize_t got = ::pread(file.get(), header.data(), header.size(), 0);
  if (got < 0) return errno_error("read", path, errno);
  if (got == 0) return data_corruption(path + " is empty").hint("restore a backup to another path");
  if (std::string_view(header).substr(0, sqlite_magic.size()) != sqlite_magic)
    return foreign(path, "it is not an SQLite file");
  if (static_cast<std::size_t>(got) < header.size())
    return data_corruption(path + " is cut short: it has " + std::to_string(got) + " bytes");
  if (big_endian_u32(header, application_id_offset) != application_id)
    return foreign(path, "it is the SQLite database of another program");
  std::int64_t version = big_endian_u32(header, user_version_offset);
  if (version > format_version) return newer_format(path, version);
  return {};
}

Result<std::vector<std::string>> prepare_directory(const std::string& directory, LayoutOptions options) {
  LOAM_TRY(auto kind, resolved_kind(directory));
  if (kind == PathKind::absent) LOAM_TRY(make_store_directory(directory, options));
  LOAM_TRY(check_directory(directory));
  LOAM_TRY(auto names, list_directory(directory));
  if (contains(names, manifest_file_name) && contains(names, database_file_name))
    return failed_precondition(directory + " is a backup, and using it as a store would change it")
        .hint("restore it to another path first");
  if (!contains(names, database_file_name)) {
    LOAM_TRY(check_room_for_a_store(directory, names, options));
    LOAM_TRY(create_database(directory));
  }
  LOAM_TRY(check_database_header(database_path(directory)));
  if (!options.read_only) {
    LOAM_TRY(ensure_directory(directory + "/index"));
    LOAM_TRY(ensure_directory(directory + "/files"));
  }
  std::vector<std::string> notes;
  for (const std::string& name : names)
    if (is_unfinished(name))
      notes.push_back(name +
                      " was left by a process that ended while it created the store; it is ignored and may be deleted");
    else if (!is_known(name))
      notes.push_back(name + " is not a part of the store; it is ignored");
  return notes;
}

Result<void> mark_database(Database& db) {
  LOAM_TRY(db.execute("PRAGMA application_id = " + std::to_string(application_id)));
  LOAM_TRY(db.execute("PRAGMA user_version = " + std::to_string(format_version)));
  return {};
}

Result<std::int64_t> read_format_version(Database& db, const std::string& directory) {
  LOAM_TRY(auto id, db.query("PRAGMA application_id"));
  LOAM_TRY(auto version, db.query("PRAGMA user_version"));
  if (id.at(0, 0u).as<std::int64_t>() != application_id) return foreign(database_path(directory), "its mark was changed");
  std::int64_t number = version.at(0, 0u).as<std::int64_t>();
  if (number > format_version) return newer_format(database_path(directory), number);
  return number;
}

}  // namespace loam::store_internal
