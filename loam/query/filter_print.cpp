#include <charconv>

#include "loam/query/filter.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/json_text.hpp"
#include "loam/query/number.hpp"

namespace loam {
namespace {

std::string quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result += quote;
}

/// Reads back as this double: "1.0", not "1", and with an exponent where the plain digits would be read as a decimal.
std::string double_text(double number) {
  char buffer[64];
  char* end = buffer + sizeof buffer;
  std::string text(buffer, std::to_chars(buffer, end, number).ptr);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  if (number_literal(text) == Value(number)) return text;
  return std::string(buffer, std::to_chars(buffer, end, number, std::chars_format::scientific).ptr);
}

/// Written bare it is read back as this decimal. JSON knows no leading zeros, so neither syntax gets them.
bool is_plain_number(const Decimal& number) {
  std::string_view digits = number.text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  bool leading_zero = digits.size() > 1 && digits[0] == '0' && digits[1] != '.';
  return !leading_zero && number_literal(number.text) == Value(number);
}

/// A literal of the SQL-like syntax. Kinds that no filter holds after parse or bind (json, vector) are shown as strings.
std::string sql_literal(const Value& value) {
  switch (value.kind()) {
    case ValueKind::null: return "NULL";
    case ValueKind::boolean: return value.as<bool>() ? "TRUE" : "FALSE";
    case ValueKind::float64: return double_text(value.as<double>());
    case ValueKind::decimal: {
      const auto& number = value.as<Decimal>();
      return is_plain_number(number) ? number.text : "DECIMAL " + quoted(number.text, '\'');
    }
    case ValueKind::bytes: return "X" + quoted(value.to_display(), '\'');
    case ValueKind::timestamp: return "TIMESTAMP " + quoted(value.to_display(), '\'');
    case ValueKind::int64: return value.to_display();
    case ValueKind::string:
    case ValueKind::json:
    case ValueKind::vector: break;
  }
  return quoted(value.to_display(), '\'');
}

void append_json_literal(std::string& out, const Value& value) {
  auto append_typed = [&](std::string_view name) {
    out += "{\"";
    out += name;
    out += "\": ";
    append_json_string(out, value.to_display());
    out += '}';
  };
  switch (value.kind()) {
    case ValueKind::null: out += "null"; return;
    case ValueKind::boolean:
    case ValueKind::int64: out += value.to_display(); return;
    case ValueKind::float64: out += double_text(value.as<double>()); return;
    case ValueKind::decimal:
      if (is_plain_number(value.as<Decimal>())) {
        out += value.as<Decimal>().text;
        return;
      }
      return append_typed("$decimal");
    case ValueKind::bytes: return append_typed("$bytes");
    case ValueKind::timestamp: return append_typed("$timestamp");
    case ValueKind::string:
    case ValueKind::json:
    case ValueKind::vector: return append_json_string(out, value.to_display());
  }
}

bool is_logical(const Filter& filter) {
  return filter.op == FilterOp::logical_and || filter.op == FilterOp::logical_or || filter.op == FilterOp::logical_not;
}

std::string sql_list(const std::vector<Value>& values) {
  std::string text = "(";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += sql_literal(values[i]);
  }
  return text + ')';
}

std::string sql_leaf(const Filter& leaf, std::string_view negation) {
  std::string field = to_string(leaf.field);
  std::string no(negation);
  switch (leaf.op) {
    case FilterOp::exists: return no + "EXISTS(" + field + ')';
    case FilterOp::is_null: return field + " IS " + no + "NULL";
    case FilterOp::in: return field + ' ' + no + "IN " + sql_list(leaf.values);
    case FilterOp::between:
      return field + ' ' + no + "BETWEEN " + sql_literal(leaf.values[0]) + " AND " + sql_literal(leaf.values[1]);
    default: return field + ' ' + no + std::string(sql_word(leaf.op)) + ' ' + sql_literal(leaf.values[0]);
  }
}

/// Operators that the SQL-like syntax negates in place: `name NOT LIKE 'a%'`.
bool negates_in_place(FilterOp op) {
  return op == FilterOp::in || op == FilterOp::like || op == FilterOp::between || op == FilterOp::is_null ||
         op == FilterOp::contains || op == FilterOp::exists;
}

