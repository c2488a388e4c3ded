#include "loam/store/backup_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "loam/core/sha256.hpp"
#include "loam/store/file_system.hpp"

namespace loam::store_internal {
namespace {

constexpr int depth_max = 4;
constexpr std::size_t problems_shown_max = 20;
constexpr std::size_t entries_max = 4'000'000;

std::string manifest_path(const std::string& directory) { return directory + "/" + std::string(manifest_file_name); }

/// For messages: names of a hostile directory may hold anything.
std::string printable(std::string_view name) {
  std::string text(name.substr(0, 200));
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return text;
}

/// What is wrong, counted in full and listed in part.
class Problems {
 public:
  void add(std::string_view name, std::string_view what) {
    if (count_++ < problems_shown_max) text_ += (text_.empty() ? "" : "; ") + printable(name) + " " + std::string(what);
  }
  bool none() const { return count_ == 0; }
  Error error(const std::string& directory) const {
    std::string more = count_ > problems_shown_max ? "; and " + std::to_string(count_ - problems_shown_max) + " more" : "";
    return data_corruption("the backup " + directory + " is damaged: " + text_ + more);
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

struct Listing {
  std::set<std::string> files;  ///< regular ones, by relative name
  std::set<std::string> directories;
};

/// Lists what is below an open directory without following a link; what is neither a file nor a directory is a problem.
class TreeWalk {
 public:
  TreeWalk(Listing& found, Problems& problems) : found_(found), problems_(problems) {}

  Result<void> walk(FileDescriptor directory, const std::string& prefix, int depth) {
    int own = ::dup(directory.get());  // fdopendir takes the descriptor that it is given
    if (own < 0) return errno_error("list", prefix, errno);
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own), &::closedir);
    if (!stream) {
      ::close(own);
      return errno_error("list", prefix, errno);
    }
    while (const dirent* entry = ::readdir(stream.get())) {
      std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      LOAM_TRY(visit(directory.get(), prefix + std::string(name), entry->d_name, depth));
    }
    return {};
  }

 private:
  Result<void> visit(int directory, const std::string& path, const char* name, int depth) {
    if (++entries_ > entries_max) return data_corruption("there are more than " + std::to_string(entries_max) + " files");
    struct stat status;
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("stat", printable(path), errno);
    if (S_ISREG(status.st_mode)) {
      found_.files.insert(path);
      return {};
    }
    if (!S_ISDIR(status.st_mode) || depth >= depth_max) {
      problems_.add(path, S_ISDIR(status.st_mode) ? "is nested too deep" : "is neither a file nor a directory");
      return {};
    }
    int fd = ::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno_error("open", printable(path), errno);
    found_.directories.insert(path);
    return walk(FileDescriptor(fd), path + "/", depth + 1);
  }

