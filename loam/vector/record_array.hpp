#pragma once

/// Records of one size by number, in chunks that never move. Internal.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/chunk_memory.hpp"

namespace loam::vector {

inline constexpr std::size_t slot_count_max = (std::size_t{1} << 24) - 1;

/// at() is *thread-safe*; reserve() and release() need external synchronization among themselves.
class RecordArray {
 public:
  static constexpr unsigned chunk_shift = 12;
  static constexpr std::size_t chunk_records = std::size_t{1} << chunk_shift;  // unless the options say otherwise

  struct Options {
    std::filesystem::path directory = {};  ///< of the files that the chunks are mapped from; empty: memory
    unsigned shift = chunk_shift;          ///< 2^this records in a chunk
  };

  RecordArray(std::size_t record_bytes, Options options)
      : record_bytes_(record_bytes),
        chunk_shift_(options.shift),
        chunk_mask_((std::size_t{1} << options.shift) - 1),
        directory_(std::move(options.directory)),
        table_(std::make_unique<std::atomic<std::byte*>[]>((slot_count_max >> options.shift) + 1)) {}
  explicit RecordArray(std::size_t record_bytes) : RecordArray(record_bytes, Options{}) {}

  /// Memory for record `number`; zeroed when it is new. resource_exhausted as ChunkMemory.
  Result<void> reserve(std::size_t number);
  /// Memory for a chunk that has none, of record_bytes() * records_in_chunk().
  void adopt(std::size_t chunk, ChunkMemory memory);
  /// Gives the memory of all records from `end` on back. Nobody may be reading them.
  void cut(std::size_t end);
  /// Gives the memory of a chunk back. Nobody may be reading it.
  void release(std::size_t chunk);

  [[gnu::always_inline]] std::byte* at(std::size_t number) const noexcept {
    return table_[number >> chunk_shift_].load(std::memory_order_acquire) + (number & chunk_mask_) * record_bytes_;
  }
  bool has(std::size_t number) const noexcept {
    return table_[number >> chunk_shift_].load(std::memory_order_acquire) != nullptr;
  }
  std::size_t record_bytes() const noexcept { return record_bytes_; }
  /// Records of one chunk.
  std::size_t records_in_chunk() const noexcept { return chunk_mask_ + 1; }
  /// Of the chunks that are there, as far as they have been used.
  std::size_t bytes() const noexcept { return used_.load(std::memory_order_relaxed) * record_bytes_; }
  bool mapped() const noexcept { return !directory_.empty(); }

 private:
  const std::size_t record_bytes_;
  const unsigned chunk_shift_;
  const std::size_t chunk_mask_;
  const std::filesystem::path directory_;
  std::unique_ptr<std::atomic<std::byte*>[]> table_;
  std::vector<ChunkMemory> chunks_;
  std::vector<std::size_t> used_in_chunk_;
  std::atomic<std::size_t> used_ = 0;
};

}  // namespace loam::vector
