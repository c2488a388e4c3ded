#include "loam/query/evaluate.hpp"

#include <cmath>
#include <compare>
#include <optional>

#include "loam/query/json_find.hpp"
#include "loam/query/leaf.hpp"
#include "loam/query/like.hpp"
#include "loam/query/number.hpp"

namespace loam {
namespace {

/// Sign of the difference; empty when the two cannot be compared.
using Order = std::optional<int>;

template <typename T>
int order_of(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

bool is_number(const Value& value) {
  ValueKind kind = value.kind();
  return kind == ValueKind::int64 || kind == ValueKind::float64 || kind == ValueKind::decimal;
}

bool is_nan(const Value& value) {
  const auto* real = value.get_if<double>();
  return real != nullptr && std::isnan(*real);
}

/// Decimals meet other numbers as decimals: a double as the shortest text that reads back as it.
Order compare_with_decimal(const Value& a, const Value& b) {
  for (const Value* value : {&a, &b})
    if (const auto* real = value->get_if<double>(); real != nullptr && std::isinf(*real))
      return (*real > 0) == (value == &a) ? 1 : -1;
  return compare_decimal_texts(decimal_text(a), decimal_text(b));
}

Order compare_numbers(const Value& a, const Value& b) {
  if (is_nan(a) || is_nan(b)) return std::nullopt;
  if (a.kind() == ValueKind::decimal || b.kind() == ValueKind::decimal) return compare_with_decimal(a, b);
  const auto* a_integer = a.get_if<std::int64_t>();
  const auto* b_integer = b.get_if<std::int64_t>();
  if (a_integer && b_integer) return order_of(*a_integer, *b_integer);
  if (a_integer) return compare_exactly(*a_integer, b.as<double>());
  if (b_integer) return -compare_exactly(*b_integer, a.as<double>());
  return order_of(a.as<double>(), b.as<double>());
}

Order compare_values(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (a.kind() != b.kind()) return std::nullopt;
  switch (a.kind()) {
    case ValueKind::boolean: return order_of(a.as<bool>(), b.as<bool>());
    case ValueKind::string: return order_of(a.as<std::string>(), b.as<std::string>());
    case ValueKind::bytes: return order_of(a.as<Bytes>().data, b.as<Bytes>().data);
    case ValueKind::timestamp: return order_of(a.as<Timestamp>(), b.as<Timestamp>());
    default: return std::nullopt;
  }
}

Order compare_json(const JsonLeaf& leaf, const Value& literal) {
  std::string buffer;
  switch (leaf.type) {
    case JsonToken::number:
      if (!is_number(literal) || is_nan(literal)) return std::nullopt;
      return compare_decimal_texts(leaf.text, decimal_text(literal));
    case JsonToken::string:
      if (const auto* text = literal.get_if<std::string>())
        return order_of(json_string(leaf, buffer), std::string_view(*text));
      return std::nullopt;
    case JsonToken::boolean:
      if (const bool* flag = literal.get_if<bool>()) return order_of(leaf.text == "true", *flag);
      return std::nullopt;
    default: return std::nullopt;
  }
}

Truth truth_of(bool yes) { return yes ? Truth::yes : Truth::no; }

Truth holds(FilterOp op, Order order) {
  if (!order) return Truth::unknown;
  switch (op) {
    case FilterOp::eq: return truth_of(*order == 0);
    case FilterOp::ne: return truth_of(*order != 0);
    case FilterOp::lt: return truth_of(*order < 0);
    case FilterOp::le: return truth_of(*order <= 0);
    case FilterOp::gt: return truth_of(*order > 0);
    case FilterOp::ge: return truth_of(*order >= 0);
    default: return Truth::unknown;
  }
}

Truth both_hold(Truth a, Truth b) {
  if (a == Truth::no || b == Truth::no) return Truth::no;
  return a == Truth::yes && b == Truth::yes ? Truth::yes : Truth::unknown;
}

/// The conditions that compare; `compare(literal)` orders the row's value against one literal of the leaf.
template <typename Compare>
Truth compare_leaf(const Filter& leaf, Compare compare) {
  if (leaf.op == FilterOp::between)
    return both_hold(holds(FilterOp::ge, compare(leaf.values[0])), holds(FilterOp::le, compare(leaf.values[1])));
  if (leaf.op != FilterOp::in) return holds(leaf.op, compare(leaf.values[0]));
  bool comparable = false;
  bool only_nulls = true;
  for (const Value& value : leaf.values) {
    only_nulls = only_nulls && value.is_null();
    Order order = compare(value);
    if (order && *order == 0) return Truth::yes;
    comparable = comparable || order;
  }
  return comparable || only_nulls ? Truth::no : Truth::unknown;
}

Truth match_text(const Filter& leaf, std::string_view text) {
  const auto* literal = leaf.values[0].get_if<std::string>();
  if (literal == nullptr) return Truth::unknown;
  if (leaf.op == FilterOp::like) return truth_of(like_matches(text, *literal));
  return truth_of(text.find(*literal) != text.npos);
}

Truth array_contains(const JsonLeaf& array, const Value& literal) {
  bool found = false;
  for_each_element(array, [&](const JsonLeaf& element) {
    found = compare_json(element, literal) == Order(0);
    return !found;
  });
  return truth_of(found);
}

bool is_text_condition(FilterOp op) { return op == FilterOp::like || op == FilterOp::contains; }

bool is_empty_list(const Filter& leaf) {
  if (leaf.op != FilterOp::in) return false;
  for (const Value& value : leaf.values)
    if (!value.is_null()) return false;
  return true;
}

}  // namespace

Truth evaluate_json_leaf(const Filter& leaf, std::string_view document) {
  std::optional<JsonLeaf> found = find_json(document, leaf.field.path);
  if (leaf.op == FilterOp::exists) return truth_of(found.has_value());
  bool null = !found || found->type == JsonToken::null;
  if (leaf.op == FilterOp::is_null) return truth_of(null);
  if (is_empty_list(leaf)) return Truth::no;
  if (null) return Truth::unknown;
  if (!is_text_condition(leaf.op))
    return compare_leaf(leaf, [&](const Value& literal) { return compare_json(*found, literal); });
  if (leaf.op == FilterOp::contains && found->type == JsonToken::array_begin) return array_contains(*found, leaf.values[0]);
  if (found->type != JsonToken::string) return Truth::unknown;
  std::string buffer;
  return match_text(leaf, json_string(*found, buffer));
}

Truth evaluate_leaf(const Filter& leaf, const Value& value) {
  bool null = value.is_null() || is_nan(value);
  if (const auto* document = value.get_if<Json>(); document != nullptr) {
    bool bare_exists = leaf.op == FilterOp::exists && leaf.field.path.empty();
    return bare_exists ? Truth::yes : evaluate_json_leaf(leaf, document->text);
  }
  if (leaf.op == FilterOp::is_null) return truth_of(null);
  if (leaf.op == FilterOp::exists) return truth_of(!null);
  if (is_empty_list(leaf)) return Truth::no;
  if (null) return Truth::unknown;
  if (!is_text_condition(leaf.op))
    return compare_leaf(leaf, [&](const Value& literal) { return compare_values(value, literal); });
  const auto* text = value.get_if<std::string>();
  return text == nullptr ? Truth::unknown : match_text(leaf, *text);
}

Truth evaluate(const Filter& filter, const ColumnReader& row) {
  switch (filter.op) {
    case FilterOp::constant: return truth_of(filter.values.at(0) == Value(true));
    case FilterOp::logical_and: {
      Truth all = Truth::yes;
      for (const Filter& child : filter.children)
        if ((all = both_hold(all, evaluate(child, row))) == Truth::no) break;
      return all;
    }
    case FilterOp::logical_or: {
      Truth any = Truth::no;
      for (const Filter& child : filter.children) {
        Truth one = evaluate(child, row);
        if (one == Truth::yes) return Truth::yes;
        if (one == Truth::unknown) any = Truth::unknown;
      }
      return any;
    }
    case FilterOp::logical_not: {
      Truth child = evaluate(filter.children.at(0), row);
      return child == Truth::unknown ? Truth::unknown : truth_of(child == Truth::no);
    }
    default: return evaluate_leaf(filter, row(filter.field.column));
  }
}

}  // namespace loam
