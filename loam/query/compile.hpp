#pragma once

/// Filters as SQL conditions.

#include "loam/query/schema.hpp"
#include "loam/query/sql_dialect.hpp"

namespace [[gnu::visibility("default")]] loam {

/// A condition for a WHERE clause, in parentheses, that is true for exactly the rows evaluate() calls true. The filter has
/// been bound with `columns`. unsupported when the dialect cannot express a leaf. resource_exhausted beyond its parameter
/// limit.
Result<SqlText> compile_filter(const Filter& filter, const FilterColumns& columns, const SqlDialect& dialect);

}  // namespace loam
