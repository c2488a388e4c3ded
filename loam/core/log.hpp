#pragma once

/// What the library has to say while it runs. Silent until the application asks; then to stderr or a rotating file, as text
/// or as one JSON object a line.
///
///   LOAM_TRY(configure_logging({.level = LogLevel::info, .format = LogFormat::json}));
///   log(LogLevel::info, "store opened", {{"path", "app.loam"}, {"recovered", "true"}});

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };
enum class LogFormat : std::uint8_t {
  text,  ///< 2026-11-21T06:45:00.123456Z info store opened path=app.loam
  json,  ///< {"time":"2026-..Z","level":"info","message":"store opened","path":"app.loam"}
};

std::string_view to_string(LogLevel level) noexcept;
/// "debug", "info", "warning", "error", "off".
Result<LogLevel> parse_log_level(std::string_view name);

struct LogOptions {
  LogLevel level = LogLevel::warning;
  LogFormat format = LogFormat::text;
  std::string path = {};                   ///< empty: stderr
  std::size_t file_bytes_max = 16u << 20;  ///< the file is rotated beyond it
  std::size_t files_max = 4;
};

/// Replaces the process-wide sink. unavailable when the file cannot be opened; the former sink stays then. *thread-safe*
Result<void> configure_logging(const LogOptions& options);

using LogFields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Cheap when the level is not logged: one atomic read. Control characters are escaped. *thread-safe*
void log(LogLevel level, std::string_view message, LogFields fields = {});

/// For a caller that would have to build its message first.
bool logs(LogLevel level) noexcept;

}  // namespace loam
