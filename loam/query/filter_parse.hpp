#pragma once

/// Internal to the filter language: what both syntaxes share.

#include <string_view>

#include "loam/query/filter.hpp"

namespace loam {

Result<Filter> parse_sql_filter(std::string_view text);
Result<Filter> parse_json_filter(std::string_view text);

/// TRUE or FALSE.
Filter constant_filter(bool value);
Filter negated(Filter child);
/// The only child itself; with none the neutral element: TRUE of AND, FALSE of OR.
Filter joined(FilterOp op, std::vector<Filter> children);

/// Levels of the tree: 1 for a leaf.
std::size_t depth_of(const Filter& filter);
std::size_t node_count(const Filter& filter);

/// The typed literals: TIMESTAMP, DECIMAL, X in the SQL-like syntax, $timestamp, $decimal, $bytes in JSON.
enum class LiteralType : unsigned char { timestamp, decimal, bytes };
/// invalid_argument naming the text, without a position.
Result<Value> typed_literal(LiteralType type, std::string_view text);

/// "the number 1e999 is .." for a literal that number_literal() refused.
std::string number_refused(std::string_view text);

}  // namespace loam
