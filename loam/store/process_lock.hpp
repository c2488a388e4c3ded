#pragma once

/// The lock that serializes the writers of one store directory, whichever process and thread they are in.
///
/// Exclusion is an open-file-description lock (fcntl F_OFD_SETLK) on the file LOCK: the kernel drops it when the holder
/// dies, two Store objects of one process exclude each other, and closing SQLite's own descriptors does not touch it. The
/// contents of the file only say who it was; whatever they are, they never keep anybody out. Bytes: docs/formats/store.md.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/core/time.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Who took the lock last. While somebody holds it, that is the holder.
struct LockRecord {
  std::uint64_t epoch = 0;     ///< counts the changes of holder; never goes back
  std::uint64_t instance = 0;  ///< random number of one ProcessLock object
  std::int64_t pid = 0;
  Timestamp acquired_at;
  std::string host;  ///< cut at 63 bytes
};

inline constexpr std::size_t lock_record_bytes = 128;

std::string encode_lock_record(const LockRecord& record);
/// Absent when the bytes are not a whole record of this version.
std::optional<LockRecord> decode_lock_record(std::string_view bytes);
/// The record in the LOCK file of a store directory; absent when there is none that can be read.
std::optional<LockRecord> read_lock_record(const std::string& directory);

struct ProcessLockOptions {
  std::int64_t timeout_ms = 30'000;  ///< of acquire(), when the context has no earlier deadline
  const Clock* clock = nullptr;      ///< for `acquired_at`; null: the machine's
};

/// Threads of one object are served in the order of their coming; processes take turns (a process that has just released
/// waits behind one that is waiting). Some 7 us when nobody else wants it. A waiting process looks again after an eighth of
/// the time it has waited, at least 20 us and at most 2 ms. *thread-safe*
class ProcessLock : public WriteGate {
 public:
  /// `directory` exists; LOCK is created in it (mode 0600). permission_denied; failed_precondition when LOCK is no regular
  /// file; unsupported when the file system has no such locks.
  static Result<std::shared_ptr<ProcessLock>> open(const std::string& directory, ProcessLockOptions options = {});

  /// unavailable naming the holder's process, host and age; cancelled; failed_precondition when the directory was moved or
  /// replaced since open() (writing would go to the wrong store), and in a child of fork().
  Result<std::unique_ptr<Lease>> acquire(const Context& context) override = 0;

  /// The epoch of this object's last acquisition; 0 before the first.
  virtual std::uint64_t epoch() const = 0;
};

}  // namespace loam
