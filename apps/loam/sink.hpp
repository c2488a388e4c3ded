#pragma once

/// Buffered bytes to a file descriptor, with the failures of writing as errors.

#include <cstddef>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"

namespace loam::cli {

/// *needs external synchronization*. What was not flushed when it goes is lost: call flush().
class Sink {
 public:
  /// Does not own the descriptor. `name` is for messages ("standard output").
  Sink(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  /// unavailable when the reader went away (closed() is true then), resource_exhausted when the disk is full.
  Result<void> write(std::string_view bytes);
  Result<void> flush();

  /// The reader of the pipe is gone; nothing more need be said.
  bool closed() const noexcept { return closed_; }

 private:
  Result<void> write_all(std::string_view bytes);

  int descriptor_;
  std::string name_;
  std::string buffer_;
  bool closed_ = false;
};

}  // namespace loam::cli
