#include "apps/loam/exit_code.hpp"

namespace loam::cli {

int exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return exit_usage;
    case ErrorCode::not_found: return exit_not_found;
    case ErrorCode::already_exists: return exit_conflict;
    case ErrorCode::conflict: return exit_conflict;
    case ErrorCode::failed_precondition: return exit_failed;
    case ErrorCode::resource_exhausted: return exit_failed;
    case ErrorCode::unavailable: return exit_unavailable;
    case ErrorCode::deadline_exceeded: return exit_unavailable;
    case ErrorCode::cancelled: return exit_interrupted;
    case ErrorCode::permission_denied: return exit_permission;
    case ErrorCode::unauthenticated: return exit_permission;
    case ErrorCode::unsupported: return exit_failed;
    case ErrorCode::data_corruption: return exit_corruption;
    case ErrorCode::internal: return exit_failed;
  }
  return exit_failed;
}

}  // namespace loam::cli
