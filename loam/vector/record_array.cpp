#include "loam/vector/record_array.hpp"

#include <utility>

#include "loam/core/assert.hpp"

namespace loam::vector {

Result<void> RecordArray::reserve(std::size_t number) {
  const std::size_t chunk = number >> chunk_shift;
  if (has(number)) return {};
  const std::size_t bytes = record_bytes_ * chunk_records;
  LOAM_TRY(ChunkMemory memory, directory_.empty() ? ChunkMemory::anonymous(bytes) : ChunkMemory::mapped(directory_, bytes));
  adopt(chunk, std::move(memory));
  return {};
}

void RecordArray::adopt(std::size_t chunk, ChunkMemory memory) {
  LOAM_ASSERT(memory.size_bytes() == record_bytes_ * chunk_records, "a chunk has another size");
  if (chunks_.size() <= chunk) chunks_.resize(chunk + 1);
  LOAM_ASSERT(chunks_[chunk].data() == nullptr, "a chunk has memory already");
  chunks_[chunk] = std::move(memory);
  table_[chunk].store(chunks_[chunk].data(), std::memory_order_release);
  chunk_count_.fetch_add(1, std::memory_order_relaxed);
}

void RecordArray::release(std::size_t chunk) {
  if (chunk >= chunks_.size() || chunks_[chunk].data() == nullptr) return;
  table_[chunk].store(nullptr, std::memory_order_release);
  chunks_[chunk] = ChunkMemory();
  chunk_count_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace loam::vector
