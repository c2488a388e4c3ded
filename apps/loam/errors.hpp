#pragma once

/// Errors as a person reads them, or as one JSON object.

#include <string>

#include "apps/loam/terminal.hpp"
#include "loam/core/error.hpp"

namespace loam::cli {

/// "error: not_found: no table ..\nhint: ..\n"; control characters made visible.
std::string render_error(const Error& error, const Terminal& terminal);

/// {"error":{"code":"not_found","message":"..","hint":"..","outcome":"not_applied"}} and a newline.
std::string render_error_json(const Error& error);

}  // namespace loam::cli
