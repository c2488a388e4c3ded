#pragma once

/// What a filter may be about: the columns of one relation and their types.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/value.hpp"
#include "loam/query/filter.hpp"

namespace [[gnu::visibility("default")]] loam {

/// A column as the filter language sees it. `sql` is how the compiled SQL refers to it, already quoted ("t"."name").
struct FilterColumn {
  std::string name;
  ValueKind kind = ValueKind::string;
  std::string sql;
};
using FilterColumns = std::vector<FilterColumn>;

/// Checks names and types and brings literals to their column's kind ('2026-01-01' to a timestamp, 1 to 1.0, text to a
/// decimal). invalid_argument for an unknown column (the known ones listed, the nearest first), a path below a column that
/// is not JSON, a literal or an operator that the column's type cannot take. Run before evaluate() and compile().
Result<Filter> bind_filter(Filter filter, const FilterColumns& columns);

}  // namespace loam
