#pragma once

/// Internal to the filter language: names and keywords of the SQL-like syntax, as its lexer and printer must agree on them.

#include <string_view>

#include "loam/query/filter.hpp"

namespace loam {

/// The operator's spelling in the SQL-like syntax (">=", "LIKE") and in JSON ("$gte", "$like"). Empty where there is none.
std::string_view sql_word(FilterOp op) noexcept;
std::string_view json_word(FilterOp op) noexcept;

/// AND, OR, NOT, IN, LIKE, BETWEEN, IS, NULL, CONTAINS, EXISTS, TRUE, FALSE in any ASCII case.
bool is_keyword(std::string_view word) noexcept;

/// Begins with a letter or `_`, goes on with letters, digits, marks and `_`.
bool is_bare_name(std::string_view text) noexcept;
/// Letters, digits, marks and `_`, at least one: a path part after a dot needs no quotes then.
bool is_bare_part(std::string_view text) noexcept;
bool is_name_code_point(char32_t code_point) noexcept;

}  // namespace loam
