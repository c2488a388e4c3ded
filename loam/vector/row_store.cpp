#include "loam/vector/row_store.hpp"

#include <algorithm>

#include "loam/core/assert.hpp"
#include "loam/vector/kernels.hpp"

namespace loam::vector {
namespace {

// About 256 KiB of floats: small enough for an index of a few rows, large enough to stream.
unsigned chunk_shift_for(std::size_t dimension) {
  unsigned shift = 0;
  while (shift < 12 && (dimension * sizeof(float) << (shift + 1)) <= (std::size_t{256} << 10)) ++shift;
  return shift;
}

}  // namespace

RowStore::RowStore(std::size_t dimension, bool coded)
    : dimension_(dimension),
      code_bytes_(coded ? (dimension + code_padding - 1) / code_padding * code_padding : 0),
      chunk_shift_(chunk_shift_for(dimension)) {}

void RowStore::put(std::int64_t id, std::span<const float> row) {
  const std::optional<std::uint32_t> known = slots_.find(id);
  const std::uint32_t slot = known ? *known : take_slot();
  Chunk& target = chunk(slot);
  const std::size_t at = in_chunk(slot);
  if (!known) {
    slots_.insert(id, slot);
    if (!free_slots_.empty() && free_slots_.back() == slot)
      free_slots_.pop_back();
    else
      ++slot_end_;
  }
  std::copy(row.begin(), row.end(), target.rows.get() + at * dimension_);
  target.bounds[at] = encode_row(row, {target.codes.get() + at * code_bytes_, code_bytes_});
  target.ids[at] = id;
  target.live[at] = 1;
}

bool RowStore::erase(std::int64_t id) {
  const std::optional<std::uint32_t> slot = slots_.find(id);
  if (!slot) return false;
  free_slots_.push_back(*slot);
  slots_.erase(id);
  chunk(*slot).live[in_chunk(*slot)] = 0;
  return true;
}

void RowStore::clear() {
  chunks_ = std::vector<Chunk>();
  free_slots_ = std::vector<std::uint32_t>();
  slot_end_ = 0;
  slots_.clear();
}

std::size_t RowStore::bytes() const noexcept {
  const std::size_t row = dimension_ * sizeof(float) + code_bytes_ + sizeof(RowBounds) + sizeof(std::int64_t) + 1;
  return (chunks_.size() << chunk_shift_) * row + chunks_.capacity() * sizeof(Chunk) +
         free_slots_.capacity() * sizeof(std::uint32_t) + slots_.bytes();
}

// A slot that is free, and still is when an allocation after this fails: put() takes it last.
std::uint32_t RowStore::take_slot() {
  if (!free_slots_.empty()) return free_slots_.back();
  LOAM_ASSERT(slot_end_ < UINT32_MAX - 1, "a flat index holds fewer than 2^32 rows");
  if ((slot_end_ >> chunk_shift_) == chunks_.size()) add_chunk();
  return slot_end_;
}

void RowStore::add_chunk() {
  const std::size_t count = std::size_t{1} << chunk_shift_;
  Chunk fresh;
  fresh.rows = allocate<float>(count * dimension_);
  if (code_bytes_ > 0) fresh.codes = allocate<std::int8_t>(count * code_bytes_);
  fresh.bounds.resize(count);
  fresh.ids.resize(count);
  fresh.live.resize(count);
  chunks_.push_back(std::move(fresh));
}

}  // namespace loam::vector
