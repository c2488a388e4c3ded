#pragma once

/// What may be put into an index or asked of it. Internal.

#include <span>

#include "loam/core/result.hpp"

namespace loam::vector {

/// invalid_argument for another dimension, NaN or an infinity; `what` begins the message.
Result<void> check_values(std::span<const float> values, std::size_t dimension, const char* what);

}  // namespace loam::vector
