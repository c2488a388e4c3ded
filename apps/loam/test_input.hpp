#pragma once

/// Text as an Input, for tests.

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "apps/loam/input.hpp"

namespace loam::cli {

/// Text that comes out of a pipe, written by a thread of its own, as it would from another program.
class PipedText {
 public:
  explicit PipedText(std::string text) : text_(std::move(text)) {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) return;
    input_ = Input::adopt(ends[0], "the test's text", Context());
    writer_ = std::thread([this, end = ends[1]] {
      std::size_t written = 0;
      while (written < text_.size()) {
        ssize_t count = ::write(end, text_.data() + written, text_.size() - written);
        if (count <= 0) break;
        written += static_cast<std::size_t>(count);
      }
      ::close(end);
    });
  }
  ~PipedText() { writer_.join(); }

  std::unique_ptr<Input> take() { return std::move(input_); }

 private:
  std::string text_;
  std::unique_ptr<Input> input_;
  std::thread writer_;
};

}  // namespace loam::cli
