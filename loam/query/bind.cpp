#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"
#include "loam/query/bind_integer.hpp"
#include "loam/query/filter_error.hpp"
#include "loam/query/filter_parse.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/like.hpp"
#include "loam/query/nearest.hpp"
#include "loam/query/number.hpp"
#include "loam/query/schema.hpp"

namespace loam {
namespace {

bool is_text(std::string_view text) { return is_utf8(text) && text.find('\0') == text.npos; }

bool is_number(const Value& value) {
  ValueKind kind = value.kind();
  return kind == ValueKind::int64 || kind == ValueKind::float64 || kind == ValueKind::decimal;
}

/// "an int64 column"
std::string a_column(ValueKind kind) {
  return (kind == ValueKind::int64 ? "an " : "a ") + std::string(to_string(kind)) + " column";
}

std::string shown(const Value& value) {
  return "the " + std::string(to_string(value.kind())) + " " + excerpt(value.to_display());
}

Error unknown_column(std::string_view name, const FilterColumns& columns) {
  constexpr std::size_t listed_max = 20;
  std::vector<std::string_view> known;
  for (const FilterColumn& column : columns) known.push_back(column.name);
  known = by_distance(name, std::move(known));
  std::string list;
  for (std::size_t i = 0; i < std::min(known.size(), listed_max); ++i) list += (i > 0 ? ", " : "") + std::string(known[i]);
  if (known.size() > listed_max) list += " and " + std::to_string(known.size() - listed_max) + " more";
  return invalid_argument("no column " + excerpt(name) + " to filter by")
      .hint("there are " + (list.empty() ? "none" : list));
}

Error cannot_compare(const Filter& leaf, ValueKind kind, const Value& value, std::string_view help) {
  return invalid_argument("the filter compares " + to_string(leaf.field) + ", " + a_column(kind) + ", with " + shown(value))
      .hint(std::string(help));
}

Result<Value> as_double(const Filter& leaf, const Value& value) {
  std::string text = decimal_text(value);
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool tiny = error == std::errc::result_out_of_range && compare_decimal_texts(text, "1") < 0 &&
              compare_decimal_texts(text, "-1") > 0;
  if (tiny) return Value(0.0);
  if (error != std::errc()) return cannot_compare(leaf, ValueKind::float64, value, "it is outside the range of a double");
  return Value(number);
}

/// A literal as its column holds it. Integer columns are bind_integer()'s.
Result<Value> bind_value(const Filter& leaf, ValueKind kind, Value value) {
  auto refuse = [&](std::string_view help) { return cannot_compare(leaf, kind, value, help); };
  const auto* text = value.get_if<std::string>();
  switch (kind) {
    case ValueKind::int64:
      if (!is_number(value)) return refuse("write a number without quotes");
      return value;
    case ValueKind::float64:
      if (!is_number(value)) return refuse("write a number without quotes");
      return value.kind() == ValueKind::float64 ? Result<Value>(std::move(value)) : as_double(leaf, value);
    case ValueKind::decimal:
      if (text != nullptr && is_decimal(*text)) return Value(Decimal{*text});
      if (!is_number(value)) return refuse("write a number such as 12.50");
      return Value(Decimal{decimal_text(value)});
    case ValueKind::boolean:
      if (value.kind() != ValueKind::boolean) return refuse("write TRUE or FALSE");
      return value;
    case ValueKind::string:
      if (text == nullptr) return refuse("write a string, in single quotes");
      return value;
    case ValueKind::bytes:
      if (value.kind() != ValueKind::bytes) return refuse("write bytes as X'00ff', in JSON as {\"$bytes\": \"00ff\"}");
      return value;
    case ValueKind::timestamp: {
      if (value.kind() == ValueKind::timestamp) return value;
      auto time = text != nullptr ? parse_timestamp(*text) : Result<Timestamp>(invalid_argument(""));
      if (!time.ok()) return refuse("write a time such as '2026-11-21T06:45:00Z' or a date");
      return Value(*time);
    }
    case ValueKind::json:
      if (text == nullptr && !is_number(value) && value.kind() != ValueKind::boolean)
        return refuse("JSON holds strings, numbers and booleans");
      return value;
    case ValueKind::null:
    case ValueKind::vector: break;
  }
  return refuse("it can only be tested with IS NULL");
}

bool same_family(const Value& a, const Value& b) { return a.kind() == b.kind() || (is_number(a) && is_number(b)); }

std::optional<std::size_t> value_count(FilterOp op) {
  switch (op) {
    case FilterOp::in: return std::nullopt;
    case FilterOp::between: return 2;
    case FilterOp::is_null:
    case FilterOp::exists: return 0;
    default: return 1;
  }
}

class Binder {
 public:
  explicit Binder(const FilterColumns& columns) : columns_(columns) {}

  Result<Filter> bind(Filter filter, std::size_t depth) {
    if (depth > limits::filter_depth_max)
      return invalid_argument("the filter is nested deeper than " + std::to_string(limits::filter_depth_max) + " levels");
    if (++nodes_ > limits::filter_nodes_max)
      return invalid_argument("the filter has more than " + std::to_string(limits::filter_nodes_max) + " conditions");
    LOAM_TRY(check_shape(filter));
    bool logical =
        filter.op == FilterOp::logical_and || filter.op == FilterOp::logical_or || filter.op == FilterOp::logical_not;
    if (filter.op == FilterOp::constant) return filter;
    if (!logical) return bind_leaf(std::move(filter));
    for (Filter& child : filter.children) {
      LOAM_TRY(Filter bound, bind(std::move(child), depth + 1));
      child = std::move(bound);
    }
    return filter;
  }

