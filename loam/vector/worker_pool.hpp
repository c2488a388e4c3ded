#pragma once

/// Threads that wait for work, shared by every index of the process. Internal.

#include <cstddef>
#include <functional>

namespace loam::vector {

inline constexpr std::size_t worker_count_max = 64;

/// Runs `work` on the calling thread and on up to `helpers` others at once, and returns when every one of them has returned.
/// Busy or missing helpers are not waited for, so `work` must take its share from a common counter and finish everything
/// when it runs alone. `work` must not throw. The threads are made on first use and live as long as the process; a forked
/// child makes its own. *thread-safe*; about 10 us.
void run_on_workers(std::size_t helpers, const std::function<void()>& work);

}  // namespace loam::vector
