#pragma once

/// How far a long piece of work is, on standard error.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "apps/loam/terminal.hpp"

namespace loam::cli {

enum class ProgressMode {
  automatic,  ///< a bar on a terminal once the work has run for a second; elsewhere a line every ten seconds
  json,       ///< one JSON object a line, every second and at the end
  off,
};

struct ProgressOptions {
  ProgressMode mode = ProgressMode::automatic;
  Terminal terminal;                            ///< standard error
  std::string label;                            ///< "importing"
  std::string unit;                             ///< "rows"
  std::function<double()> seconds;              ///< a clock that never goes back
  std::function<void(std::string_view)> write;  ///< to standard error
};

/// *needs external synchronization*
class Progress {
 public:
  explicit Progress(ProgressOptions options);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Cheap enough for each row. `fraction` is of the whole work, 0 to 1, when that is known; the time left comes from it.
  void update(std::int64_t done, std::optional<double> fraction);
  /// Takes the bar away. No more updates after it.
  void finish();

 private:
  std::string line(double elapsed) const;
  std::string json(double elapsed) const;
  std::string bar(double elapsed) const;
  std::optional<double> seconds_left(double elapsed) const;

  ProgressOptions options_;
  double started_;
  double shown_;
  std::int64_t done_ = 0;
  std::optional<double> fraction_;
  bool bar_is_up_ = false;
  bool finished_ = false;
};

/// For standard error and the steady clock.
ProgressOptions standard_progress(ProgressMode mode, const Terminal& terminal, std::string label, std::string unit);

}  // namespace loam::cli
