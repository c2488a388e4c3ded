#include "loam/core/time.hpp"

#include <chrono>
#include <cstdio>

namespace loam {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
  }
};

constexpr std::int64_t micros_per_second = 1'000'000;
constexpr std::int64_t seconds_per_day = 86'400;

/// A cursor over fixed-width digits.
struct Digits {
  std::string_view rest;
  bool good = true;

  int take(std::size_t width) {
    if (rest.size() < width) return good = false, 0;
    int number = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest[i] < '0' || rest[i] > '9') return good = false, 0;
      number = number * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(width);
    return number;
  }
  void expect(char c) { good = good && accept(c); }
  bool accept(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
};

std::int64_t take_fraction_micros(Digits& in) {
  if (!in.accept('.')) return 0;
  std::int64_t micros = 0;
  int width = 0;
  while (!in.rest.empty() && in.rest.front() >= '0' && in.rest.front() <= '9') {
    if (width < 6) micros = micros * 10 + (in.rest.front() - '0');
    ++width;
    in.rest.remove_prefix(1);
  }
  if (width == 0 || width > 9) in.good = false;
  for (int i = width; i < 6; ++i) micros *= 10;
  return micros;
}

std::int64_t take_offset_seconds(Digits& in) {
  if (in.accept('Z') || in.accept('z')) return 0;
  int sign = in.accept('-') ? -1 : 1;
  if (sign > 0) in.expect('+');
  int hours = in.take(2);
  in.expect(':');
  int minutes = in.take(2);
  if (hours > 23 || minutes > 59) in.good = false;
  return sign * (hours * 3600 + minutes * 60);
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string to_string(Timestamp time) {
  std::int64_t seconds = time.micros / micros_per_second;
  std::int64_t micros = time.micros % micros_per_second;
  if (micros < 0) {
    micros += micros_per_second;
    --seconds;
  }
  std::int64_t day = seconds / seconds_per_day;
  std::int64_t second_of_day = seconds % seconds_per_day;
  if (second_of_day < 0) {
    second_of_day += seconds_per_day;
    --day;
  }
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(second_of_day / 3600), static_cast<int>(second_of_day / 60 % 60),
                static_cast<int>(second_of_day % 60), static_cast<int>(micros));
  return text;
}

Result<Timestamp> parse_timestamp(std::string_view text) {
  auto refuse = [&] {
    return invalid_argument("\"" + std::string(text.substr(0, 64)) +
                            "\" is not an RFC 3339 time such as 2026-11-21T06:45:00Z");
  };
  Digits in{text};
  int year = in.take(4);
  in.expect('-');
  int month = in.take(2);
  in.expect('-');
  int day = in.take(2);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!in.good || !date.ok()) return refuse();
  std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * seconds_per_day;
  if (in.rest.empty()) return Timestamp{seconds * micros_per_second};

  if (!in.accept('T') && !in.accept('t')) in.expect(' ');
  int hour = in.take(2);
  in.expect(':');
  int minute = in.take(2);
  in.expect(':');
  int second = in.take(2);
  std::int64_t micros = take_fraction_micros(in);
  std::int64_t offset = take_offset_seconds(in);
  if (!in.good || !in.rest.empty() || hour > 23 || minute > 59 || second > 59) return refuse();
  seconds += hour * 3600 + minute * 60 + second - offset;
  return Timestamp{seconds * micros_per_second + micros};
}

}  // namespace loam
