#include "apps/loam/line_reader.hpp"

#include <cstring>

namespace loam::cli {
namespace {

constexpr std::size_t block_bytes = 256u << 10;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

}  // namespace

Result<bool> LineReader::fill() {
  if (at_end_) return false;
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  std::size_t used = buffer_.size();
  buffer_.resize(used + block_bytes);
  auto count = input_.read(buffer_.data() + used, block_bytes);
  buffer_.resize(used + (count.ok() ? *count : 0));
  if (!count.ok()) return std::move(count).error();
  at_end_ = *count == 0;
  return !at_end_;
}

Line LineReader::take(std::size_t end, std::size_t after) {
  Line line{.number = ++number_, .text = std::string_view(buffer_).substr(start_, end - start_)};
  start_ = scanned_ = after;
  if (number_ == 1 && line.text.starts_with(byte_order_mark)) line.text.remove_prefix(byte_order_mark.size());
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  if (discarding_ || line.text.size() > line_bytes_max_) line = {.number = line.number, .text = {}, .too_long = true};
  discarding_ = false;
  return line;
}

Result<std::optional<Line>> LineReader::next() {
  for (;;) {
    const void* found = std::memchr(buffer_.data() + scanned_, '\n', buffer_.size() - scanned_);
    if (found != nullptr) {
      auto end = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      return std::optional(take(end, end + 1));
    }
    scanned_ = buffer_.size();
    if (scanned_ - start_ > line_bytes_max_ + 2) {  // what is known to be too long need not be kept
      discarding_ = true;
      start_ = scanned_;
    }
    LOAM_TRY(bool more, fill());
    if (more) continue;
    if (start_ == buffer_.size() && !discarding_) return std::optional<Line>();
    return std::optional(take(buffer_.size(), buffer_.size()));
  }
}

}  // namespace loam::cli
