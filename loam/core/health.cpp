#include "loam/core/health.hpp"

#include <nlohmann/json.hpp>

namespace loam {

std::string_view to_string(Health health) noexcept {
  switch (health) {
    case Health::healthy: return "healthy";
    case Health::degraded: return "degraded";
    case Health::unhealthy: return "unhealthy";
  }
  return "unhealthy";
}

std::string to_json(const HealthStatus& status) {
  nlohmann::ordered_json details = nlohmann::ordered_json::object();
  for (const auto& [key, value] : status.details) details[key] = value;
  nlohmann::ordered_json json = {
      {"status", to_string(status.status)}, {"adapter", status.adapter}, {"port", status.port},
      {"latency_ms", status.latency_ms},    {"details", details},        {"error", status.error},
  };
  // A backend's own words may hold bytes that are not UTF-8; an answer about health must not fail for that.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace loam
