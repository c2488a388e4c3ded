#pragma once

/// The exhaustive check of a table: rows against vectors, full-text index and change log.

#include <string>
#include <vector>

#include "loam/relational/tables_session.hpp"
#include "loam/relational/tables_vector_cache.hpp"

namespace loam::relational {

/// One line for each thing that is wrong, all of them.
Result<std::vector<std::string>> table_problems(const TableSession& session, const LayoutPtr& layout, VectorCaches& caches,
                                                const Context& context);

}  // namespace loam::relational
