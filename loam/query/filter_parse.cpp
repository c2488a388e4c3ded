#include "loam/query/filter_parse.hpp"

#include <optional>
#include <utility>

#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"
#include "loam/query/filter_error.hpp"
#include "loam/query/filter_lexer.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/like.hpp"
#include "loam/query/number.hpp"

namespace loam {
namespace {

using Kind = FilterToken::Kind;

constexpr std::string_view operators = "=, !=, <, <=, >, >=, IN, LIKE, BETWEEN, IS NULL, CONTAINS or EXISTS";

std::optional<FilterOp> comparison_of(std::string_view symbol) {
  for (FilterOp op : {FilterOp::eq, FilterOp::ne, FilterOp::lt, FilterOp::le, FilterOp::gt, FilterOp::ge})
    if (sql_word(op) == symbol) return op;
  return std::nullopt;
}

std::optional<LiteralType> literal_type(const FilterToken& token) {
  if (token.kind != Kind::field || !token.field.path.empty()) return std::nullopt;
  std::string name = ascii_lower(token.field.column);
  if (name == "timestamp") return LiteralType::timestamp;
  if (name == "decimal") return LiteralType::decimal;
  if (name == "x") return LiteralType::bytes;
  return std::nullopt;
}

/// Recursive descent, one token ahead; the grammar stands in docs/filters.md, one function for each of its rules. Recursion
/// happens at parentheses and NOT only, and both count against the depth cap.
class SqlParser {
 public:
  explicit SqlParser(std::string_view text) : text_(text), lexer_(text) {}

  Result<Filter> parse() {
    LOAM_TRY(advance());
    LOAM_TRY(Filter filter, disjunction());
    if (token_.kind != Kind::end) return unexpected("AND, OR or the end of the filter");
    return filter;
  }

 private:
  Result<void> advance() {
    LOAM_TRY(token_, lexer_.next());
    return {};
  }

  bool at_keyword(std::string_view word) const { return token_.is(Kind::keyword, word); }
  bool at_symbol(std::string_view word) const { return token_.is(Kind::symbol, word); }

  std::string found() const {
    return token_.kind == Kind::end ? "the end of the filter" : excerpt(text_.substr(token_.offset, token_.bytes));
  }
  Error unexpected(std::string_view expected) const {
    return filter_error(text_, token_.offset, "expected " + std::string(expected) + ", found " + found());
  }
  Error refuse(std::size_t offset, const Error& error) const { return filter_error(text_, offset, error.message()); }

  Result<void> expect_symbol(std::string_view symbol, std::string_view where) {
    if (!at_symbol(symbol)) return unexpected(std::string(symbol) + " " + std::string(where));
    return advance();
  }
  Result<void> expect_keyword(std::string_view word, std::string_view where) {
    if (!at_keyword(word)) return unexpected(std::string(word) + " " + std::string(where));
    return advance();
  }

  /// Called where a node begins; the root of a deep filter is never built.
  Result<void> count_node() {
    if (++nodes_ > limits::filter_nodes_max)
      return filter_error(text_, token_.offset,
                          "a filter has at most " + std::to_string(limits::filter_nodes_max) + " conditions");
    return {};
  }
  Result<void> descend() {
    if (++depth_ > limits::filter_depth_max)
      return filter_error(text_, token_.offset,
                          "a filter is nested at most " + std::to_string(limits::filter_depth_max) + " levels deep");
    return {};
  }

  Result<Filter> disjunction() {
    std::vector<Filter> parts;
    for (;;) {
      LOAM_TRY(Filter part, conjunction());
      parts.push_back(std::move(part));
      if (!at_keyword("OR")) return joined(FilterOp::logical_or, std::move(parts));
      LOAM_TRY(advance());
    }
  }

  Result<Filter> conjunction() {
    std::vector<Filter> parts;
    for (;;) {
      LOAM_TRY(Filter part, negation());
      parts.push_back(std::move(part));
      if (!at_keyword("AND")) return joined(FilterOp::logical_and, std::move(parts));
      LOAM_TRY(advance());
    }
  }

  Result<Filter> negation() {
    if (!at_keyword("NOT")) return primary();
    LOAM_TRY(descend());
    LOAM_TRY(count_node());
    LOAM_TRY(advance());
    LOAM_TRY(Filter child, negation());
    --depth_;
    return negated(std::move(child));
  }

  Result<Filter> primary() {
    LOAM_TRY(count_node());
    if (at_symbol("(")) {
      LOAM_TRY(descend());
      LOAM_TRY(advance());
      LOAM_TRY(Filter inner, disjunction());
      LOAM_TRY(expect_symbol(")", "or AND or OR"));
      --depth_;
      return inner;
    }
    if (at_keyword("TRUE") || at_keyword("FALSE")) {
      Filter filter = constant_filter(token_.word == "TRUE");
      LOAM_TRY(advance());
      return filter;
    }
    if (at_keyword("EXISTS")) return existence();
    return condition();
  }

  Result<Filter> existence() {
    LOAM_TRY(advance());
    bool parenthesis = at_symbol("(");
    if (parenthesis) LOAM_TRY(advance());
    LOAM_TRY(FieldPath field, expect_field("after EXISTS"));
    if (parenthesis) LOAM_TRY(expect_symbol(")", "after the name"));
    return leaf(FilterOp::exists, std::move(field), {});
  }

  Result<FieldPath> expect_field(std::string_view where) {
    if (token_.kind == Kind::keyword)
      return filter_error(text_, token_.offset,
                          "expected a column " + std::string(where) + ", found the keyword " + found() +
                              "; a column of that name is written in double quotes");
    if (token_.kind == Kind::string)
      return filter_error(text_, token_.offset,
                          "expected a column " + std::string(where) + ", found the string " + found() +
                              "; names are bare or in double quotes");
    if (token_.kind != Kind::field) return unexpected("a column " + std::string(where));
    FieldPath field = std::move(token_.field);
    LOAM_TRY(advance());
    return field;
  }

