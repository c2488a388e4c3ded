#include "loam/store/process_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <thread>

#include "loam/store/file_system.hpp"

namespace loam {
namespace {

using store_internal::errno_error;
using store_internal::FileDescriptor;
using store_internal::FileIdentity;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::string_view lock_file_name = "LOCK";
constexpr std::string_view record_magic = "LOAMLOCK";
constexpr std::uint32_t record_version = 1;

// offset size  field              little-endian; docs/formats/store.md
//      0    8  magic "LOAMLOCK"
//      8    4  version, 1
//     12    4  zero
//     16    8  epoch
//     24    8  instance
//     32    8  pid
//     40    8  acquired at, microseconds since 1970 UTC
//     48   64  host name, padded with zeros, the last byte zero
//    112    8  zero
//    120    8  FNV-1a 64 of bytes [0, 120)
constexpr std::size_t host_offset = 48;
constexpr std::size_t host_bytes = 64;
constexpr std::size_t checksum_offset = 120;

// Two bytes of the file are locked, both beyond the record so that they can never meet anything else. Who holds `turnstile`
// is next in line for `holder`; who releases `holder` must pass the turnstile again, so two busy processes alternate.
constexpr off_t holder_byte = 1'024;
constexpr off_t turnstile_byte = 1'025;

constexpr auto wait_min = microseconds(20);
constexpr auto wait_max = microseconds(2'000);
/// How often a thread that waits for other threads looks whether its caller cancelled.
constexpr auto cancel_check_interval = std::chrono::milliseconds(5);

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 1'099'511'628'211u;
  return hash;
}

void put_u64(std::string& bytes, std::size_t offset, std::uint64_t number) {
  for (int i = 0; i < 8; ++i) bytes[offset + static_cast<std::size_t>(i)] = static_cast<char>(number >> (8 * i));
}

std::uint64_t get_u64(std::string_view bytes, std::size_t offset) {
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i)
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[offset + static_cast<std::size_t>(i)])) << (8 * i);
  return number;
}

std::optional<LockRecord> read_record(int fd) {
  std::string bytes(lock_record_bytes, '\0');
  ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (got != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  return decode_lock_record(bytes);
}

/// For a reader that does not hold the lock: the holder may be in the middle of writing.
std::optional<LockRecord> read_record_patiently(int fd) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (auto record = read_record(fd)) return record;
    std::this_thread::sleep_for(microseconds(50));
  }
  return std::nullopt;
}

enum class LockAttempt : std::uint8_t { taken, busy };

Result<LockAttempt> try_lock_byte(int fd, off_t byte, const std::string& path) {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  for (;;) {
    if (::fcntl(fd, F_OFD_SETLK, &range) == 0) return LockAttempt::taken;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EACCES) return LockAttempt::busy;
    return errno_error("lock", path, errno);
  }
}

void unlock_byte(int fd, off_t byte) {
  struct flock range{};
  range.l_type = F_UNLCK;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  (void)::fcntl(fd, F_OFD_SETLK, &range);
}

std::string host_name() {
  std::array<char, host_bytes> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown host";
  return name.data();
}

