#pragma once

/// Where a FlatIndex keeps its rows: chunks that never move, slots that are used again. Internal.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "loam/vector/codes.hpp"
#include "loam/vector/id_map.hpp"

namespace loam::vector {

/// needs external synchronization for changes; *const methods are thread-safe* among themselves
class RowStore {
 public:
  /// `coded`: keep codes beside the floats.
  RowStore(std::size_t dimension, bool coded);

  /// Inserts or replaces.
  void put(std::int64_t id, std::span<const float> row);
  bool erase(std::int64_t id);
  void clear();

  std::optional<std::uint32_t> slot_of(std::int64_t id) const noexcept { return slots_.find(id); }
  std::size_t size() const noexcept { return slots_.size(); }
  std::size_t bytes() const noexcept;

  /// Every slot below is used or was: live() tells.
  std::uint32_t slot_end() const noexcept { return slot_end_; }
  bool live(std::uint32_t slot) const noexcept { return chunk(slot).live[in_chunk(slot)]; }
  std::int64_t id(std::uint32_t slot) const noexcept { return chunk(slot).ids[in_chunk(slot)]; }
  const float* row(std::uint32_t slot) const noexcept { return chunk(slot).rows.get() + in_chunk(slot) * dimension_; }
  const std::int8_t* codes(std::uint32_t slot) const noexcept {
    return chunk(slot).codes.get() + in_chunk(slot) * code_bytes_;
  }
  const RowBounds& bounds(std::uint32_t slot) const noexcept { return chunk(slot).bounds[in_chunk(slot)]; }

  /// Bytes of one row of codes, a multiple of code_padding; 0 when there are none.
  std::size_t code_bytes() const noexcept { return code_bytes_; }

 private:
  static constexpr std::size_t alignment = 64;
  struct AlignedDelete {
    void operator()(void* memory) const noexcept { ::operator delete(memory, std::align_val_t(alignment)); }
  };
  template <typename T>
  using Array = std::unique_ptr<T[], AlignedDelete>;

  struct Chunk {
    Array<float> rows;
    Array<std::int8_t> codes;
    std::vector<RowBounds> bounds;
    std::vector<std::int64_t> ids;
    std::vector<std::uint8_t> live;
  };

  // Left uninitialized, so that pages nobody has written cost nothing.
  template <typename T>
  static Array<T> allocate(std::size_t count) {
    return Array<T>(static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(alignment))));
  }

  const Chunk& chunk(std::uint32_t slot) const noexcept { return chunks_[slot >> chunk_shift_]; }
  Chunk& chunk(std::uint32_t slot) noexcept { return chunks_[slot >> chunk_shift_]; }
  std::size_t in_chunk(std::uint32_t slot) const noexcept { return slot & ((std::uint32_t{1} << chunk_shift_) - 1); }
  std::uint32_t take_slot();
  void add_chunk();

  std::size_t dimension_;
  std::size_t code_bytes_;
  unsigned chunk_shift_;  // rows of a chunk, as a power of two
  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t slot_end_ = 0;
  IdMap slots_;
};

}  // namespace loam::vector
