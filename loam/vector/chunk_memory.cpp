#include "loam/vector/chunk_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

namespace loam::vector {
namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return ErrorCode::failed_precondition;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case EOPNOTSUPP:
    case ENODEV: return ErrorCode::unsupported;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOMEM: return ErrorCode::resource_exhausted;
    default: return ErrorCode::unavailable;
  }
}

Error failure(const std::string& what, int error_number) {
  std::string text = std::generic_category().message(error_number);
  return Error(code_of(error_number), "cannot " + what + ": " + text)
      .native({"errno", std::to_string(error_number), std::move(text)});
}

std::string reserving(std::size_t bytes, const std::string& directory) {
  return "reserve " + std::to_string(bytes) + " bytes in " + directory;
}

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

// A file without a name, of mode 0600; -1 and errno.
int open_unnamed(const std::string& directory) {
#ifdef O_TMPFILE
  const int unnamed = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  // The last two are what filesystems and kernels answer that do not know the flag.
  if (unnamed >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return unnamed;
#endif
  std::string name = directory + "/.loam-chunk-XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

// 0 or an errno. Asks for the limit first: going beyond it would raise SIGXFSZ, which ends a process that does not expect
// it.
int reserve(int fd, std::size_t bytes) {
  if (bytes > static_cast<std::size_t>(std::numeric_limits<off_t>::max())) return EFBIG;
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur) return EFBIG;
  int failed = EINTR;
  while (failed == EINTR) failed = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  return failed;
}

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

Result<ChunkMemory> ChunkMemory::anonymous(std::size_t bytes) {
  ChunkMemory chunk;
  if (bytes == 0) return chunk;
  // Large chunks begin at a huge page and ask for such: random reads of small pages spend a third of their time on the
  // translation of addresses.
  const std::size_t surplus = bytes >= 2 * huge_page_bytes ? huge_page_bytes : 0;
  void* data = ::mmap(nullptr, bytes + surplus, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return failure("map " + std::to_string(bytes) + " bytes of memory", errno);
  chunk.data_ = static_cast<std::byte*>(data);
  if (surplus > 0) {
    const std::size_t before =
        (huge_page_bytes - reinterpret_cast<std::uintptr_t>(data) % huge_page_bytes) % huge_page_bytes;
    const std::size_t whole = (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
    if (before > 0) ::munmap(chunk.data_, before);
    chunk.data_ += before;
    if (surplus > before) ::munmap(chunk.data_ + whole, surplus - before);
    ::madvise(chunk.data_, whole, MADV_HUGEPAGE);  // a wish: without it everything works
  }
  chunk.size_bytes_ = bytes;
  return chunk;
}

Result<ChunkMemory> ChunkMemory::mapped(const std::filesystem::path& directory, std::size_t bytes) {
  const std::string name = directory.string();
  const File file(open_unnamed(name));
  if (file.fd() < 0) return failure("create a file in " + name, errno);
  ChunkMemory chunk;
  chunk.mapped_file_ = true;
  if (bytes == 0) return chunk;
  const int failed = reserve(file.fd(), bytes);
  if (failed != 0) return failure(reserving(bytes, name), failed);
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
  if (data == MAP_FAILED) return failure("map " + std::to_string(bytes) + " bytes of a file in " + name, errno);
  chunk.data_ = static_cast<std::byte*>(data);
  chunk.size_bytes_ = bytes;
  return chunk;
}

// The file is put over the beginning of memory that is there already: the kernel fills its last page up with zeros.
Result<ChunkMemory> ChunkMemory::of_file(const std::filesystem::path& file, std::size_t file_bytes, std::size_t bytes) {
  const std::string name = file.string();
  if (file_bytes > bytes)
    return invalid_argument("a chunk of " + std::to_string(bytes) + " bytes cannot begin with " +
                            std::to_string(file_bytes) + " of " + name);
  const File opened(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe would wait
  if (opened.fd() < 0 && errno == ENOENT) return not_found("there is no file " + name);
  if (opened.fd() < 0) return failure("open " + name, errno);
  struct stat status;
  if (::fstat(opened.fd(), &status) != 0) return failure("read the size of " + name, errno);
  if (!S_ISREG(status.st_mode)) return failed_precondition(name + " is no regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (file_bytes > size)
    return data_corruption(name + " has " + std::to_string(size) + " bytes, " + std::to_string(file_bytes) +
                           " were expected");
  LOAM_TRY(ChunkMemory chunk, anonymous(bytes));
  chunk.mapped_file_ = true;
  if (file_bytes == 0) return chunk;
  void* data = ::mmap(chunk.data_, file_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, opened.fd(), 0);
  if (data == MAP_FAILED) return failure("map " + std::to_string(file_bytes) + " bytes of " + name, errno);
  const std::size_t page = page_bytes();
  const std::size_t mapped_end = std::min(bytes, (file_bytes + page - 1) / page * page);
  if (size > file_bytes && mapped_end > file_bytes) std::memset(chunk.data_ + file_bytes, 0, mapped_end - file_bytes);
  return chunk;
}

Result<void> ChunkMemory::cut_front(std::size_t bytes) {
  if (bytes % page_bytes() != 0 || bytes >= size_bytes_)
    return unsupported("pages of this machine do not begin at byte " + std::to_string(bytes) + " of a chunk of " +
                       std::to_string(size_bytes_));
  if (bytes == 0) return {};
  ::munmap(data_, bytes);
  data_ += bytes;
  size_bytes_ -= bytes;
  return {};
}

void ChunkMemory::discard(std::size_t bytes) noexcept {
  if (bytes >= size_bytes_) return;
  const std::size_t page = page_bytes();
  const std::size_t from = (bytes + page - 1) / page * page;
  std::memset(data_ + bytes, 0, std::min(from, size_bytes_) - bytes);
  if (from >= size_bytes_) return;
  // Of a file of its own the blocks go too; where the file system cannot do that, they stay until the chunk goes.
  if (!mapped_file_ || ::madvise(data_ + from, size_bytes_ - from, MADV_REMOVE) != 0)
    ::madvise(data_ + from, size_bytes_ - from, MADV_DONTNEED);
}

ChunkMemory::~ChunkMemory() {
  if (data_ != nullptr) ::munmap(data_, size_bytes_);
}

ChunkMemory::ChunkMemory(ChunkMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)),
      mapped_file_(std::exchange(other.mapped_file_, false)) {}

ChunkMemory& ChunkMemory::operator=(ChunkMemory&& other) noexcept {
  ChunkMemory taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_bytes_, taken.size_bytes_);
  std::swap(mapped_file_, taken.mapped_file_);
  return *this;
}

}  // namespace loam::vector
