#include "loam/adapters/lmdb/write_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "loam/adapters/lmdb/translate.hpp"

namespace loam::lmdb {
namespace {

using namespace std::chrono_literals;

// A POSIX lock, not an OFD lock: it ends with this process even when a forked child still has the file open. Its weakness,
// that closing any descriptor of the file drops it, does not arise: an environment is opened once in a process.
struct flock whole_file(short type) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return range;
}

Error timed_out(const std::string& holder) {
  return Error(ErrorCode::unavailable, "the lmdb store is being written by " + holder)
      .hint("try again, or raise write_timeout_ms or the deadline");
}

/// The wait is over: by the caller's own limits, or by the store's timeout.
Error gave_up(const Context& context, const std::string& holder) {
  auto checked = context.check("waiting for " + holder + " to finish writing");
  return checked.ok() ? timed_out(holder) : std::move(checked).error();
}

}  // namespace

Result<void> WriteLock::open(const std::string& path) {
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file_ < 0) return translate(errno, "open " + path);
  return {};
}

WriteLock::~WriteLock() {
  if (file_ >= 0) ::close(file_);
}

Result<WriteLock::Held> WriteLock::acquire(const Context& context, std::int64_t timeout_ms) {
  auto give_up = context.deadline_within_ms(timeout_ms);
  LOAM_TRY(acquire_thread(context, give_up));
  auto locked = acquire_process(context, give_up);
  if (!locked.ok()) {
    release_thread();
    return std::move(locked).error();
  }
  return Held(*this);
}

Result<WriteLock::Held> WriteLock::acquire_in_process(const Context& context, std::int64_t timeout_ms) {
  LOAM_TRY(acquire_thread(context, context.deadline_within_ms(timeout_ms)));
  return Held(*this);  // that its end also drops a process lock, which nobody here can have, does no harm
}

Result<void> WriteLock::acquire_thread(const Context& context, Context::time_point give_up) {
  std::unique_lock lock(mutex_);
  while (taken_) {
    if (context.cancelled() || std::chrono::steady_clock::now() >= give_up) return gave_up(context, "another thread");
    // In slices, since a cancellation does not wake us.
    freed_.wait_until(lock, std::min(give_up, std::chrono::steady_clock::now() + 20ms));
  }
  taken_ = true;
  return {};
}

Result<void> WriteLock::acquire_process(const Context& context, Context::time_point give_up) {
  std::chrono::microseconds pause = 50us;
  for (;;) {
    struct flock wanted = whole_file(F_WRLCK);
    if (::fcntl(file_, F_SETLK, &wanted) == 0) return {};
    if (errno != EACCES && errno != EAGAIN && errno != EINTR) return translate(errno, "lock for writing");
    if (context.cancelled() || std::chrono::steady_clock::now() >= give_up) {
      struct flock holder = whole_file(F_WRLCK);
      bool known = ::fcntl(file_, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK;
      return gave_up(context, known ? "process " + std::to_string(holder.l_pid) : "another process");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::microseconds>(pause * 2, 2ms);
  }
}

void WriteLock::release_thread() {
  {
    std::lock_guard lock(mutex_);
    taken_ = false;
  }
  freed_.notify_one();
}

void WriteLock::release() {
  struct flock range = whole_file(F_UNLCK);
  (void)::fcntl(file_, F_SETLK, &range);
  release_thread();
}

}  // namespace loam::lmdb
