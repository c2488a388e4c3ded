#pragma once

/// The filter language: which rows of a table, vectors of a collection, nodes of a graph a call is about.
///
///   section = 'net' AND size > 1000 AND tags CONTAINS 'cli' AND NOT (name LIKE 'lib%' OR name IN ('a', 'b'))
///   {"section": "net", "size": {"$gt": 1000}}
///
/// Both syntaxes give the same tree; query/evaluate.hpp is its meaning, and every compiler must agree with it.
/// Grammar, JSON operators and the rules for nulls and mixed types: docs/filters.md.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/value.hpp"

namespace [[gnu::visibility("default")]] loam {

/// A column, and below it a path into its JSON: `attrs.owner.name` is {"attrs", {"owner", "name"}}.
struct FieldPath {
  std::string column;
  std::vector<std::string> path;
  friend bool operator==(const FieldPath&, const FieldPath&) = default;
};

/// As it is written in a filter: parts quoted where they must be.
std::string to_string(const FieldPath& field);

enum class FilterOp : std::uint8_t {
  constant,  ///< values[0] is a bool: TRUE, FALSE (`{}` and an empty AND are TRUE, an empty OR is FALSE)
  logical_and,
  logical_or,   ///< any number of children
  logical_not,  ///< one child
  eq,
  ne,
  lt,
  le,
  gt,
  ge,        ///< field, values[0]
  in,        ///< field, values (empty: FALSE); NULL elements never match
  like,      ///< field, values[0] a string: `%` any run, `_` one code point, `\` escapes; case-sensitive
  between,   ///< field, values[0] <= field <= values[1]
  is_null,   ///< field: NULL, JSON null or an absent path
  contains,  ///< field, values[0]: a JSON array holds the value; a string holds the substring
  exists,    ///< field: the JSON path is there, JSON null included; for a bare column, IS NOT NULL
};

/// One node of the tree. Values, not pointers: copying copies the tree. *const methods are thread-safe*
struct Filter {
  FilterOp op = FilterOp::constant;
  FieldPath field;
  std::vector<Value> values;
  std::vector<Filter> children;

  /// Matches every row.
  static Filter everything();

  /// Reads the SQL-like syntax, or the JSON one when the text starts with '{'. Blank text is everything().
  /// invalid_argument with the position (line:column) and what was expected; also beyond the caps of core/limits.hpp.
  static Result<Filter> parse(std::string_view text);

  bool matches_everything() const;
};

/// The SQL-like syntax; parse(to_string(f)) gives f again for every f that parse() or bind_filter() gave. Of trees that a
/// program built, an AND or OR of no or one child comes back as what it means.
std::string to_string(const Filter& filter);
/// The JSON syntax; parse of it gives f again, as above.
std::string to_json(const Filter& filter);

/// `a AND b`, flat.
Filter both(Filter a, Filter b);

}  // namespace loam
