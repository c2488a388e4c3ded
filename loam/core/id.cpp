#include "loam/core/id.hpp"

#include <sys/random.h>

#include <algorithm>
#include <mutex>

namespace loam {
namespace {

/// Random bytes from the kernel, fetched in blocks: a system call for each id would cost more than the id.
class RandomBlock {
 public:
  std::uint64_t next() {
    if (used_ == words_.size()) refill();
    return words_[used_++];
  }

 private:
  void refill() {
    auto* bytes = reinterpret_cast<unsigned char*>(words_.data());
    std::size_t have = 0;
    while (have < sizeof words_) {
      ssize_t got = getrandom(bytes + have, sizeof words_ - have, 0);
      if (got > 0) have += static_cast<std::size_t>(got);
    }
    used_ = 0;
  }

  std::array<std::uint64_t, 32> words_{};
  std::size_t used_ = words_.size();
};

/// 60 bits that only grow: milliseconds above a 12-bit counter.
class Ticks {
 public:
  std::uint64_t next(Timestamp now) {
    auto millis = static_cast<std::uint64_t>(std::max<std::int64_t>(now.micros, 0)) / 1000;
    last_ = std::max(last_ + 1, millis << 12);
    return last_;
  }

 private:
  std::uint64_t last_ = 0;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_dash_position(std::size_t position) { return position == 8 || position == 13 || position == 18 || position == 23; }

}  // namespace

std::string to_string(const Uuid& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::uint8_t byte : id.bytes) {
    if (is_dash_position(text.size())) text += '-';
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Result<Uuid> parse_uuid(std::string_view text) {
  auto refuse = [&] {
    return invalid_argument("\"" + std::string(text.substr(0, 64)) + "\" is not a UUID of 36 characters");
  };
  if (text.size() != 36) return refuse();
  Uuid id;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash_position(i)) {
      if (text[i] != '-') return refuse();
      continue;
    }
    int digit = hex_digit(text[i]);
    if (digit < 0) return refuse();
    id.bytes[nibble / 2] = static_cast<std::uint8_t>(id.bytes[nibble / 2] << 4 | digit);
    ++nibble;
  }
  return id;
}

Uuid make_uuid(const Clock& clock) {
  static std::mutex mutex;
  static Ticks ticks;
  static RandomBlock random;
  std::uint64_t tick = 0, noise = 0;
  {
    std::lock_guard lock(mutex);
    tick = ticks.next(clock.now());
    noise = random.next();
  }
  std::uint64_t high = (tick >> 12) << 16 | 0x7000 | (tick & 0xfff);
  std::uint64_t low = 0x8000'0000'0000'0000 | (noise >> 2);
  Uuid id;
  for (int i = 0; i < 8; ++i) {
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    id.bytes[static_cast<std::size_t>(i + 8)] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

Timestamp time_of(const Uuid& id) {
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i) millis = millis << 8 | id.bytes[i];
  return {millis * 1000};
}

}  // namespace loam
