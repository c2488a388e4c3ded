#include "loam/query/filter_generators.hpp"

#include <limits>
#include <utility>

#include "loam/query/code_points.hpp"
#include "loam/query/filter_parse.hpp"
#include "loam/query/json_text.hpp"
#include "loam/query/number.hpp"

namespace loam::test {
namespace {

int below(int end) { return *rc::gen::inRange(0, end); }
bool one_in(int n) { return below(n) == 0; }

template <typename T>
T pick(const std::vector<T>& pool) {
  return pool[static_cast<std::size_t>(below(static_cast<int>(pool.size())))];
}

const std::vector<std::string>& strings() {
  static const std::vector<std::string> pool = {"",
                                                "a",
                                                "A",
                                                "ab",
                                                "b",
                                                "%",
                                                "_",
                                                "\\",
                                                "a%b",
                                                "a_b",
                                                "a\\b",
                                                "é",
                                                "e\u0301",
                                                "日本",
                                                "日",
                                                "😀",
                                                "it's",
                                                "\"",
                                                "''",
                                                "null",
                                                "true",
                                                "1",
                                                " a",
                                                "a ",
                                                "\n",
                                                "\t",
                                                "\x7f",
                                                "\u00e0",
                                                "\uFFFD",
                                                "\uE000",
                                                "𐀀",
                                                "\U0010FFFF",
                                                "$",
                                                "?",
                                                "a.b",
                                                "{}",
                                                "'; DROP TABLE sample; --",
                                                "aaaaaaaaab",
                                                "\u0001"};
  return pool;
}

const std::vector<std::string>& keys() {
  static const std::vector<std::string> pool = {"a",  "b",          "0",  "1",  "x.y",  "q\"q", "it's", "$", "",
                                                "-1", "01",         " 1", "+1", "日本", "a b",  "%",    "?", "') OR 1=1 --",
                                                "\\", "1234567890", "A"};
  return pool;
}

const std::vector<std::string>& numbers() {
  static const std::vector<std::string> pool = {"0",
                                                "-0",
                                                "0.0",
                                                "-0.0",
                                                "1",
                                                "1.0",
                                                "1e0",
                                                "10e-1",
                                                "0.1",
                                                "0.10",
                                                "1E2",
                                                "100",
                                                "-1.5",
                                                "9007199254740992",
                                                "9007199254740993",
                                                "9223372036854775807",
                                                "-9223372036854775808",
                                                "9223372036854775808",
                                                "123456789012345678901234567890",
                                                "0.30000000000000004",
                                                "1e300",
                                                "1e400",
                                                "5e-324",
                                                "1e-400",
                                                "12.50",
                                                "12.5"};
  return pool;
}

const std::vector<std::int64_t>& integers() {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                         greatest = std::numeric_limits<std::int64_t>::max();
  static const std::vector<std::int64_t> pool = {
      0, 1, -1, 2, 10, 100, 9007199254740992, 9007199254740993, -9007199254740993, greatest, greatest - 1, least, least + 1};
  return pool;
}

const std::vector<double>& doubles() {
  static const std::vector<double> pool = {0.0,
                                           -0.0,
                                           0.1,
                                           0.5,
                                           1.0,
                                           1.5,
                                           -1.5,
                                           2.5,
                                           100.0,
                                           9007199254740992.0,
                                           9223372036854775808.0,
                                           -9223372036854775808.0,
                                           1e300,
                                           -1e300,
                                           5e-324,
                                           0.30000000000000004,
                                           1e23};
  return pool;
}

const std::vector<std::string>& decimals() {
  static const std::vector<std::string> pool = {"0",
                                                "-0",
                                                "0.0",
                                                "1",
                                                "1.0",
                                                "0.1",
                                                "0.10",
                                                "12.50",
                                                "-12.5",
                                                "100",
                                                "9007199254740993",
                                                "9223372036854775807.5",
                                                "-9223372036854775808.5",
                                                "0.5",
                                                "-0.5",
                                                "1.5",
                                                "123456789012345678901234567890.123456789",
                                                "0.12345678901234567890"};
  return pool;
}

const std::vector<std::int64_t>& times() {
  static const std::vector<std::int64_t> pool = {
      0, 1, -1, 946684800000000, 1767225600000000, 1767225600000001, -62135596800000000};
  return pool;
}

const std::vector<std::string>& byte_strings() {
  static const std::vector<std::string> pool = {"", std::string(1, '\0'), "\xff", "ab", std::string("a\0b", 3), "\x80", "a"};
  return pool;
}

Value number_value() {
  switch (below(3)) {
    case 0: return pick(integers());
    case 1: return pick(doubles());
    default: return Decimal{pick(decimals())};
  }
}

Value column_value(ValueKind kind) {
  switch (kind) {
    case ValueKind::boolean: return below(2) == 1;
    case ValueKind::int64: return pick(integers());
    case ValueKind::float64:
      return one_in(12) ? std::numeric_limits<double>::infinity() * (below(2) * 2 - 1) : pick(doubles());
    case ValueKind::decimal: return Decimal{pick(decimals())};
    case ValueKind::string: return pick(strings());
    case ValueKind::bytes: return Bytes{pick(byte_strings())};
    case ValueKind::timestamp: return Timestamp{pick(times())};
    case ValueKind::json: return Json{*json_documents()};
    case ValueKind::null:
    case ValueKind::vector: break;
  }
  return {};
}

/// A string as one JSON writer or another would spell it.
void append_string(std::string& out, const std::string& text) {
  if (!one_in(6) || text.empty()) return append_json_string(out, text);
  out += '"';
  for (std::string_view rest = text; !rest.empty();) {
    CodePointStep step = first_code_point(rest);
    constexpr char hex[] = "0123456789ABCDEF";
    auto unit = [&](char32_t u) { (out += "\\u") += {hex[u >> 12], hex[u >> 8 & 15], hex[u >> 4 & 15], hex[u & 15]}; };
    char32_t c = step.code_point;
    if (c >= 0x10000) {
      unit(0xD800 + ((c - 0x10000) >> 10));
      c = 0xDC00 + ((c - 0x10000) & 0x3FF);
    }
    unit(c);
    rest.remove_prefix(step.bytes);
  }
  out += '"';
}

void append_document(std::string& out, int depth) {
  std::string_view blank = one_in(5) ? " \n" : "";
  out += blank;
  int choice = below(depth > 0 ? 9 : 5);
  if (choice == 0) out += "null";
  if (choice == 1) out += below(2) == 0 ? "true" : "false";
  if (choice == 2 || choice == 3) out += pick(numbers());
  if (choice == 4) append_string(out, pick(strings()));
  if (choice >= 5) {
    bool object = choice < 8;
    out += object ? '{' : '[';
    int count = below(4);
    for (int i = 0; i < count; ++i) {
      if (i > 0) out += ',';
      if (object) {
        append_string(out, one_in(2) ? keys()[static_cast<std::size_t>(below(2))] : pick(keys()));
        (out += blank) += ':';
      }
      append_document(out, depth - 1);
    }
    out += object ? '}' : ']';
  }
  out += blank;
}

Value literal_for(ValueKind kind) {
  switch (kind) {
    case ValueKind::int64:
    case ValueKind::float64: return number_value();
    case ValueKind::decimal: return one_in(4) ? Value(pick(decimals())) : number_value();
    case ValueKind::timestamp: {
      Timestamp time{pick(times())};
      return one_in(2) ? Value(time) : Value(to_string(time));
    }
    case ValueKind::json: {
      int choice = below(4);
      if (choice == 0) return below(2) == 1;
      if (choice == 1) return pick(strings());
      return choice == 2 ? number_value() : *number_literal("1");
    }
    default: return column_value(kind);
  }
}

std::string like_pattern() {
  static const std::vector<std::string> pieces = {"%", "_",  "a",  "b",    "A",   "\\%", "\\_",       "\\\\",
                                                  "é", "日", "😀", "it's", "\\a", "\"",  "\U0010FFFF"};
  std::string pattern;
  for (int i = below(5); i > 0; --i) pattern += pick(pieces);
  return pattern;
}

std::vector<std::string> json_path() {
  std::vector<std::string> path;
  for (int i = below(4); i > 0; --i) path.push_back(one_in(2) ? keys()[static_cast<std::size_t>(below(4))] : pick(keys()));
  return path;
}

constexpr FilterOp comparisons[] = {FilterOp::eq, FilterOp::ne, FilterOp::lt, FilterOp::le, FilterOp::gt, FilterOp::ge};

Filter bindable_leaf() {
  const FilterColumns& columns = sample_columns();
  const FilterColumn& column = one_in(3) ? columns.back() : pick(columns);
  ValueKind kind = column.kind;
  Filter leaf;
  leaf.field.column = column.name;
  if (kind == ValueKind::json) leaf.field.path = json_path();
  bool text = kind == ValueKind::string || kind == ValueKind::json;
  int choice = below(text ? 9 : 7);
  if (kind == ValueKind::vector) choice = 5 + below(2);
  switch (choice) {
    case 3:
      leaf.op = FilterOp::in;
      for (int i = below(4); i > 0; --i) leaf.values.push_back(one_in(8) ? Value() : literal_for(kind));
      break;
    case 4:
      leaf.op = FilterOp::between;
      leaf.values = {literal_for(kind), literal_for(kind)};
      if (kind == ValueKind::json && leaf.values[0].kind() != leaf.values[1].kind()) leaf.values[1] = leaf.values[0];
      break;
    case 5: leaf.op = FilterOp::is_null; break;
    case 6: leaf.op = FilterOp::exists; break;
    case 7:
      leaf.op = FilterOp::like;
      leaf.values = {like_pattern()};
      break;
    case 8:
      leaf.op = FilterOp::contains;
      leaf.values = {literal_for(kind)};
      break;
    default: leaf.op = comparisons[below(6)]; leaf.values = {literal_for(kind)};
  }
  return leaf;
}

Value any_literal() {
  switch (below(6)) {
    case 0: return below(2) == 1;
    case 1: return number_value();
    case 2: return *rc::gen::arbitrary<std::int64_t>();
    case 3: return Timestamp{pick(times())};
    case 4: return Bytes{pick(byte_strings())};
    default: return *awkward_strings();
  }
}

Filter any_leaf() {
  Filter leaf = bindable_leaf();
  if (one_in(2)) leaf.field.column = *awkward_strings();
  leaf.field.path.clear();
  for (int i = below(3); i > 0; --i) leaf.field.path.push_back(*awkward_strings());
  if (leaf.op != FilterOp::like)
    for (Value& value : leaf.values)
      if (!value.is_null()) value = any_literal();
  return leaf;
}

template <typename Leaf>
Filter tree(int depth, Leaf leaf) {
  int choice = depth > 1 ? below(6) : 5;
  if (choice == 0 && one_in(4)) return constant_filter(below(2) == 1);
  if (choice == 1) return negated(tree(depth - 1, leaf));
  if (choice > 3 || choice == 0) return leaf();
  std::vector<Filter> children;
  for (int i = 2 + below(3); i > 0; --i) children.push_back(tree(depth - 1, leaf));
  return joined(choice == 2 ? FilterOp::logical_and : FilterOp::logical_or, std::move(children));
}

}  // namespace

const FilterColumns& sample_columns() {
  static const FilterColumns columns = {
      {"flag", ValueKind::boolean, "\"flag\""},          {"size", ValueKind::int64, "\"size\""},
      {"ratio", ValueKind::float64, "\"ratio\""},        {"price", ValueKind::decimal, "\"price\""},
      {"name", ValueKind::string, "\"name\""},           {"data", ValueKind::bytes, "\"data\""},
      {"seen at", ValueKind::timestamp, "\"seen at\""},  {"and", ValueKind::string, "\"and\""},
      {"embedding", ValueKind::vector, "\"embedding\""}, {"attrs", ValueKind::json, "\"attrs\""},
  };
  return columns;
}

rc::Gen<std::string> json_documents() {
  return rc::gen::exec([] {
    std::string text;
    append_document(text, 3);
    return text;
  });
}

rc::Gen<SampleRow> sample_rows() {
  return rc::gen::exec([] {
    SampleRow row;
    for (const FilterColumn& column : sample_columns()) row[column.name] = one_in(6) ? Value() : column_value(column.kind);
    return row;
  });
}

rc::Gen<Filter> bindable_filters(int depth_max) {
  return rc::gen::exec([=] { return tree(depth_max, bindable_leaf); });
}

rc::Gen<Filter> any_filters(int depth_max) {
  return rc::gen::exec([=] { return tree(depth_max, any_leaf); });
}

rc::Gen<std::string> awkward_strings() {
  return rc::gen::exec([] {
    std::string text;
    for (int i = below(5); i > 0; --i) {
      if (one_in(2)) {
        text += pick(strings());
      } else {
        append_code_point(text, static_cast<char32_t>(*rc::gen::inRange(1, one_in(2) ? 0x80 : 0xD800)));
      }
    }
    return text;
  });
}

}  // namespace loam::test
