#pragma once

/// Assertions for bugs, never for user or backend data. LOAM_ASSERT is on in every build; LOAM_DCHECK only in builds
/// without NDEBUG. A failure calls the handler, which may not return; the default one writes one line to stderr and aborts.

#include <source_location>

namespace [[gnu::visibility("default")]] loam {

using AssertHandler = void (*)(const char* expression, const char* message, std::source_location where);

/// Replaces the process-wide handler and returns the former one. *thread-safe*
AssertHandler set_assert_handler(AssertHandler handler) noexcept;

[[noreturn]] void assert_failed(const char* expression, const char* message,
                                std::source_location where = std::source_location::current());

}  // namespace loam

#define LOAM_ASSERT(condition, message) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::loam::assert_failed(#condition, message))

#ifdef NDEBUG
#define LOAM_DCHECK(condition, message) static_cast<void>(0)
#else
#define LOAM_DCHECK(condition, message) LOAM_ASSERT(condition, message)
#endif
