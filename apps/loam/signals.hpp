#pragma once

/// Ctrl-C. The first one (or SIGTERM) throws the cancellation, and what runs stops at its next safe point; the second one
/// ends the process at once.

#include "loam/core/context.hpp"

namespace loam::cli {

/// Installs the handlers and ignores SIGPIPE; the same Cancellation each time.
const Cancellation& install_signal_handlers();

}  // namespace loam::cli
