#include "loam/store/backup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "loam/core/kill_point.hpp"
#include "loam/store/backup_tree.hpp"
#include "loam/store/file_system.hpp"
#include "loam/store/layout.hpp"
#include "loam/store/process_lock.hpp"

namespace loam::store_internal {
namespace {

constexpr std::int64_t replace_lock_timeout_ms = 10'000;

/// A directory that is being filled; gone with this object unless it was given its final name.
class UnfinishedDirectory {
 public:
  static Result<UnfinishedDirectory> make(std::string path) {
    LOAM_TRY(make_directory(path));
    return UnfinishedDirectory(std::move(path));
  }
  UnfinishedDirectory(UnfinishedDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  UnfinishedDirectory& operator=(UnfinishedDirectory&&) = delete;
  ~UnfinishedDirectory() {
    if (!path_.empty()) remove_tree(path_);
  }

  const std::string& path() const { return path_; }
  void renamed_to(std::string path) { path_ = std::move(path); }
  void keep() { path_.clear(); }

 private:
  explicit UnfinishedDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<std::string> check_path(std::string_view path, std::string_view what) {
  if (path.empty() || path.find('\0') != std::string_view::npos)
    return invalid_argument("the path of the " + std::string(what) + " is empty or holds a NUL byte");
  return absolute_path(std::string(path));
}

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory == "/" ? directory : directory + "/");
}

/// With the links of its parents resolved, so that two ways to write one path compare equal.
std::string real_path(const std::string& path) {
  std::unique_ptr<char, void (*)(void*)> parent(::realpath(parent_of(path).c_str(), nullptr), &::free);
  return parent ? std::string(parent.get()) + "/" + name_of(path) : path;
}

Result<void> check_parent(const std::string& path) {
  LOAM_TRY(auto kind, resolved_kind(parent_of(path)));
  if (kind == PathKind::directory) return {};
  return not_found("there is no directory " + parent_of(path) + " to put " + name_of(path) + " in").hint("create it first");
}

Result<void> check_backup_target(const std::string& target, const std::string& store_directory) {
  LOAM_TRY(check_parent(target));
  if (!store_directory.empty() && is_below(real_path(target), real_path(store_directory)))
    return invalid_argument("the backup " + target + " would be inside the store").hint("choose a directory beside it");
  LOAM_TRY(auto kind, path_kind(target));
  if (kind == PathKind::absent) return {};
  if (kind == PathKind::directory) {
    LOAM_TRY(auto names, list_directory(target));
    if (names.empty()) return {};
  }
  return Error(ErrorCode::already_exists, target + " is there already and is not an empty directory")
      .hint("give a path that does not exist yet");
}

/// Blobs never change once they have their name, so they are copied after the rows that refer to them.
Result<void> copy_blobs(const std::string& from, const std::string& to, int depth, const Context& context) {
  LOAM_TRY(auto kind, path_kind(from));
  if (kind == PathKind::absent) return {};
  LOAM_TRY(auto names, list_directory(from));
  if (names.empty()) return {};
  LOAM_TRY(make_directory(to));
  for (const std::string& name : names) {
    std::string path = from + "/" + name;
    LOAM_TRY(auto entry_kind, path_kind(path));
    if (entry_kind == PathKind::directory && depth < 3) {
      LOAM_TRY(copy_blobs(path, to + "/" + name, depth + 1, context));
      continue;
    }
    if (entry_kind != PathKind::regular_file) return failed_precondition(path + " is not a file that a store writes");
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file.open()) return errno_error("open", path, errno);
    LOAM_TRY(copy_file(file.get(), path, to + "/" + name, [](std::string_view) {}, context));
  }
  ::rmdir(to.c_str());  // goes only when it stayed empty: a manifest names files, and no directory without one
  return {};
}

BackupReport report_of(const Manifest& manifest) {
  return {.files = static_cast<std::int64_t>(manifest.files.size()),
          .bytes = total_bytes(manifest),
          .taken_at = manifest.taken_at};
}

/// Opens the database of a copy and lets SQLite read all of it.
Result<void> check_restored_database(const std::string& directory, const Context& context) {
  LOAM_TRY(check_database_header(database_path(directory)));
  LOAM_TRY(auto db, open_sqlite({.path = database_path(directory),
                                 .create = false,
                                 .readers = {.connections_min = 1, .connections_max = 1}}));
  LOAM_TRY(read_format_version(*db, directory));
  LOAM_TRY(auto problems, sqlite::integrity_problems(*db, context));
  if (!problems.empty())
    return data_corruption("the backup's bytes are whole but its database is not: " + problems.front())
        .hint("it was taken from a damaged store; use an older backup");
  return {};
}

Result<UnfinishedDirectory> copy_and_check(const std::string& backup, const std::string& target, Manifest& manifest,
                                           const Context& context) {
  LOAM_TRY(auto copy, UnfinishedDirectory::make(target + ".restoring-" + random_suffix()));
  LOAM_TRY(copy_tree(backup, copy.path(), context));
  LOAM_KILL_POINT("restore.after_copy");
  LOAM_TRY(manifest, verify_tree(copy.path(), context));
  auto has_database = [](const ManifestFile& file) { return file.name == database_file_name; };
  if (std::none_of(manifest.files.begin(), manifest.files.end(), has_database))
    return data_corruption("the backup " + backup + " holds no " + std::string(database_file_name));
  LOAM_TRY(check_restored_database(copy.path(), context));
  std::string manifest_file = copy.path() + "/" + std::string(manifest_file_name);
  if (::unlink(manifest_file.c_str()) != 0) return errno_error("remove", manifest_file, errno);
  LOAM_TRY(sync_file(database_path(copy.path())));
  LOAM_TRY(sync_directory(copy.path()));
  return copy;
}

Result<void> check_restore_target(const std::string& backup, const std::string& target, bool replace) {
  LOAM_TRY(check_parent(target));
  std::string real_target = real_path(target);
  std::string real_backup = real_path(backup);
  if (is_below(real_target, real_backup) || is_below(real_backup, real_target))
    return invalid_argument("the backup and the store to restore must not be inside each other");
  LOAM_TRY(auto kind, path_kind(target));
  if (kind == PathKind::absent) return {};
  if (!replace)
    return Error(ErrorCode::already_exists, target + " is there already").hint("restore with replace, or to another path");
  if (kind != PathKind::directory) return failed_precondition(target + " is not a store, so it is not replaced");
  LOAM_TRY(auto names, list_directory(target));
  auto of_a_store = [](const std::string& name) { return name == database_file_name || name == "LOCK"; };
  if (names.empty() || std::any_of(names.begin(), names.end(), of_a_store)) return {};
  return failed_precondition("the directory " + target + " is not a store, so it is not replaced");
}

/// 20261121T064500.123456Z: sorts by time and needs no quoting.
std::string compact_time(Timestamp time) {
  std::string text = to_string(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

/// Gives the copy its final name. With a former store there, the two names are exchanged in one step: at no instant, and
/// after no crash, is `target` absent or mixed. Returns the former store's new name.
Result<std::string> put_in_place(UnfinishedDirectory& copy, const std::string& target, const Context& context) {
  LOAM_TRY(auto kind, path_kind(target));
  LOAM_KILL_POINT("restore.before_rename");
  if (kind == PathKind::absent) {
    LOAM_TRY(rename_new(copy.path(), target));
    copy.keep();
    LOAM_KILL_POINT("restore.after_rename");
    LOAM_TRY(sync_directory(parent_of(target)));
    return std::string();
  }
  // A writer in the middle of a commit would go on in the directory that is moved away; those that come later notice by
  // themselves.
  LOAM_TRY(auto lock, ProcessLock::open(target, {.timeout_ms = replace_lock_timeout_ms}));
  LOAM_TRY(auto lease, lock->acquire(context));
  std::string kept = target + ".before-restore-" + compact_time(system_clock().now());
  LOAM_TRY(rename_new(copy.path(), kept));
  copy.renamed_to(kept);
  LOAM_KILL_POINT("restore.before_exchange");
  LOAM_TRY(exchange_names(target, kept));
  copy.keep();
  LOAM_KILL_POINT("restore.after_exchange");
  LOAM_TRY(sync_directory(parent_of(target)));
  return kept;
}

Result<BackupReport> verify(std::string_view directory, const Context& context) {
  LOAM_TRY(auto path, check_path(directory, "backup"));
  LOAM_TRY(auto manifest, verify_tree(path, context));
  return report_of(manifest);
}

Result<BackupReport> restore(std::string_view directory, std::string_view path, bool replace, const Context& context) {
  LOAM_TRY(auto backup, check_path(directory, "backup"));
  LOAM_TRY(auto target, check_path(path, "store"));
  LOAM_TRY(check_restore_target(backup, target, replace));
  Manifest manifest;
  LOAM_TRY(auto copy, copy_and_check(backup, target, manifest, context));
  LOAM_TRY(auto kept, put_in_place(copy, target, context));
  BackupReport report = report_of(manifest);
  report.former_store = std::move(kept);
  return report;
}

}  // namespace

Result<BackupReport> take_backup(const BackupSource& source, std::string_view target_path, const Context& context) {
  LOAM_TRY(auto target, check_path(target_path, "backup"));
  LOAM_TRY(check_backup_target(target, source.store_directory));
  LOAM_TRY(auto copy, UnfinishedDirectory::make(target + ".partial-" + random_suffix()));
  Manifest header{.taken_at = source.clock.now(), .store_format = format_version, .engine = source.engine, .files = {}};
  std::string database = database_path(copy.path());
  LOAM_TRY(sqlite::copy_to(source.database, database, context));
  if (::chmod(database.c_str(), 0600) != 0) return errno_error("set the mode of", database, errno);
  LOAM_KILL_POINT("backup.after_copy");
  if (!source.store_directory.empty())
    LOAM_TRY(copy_blobs(source.store_directory + "/files", copy.path() + "/files", 0, context));
  LOAM_TRY(auto manifest, seal_tree(copy.path(), header, context));
  LOAM_KILL_POINT("backup.before_rename");
  if (::rename(copy.path().c_str(), target.c_str()) != 0) return errno_error("rename the finished backup to", target, errno);
  copy.keep();
  LOAM_KILL_POINT("backup.after_rename");
  LOAM_TRY(sync_directory(parent_of(target)));
  return report_of(manifest);
}

}  // namespace loam::store_internal

namespace loam {

Result<BackupReport> verify_backup(std::string_view directory, const Context& context) {
  return store_internal::verify(directory, context);
}

Result<BackupReport> restore_backup(std::string_view directory, std::string_view path, RestoreOptions options,
                                    const Context& context) {
  return store_internal::restore(directory, path, options.replace, context);
}

}  // namespace loam