 private:
  /// Trees that a program has put together may have any form.
  static Result<void> check_shape(const Filter& filter) {
    bool good = true;
    if (filter.op == FilterOp::constant) {
      good = filter.values.size() == 1 && filter.values[0].kind() == ValueKind::boolean;
    } else if (filter.op == FilterOp::logical_not) {
      good = filter.children.size() == 1;
    } else if (filter.op != FilterOp::logical_and && filter.op != FilterOp::logical_or) {
      auto count = value_count(filter.op);
      good = !count || filter.values.size() == *count;
    }
    if (good) return {};
    return invalid_argument("a filter node " + std::string(sql_word(filter.op)) +
                            " has the wrong number of values or children");
  }

  Result<Filter> bind_leaf(Filter leaf) {
    LOAM_TRY(const FilterColumn* column, find(leaf.field));
    LOAM_TRY(check_operator(leaf, column->kind));
    if (leaf.op == FilterOp::in) std::erase_if(leaf.values, [](const Value& value) { return value.is_null(); });
    for (Value& value : leaf.values) {
      LOAM_TRY(check_literal(leaf, value));
      LOAM_TRY(Value bound, bind_value(leaf, column->kind, std::move(value)));
      value = std::move(bound);
    }
    if (column->kind == ValueKind::json && leaf.op == FilterOp::between && !same_family(leaf.values[0], leaf.values[1]))
      return invalid_argument("the two ends of BETWEEN for " + to_string(leaf.field) + " are of different types");
    return column->kind == ValueKind::int64 ? bind_integer(std::move(leaf)) : std::move(leaf);
  }

  Result<const FilterColumn*> find(const FieldPath& field) const {
    auto found =
        std::find_if(columns_.begin(), columns_.end(), [&](const FilterColumn& c) { return c.name == field.column; });
    if (found == columns_.end()) return unknown_column(field.column, columns_);
    if (!field.path.empty() && found->kind != ValueKind::json)
      return invalid_argument(to_string(FieldPath{field.column, {}}) + " is " + a_column(found->kind) + "; the path " +
                              excerpt(to_string(field)) + " needs a JSON column");
    if (field.path.size() > limits::json_depth_max)
      return invalid_argument("the path below " + excerpt(field.column) + " has more than " +
                              std::to_string(limits::json_depth_max) + " parts");
    for (const std::string& part : field.path)
      if (!is_text(part))
        return invalid_argument("a part of the path below " + excerpt(field.column) + " is not UTF-8 without NUL");
    return &*found;
  }

  static Result<void> check_operator(const Filter& leaf, ValueKind kind) {
    bool null_test = leaf.op == FilterOp::is_null || leaf.op == FilterOp::exists;
    bool text_only = leaf.op == FilterOp::like || leaf.op == FilterOp::contains;
    std::string what = to_string(leaf.field) + " is " + a_column(kind);
    if (kind == ValueKind::vector && !null_test) return invalid_argument(what + ", which can only be tested with IS NULL");
    if (text_only && kind != ValueKind::string && kind != ValueKind::json)
      return invalid_argument(what + "; " + std::string(sql_word(leaf.op)) + " needs a string or JSON column");
    return {};
  }

  static Result<void> check_literal(const Filter& leaf, const Value& value) {
    if (value.is_null())
      return invalid_argument("the filter compares " + to_string(leaf.field) + " with NULL, which is never true")
          .hint("write IS NULL");
    const auto* text = value.get_if<std::string>();
    if (text != nullptr && !is_text(*text))
      return invalid_argument("the filter compares " + to_string(leaf.field) +
                              " with a string that is not UTF-8 without NUL");
    const auto* number = value.get_if<double>();
    if (number != nullptr && !std::isfinite(*number))
      return invalid_argument("the filter compares " + to_string(leaf.field) + " with a number that is not finite");
    const auto* decimal = value.get_if<Decimal>();
    if (decimal != nullptr && !is_decimal(decimal->text))
      return invalid_argument("the filter compares " + to_string(leaf.field) + " with " + excerpt(decimal->text) +
                              ", which is no decimal");
    if (leaf.op != FilterOp::like) return {};
    if (text == nullptr) return invalid_argument("LIKE of " + to_string(leaf.field) + " needs a string");
    if (text->size() > limits::like_pattern_bytes_max)
      return invalid_argument("the LIKE pattern of " + to_string(leaf.field) + " has more than " +
                              std::to_string(limits::like_pattern_bytes_max) + " bytes");
    if (!is_like_pattern(*text))
      return invalid_argument("the LIKE pattern of " + to_string(leaf.field) + " ends in a lone \\");
    return {};
  }

  const FilterColumns& columns_;
  std::size_t nodes_ = 0;
};

}  // namespace

Result<Filter> bind_filter(Filter filter, const FilterColumns& columns) {
  return Binder(columns).bind(std::move(filter), 1);
}

}  // namespace loam
