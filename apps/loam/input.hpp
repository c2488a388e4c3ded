#pragma once

/// A file or standard input, read in blocks. A wait for standard input ends when the call is cancelled or abandoned.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "loam/core/context.hpp"

namespace loam::cli {

/// *needs external synchronization*, but abandon() is thread-safe.
class Input {
 public:
  /// "-" is standard input. not_found, permission_denied; invalid_argument for a directory.
  static Result<std::unique_ptr<Input>> open(const std::string& path, Context context);
  /// Takes over an open descriptor, such as the end of a pipe.
  static std::unique_ptr<Input> adopt(int descriptor, std::string name, Context context);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// At most `capacity` bytes; 0 at the end. cancelled, deadline_exceeded; unavailable when the device fails.
  Result<std::size_t> read(char* to, std::size_t capacity);

  /// Makes a waiting and every later read() fail as cancelled.
  void abandon() noexcept { abandoned_.store(true); }

  /// "standard input" or the path.
  const std::string& name() const noexcept { return name_; }
  /// Absent for pipes and terminals.
  std::optional<std::int64_t> bytes_total() const noexcept { return bytes_total_; }
  std::int64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  Input(int descriptor, std::string name, Context context)
      : descriptor_(descriptor), name_(std::move(name)), context_(std::move(context)) {}
  Result<void> wait_until_readable();

  int descriptor_;
  std::string name_;
  Context context_;
  std::optional<std::int64_t> bytes_total_;
  std::int64_t bytes_read_ = 0;
  std::atomic<bool> abandoned_ = false;
};

/// The whole input, when it has at most `bytes_max` bytes; invalid_argument otherwise.
Result<std::string> read_all(Input& input, std::size_t bytes_max);

}  // namespace loam::cli
