#pragma once

/// Internal to the adapter.

#include "loam/adapters/postgres/postgres.hpp"

namespace loam::postgres {

/// invalid_argument naming the option that cannot be right.
Result<void> check_options(const PostgresOptions& options);

}  // namespace loam::postgres
