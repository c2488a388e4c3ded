#include "apps/loam/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace loam::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::size_t width_of_terminal(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  int columns = std::atoi(variable("COLUMNS").c_str());
  return columns > 0 ? static_cast<std::size_t>(columns) : 80;
}

}  // namespace

bool wants_color(ColorChoice choice, const ColorEnvironment& environment) {
  if (choice != ColorChoice::automatic) return choice == ColorChoice::always;
  if (!environment.no_color.empty()) return false;
  if (!environment.force_color.empty()) return environment.force_color != "0";
  return environment.is_terminal && !environment.term.empty() && environment.term != "dumb";
}

Terminal Terminal::detect(int descriptor, ColorChoice choice) {
  Terminal terminal{.descriptor = descriptor, .is_terminal = ::isatty(descriptor) == 1};
  terminal.color = wants_color(choice, {.is_terminal = terminal.is_terminal,
                                        .no_color = variable("NO_COLOR"),
                                        .force_color = variable("FORCE_COLOR"),
                                        .term = variable("TERM")});
  if (terminal.is_terminal) terminal.width = width_of_terminal(descriptor);
  return terminal;
}

std::string Terminal::styled(std::string_view style, std::string_view text) const {
  if (!color || text.empty()) return std::string(text);
  return "\x1b[" + std::string(style) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace loam::cli
