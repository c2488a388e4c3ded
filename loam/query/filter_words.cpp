#include "loam/query/filter_words.hpp"

#include <algorithm>
#include <array>

#include "loam/core/utf8.hpp"
#include "loam/query/code_points.hpp"

namespace loam {

std::string_view sql_word(FilterOp op) noexcept {
  switch (op) {
    case FilterOp::constant: return "";
    case FilterOp::logical_and: return "AND";
    case FilterOp::logical_or: return "OR";
    case FilterOp::logical_not: return "NOT";
    case FilterOp::eq: return "=";
    case FilterOp::ne: return "!=";
    case FilterOp::lt: return "<";
    case FilterOp::le: return "<=";
    case FilterOp::gt: return ">";
    case FilterOp::ge: return ">=";
    case FilterOp::in: return "IN";
    case FilterOp::like: return "LIKE";
    case FilterOp::between: return "BETWEEN";
    case FilterOp::is_null: return "IS NULL";
    case FilterOp::contains: return "CONTAINS";
    case FilterOp::exists: return "EXISTS";
  }
  return "";
}

std::string_view json_word(FilterOp op) noexcept {
  switch (op) {
    case FilterOp::constant: return "";
    case FilterOp::logical_and: return "$and";
    case FilterOp::logical_or: return "$or";
    case FilterOp::logical_not: return "$not";
    case FilterOp::eq: return "$eq";
    case FilterOp::ne: return "$ne";
    case FilterOp::lt: return "$lt";
    case FilterOp::le: return "$lte";
    case FilterOp::gt: return "$gt";
    case FilterOp::ge: return "$gte";
    case FilterOp::in: return "$in";
    case FilterOp::like: return "$like";
    case FilterOp::between: return "$between";
    case FilterOp::is_null: return "$null";
    case FilterOp::contains: return "$contains";
    case FilterOp::exists: return "$exists";
  }
  return "";
}

bool is_keyword(std::string_view word) noexcept {
  constexpr std::array<std::string_view, 12> keywords = {"and", "between", "contains", "exists", "false", "in",
                                                         "is",  "like",    "not",      "null",   "or",    "true"};
  constexpr std::size_t longest = 8;
  return word.size() <= longest && std::find(keywords.begin(), keywords.end(), ascii_lower(word)) != keywords.end();
}

bool is_name_code_point(char32_t code_point) noexcept { return code_point == '_' || is_word_code_point(code_point); }

bool is_bare_part(std::string_view text) noexcept {
  if (text.empty()) return false;
  while (!text.empty()) {
    CodePointStep step = first_code_point(text);
    if (!step.well_formed || !is_name_code_point(step.code_point)) return false;
    text.remove_prefix(step.bytes);
  }
  return true;
}

bool is_bare_name(std::string_view text) noexcept {
  return is_bare_part(text) && !(text.front() >= '0' && text.front() <= '9') && !is_keyword(text);
}

}  // namespace loam
