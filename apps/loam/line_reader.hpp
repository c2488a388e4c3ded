#pragma once

/// Lines of an input in constant memory: a block, or the longest line.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apps/loam/input.hpp"
#include "loam/core/limits.hpp"

namespace loam::cli {

struct Line {
  std::int64_t number = 0;  ///< from 1
  std::string_view text;    ///< without its end ("\n" or "\r\n"); valid until the next next()
  bool too_long = false;    ///< more than the cap; the text is empty and the rest of the line has been passed over
};

/// *needs external synchronization*
class LineReader {
 public:
  /// A byte order mark at the start is left out.
  explicit LineReader(Input& input, std::size_t line_bytes_max = limits::line_bytes_max)
      : input_(input), line_bytes_max_(line_bytes_max) {}

  /// nullopt at the end. A last line without an end counts.
  Result<std::optional<Line>> next();

 private:
  Result<bool> fill();  ///< false at the end of the input
  Line take(std::size_t end, std::size_t after);

  Input& input_;
  std::size_t line_bytes_max_;
  std::string buffer_;
  std::size_t start_ = 0;    ///< of the unread part of the buffer
  std::size_t scanned_ = 0;  ///< up to here there is no line end
  std::int64_t number_ = 0;
  bool at_end_ = false;
  bool discarding_ = false;  ///< inside a line that is too long
};

}  // namespace loam::cli