std::string seconds_text(std::int64_t micros) {
  std::int64_t tenths = std::max<std::int64_t>(micros, 0) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

/// Threads of one process, first come first served. *thread-safe*
class ThreadQueue {
 public:
  /// False at the deadline or when cancelled; else the caller is alone until leave().
  bool enter(Context::time_point deadline, const Context& context) {
    std::unique_lock lock(mutex_);
    if (!busy_ && waiting_.empty()) return busy_ = true;
    auto place = waiting_.emplace(waiting_.end());
    while (!place->granted) {
      auto now = SteadyClock::now();
      if (now >= deadline || context.cancelled()) {
        waiting_.erase(place);
        return false;
      }
      place->wake.wait_until(lock, context.unbounded() ? deadline : std::min(deadline, now + cancel_check_interval));
    }
    waiting_.erase(place);
    return true;
  }

  void leave() {
    std::lock_guard lock(mutex_);
    // The turn is handed over, never up for grabs: a late-comer cannot slip in before the first in line wakes.
    busy_ = !waiting_.empty();
    if (!busy_) return;
    waiting_.front().granted = true;
    waiting_.front().wake.notify_one();
  }

 private:
  struct Place {
    std::condition_variable wake;
    bool granted = false;
  };
  std::mutex mutex_;
  std::list<Place> waiting_;
  bool busy_ = false;
};

class FileLock final : public ProcessLock, public std::enable_shared_from_this<FileLock> {
 public:
  FileLock(std::string directory, ProcessLockOptions options)
      : directory_(std::move(directory)),
        path_(directory_ + "/" + std::string(lock_file_name)),
        options_(options),
        clock_(options.clock != nullptr ? *options.clock : system_clock()),
        pid_(::getpid()),
        instance_(store_internal::random_u64()),
        host_(host_name()) {}

  Result<void> open_files() {
    LOAM_TRY(directory_identity_, store_internal::identity_of(directory_));
    LOAM_TRY(open_lock_file());
    // Asked once here, so that a file system without these locks is found at open and not at the first write.
    LOAM_TRY(auto probe, try_lock_byte(file_.get(), turnstile_byte, path_));
    if (probe == LockAttempt::taken) unlock_byte(file_.get(), turnstile_byte);
    return {};
  }

  Result<std::unique_ptr<Lease>> acquire(const Context& context) override {
    if (::getpid() != pid_)
      return failed_precondition("the store " + directory_ + " was opened before fork(), and its lock belongs to the parent")
          .hint("open it again in the child");
    auto deadline = context.deadline_within_ms(options_.timeout_ms);
    auto started = SteadyClock::now();
    if (!queue_.enter(deadline, context)) return not_in_time(context, started);
    auto taken = lock_file(context, deadline, started);
    if (!taken.ok()) {
      queue_.leave();
      return std::move(taken).error();
    }
    return std::unique_ptr<Lease>(std::make_unique<FileLease>(shared_from_this()));
  }

  std::uint64_t epoch() const override { return epoch_.load(std::memory_order_relaxed); }

 private:
  class FileLease final : public Lease {
   public:
    explicit FileLease(std::shared_ptr<FileLock> lock) : lock_(std::move(lock)) {}
    ~FileLease() override { lock_->release(); }

   private:
    std::shared_ptr<FileLock> lock_;
  };

  void release() {
    // A child of fork() shares the open file description: unlocking here would unlock the parent.
    if (::getpid() != pid_) return;
    unlock_byte(file_.get(), holder_byte);
    queue_.leave();
  }

  Result<void> open_lock_file() {
    auto created = store_internal::create_file(path_);
    if (created.ok()) {
      file_ = std::move(created).value();
    } else {
      if (created.error().code() != ErrorCode::already_exists) return std::move(created).error();
      int fd = ::open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (fd < 0) return errno_error("open", path_, errno);
      file_ = FileDescriptor(fd);
    }
    struct stat status;
    if (::fstat(file_.get(), &status) != 0) return errno_error("stat", path_, errno);
    if (!S_ISREG(status.st_mode)) return failed_precondition(path_ + " is not a regular file").hint("move it away");
    file_identity_ = {status.st_dev, status.st_ino};
    return {};
  }

  /// Both bytes in turn, then the record. Only the thread at the head of the queue is here.
  Result<void> lock_file(const Context& context, Context::time_point deadline, Context::time_point started) {
    for (;;) {
      LOAM_TRY(wait_for_byte(turnstile_byte, context, deadline, started));
      auto taken = wait_for_byte(holder_byte, context, deadline, started);
      unlock_byte(file_.get(), turnstile_byte);
      LOAM_TRY(std::move(taken));
      auto current = still_the_lock_of_the_store();
      if (current.ok() && current.value()) break;
      unlock_byte(file_.get(), holder_byte);
      LOAM_TRY(std::move(current));
      LOAM_TRY(open_lock_file());  // somebody deleted LOCK: all go on with the new one
    }
    auto written = write_record();
    if (!written.ok()) unlock_byte(file_.get(), holder_byte);
    return written;
  }

  Result<void> wait_for_byte(off_t byte, const Context& context, Context::time_point deadline, Context::time_point started) {
    for (;;) {
      LOAM_TRY(auto attempt, try_lock_byte(file_.get(), byte, path_));
      if (attempt == LockAttempt::taken) return {};
      auto now = SteadyClock::now();
      if (now >= deadline || context.cancelled()) return not_in_time(context, started);
      auto pause = std::clamp(std::chrono::duration_cast<microseconds>((now - started) / 8), wait_min, wait_max);
      std::this_thread::sleep_for(std::min<SteadyClock::duration>(pause, deadline - now));
    }
  }

  /// False when the name LOCK is gone or means another file in the same directory.
  Result<bool> still_the_lock_of_the_store() const {
    auto named = store_internal::identity_of(path_);
    if (named.ok() && named.value() == file_identity_) return true;
    auto directory = store_internal::identity_of(directory_);
    if (directory.ok() && directory.value() == directory_identity_) return false;
    return failed_precondition("the store directory " + directory_ + " was moved or replaced while it was open")
        .hint("open it again");
  }

  Result<void> write_record() {
    auto before = read_record(file_.get());
    std::uint64_t epoch = 1;
    if (before) {
      epoch = before->instance == instance_ ? before->epoch : before->epoch + 1;
    } else if (file_bytes() > 0) {
      // What was there cannot be read. The time is larger than any count of holders, so the epoch does not go back.
      epoch = std::max(static_cast<std::uint64_t>(system_clock().now().micros), this->epoch() + 1);
    } else {
      epoch = this->epoch() + 1;
    }
    std::string bytes = encode_lock_record({epoch, instance_, pid_, clock_.now(), host_});
    ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), 0);
    if (written < 0) return errno_error("write", path_, errno);
    epoch_.store(epoch, std::memory_order_relaxed);
    return {};
  }

  off_t file_bytes() const {
    struct stat status;
    return ::fstat(file_.get(), &status) == 0 ? status.st_size : 0;
  }

  Error not_in_time(const Context& context, Context::time_point started) const {
    auto waited = std::chrono::duration_cast<microseconds>(SteadyClock::now() - started).count();
    if (context.cancelled())
      return Error(ErrorCode::cancelled, "waiting for the write lock of " + directory_ + " was cancelled by the caller");
    return Error(ErrorCode::unavailable,
                 "the write lock of " + directory_ + " was not free within " + seconds_text(waited) + ": " + holder_text())
        .hint("try again, or give the call more time");
  }

  std::string holder_text() const {
    auto record = read_lock_record(directory_);
    if (!record) return "it is held by a process that left no readable record";
    auto age = seconds_text(clock_.now().micros - record->acquired_at.micros);
    if (record->instance == instance_) return "it is held by another thread of this process, for " + age;
    std::string own = record->pid == pid_ && record->host == host_ ? " (another store object of this process)" : "";
    return "it is held by process " + std::to_string(record->pid) + " on " + record->host + own + ", for " + age;
  }

  const std::string directory_;
  const std::string path_;
  const ProcessLockOptions options_;
  const Clock& clock_;
  const pid_t pid_;
  const std::uint64_t instance_;
  const std::string host_;
  FileIdentity directory_identity_;
  ThreadQueue queue_;
  // Touched only by the thread at the head of the queue.
  FileDescriptor file_;
  FileIdentity file_identity_;
  std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace

