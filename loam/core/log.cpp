#include "loam/core/log.hpp"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "loam/core/json.hpp"
#include "loam/core/time.hpp"

namespace loam {
namespace {

struct Sink {
  LogFormat format;
  std::shared_ptr<spdlog::logger> logger;
};

std::atomic<LogLevel> threshold{LogLevel::off};

std::mutex& sink_mutex() {
  static std::mutex mutex;
  return mutex;
}
std::shared_ptr<const Sink>& current_sink() {
  static std::shared_ptr<const Sink> sink;
  return sink;
}

constexpr std::array level_names{std::string_view("debug"), std::string_view("info"), std::string_view("warning"),
                                 std::string_view("error"), std::string_view("off")};

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (unsigned char c : text)
    if (c <= ' ' || c == '"' || c == '=' || c == 0x7f) return true;
  return false;
}

std::string text_line(LogLevel level, std::string_view message, LogFields fields) {
  std::string line = to_string(system_clock().now()) + ' ' + std::string(to_string(level)) + ' ';
  std::string quoted = quote_json(message);
  line += std::string_view(quoted).substr(1, quoted.size() - 2);
  for (const auto& [key, value] : fields)
    line += ' ' + std::string(key) + '=' + (needs_quotes(value) ? quote_json(value) : std::string(value));
  return line;
}

std::string json_line(LogLevel level, std::string_view message, LogFields fields) {
  std::string line = "{\"time\":\"" + to_string(system_clock().now()) + "\",\"level\":\"" + std::string(to_string(level)) +
                     "\",\"message\":" + quote_json(message);
  for (const auto& [key, value] : fields) line += ',' + quote_json(key) + ':' + quote_json(value);
  return line + '}';
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept { return level_names[static_cast<std::size_t>(level)]; }

Result<LogLevel> parse_log_level(std::string_view name) {
  for (std::size_t i = 0; i < level_names.size(); ++i)
    if (level_names[i] == name) return static_cast<LogLevel>(i);
  return invalid_argument("\"" + std::string(name.substr(0, 32)) + "\" is not a log level")
      .hint("use debug, info, warning, error or off");
}

Result<void> configure_logging(const LogOptions& options) {
  std::shared_ptr<spdlog::sinks::sink> target;
  try {
    if (options.path.empty()) {
      target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      target =
          std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.path, options.file_bytes_max, options.files_max);
    }
  } catch (const std::exception& failure) {
    return Error(ErrorCode::unavailable, "cannot open the log file " + options.path).native({"spdlog", "", failure.what()});
  }
  auto logger = std::make_shared<spdlog::logger>("loam", std::move(target));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  std::lock_guard lock(sink_mutex());
  current_sink() = std::make_shared<const Sink>(Sink{options.format, std::move(logger)});
  threshold.store(options.level);
  return {};
}

bool logs(LogLevel level) noexcept { return level != LogLevel::off && level >= threshold.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message, LogFields fields) {
  if (!logs(level)) return;
  std::shared_ptr<const Sink> sink;
  {
    std::lock_guard lock(sink_mutex());
    sink = current_sink();
  }
  if (!sink) return;
  sink->logger->info(sink->format == LogFormat::json ? json_line(level, message, fields)
                                                     : text_line(level, message, fields));
}

}  // namespace loam
