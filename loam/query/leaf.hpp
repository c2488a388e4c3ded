#pragma once

/// Internal: the meaning of one condition, for the evaluator and for the SQL functions that SQLite calls.

#include <string_view>

#include "loam/query/evaluate.hpp"

namespace loam {

/// `leaf` is a bound condition (never and, or, not, constant), `value` its column's. A Json value is looked into along the
/// path.
Truth evaluate_leaf(const Filter& leaf, const Value& value);

/// The same for the text of a JSON column that is not NULL.
Truth evaluate_json_leaf(const Filter& leaf, std::string_view document);

}  // namespace loam
