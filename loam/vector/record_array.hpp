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
  static constexpr std::size_t chunk_records = std::size_t{1} << chunk_shift;

  /// In files of `directory`, unless that is empty.
  RecordArray(std::size_t record_bytes, std::filesystem::path directory = {})
      : record_bytes_(record_bytes),
        directory_(std::move(directory)),
        table_(std::make_unique<std::atomic<std::byte*>[]>((slot_count_max >> chunk_shift) + 1)) {}

  /// Memory for record `number`; zeroed when it is new. resource_exhausted as ChunkMemory.
  Result<void> reserve(std::size_t number);
  /// Memory for a chunk that has none, of record_bytes() * chunk_records.
  void adopt(std::size_t chunk, ChunkMemory memory);
  /// Gives the memory of a chunk back. Nobody may be reading it.
  void release(std::size_t chunk);

  std::byte* at(std::size_t number) const noexcept {
    return table_[number >> chunk_shift].load(std::memory_order_acquire) + (number & (chunk_records - 1)) * record_bytes_;
  }
  bool has(std::size_t number) const noexcept {
    return table_[number >> chunk_shift].load(std::memory_order_acquire) != nullptr;
  }
  std::size_t record_bytes() const noexcept { return record_bytes_; }
  /// Of the chunks that are there.
  std::size_t bytes() const noexcept { return chunk_count_.load(std::memory_order_relaxed) * record_bytes_ * chunk_records; }
  bool mapped() const noexcept { return !directory_.empty(); }

 private:
  const std::size_t record_bytes_;
  const std::filesystem::path directory_;
  std::unique_ptr<std::atomic<std::byte*>[]> table_;
  std::vector<ChunkMemory> chunks_;
  std::atomic<std::size_t> chunk_count_ = 0;
};

}  // namespace loam::vector