  static Filter leaf(FilterOp op, FieldPath field, std::vector<Value> values) {
    return Filter{.op = op, .field = std::move(field), .values = std::move(values), .children = {}};
  }

  Result<Filter> condition() {
    LOAM_TRY(FieldPath field, expect_field("at the start of a condition"));
    if (token_.kind == Kind::symbol) {
      auto op = comparison_of(token_.word);
      if (!op) return unexpected("an operator (" + std::string(operators) + ") after " + to_string(field));
      std::string word = token_.word;
      LOAM_TRY(advance());
      LOAM_TRY(Value value, literal("after " + word));
      return leaf(*op, std::move(field), {std::move(value)});
    }
    if (at_keyword("IS")) return null_test(std::move(field));
    bool negate = at_keyword("NOT");
    if (negate) LOAM_TRY(advance());
    LOAM_TRY(Filter filter, word_condition(std::move(field)));
    return negate ? negated(std::move(filter)) : std::move(filter);
  }

  Result<Filter> null_test(FieldPath field) {
    LOAM_TRY(advance());
    bool negate = at_keyword("NOT");
    if (negate) LOAM_TRY(advance());
    LOAM_TRY(expect_keyword("NULL", negate ? "after IS NOT" : "or NOT NULL after IS"));
    Filter filter = leaf(FilterOp::is_null, std::move(field), {});
    return negate ? negated(std::move(filter)) : std::move(filter);
  }

  Result<Filter> word_condition(FieldPath field) {
    if (at_keyword("IN")) return membership(std::move(field));
    if (at_keyword("BETWEEN")) return range(std::move(field));
    if (at_keyword("LIKE")) return pattern(std::move(field));
    if (at_keyword("CONTAINS")) {
      LOAM_TRY(advance());
      LOAM_TRY(Value value, literal("after CONTAINS"));
      return leaf(FilterOp::contains, std::move(field), {std::move(value)});
    }
    if (at_keyword("EXISTS")) {
      LOAM_TRY(advance());
      return leaf(FilterOp::exists, std::move(field), {});
    }
    return unexpected("an operator (" + std::string(operators) + ") after " + to_string(field));
  }

  Result<Filter> membership(FieldPath field) {
    LOAM_TRY(advance());
    LOAM_TRY(expect_symbol("(", "after IN"));
    std::vector<Value> values;
    while (!at_symbol(")")) {
      if (!values.empty()) LOAM_TRY(expect_symbol(",", "or ) in the list of IN"));
      if (at_keyword("NULL")) {
        values.emplace_back();
        LOAM_TRY(advance());
        continue;
      }
      LOAM_TRY(Value value, literal("in the list of IN"));
      values.push_back(std::move(value));
    }
    LOAM_TRY(advance());
    return leaf(FilterOp::in, std::move(field), std::move(values));
  }

  Result<Filter> range(FieldPath field) {
    LOAM_TRY(advance());
    LOAM_TRY(Value low, literal("after BETWEEN"));
    LOAM_TRY(expect_keyword("AND", "between the two ends of BETWEEN"));
    LOAM_TRY(Value high, literal("after the AND of BETWEEN"));
    return leaf(FilterOp::between, std::move(field), {std::move(low), std::move(high)});
  }

  Result<Filter> pattern(FieldPath field) {
    LOAM_TRY(advance());
    if (token_.kind != Kind::string) return unexpected("a string in single quotes after LIKE");
    if (!is_like_pattern(token_.word)) return filter_error(text_, token_.offset, "a LIKE pattern cannot end in a lone \\");
    Value value(std::move(token_.word));
    LOAM_TRY(advance());
    return leaf(FilterOp::like, std::move(field), {std::move(value)});
  }

  /// A value, with a sentence of help for what people write instead.
  Result<Value> literal(const std::string& where) {
    std::optional<Value> value;
    if (token_.kind == Kind::string) value = Value(std::move(token_.word));
    if (at_keyword("TRUE") || at_keyword("FALSE")) value = Value(token_.word == "TRUE");
    if (token_.kind == Kind::number) {
      value = number_literal(token_.word);
      if (!value) return filter_error(text_, token_.offset, number_refused(token_.word));
    }
    if (value) {
      LOAM_TRY(advance());
      return std::move(*value);
    }
    if (at_keyword("NULL"))
      return filter_error(text_, token_.offset,
                          "nothing equals NULL, so it cannot stand " + where + "; write IS NULL or IS NOT NULL");
    if (auto type = literal_type(token_)) return typed(*type);
    if (token_.kind == Kind::field)
      return filter_error(
          text_, token_.offset,
          "expected a value " + where + ", found the name " + found() + "; strings are written in single quotes");
    return unexpected("a value " + where);
  }

  Result<Value> typed(LiteralType type) {
    std::string name = found();
    LOAM_TRY(advance());
    if (token_.kind != Kind::string) return unexpected("a string in single quotes after " + name);
    auto value = typed_literal(type, token_.word);
    if (!value.ok()) return refuse(token_.offset, value.error());
    LOAM_TRY(advance());
    return value;
  }

  std::string_view text_;
  FilterLexer lexer_;
  FilterToken token_;
  std::size_t depth_ = 0;
  std::size_t nodes_ = 0;
};

}  // namespace

Result<Filter> parse_sql_filter(std::string_view text) { return SqlParser(text).parse(); }

}  // namespace loam
