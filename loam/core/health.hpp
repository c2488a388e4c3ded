#pragma once

/// The answer of every port to "are you well?".

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace [[gnu::visibility("default")]] loam {

enum class Health : std::uint8_t { healthy, degraded, unhealthy };

std::string_view to_string(Health health) noexcept;

struct HealthStatus {
  Health status = Health::healthy;
  std::string adapter;                                       ///< "sqlite", "postgres", ..
  std::string port;                                          ///< "database", "kv", ..
  double latency_ms = 0;                                     ///< of the probe that was made to answer
  std::vector<std::pair<std::string, std::string>> details;  ///< pool sizes, versions, ..; never a secret
  std::string error;                                         ///< empty when healthy
};

/// One JSON object with exactly the fields above.
std::string to_json(const HealthStatus& status);

}  // namespace loam
