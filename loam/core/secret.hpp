#pragma once

/// A string that never reaches a log, an error, a stream or a file by accident: it has no conversion and no operator<<,
/// and its memory is wiped when it goes.

#include <string>
#include <string_view>
#include <utility>

namespace [[gnu::visibility("default")]] loam {

/// *const methods are thread-safe*
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  bool empty() const noexcept { return text_.empty(); }
  /// The one way out; say why at the call.
  std::string_view reveal() const noexcept { return text_; }

 private:
  void wipe() noexcept;
  std::string text_;
};

/// "***", or "" for an empty one.
std::string to_string(const Secret& secret);

}  // namespace loam
