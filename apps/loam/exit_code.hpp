#pragma once

/// What the process says with its exit status. Documented in docs/cli.md; a script may rely on it.

#include "loam/core/error.hpp"

namespace loam::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_not_found = 3;
inline constexpr int exit_conflict = 4;
inline constexpr int exit_corruption = 5;
inline constexpr int exit_unavailable = 6;
inline constexpr int exit_permission = 7;
inline constexpr int exit_interrupted = 130;
/// The reader of standard output went away: what a shell reports for a process that SIGPIPE ended.
inline constexpr int exit_broken_pipe = 141;

/// Total: every error code has one exit code.
int exit_code(ErrorCode code) noexcept;

}  // namespace loam::cli
