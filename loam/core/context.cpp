#include "loam/core/context.hpp"

#include <algorithm>
#include <string>

namespace loam {

Result<void> Context::check(std::string_view operation) const {
  if (unbounded()) return {};
  if (cancelled()) return Error(ErrorCode::cancelled, std::string(operation) + " was cancelled by the caller");
  if (deadline_ && std::chrono::steady_clock::now() >= *deadline_)
    return Error(ErrorCode::deadline_exceeded, std::string(operation) + " did not finish before its deadline");
  return {};
}

Context::time_point Context::deadline_within_ms(std::int64_t timeout_ms) const {
  auto local = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  return deadline_ ? std::min(*deadline_, local) : local;
}

}  // namespace loam