std::string encode_lock_record(const LockRecord& record) {
  std::string bytes(lock_record_bytes, '\0');
  record_magic.copy(bytes.data(), record_magic.size());
  bytes[8] = static_cast<char>(record_version);
  put_u64(bytes, 16, record.epoch);
  put_u64(bytes, 24, record.instance);
  put_u64(bytes, 32, static_cast<std::uint64_t>(record.pid));
  put_u64(bytes, 40, static_cast<std::uint64_t>(record.acquired_at.micros));
  std::string_view(record.host).substr(0, host_bytes - 1).copy(bytes.data() + host_offset, host_bytes - 1);
  put_u64(bytes, checksum_offset, fnv1a(std::string_view(bytes).substr(0, checksum_offset)));
  return bytes;
}

std::optional<LockRecord> decode_lock_record(std::string_view bytes) {
  if (bytes.size() < lock_record_bytes) return std::nullopt;
  bytes = bytes.substr(0, lock_record_bytes);
  bool whole = bytes.starts_with(record_magic) && get_u64(bytes, 8) == record_version &&
               get_u64(bytes, checksum_offset) == fnv1a(bytes.substr(0, checksum_offset));
  if (!whole) return std::nullopt;
  std::string_view host = bytes.substr(host_offset, host_bytes);
  LockRecord record;
  record.epoch = get_u64(bytes, 16);
  record.instance = get_u64(bytes, 24);
  record.pid = static_cast<std::int64_t>(get_u64(bytes, 32));
  record.acquired_at = {static_cast<std::int64_t>(get_u64(bytes, 40))};
  record.host = std::string(host.substr(0, host.find('\0')));
  // It goes into error messages, and terminals obey control characters.
  std::replace_if(record.host.begin(), record.host.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return record;
}

std::optional<LockRecord> read_lock_record(const std::string& directory) {
  std::string path = directory + "/" + std::string(lock_file_name);
  int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  FileDescriptor file(fd);
  return read_record_patiently(fd);
}

Result<std::shared_ptr<ProcessLock>> ProcessLock::open(const std::string& directory, ProcessLockOptions options) {
  auto lock = std::make_shared<FileLock>(store_internal::absolute_path(directory), options);
  LOAM_TRY(lock->open_files());
  return std::shared_ptr<ProcessLock>(std::move(lock));
}

}  // namespace loam
