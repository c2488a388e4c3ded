#include "loam/vector/full_vectors.hpp"

#include <bit>
#include <string>
#include <vector>

namespace loam::vector {

Result<void> FullVectors::check(const float* vector) const {
  if (elements_ == Elements::f32) return {};
  for (std::size_t i = 0; i < dimension_; ++i)
    if (!(vector[i] < half_end && vector[i] > -half_end))
      return invalid_argument("the vector has " + std::to_string(vector[i]) + " at position " + std::to_string(i) +
                              ", which f16 elements cannot hold (65504 at most)");
  return {};
}

void FullVectors::write(Slot slot, std::int64_t id, const float* vector) {
  ChangeMarks::set(changes_.of(slot));
  std::byte* record = records_.at(slot);
  reinterpret_cast<std::atomic<std::int64_t>*>(record)->store(id, std::memory_order_relaxed);
  if (elements_ == Elements::f32)
    std::memcpy(record + head_bytes, vector, vector_bytes());
  else
    to_half(vector, dimension_, reinterpret_cast<Half*>(record + head_bytes));
}

bool FullVectors::finite(Slot slot) const noexcept {
  std::uint32_t found = 0;
  if (elements_ == Elements::f32) {
    const float* values = f32(slot);
    for (std::size_t i = 0; i < dimension_; ++i)
      found |= (std::bit_cast<std::uint32_t>(values[i]) & 0x7F800000u) == 0x7F800000u ? 1u : 0u;
  } else {
    std::uint16_t bits = 0;
    for (std::size_t i = 0; i < dimension_; ++i) {
      std::memcpy(&bits, raw(slot) + i * sizeof(bits), sizeof(bits));
      found |= (bits & 0x7C00u) == 0x7C00u ? 1u : 0u;
    }
  }
  return found == 0;
}

void FullVectors::read(Slot slot, float* out) const {
  if (elements_ == Elements::f32)
    std::memcpy(out, raw(slot), vector_bytes());
  else
    to_float(f16(slot), dimension_, out);
}

}  // namespace loam::vector
