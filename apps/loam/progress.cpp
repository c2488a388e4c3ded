#include "apps/loam/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/loam/json_writer.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

constexpr double bar_delay_seconds = 1;
constexpr double bar_interval_seconds = 0.1;
constexpr double line_interval_seconds = 10;
constexpr double json_interval_seconds = 1;
constexpr std::size_t bar_width = 24;

}  // namespace

Progress::Progress(ProgressOptions options) : options_(std::move(options)), started_(options_.seconds()), shown_(started_) {}

void Progress::update(std::int64_t done, std::optional<double> fraction) {
  done_ = done;
  fraction_ = fraction;
  if (options_.mode == ProgressMode::off || finished_) return;
  double now = options_.seconds();
  bool on_terminal = options_.mode == ProgressMode::automatic && options_.terminal.is_terminal;
  if (on_terminal && now - started_ < bar_delay_seconds) return;
  double interval = options_.mode == ProgressMode::json ? json_interval_seconds
                    : !on_terminal                      ? line_interval_seconds
                    : bar_is_up_                        ? bar_interval_seconds
                                                        : 0;
  if (now - shown_ < interval) return;
  shown_ = now;
  if (options_.mode == ProgressMode::json)
    options_.write(json(now - started_));
  else if (on_terminal)
    options_.write("\r" + bar(now - started_) + "\x1b[K");
  else
    options_.write(line(now - started_) + "\n");
  bar_is_up_ = on_terminal;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (bar_is_up_) options_.write("\r\x1b[K");
  if (options_.mode == ProgressMode::json) options_.write(json(options_.seconds() - started_));
}

std::optional<double> Progress::seconds_left(double elapsed) const {
  if (!fraction_ || *fraction_ <= 0 || *fraction_ > 1) return std::nullopt;
  return elapsed * (1 - *fraction_) / *fraction_;
}

std::string Progress::line(double elapsed) const {
  std::string text = options_.label + ": " + with_thousands(done_) + " " + options_.unit;
  if (fraction_) text += " (" + fixed(100 * std::min(1.0, *fraction_), 0) + "%)";
  if (elapsed > 0)
    text += ", " + with_thousands(std::llround(static_cast<double>(done_) / elapsed)) + " " + options_.unit + "/s";
  if (auto left = seconds_left(elapsed)) text += ", " + human_seconds(*left) + " left";
  return text;
}

std::string Progress::bar(double elapsed) const {
  if (!fraction_) return truncate_to_width(line(elapsed), options_.terminal.width);
  auto filled = static_cast<std::size_t>(std::clamp(*fraction_, 0.0, 1.0) * static_cast<double>(bar_width));
  std::string blocks;
  for (std::size_t i = 0; i < bar_width; ++i) blocks += i < filled ? "█" : "░";
  std::size_t room = options_.terminal.width > bar_width + 2 ? options_.terminal.width - bar_width - 2 : 0;
  return options_.terminal.styled("36", blocks) + " " + truncate_to_width(line(elapsed), room);
}

std::string Progress::json(double elapsed) const {
  JsonWriter json;
  json.begin_object().key("progress").begin_object();
  json.key("label").string(options_.label).key("done").integer(done_).key("unit").string(options_.unit);
  json.key("seconds").number(elapsed);
  json.key("fraction");
  fraction_ ? json.number(*fraction_) : json.null();
  json.key("seconds_left");
  auto left = seconds_left(elapsed);
  left ? json.number(*left) : json.null();
  json.end_object().end_object();
  return json.take() + "\n";
}

ProgressOptions standard_progress(ProgressMode mode, const Terminal& terminal, std::string label, std::string unit) {
  return {
      .mode = mode,
      .terminal = terminal,
      .label = std::move(label),
      .unit = std::move(unit),
      .seconds = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); },
      .write =
          [](std::string_view text) {
            // Progress that cannot be shown must not stop the work.
            while (!text.empty()) {
              ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
              if (count <= 0) return;
              text.remove_prefix(static_cast<std::size_t>(count));
            }
          }};
}

}  // namespace loam::cli
