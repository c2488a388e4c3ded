#pragma once

/// Named places where a crash test ends the process as `kill -9` would: LOAM_KILL_AT=name:nth in the environment, nth
/// from 1. Present only when the CMake option LOAM_KILL_POINTS is on, as it is when the tests are built; else they compile
/// to nothing.

#ifdef LOAM_KILL_POINTS

namespace loam {

/// Kills the process at the nth call with the name that LOAM_KILL_AT gives. *thread-safe*
void kill_point(const char* name) noexcept;

}  // namespace loam

#define LOAM_KILL_POINT(name) ::loam::kill_point(name)
#else
#define LOAM_KILL_POINT(name) static_cast<void>(0)
#endif
