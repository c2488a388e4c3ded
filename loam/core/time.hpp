#pragma once

/// UTC time in microseconds, and clocks that tests can turn.

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
struct Timestamp {
  std::int64_t micros = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// "2026-11-21T06:45:00.123456Z" (RFC 3339), always six digits of fraction; years 0000 to 9999.
std::string to_string(Timestamp time);

/// Reads RFC 3339 with an offset ("Z", "+02:00") and 0 to 9 digits of fraction (cut to microseconds), or a date alone.
/// invalid_argument naming the text otherwise.
Result<Timestamp> parse_timestamp(std::string_view text);

/// Where a store reads the time. *thread-safe*
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

/// The machine's UTC clock; lives as long as the process.
const Clock& system_clock();

/// Stands still until told. *thread-safe*
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : micros_(start.micros) {}
  Timestamp now() const override { return {micros_.load()}; }
  void advance_micros(std::int64_t micros) { micros_.fetch_add(micros); }

 private:
  std::atomic<std::int64_t> micros_;
};

}  // namespace loam
