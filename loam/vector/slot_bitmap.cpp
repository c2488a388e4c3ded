#include "loam/vector/slot_bitmap.hpp"

#include <algorithm>
#include <utility>

#include "loam/vector/kernels.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t word_bits = 64;

std::size_t words_for(std::size_t slot_end) { return slot_end / word_bits + (slot_end % word_bits != 0); }

// Bits of the last word that stand for slots below the end.
std::uint64_t last_mask(std::size_t slot_end) {
  const std::size_t rest = slot_end % word_bits;
  return rest == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << rest) - 1;
}

// Or with itself changes nothing.
std::size_t count_bits(std::uint64_t* words, std::size_t count) { return or_words(words, words, count); }

}  // namespace

SlotBitmap::SlotBitmap(std::size_t slot_end, bool all) : words_(words_for(slot_end), all ? ~std::uint64_t{0} : 0) {
  if (!all || words_.empty()) return;
  words_.back() &= last_mask(slot_end);
  cardinality_ = slot_end;
}

void SlotBitmap::insert(Slot slot) {
  const std::size_t word = slot / word_bits;
  if (word >= words_.size()) words_.resize(word + 1);
  const std::uint64_t bit = std::uint64_t{1} << (slot % word_bits);
  cardinality_ += (words_[word] & bit) == 0;
  words_[word] |= bit;
}

void SlotBitmap::erase(Slot slot) noexcept {
  if (!contains(slot)) return;
  words_[slot / word_bits] &= ~(std::uint64_t{1} << (slot % word_bits));
  --cardinality_;
}

void SlotBitmap::intersect(const SlotBitmap& other) {
  if (other.words_.size() < words_.size()) words_.resize(other.words_.size());
  cardinality_ = and_words(words_.data(), other.words_.data(), words_.size());
}

void SlotBitmap::unite(const SlotBitmap& other) {
  if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
  const std::size_t common = other.words_.size();
  cardinality_ = or_words(words_.data(), other.words_.data(), common);
  cardinality_ += count_bits(words_.data() + common, words_.size() - common);
}

void SlotBitmap::subtract(const SlotBitmap& other) {
  const std::size_t common = std::min(words_.size(), other.words_.size());
  cardinality_ = and_not_words(words_.data(), other.words_.data(), common);
  cardinality_ += count_bits(words_.data() + common, words_.size() - common);
}

void SlotBitmap::invert(std::size_t slot_end) {
  SlotBitmap outside(slot_end, true);
  outside.subtract(*this);
  *this = std::move(outside);
}

}  // namespace loam::vector