void append_sql(std::string& out, const Filter& filter);

/// `AND` and `OR` below another node stand in parentheses, so that the tree comes back as it was.
void append_sql_child(std::string& out, const Filter& child) {
  bool parentheses = child.op == FilterOp::logical_and || child.op == FilterOp::logical_or;
  if (parentheses) out += '(';
  append_sql(out, child);
  if (parentheses) out += ')';
}

void append_sql(std::string& out, const Filter& filter) {
  if (filter.op == FilterOp::constant) {
    out += sql_literal(filter.values.at(0));
  } else if (filter.op == FilterOp::logical_not) {
    const Filter& child = filter.children.at(0);
    if (negates_in_place(child.op)) {
      out += sql_leaf(child, "NOT ");
      return;
    }
    out += "NOT ";
    bool parentheses = !is_logical(child) && child.op != FilterOp::constant;  // NOT (a = 1) reads better than NOT a = 1
    if (parentheses) out += '(';
    append_sql_child(out, child);
    if (parentheses) out += ')';
  } else if (is_logical(filter)) {
    if (filter.children.empty()) out += filter.op == FilterOp::logical_and ? "TRUE" : "FALSE";
    for (std::size_t i = 0; i < filter.children.size(); ++i) {
      if (i > 0) (out += ' ').append(sql_word(filter.op)) += ' ';
      append_sql_child(out, filter.children[i]);
    }
  } else {
    out += sql_leaf(filter, "");
  }
}

void append_json(std::string& out, const Filter& filter);

/// `{"field": {"$op": operand}}`, the operand written by `write`.
template <typename Write>
void append_json_leaf(std::string& out, const FieldPath& field, std::string_view op, Write write) {
  out += '{';
  append_json_string(out, to_string(field));
  out += ": {\"";
  out += op;
  out += "\": ";
  write();
  out += "}}";
}

void append_json_values(std::string& out, const std::vector<Value>& values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ", ";
    append_json_literal(out, values[i]);
  }
  out += ']';
}

void append_json_condition(std::string& out, const Filter& leaf, bool negated) {
  auto op = leaf.op == FilterOp::in && negated ? "$nin" : json_word(leaf.op);
  append_json_leaf(out, leaf.field, op, [&] {
    if (leaf.op == FilterOp::in || leaf.op == FilterOp::between) {
      append_json_values(out, leaf.values);
    } else if (leaf.op == FilterOp::is_null || leaf.op == FilterOp::exists) {
      out += negated ? "false" : "true";
    } else {
      append_json_literal(out, leaf.values.at(0));
    }
  });
}

void append_json_children(std::string& out, const Filter& filter) {
  out += "{\"";
  out += json_word(filter.op);
  out += "\": [";
  for (std::size_t i = 0; i < filter.children.size(); ++i) {
    if (i > 0) out += ", ";
    append_json(out, filter.children[i]);
  }
  out += "]}";
}

void append_json(std::string& out, const Filter& filter) {
  if (filter.op == FilterOp::constant) {
    out += filter.values.at(0) == Value(true) ? "{}" : "{\"$or\": []}";
  } else if (filter.op == FilterOp::logical_not) {
    const Filter& child = filter.children.at(0);
    if (child.op == FilterOp::in || child.op == FilterOp::is_null || child.op == FilterOp::exists)
      return append_json_condition(out, child, true);
    out += "{\"$not\": ";
    append_json(out, child);
    out += '}';
  } else if (is_logical(filter)) {
    append_json_children(out, filter);
  } else {
    append_json_condition(out, filter, false);
  }
}

}  // namespace

std::string to_string(const FieldPath& field) {
  std::string text = is_bare_name(field.column) ? field.column : quoted(field.column, '"');
  for (const std::string& part : field.path) {
    text += '.';
    text += is_bare_part(part) ? part : quoted(part, '"');
  }
  return text;
}

std::string to_string(const Filter& filter) {
  std::string text;
  append_sql(text, filter);
  return text;
}

std::string to_json(const Filter& filter) {
  std::string text;
  append_json(text, filter);
  return text;
}

}  // namespace loam
