#pragma once

/// What the catalogue says about tables. Internal to the adapter.

#include <string>
#include <string_view>
#include <vector>

#include "loam/ports/database.hpp"

namespace loam::postgres {

/// Of the schema that new tables go to, sorted by bytes.
Result<std::vector<std::string>> table_names(SqlSession& session, const Context& context);
/// not_found when that schema has no such table.
Result<TableInfo> describe(SqlSession& session, std::string_view table, const Context& context);

}  // namespace loam::postgres
