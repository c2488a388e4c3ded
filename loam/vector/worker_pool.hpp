#pragma once

/// Threads that wait for work, shared by every index of the process. Internal.

#include <cstddef>
#include <functional>
#include <string_view>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"

namespace loam::vector {

inline constexpr std::size_t worker_count_max = 64;

/// Runs `work` on the calling thread and on up to `helpers` others at once, and returns when every one of them has returned.
/// Busy or missing helpers are not waited for, so `work` must take its share from a common counter and finish everything
/// when it runs alone. `work` must not throw. The threads are made on first use and live as long as the process; a forked
/// child makes its own. *thread-safe*; about 10 us.
void run_on_workers(std::size_t helpers, const std::function<void()>& work);

/// How parallel_for() divides [0, count).
struct ParallelOptions {
  std::size_t count = 0;
  std::size_t block_size = 1;  ///< at least 1; a block should take 20 us or more
  std::size_t threads = 1;     ///< the calling one included
  std::string_view operation;  ///< for the error of a cancelled context
};

struct ParallelBlock {
  std::size_t first = 0;
  std::size_t last = 0;    ///< not included
  std::size_t worker = 0;  ///< below options.threads, and of no other block that runs at the same time: for buffers
};

/// Calls `body` for blocks of [0, count) in ascending order, on up to `threads` threads at once. The context is looked at
/// before each block, and nothing is begun after a failure. Returns the failure of the lowest block that fails, which is the
/// same one however many threads there are (unless it is the context's); blocks above it may or may not have run. What
/// `body` throws is thrown here, by the same rule. *thread-safe*
Result<void> parallel_for(const ParallelOptions& options, const Context& context,
                          const std::function<Result<void>(const ParallelBlock&)>& body);

}  // namespace loam::vector
