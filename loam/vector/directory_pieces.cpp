#include "loam/vector/directory_pieces.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unordered_set>

namespace loam::vector {
namespace {

constexpr std::string_view partial_suffix = ".partial";

Error failure(const std::string& what, int error_number) {
  ErrorCode code = ErrorCode::unavailable;
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS: code = ErrorCode::permission_denied; break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: code = ErrorCode::resource_exhausted; break;
    case ENOENT:
    case ENOTDIR:
    case ELOOP: code = ErrorCode::failed_precondition; break;
    case EIO: code = ErrorCode::data_corruption; break;
    default: break;
  }
  std::string text = std::generic_category().message(error_number);
  return Error(code, "cannot " + what + ": " + text).native({"errno", std::to_string(error_number), std::move(text)});
}

/// A file that is closed when it goes.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// The names that an index gives to pieces, and no others.
bool is_piece_name(std::string_view name) {
  if (name == head_piece_name) return true;
  if (name.empty() || name.size() > piece_name_bytes_max) return false;
  const bool begins =
      name.starts_with("full-") || name.starts_with("slots-") || name.starts_with("wide-") || name.starts_with("upper-");
  const std::string_view rest = name.substr(std::min(name.find('-') + 1, name.size()));
  return begins && std::count(rest.begin(), rest.end(), '.') == 1 && rest.front() != '.' && rest.back() != '.' &&
         rest.find_first_not_of("0123456789.-") == std::string_view::npos;
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure("write " + name, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DirectoryPieces>> DirectoryPieces::open(const std::filesystem::path& directory) {
  const std::string name = directory.string();
  const bool made = ::mkdir(name.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return failure("make the directory " + name, errno);
  const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failure("open the directory " + name, errno);
  std::unique_ptr<DirectoryPieces> pieces(new DirectoryPieces(directory, fd));
  if (made) {
    // Or a loss of power would take it, and what is durable in it.
    const File above(::openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (above.fd() < 0 || ::fsync(above.fd()) != 0) return failure("sync the directory above " + name, errno);
  }
  return pieces;
}

DirectoryPieces::~DirectoryPieces() { ::close(fd_); }

Result<void> DirectoryPieces::write(std::string_view name, std::span<const std::byte> bytes) {
  if (!is_piece_name(name)) return invalid_argument("a piece cannot be named \"" + std::string(name) + "\"");
  const std::string final_name(name);
  const std::string partial = final_name + std::string(partial_suffix);
  const std::string shown = (directory_ / partial).string();
  {
    const File file(::openat(fd_, partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.fd() < 0) return failure("create " + shown, errno);
    LOAM_TRY(write_all(file.fd(), bytes, shown));
    if (::fsync(file.fd()) != 0) return failure("sync " + shown, errno);
  }
  const bool is_head = name == head_piece_name;
  if (is_head && ::fsync(fd_) != 0) return failure("sync " + directory_.string(), errno);
  if (::renameat(fd_, partial.c_str(), fd_, final_name.c_str()) != 0) return failure("rename " + shown, errno);
  if (is_head && ::fsync(fd_) != 0) return failure("sync " + directory_.string(), errno).outcome(Outcome::unknown);
  return {};
}

Result<std::optional<std::vector<std::byte>>> DirectoryPieces::read(std::string_view name, std::size_t bytes_max) {
  if (!is_piece_name(name)) return invalid_argument("no piece is named \"" + std::string(name) + "\"");
  const std::string shown = (directory_ / name).string();
  const File file(::openat(fd_, std::string(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd() < 0 && errno == ENOENT) return std::optional<std::vector<std::byte>>();
  if (file.fd() < 0) return failure("open " + shown, errno);
  struct stat status;
  if (::fstat(file.fd(), &status) != 0) return failure("read the size of " + shown, errno);
  if (!S_ISREG(status.st_mode)) return data_corruption(shown + " is no regular file");
  if (static_cast<std::uint64_t>(status.st_size) > bytes_max)
    return data_corruption("it has " + std::to_string(status.st_size) + " bytes, at most " + std::to_string(bytes_max) +
                           " were expected");
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t got = ::read(file.fd(), bytes.data() + at, std::min<std::size_t>(bytes.size() - at, std::size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read " + shown, errno);
    if (got == 0) bytes.resize(at);
    at += static_cast<std::size_t>(got);
  }
  return std::optional(std::move(bytes));
}

std::optional<std::filesystem::path> DirectoryPieces::file(std::string_view name) {
  struct stat status;
  if (!is_piece_name(name) || ::fstatat(fd_, std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(status.st_mode))
    return std::nullopt;
  return directory_ / name;
}

Result<std::size_t> DirectoryPieces::remove_others(const SaveReport& saved) {
  const std::unordered_set<std::string_view> kept(saved.pieces.begin(), saved.pieces.end());
  std::error_code failed;
  std::filesystem::directory_iterator entries(directory_, failed);
  if (failed) return failure("list " + directory_.string(), failed.value());
  std::vector<std::string> others;
  for (const std::filesystem::directory_iterator end; entries != end;) {
    const std::string name = entries->path().filename().string();
    std::string_view piece = name;
    if (piece.ends_with(partial_suffix)) piece.remove_suffix(partial_suffix.size());
    if (is_piece_name(piece) && (piece.size() != name.size() || (piece != head_piece_name && !kept.contains(piece))))
      others.push_back(name);
    entries.increment(failed);
    if (failed) return failure("list " + directory_.string(), failed.value());
  }
  std::size_t removed = 0;
  for (const std::string& name : others) {
    if (::unlinkat(fd_, name.c_str(), 0) == 0)
      ++removed;
    else if (errno != ENOENT)
      return failure("delete " + (directory_ / name).string(), errno);
  }
  return removed;
}

}  // namespace loam::vector
