#include "loam/vector/record_array.hpp"

#include <utility>

#include "loam/core/assert.hpp"

namespace loam::vector {

Result<void> RecordArray::reserve(std::size_t number) {
  const std::size_t chunk = number >> chunk_shift_;
  if (!has(number)) {
    const std::size_t bytes = record_bytes_ * records_in_chunk();
    LOAM_TRY(ChunkMemory memory,
             directory_.empty() ? ChunkMemory::anonymous(bytes) : ChunkMemory::mapped(directory_, bytes));
    adopt(chunk, std::move(memory));
  }
  const std::size_t used = (number & chunk_mask_) + 1;
  if (used > used_in_chunk_[chunk]) {
    used_.fetch_add(used - used_in_chunk_[chunk], std::memory_order_relaxed);
    used_in_chunk_[chunk] = used;
  }
  return {};
}

void RecordArray::adopt(std::size_t chunk, ChunkMemory memory) {
  LOAM_ASSERT(memory.size_bytes() == record_bytes_ * records_in_chunk(), "a chunk has another size");
  if (chunks_.size() <= chunk) {
    chunks_.resize(chunk + 1);
    used_in_chunk_.resize(chunk + 1);
  }
  LOAM_ASSERT(chunks_[chunk].data() == nullptr, "a chunk has memory already");
  chunks_[chunk] = std::move(memory);
  table_[chunk].store(chunks_[chunk].data(), std::memory_order_release);
}

void RecordArray::cut(std::size_t end) {
  const std::size_t whole = (end + chunk_mask_) >> chunk_shift_;
  for (std::size_t chunk = whole; chunk < chunks_.size(); ++chunk) release(chunk);
  const std::size_t used = end & chunk_mask_;
  if (used == 0 || (end >> chunk_shift_) >= chunks_.size()) return;
  const std::size_t chunk = end >> chunk_shift_;
  if (chunks_[chunk].data() == nullptr || used >= used_in_chunk_[chunk]) return;
  chunks_[chunk].discard(used * record_bytes_);
  used_.fetch_sub(used_in_chunk_[chunk] - used, std::memory_order_relaxed);
  used_in_chunk_[chunk] = used;
}

void RecordArray::release(std::size_t chunk) {
  if (chunk >= chunks_.size() || chunks_[chunk].data() == nullptr) return;
  table_[chunk].store(nullptr, std::memory_order_release);
  chunks_[chunk] = ChunkMemory();
  used_.fetch_sub(used_in_chunk_[chunk], std::memory_order_relaxed);
  used_in_chunk_[chunk] = 0;
}

}  // namespace loam::vector
