#include "loam/core/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace loam {
namespace {

/// Bytes of the sequence that begins at `bytes`, 0 when it is malformed (Unicode 15, table 3-7).
std::size_t sequence_bytes(const unsigned char* bytes, std::size_t left) {
  unsigned char lead = bytes[0];
  if (lead < 0x80) return 1;
  std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                       : lead >= 0xE0 && lead <= 0xEF ? 3
                       : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                      : 0;
  if (length == 0 || length > left) return 0;
  unsigned char least = 0x80, greatest = 0xBF;
  if (lead == 0xE0) least = 0xA0;
  if (lead == 0xED) greatest = 0x9F;
  if (lead == 0xF0) least = 0x90;
  if (lead == 0xF4) greatest = 0x8F;
  if (bytes[1] < least || bytes[1] > greatest) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (bytes[i] < 0x80 || bytes[i] > 0xBF) return 0;
  return length;
}

bool all_ascii(const unsigned char* eight_bytes) {
  std::uint64_t word;
  std::memcpy(&word, eight_bytes, sizeof word);
  return (word & 0x8080808080808080ull) == 0;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    if (text.size() - at >= 8 && all_ascii(bytes + at)) {
      at += 8;
      continue;
    }
    std::size_t length = sequence_bytes(bytes + at, text.size() - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

}  // namespace loam
