#pragma once

/// SQL functions that every connection of the SQLite adapter has, for what its SQL cannot say exactly. Internal: names a
/// vendor type.

#include "loam/core/result.hpp"

struct sqlite3;

namespace loam {

/// Adds loam_like(text, pattern), loam_json_matches(document, leaf) and loam_decimal_matches(decimal, leaf), deterministic
/// and innocuous, so that they may stand in indexes and triggers. They answer 1, 0 or NULL exactly as evaluate() does;
/// `leaf` is a condition in the JSON syntax about a column of any name. resource_exhausted when memory is short.
Result<void> install_sql_functions(sqlite3* connection);

}  // namespace loam
