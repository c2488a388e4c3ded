#pragma once

/// The few calls to the operating system that the lock, the backup and the store share. Names never follow symbolic links.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"

namespace loam::store_internal {

/// A file descriptor that closes itself. *needs external synchronization*
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const noexcept { return fd_; }
  bool open() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// An Error for `errno` after `operation` ("open") failed on `path`.
Error errno_error(std::string_view operation, std::string_view path, int error_number);

/// Which file a name stands for: equal before and after unless another file took the name.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

enum class PathKind : std::uint8_t { absent, directory, regular_file, other };

/// Of the name itself: a symbolic link is `other`.
Result<PathKind> path_kind(const std::string& path);
/// As path_kind(), but a link stands for its target.
Result<PathKind> resolved_kind(const std::string& path);
/// not_found when there is nothing.
Result<FileIdentity> identity_of(const std::string& path);

std::string absolute_path(const std::string& path);
/// The directory that holds `path`, and its last part; both of the absolute path without trailing slashes.
std::string parent_of(const std::string& path);
std::string name_of(const std::string& path);

Result<FileDescriptor> open_directory(const std::string& path);

/// Makes one directory with mode 0700 whatever the umask. already_exists, not_found for the parent.
Result<void> make_directory(const std::string& path);
/// The same, and fine when the directory is there.
Result<void> ensure_directory(const std::string& path);
/// Creates a file with mode 0600 whatever the umask and opens it for reading and writing. already_exists.
Result<FileDescriptor> create_file(const std::string& path);

Result<void> write_all(int fd, std::string_view bytes, std::string_view path);
/// invalid for more than `bytes_max`: data_corruption, before anything is allocated.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);
Result<void> write_new_file(const std::string& path, std::string_view bytes);

Result<void> sync_file(int fd, std::string_view path);
Result<void> sync_file(const std::string& path);
Result<void> sync_directory(const std::string& path);

/// Names in a directory, sorted, without "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path);

/// Copies the bytes of an open file to a new one and syncs it; `each_block` sees every block on its way.
Result<std::int64_t> copy_file(int from, const std::string& from_path, const std::string& to,
                               const std::function<void(std::string_view block)>& each_block, const Context& context);
/// Reads an open file from its start to its end, block by block; the bytes read.
Result<std::int64_t> read_blocks(int fd, const std::string& path,
                                 const std::function<Result<void>(std::string_view block)>& each, const Context& context);

/// Removes a directory that this process has made, with all that is in it; links are removed, never followed.
void remove_tree(const std::string& path);

/// Renames; already_exists when `to` is there.
Result<void> rename_new(const std::string& from, const std::string& to);
/// Swaps two names in one step, so that neither is ever absent. unsupported where the file system cannot.
Result<void> exchange_names(const std::string& a, const std::string& b);

/// A name that no other process picks: sixteen random hexadecimal digits.
std::string random_suffix();
std::uint64_t random_u64();

}  // namespace loam::store_internal