  Listing& found_;
  Problems& problems_;
  std::size_t entries_ = 0;
};

Result<Listing> list_tree(const std::string& directory, Problems& problems) {
  LOAM_TRY(auto root, open_directory(directory));
  Listing found;
  LOAM_TRY(TreeWalk(found, problems).walk(std::move(root), "", 0));
  return found;
}

/// Opens a file below `directory` part by part, none of which may be a link. Absent with a problem noted when it cannot be.
std::optional<FileDescriptor> open_beneath(const std::string& directory, std::string_view name, Problems& problems) {
  auto root = open_directory(directory);
  if (!root.ok()) {
    problems.add(name, "cannot be reached");
    return std::nullopt;
  }
  FileDescriptor current = std::move(root).value();
  std::string_view rest = name;
  for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    std::string part(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
    current = FileDescriptor(::openat(current.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (current.open()) continue;
    problems.add(name, "is missing");
    return std::nullopt;
  }
  // O_NONBLOCK: a FIFO in place of the file must not make the caller wait for a writer.
  FileDescriptor file(::openat(current.get(), std::string(rest).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.open()) {
    problems.add(name, errno == ENOENT ? "is missing" : errno == ELOOP ? "is a symbolic link" : "cannot be read");
    return std::nullopt;
  }
  return file;
}

bool size_fits(const FileDescriptor& file, const ManifestFile& entry, Problems& problems) {
  struct stat status;
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    problems.add(entry.name, "is not a regular file");
    return false;
  }
  if (status.st_size == entry.bytes) return true;
  problems.add(entry.name, "has " + std::to_string(status.st_size) + " bytes instead of " + std::to_string(entry.bytes));
  return false;
}

void compare_hash(const ManifestFile& entry, const std::string& found, Problems& problems) {
  if (found != entry.sha256)
    problems.add(entry.name, "was changed: its SHA-256 is " + found + " instead of " + entry.sha256);
}

Result<Manifest> read_manifest(const std::string& directory) {
  LOAM_TRY(auto kind, resolved_kind(directory));
  if (kind == PathKind::absent) return not_found("there is no backup " + directory);
  if (kind != PathKind::directory) return failed_precondition(directory + " is not a directory, so it is no backup");
  LOAM_TRY(auto manifest_kind, path_kind(manifest_path(directory)));
  if (manifest_kind == PathKind::absent)
    return failed_precondition(directory + " is not a backup: it has no file " + std::string(manifest_file_name))
        .hint("a backup that was interrupted has none either: take it again");
  LOAM_TRY(auto text, read_file(manifest_path(directory), manifest_bytes_max));
  return decode_manifest(text);
}

std::set<std::string> directories_of(const Manifest& manifest) {
  std::set<std::string> names;
  for (const ManifestFile& file : manifest.files)
    for (auto slash = file.name.find('/'); slash != std::string::npos; slash = file.name.find('/', slash + 1))
      names.insert(file.name.substr(0, slash));
  return names;
}

/// Notes everything below the directory that the manifest does not name.
Result<void> find_extras(const std::string& directory, const Manifest& manifest, Problems& problems) {
  LOAM_TRY(auto found, list_tree(directory, problems));
  auto expected_directories = directories_of(manifest);
  for (const std::string& name : found.directories)
    if (!expected_directories.contains(name)) problems.add(name, "is a directory that does not belong to the backup");
  found.files.erase(std::string(manifest_file_name));
  for (const ManifestFile& file : manifest.files) found.files.erase(file.name);
  for (const std::string& name : found.files) problems.add(name, "does not belong to the backup");
  return {};
}

Result<void> verify_file(const std::string& directory, const ManifestFile& entry, Problems& problems,
                         const Context& context) {
  auto file = open_beneath(directory, entry.name, problems);
  if (!file || !size_fits(*file, entry, problems)) return {};
  Sha256 hash;
  auto take = [&](std::string_view block) -> Result<void> {
    hash.update(block);
    return {};
  };
  LOAM_TRY(read_blocks(file->get(), directory + "/" + entry.name, take, context));
  compare_hash(entry, hash.finish_hex(), problems);
  return {};
}

}  // namespace

Result<Manifest> seal_tree(const std::string& directory, Manifest header, const Context& context) {
  Problems problems;
  LOAM_TRY(auto found, list_tree(directory, problems));
  header.files.clear();
  for (const std::string& name : found.files) {
    if (!is_safe_file_name(name)) return failed_precondition("a file named \"" + printable(name) + "\" cannot be backed up");
    std::string path = directory + "/" + name;
    auto file = open_beneath(directory, name, problems);
    if (!file) break;
    Sha256 hash;
    auto take = [&](std::string_view block) -> Result<void> {
      hash.update(block);
      return {};
    };
    LOAM_TRY(auto bytes, read_blocks(file->get(), path, take, context));
    LOAM_TRY(sync_file(file->get(), path));
    header.files.push_back({name, bytes, hash.finish_hex()});
  }
  if (!problems.none()) return problems.error(directory);
  LOAM_TRY(write_new_file(manifest_path(directory), encode_manifest(header)));
  for (const std::string& name : found.directories) LOAM_TRY(sync_directory(directory + "/" + name));
  LOAM_TRY(sync_directory(directory));
  return header;
}

Result<Manifest> verify_tree(const std::string& directory, const Context& context) {
  LOAM_TRY(auto manifest, read_manifest(directory));
  Problems problems;
  LOAM_TRY(find_extras(directory, manifest, problems));
  for (const ManifestFile& entry : manifest.files) LOAM_TRY(verify_file(directory, entry, problems, context));
  if (!problems.none()) return problems.error(directory);
  return manifest;
}

Result<Manifest> copy_tree(const std::string& directory, const std::string& to, const Context& context) {
  LOAM_TRY(auto manifest, read_manifest(directory));
  Problems problems;
  LOAM_TRY(find_extras(directory, manifest, problems));
  auto directories = directories_of(manifest);
  for (const std::string& name : directories) LOAM_TRY(make_directory(to + "/" + name));
  for (const ManifestFile& entry : manifest.files) {
    auto file = open_beneath(directory, entry.name, problems);
    if (!file || !size_fits(*file, entry, problems)) continue;
    Sha256 hash;
    std::string from = directory + "/" + entry.name;
    auto take = [&](std::string_view block) { hash.update(block); };
    LOAM_TRY(copy_file(file->get(), from, to + "/" + entry.name, take, context));
    compare_hash(entry, hash.finish_hex(), problems);
  }
  if (!problems.none()) return problems.error(directory);
  LOAM_TRY(write_new_file(manifest_path(to), encode_manifest(manifest)));
  for (const std::string& name : directories) LOAM_TRY(sync_directory(to + "/" + name));
  LOAM_TRY(sync_directory(to));
  return manifest;
}

std::int64_t total_bytes(const Manifest& manifest) {
  std::int64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

}  // namespace loam::store_internal
