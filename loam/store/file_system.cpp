#include "loam/store/file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

namespace loam::store_internal {
namespace {

constexpr mode_t directory_mode = 0700;
constexpr mode_t file_mode = 0600;
constexpr std::size_t block_bytes = 256u << 10;

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT: return ErrorCode::not_found;
    case EEXIST:
    case ENOTEMPTY: return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG: return ErrorCode::resource_exhausted;
    case ENOTDIR:
    case EISDIR:
    case ELOOP: return ErrorCode::failed_precondition;
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP: return ErrorCode::unsupported;
    case ENAMETOOLONG: return ErrorCode::invalid_argument;
    default: return ErrorCode::unavailable;
  }
}

Result<PathKind> kind_by(int (*stat_call)(const char*, struct stat*), const std::string& path) {
  struct stat status;
  if (stat_call(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return PathKind::absent;
    return errno_error("stat", path, errno);
  }
  if (S_ISDIR(status.st_mode)) return PathKind::directory;
  return S_ISREG(status.st_mode) ? PathKind::regular_file : PathKind::other;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Error errno_error(std::string_view operation, std::string_view path, int error_number) {
  std::string text = std::generic_category().message(error_number);
  return Error(code_of(error_number), "cannot " + std::string(operation) + " " + std::string(path) + ": " + text)
      .native({"errno", std::to_string(error_number), std::move(text)});
}

Result<PathKind> path_kind(const std::string& path) { return kind_by(&::lstat, path); }
Result<PathKind> resolved_kind(const std::string& path) { return kind_by(&::stat, path); }

Result<FileIdentity> identity_of(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return errno_error("stat", path, errno);
  return FileIdentity{status.st_dev, status.st_ino};
}

std::string absolute_path(const std::string& path) {
  std::error_code failed;
  auto absolute = std::filesystem::absolute(path, failed);
  if (failed) return path;
  std::string text = absolute.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string parent_of(const std::string& path) { return std::filesystem::path(absolute_path(path)).parent_path().string(); }
std::string name_of(const std::string& path) { return std::filesystem::path(absolute_path(path)).filename().string(); }

Result<FileDescriptor> open_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error("open directory", path, errno);
  return FileDescriptor(fd);
}

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), directory_mode) != 0) return errno_error("create directory", path, errno);
  // The umask can only have taken bits away; it must not take the owner's.
  if (::chmod(path.c_str(), directory_mode) != 0) return errno_error("set the mode of", path, errno);
  return {};
}

Result<void> ensure_directory(const std::string& path) {
  LOAM_TRY(auto kind, path_kind(path));
  if (kind == PathKind::directory) return {};
  if (kind != PathKind::absent) return failed_precondition(path + " is not a directory");
  auto made = make_directory(path);
  if (!made.ok() && made.error().code() == ErrorCode::already_exists) return {};
  return made;
}

Result<FileDescriptor> create_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file_mode);
  if (fd < 0) return errno_error("create", path, errno);
  FileDescriptor file(fd);
  if (::fchmod(fd, file_mode) != 0) return errno_error("set the mode of", path, errno);
  return file;
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno_error("open", path, errno);
  FileDescriptor file(fd);
  struct stat status;
  if (::fstat(fd, &status) != 0) return errno_error("stat", path, errno);
  if (!S_ISREG(status.st_mode)) return data_corruption(path + " is not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) > bytes_max)
    return data_corruption(path + " has " + std::to_string(status.st_size) + " bytes; at most " + std::to_string(bytes_max) +
                           " are allowed");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    ssize_t got = ::pread(fd, text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read", path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  text.resize(filled);
  return text;
}

Result<void> write_new_file(const std::string& path, std::string_view bytes) {
  LOAM_TRY(auto file, create_file(path));
  LOAM_TRY(write_all(file.get(), bytes, path));
  return sync_file(file.get(), path);
}

Result<void> sync_file(int fd, std::string_view path) {
  if (::fsync(fd) != 0) return errno_error("sync", path, errno);
  return {};
}

Result<void> sync_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno_error("open", path, errno);
  FileDescriptor file(fd);
  return sync_file(fd, path);
}

Result<void> sync_directory(const std::string& path) {
  LOAM_TRY(auto directory, open_directory(path));
  return sync_file(directory.get(), path);
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return errno_error("list", path, errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) return errno_error("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::int64_t> read_blocks(int fd, const std::string& path,
                                 const std::function<Result<void>(std::string_view block)>& each, const Context& context) {
  std::string buffer(block_bytes, '\0');
  std::int64_t total = 0;
  for (;;) {
    LOAM_TRY(context.check("reading " + path));
    ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(total));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read", path, errno);
    if (got == 0) return total;
    LOAM_TRY(each(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
    total += got;
  }
}

Result<std::int64_t> copy_file(int from, const std::string& from_path, const std::string& to,
                               const std::function<void(std::string_view block)>& each_block, const Context& context) {
  LOAM_TRY(auto copy, create_file(to));
  auto take = [&](std::string_view block) -> Result<void> {
    each_block(block);
    return write_all(copy.get(), block, to);
  };
  LOAM_TRY(auto bytes, read_blocks(from, from_path, take, context));
  LOAM_TRY(sync_file(copy.get(), to));
  return bytes;
}

void remove_tree(const std::string& path) {
  std::error_code ignored;  // what stays behind is reported by the next open
  std::filesystem::remove_all(path, ignored);
}

Result<void> rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  return errno_error("rename " + from + " to", to, errno);
}

Result<void> exchange_names(const std::string& a, const std::string& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return {};
  return errno_error("exchange " + a + " with", b, errno);
}

std::uint64_t random_u64() {
  std::uint64_t number = 0;
  // Up to 256 bytes come whole once the kernel's generator is seeded; before that the call waits.
  while (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
  }
  return number;
}

std::string random_suffix() {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(random_u64()));
  return text;
}

}  // namespace loam::store_internal
