#pragma once

/// What the process is connected to: terminals, their width, and whether colour is wanted.

#include <cstddef>
#include <string>
#include <string_view>

namespace loam::cli {

enum class ColorChoice { automatic, always, never };

/// What decides about colour on one stream. Absent variables are empty.
struct ColorEnvironment {
  bool is_terminal = false;
  std::string no_color;     ///< NO_COLOR; counts when not empty
  std::string force_color;  ///< FORCE_COLOR; counts when not empty and not "0"
  std::string term;         ///< TERM
};

/// --color beats NO_COLOR beats FORCE_COLOR beats the terminal.
bool wants_color(ColorChoice choice, const ColorEnvironment& environment);

/// Of one stream, by its file descriptor.
struct Terminal {
  int descriptor = 1;
  bool is_terminal = false;
  bool color = false;
  std::size_t width = 0;  ///< columns; 0 when it is not a terminal

  static Terminal detect(int descriptor, ColorChoice choice);

  /// The text in that SGR style ("1" bold, "31" red, "2" dim), or as it is.
  std::string styled(std::string_view style, std::string_view text) const;
};

}  // namespace loam::cli
