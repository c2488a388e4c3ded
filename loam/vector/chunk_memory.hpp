#pragma once

/// Memory of one chunk of an array that never moves: anonymous, or a file mapped from a directory so that the kernel may
/// drop its pages. Internal.

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "loam/core/result.hpp"

namespace loam::vector {

/// Move-only; gives its memory (and its file) back when destroyed. Page-aligned, zeroed. Of 0 bytes: data() is null. After a
/// fork() anonymous memory is copied, but that of a file is shared with the child. *const methods are thread-safe*
class ChunkMemory {
 public:
  ChunkMemory() = default;
  /// resource_exhausted when the kernel has no memory or addresses left. Pages never written cost nothing.
  static Result<ChunkMemory> anonymous(std::size_t bytes);
  /// A new file in `directory`, already unlinked, so that a process that dies leaves nothing behind; its blocks are
  /// reserved, so that a full disk is resource_exhausted here and not a SIGBUS later. failed_precondition when there is no
  /// such directory, permission_denied when it may not be written; errors name it.
  static Result<ChunkMemory> mapped(const std::filesystem::path& directory, std::size_t bytes);
  /// `bytes` of memory that begin with the first `file_bytes` of a file; the rest is zero. What is written stays in memory:
  /// the file is not changed. It must not be changed or cut by others either, though it may be unlinked. not_found when
  /// there is no such file, data_corruption when it is shorter.
  static Result<ChunkMemory> of_file(const std::filesystem::path& file, std::size_t file_bytes, std::size_t bytes);
  ~ChunkMemory();
  ChunkMemory(ChunkMemory&& other) noexcept;
  ChunkMemory& operator=(ChunkMemory&& other) noexcept;

  /// Gives the first `bytes` bytes back: it begins behind them from now on. unsupported when that is within a page of this
  /// machine; nothing is changed then. Nobody may be reading them.
  Result<void> cut_front(std::size_t bytes);
  /// Gives the pages behind the first `bytes` bytes back; what is read there later is zero, or, of whole pages, what the
  /// file holds.
  void discard(std::size_t bytes) noexcept;

  std::byte* data() const noexcept { return data_; }
  std::size_t size_bytes() const noexcept { return size_bytes_; }
  bool mapped_file() const noexcept { return mapped_file_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  bool mapped_file_ = false;
};

}  // namespace loam::vector
