#pragma once

/// The reference meaning of a filter. SQL's three-valued logic: a comparison with NULL, an absent path or a value of another
/// family (number, string, bool, timestamp, bytes) is unknown; NOT unknown is unknown; a row matches only when it is true.

#include <functional>

#include "loam/query/filter.hpp"

namespace [[gnu::visibility("default")]] loam {

enum class Truth : std::uint8_t { no, yes, unknown };

/// Gives the row's value of a column; null for one that the row lacks. The value lives until the evaluation ends.
using ColumnReader = std::function<const Value&(std::string_view column)>;

/// O(nodes); JSON columns are parsed once per use. The filter has been bound (query/schema.hpp).
Truth evaluate(const Filter& filter, const ColumnReader& row);

inline bool matches(const Filter& filter, const ColumnReader& row) { return evaluate(filter, row) == Truth::yes; }

}  // namespace loam
