#pragma once

/// LMDB forbids to open one environment twice in a process: its file locks would be lost with the first close. This is the
/// list of those that are open. Private to the adapter.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "loam/core/result.hpp"

namespace loam::lmdb {

class Environment;

/// How many forks lie between this process and the one that loaded the library.
std::uint64_t fork_generation() noexcept;

using DirectoryId = std::pair<dev_t, ino_t>;
using OpenEnvironment = std::function<Result<std::unique_ptr<Environment>>()>;

/// The environment of this directory that is open, or else what `open` gives. Waits while the last user of one is closing
/// it. *thread-safe*
Result<std::shared_ptr<Environment>> share_environment(DirectoryId directory, const OpenEnvironment& open);

}  // namespace loam::lmdb
