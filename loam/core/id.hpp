#pragma once

/// Identifiers that sort by the time of their making: UUID version 7 (RFC 9562, section 5.7).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"
#include "loam/core/time.hpp"

namespace [[gnu::visibility("default")]] loam {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

/// "0193a5b2-7c1e-7d3f-8a90-1b2c3d4e5f60".
std::string to_string(const Uuid& id);
/// 36 characters, either case. invalid_argument otherwise.
Result<Uuid> parse_uuid(std::string_view text);

/// 48 bits of milliseconds, 12 bits that count within the millisecond, 62 random bits from the system. Ids of one process
/// are strictly increasing even when the clock is set back. Years 1970 to 10889. *thread-safe*; well under 1 us.
Uuid make_uuid(const Clock& clock = system_clock());

/// The millisecond that a version 7 id was made in.
Timestamp time_of(const Uuid& id);

}  // namespace loam
