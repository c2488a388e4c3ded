#include "loam/query/bind_integer.hpp"

#include <charconv>
#include <limits>
#include <string>

#include "loam/query/filter_parse.hpp"
#include "loam/query/number.hpp"

namespace loam {
namespace {

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();

/// Where a number stands among the int64: below them all, above them all, or on or just above `floor`.
struct Place {
  bool below = false;
  bool above = false;
  bool exact = false;
  std::int64_t floor = 0;
};

Place place_of(const Value& number) {
  if (const auto* integer = number.get_if<std::int64_t>()) return {.exact = true, .floor = *integer};
  std::string text = decimal_text(number);
  Place place;
  place.below = compare_decimal_texts(text, std::to_string(least)) < 0;
  place.above = compare_decimal_texts(text, std::to_string(greatest)) > 0;
  if (place.below || place.above) return place;
  std::string_view whole = std::string_view(text).substr(0, text.find('.'));
  std::int64_t towards_zero = 0;
  std::size_t zeros = whole.find_first_not_of("-0");
  if (zeros != whole.npos) std::from_chars(whole.data(), whole.data() + whole.size(), towards_zero);
  place.exact = compare_decimal_texts(text, std::to_string(towards_zero)) == 0;
  place.floor = !place.exact && text.front() == '-' ? towards_zero - 1 : towards_zero;
  return place;
}

Filter leaf_of(FilterOp op, const FieldPath& field, std::vector<Value> values) {
  return Filter{.op = op, .field = field, .values = std::move(values), .children = {}};
}

/// FALSE for every value, unknown for NULL.
Filter never(const FieldPath& field) { return leaf_of(FilterOp::between, field, {Value(1), Value(0)}); }
/// TRUE for every value, unknown for NULL.
Filter always(const FieldPath& field) { return negated(never(field)); }

Filter compare(const Filter& leaf, const Place& place) {
  bool upwards = leaf.op == FilterOp::gt || leaf.op == FilterOp::ge;
  bool downwards = leaf.op == FilterOp::lt || leaf.op == FilterOp::le;
  bool outside = place.below || place.above;
  if (outside || !place.exact) {
    if (leaf.op == FilterOp::eq) return never(leaf.field);
    if (leaf.op == FilterOp::ne) return always(leaf.field);
  }
  if (outside) return (place.below && upwards) || (place.above && downwards) ? always(leaf.field) : never(leaf.field);
  FilterOp op = place.exact ? leaf.op : upwards ? FilterOp::gt : FilterOp::le;
  return leaf_of(op, leaf.field, {Value(place.floor)});
}

Filter in_range(const Filter& leaf) {
  Place low = place_of(leaf.values[0]), high = place_of(leaf.values[1]);
  bool low_past_end = low.above || (!low.below && !low.exact && low.floor == greatest);
  if (low_past_end || high.below) return never(leaf.field);
  std::int64_t first = low.below ? least : low.exact ? low.floor : low.floor + 1;
  std::int64_t last = high.above ? greatest : high.floor;
  return leaf_of(FilterOp::between, leaf.field, {Value(first), Value(last)});
}

Filter in_list(const Filter& leaf) {
  std::vector<Value> integers;
  for (const Value& value : leaf.values)
    if (Place place = place_of(value); place.exact) integers.emplace_back(place.floor);
  if (integers.empty() && !leaf.values.empty()) return never(leaf.field);
  return leaf_of(FilterOp::in, leaf.field, std::move(integers));
}

}  // namespace

Filter bind_integer(Filter leaf) {
  switch (leaf.op) {
    case FilterOp::is_null:
    case FilterOp::exists: return leaf;
    case FilterOp::in: return in_list(leaf);
    case FilterOp::between: return in_range(leaf);
    default: return compare(leaf, place_of(leaf.values[0]));
  }
}

}  // namespace loam
