#pragma once

/// A set of slots of an index: what a filter gives to a search. Public.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace [[gnu::visibility("default")]] loam {
namespace vector {

/// The place of a vector in an index: below 2^24. It stays the same until the vector is replaced, erased or moved by
/// Index::compact().
using Slot = std::uint32_t;

/// One bit for each slot, with the exact number of those set. *const methods are thread-safe*
class SlotBitmap {
 public:
  SlotBitmap() = default;
  /// Slots [0, slot_end), all out (or all in).
  explicit SlotBitmap(std::size_t slot_end, bool all = false);

  /// Beyond the end is out.
  bool contains(Slot slot) const noexcept {
    const std::size_t word = slot >> 6;
    return word < words_.size() && ((words_[word] >> (slot & 63)) & 1) != 0;
  }
  /// Grows when needed.
  void insert(Slot slot);
  void erase(Slot slot) noexcept;

  /// Set algebra in place: intersect() leaves it as long as the shorter one, unite() as the longer one, subtract() as it
  /// was. SIMD: about 3 us for a million slots in cache.
  void intersect(const SlotBitmap& other);
  void unite(const SlotBitmap& other);
  void subtract(const SlotBitmap& other);
  /// All of [0, slot_end) that are out now, and nothing beyond.
  void invert(std::size_t slot_end);

  std::size_t cardinality() const noexcept { return cardinality_; }
  /// No member is at or above it. A multiple of 64.
  std::size_t slot_end() const noexcept { return words_.size() * 64; }
  const std::uint64_t* words() const noexcept { return words_.data(); }
  std::size_t word_count() const noexcept { return words_.size(); }

  /// Calls body(slot) for every member, ascending.
  template <class Body>
  void for_each(Body body) const {
    for (std::size_t word = 0; word < words_.size(); ++word)
      for (std::uint64_t left = words_[word]; left != 0; left &= left - 1)
        body(static_cast<Slot>(word * 64 + static_cast<std::size_t>(std::countr_zero(left))));
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t cardinality_ = 0;
};

}  // namespace vector
}  // namespace loam
