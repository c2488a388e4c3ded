#include "loam/query/filter.hpp"

#include <algorithm>

#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"
#include "loam/query/code_points.hpp"
#include "loam/query/filter_error.hpp"
#include "loam/query/filter_parse.hpp"

namespace loam {
namespace {

/// Both syntaxes read UTF-8 without NUL, so that no backend ever sees a string it must refuse.
Result<void> check_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    CodePointStep step = first_code_point(text.substr(at));
    if (!step.well_formed) return filter_error(text, at, "this byte is not UTF-8");
    if (step.code_point == 0) return filter_error(text, at, "a filter cannot hold the character U+0000");
    at += step.bytes;
  }
  return {};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<Value> bytes_of_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) break;
    bytes += static_cast<char>(high << 4 | low);
  }
  if (bytes.size() * 2 != text.size())
    return invalid_argument(excerpt(text) + " is not an even number of hexadecimal digits");
  return Value(Bytes{std::move(bytes)});
}

}  // namespace

Filter constant_filter(bool value) {
  return Filter{.op = FilterOp::constant, .field = {}, .values = {Value(value)}, .children = {}};
}

Filter negated(Filter child) {
  Filter filter{.op = FilterOp::logical_not, .field = {}, .values = {}, .children = {}};
  filter.children.push_back(std::move(child));
  return filter;
}

Filter joined(FilterOp op, std::vector<Filter> children) {
  if (children.empty()) return constant_filter(op == FilterOp::logical_and);
  if (children.size() == 1) return std::move(children.front());
  return Filter{.op = op, .field = {}, .values = {}, .children = std::move(children)};
}

std::size_t depth_of(const Filter& filter) {
  std::size_t deepest = 0;
  for (const Filter& child : filter.children) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

std::size_t node_count(const Filter& filter) {
  std::size_t count = 1;
  for (const Filter& child : filter.children) count += node_count(child);
  return count;
}

Result<Value> typed_literal(LiteralType type, std::string_view text) {
  if (type == LiteralType::bytes) return bytes_of_hex(text);
  if (type == LiteralType::timestamp) {
    LOAM_TRY(Timestamp time, parse_timestamp(text));
    return Value(time);
  }
  if (!is_decimal(text)) return invalid_argument(excerpt(text) + " is not a decimal such as -12.50");
  return Value(Decimal{std::string(text)});
}

std::string number_refused(std::string_view text) {
  return "the number " + excerpt(text) + " is outside the range of a double, or longer than a decimal may be";
}

Filter Filter::everything() { return constant_filter(true); }

bool Filter::matches_everything() const { return op == FilterOp::constant && !values.empty() && values[0] == Value(true); }

Result<Filter> Filter::parse(std::string_view text) {
  if (text.size() > limits::filter_bytes_max)
    return invalid_argument("the filter has " + std::to_string(text.size()) + " bytes; a filter has at most " +
                            std::to_string(limits::filter_bytes_max));
  LOAM_TRY(check_characters(text));
  std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return everything();
  LOAM_TRY(Filter filter, text[begin] == '{' ? parse_json_filter(text) : parse_sql_filter(text));
  if (depth_of(filter) > limits::filter_depth_max)
    return invalid_argument("the filter is nested deeper than " + std::to_string(limits::filter_depth_max) + " levels");
  return filter;
}

Filter both(Filter a, Filter b) {
  if (a.matches_everything()) return b;
  if (b.matches_everything()) return a;
  std::vector<Filter> children;
  for (Filter* part : {&a, &b}) {
    if (part->op == FilterOp::logical_and) {
      std::move(part->children.begin(), part->children.end(), std::back_inserter(children));
    } else {
      children.push_back(std::move(*part));
    }
  }
  return joined(FilterOp::logical_and, std::move(children));
}

}  // namespace loam
