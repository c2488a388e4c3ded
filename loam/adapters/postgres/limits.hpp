#pragma once

/// What a statement may be made of. Internal.

#include <cstddef>

namespace loam::postgres {

/// The protocol counts parameters in 16 bits, but a prepared statement is described by one message of 6 + 4 bytes each, and
/// libpq (15.18 and the other releases of its day) takes one of more than 30,000 bytes for a broken connection.
inline constexpr std::size_t parameters_max = 7'498;

}  // namespace loam::postgres
