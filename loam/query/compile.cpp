#include "loam/query/compile.hpp"

#include <algorithm>
#include <utility>

namespace loam {
namespace {

enum class Shape : std::uint8_t { leaf, all, any };

/// SQL and how much of a parser it takes. SQLite's has a stack of 100 entries and refuses an expression deeper than 1,000,
/// so filters that nest up to their own cap must be written with care:
///  - NOT goes down to the conditions (De Morgan's laws hold for three values too),
///  - AND inside OR needs no parentheses,
///  - the part that needs most of the stack stands first, where a level costs one entry and not three,
///  - a long chain becomes a balanced tree.
struct Expression {
  SqlText sql;
  Shape shape = Shape::leaf;
  std::size_t stack = 1;
};

Expression leaf_expression(std::string text) {
  Expression expression;
  expression.sql.append(text);
  return expression;
}

Expression constant(bool yes) { return leaf_expression(yes ? "(1 = 1)" : "(1 = 0)"); }

Expression parenthesized(Expression inner) {
  Expression outer = leaf_expression("(");
  outer.sql.append(std::move(inner.sql)).append(")");
  outer.stack = inner.stack + 1;
  return outer;
}

/// [first, last) joined by AND or OR.
Expression join(std::vector<Expression>& parts, std::size_t first, std::size_t last, Shape shape) {
  constexpr std::size_t chain_max = 16;
  if (last - first == 1) return std::move(parts[first]);
  bool chain = last - first <= chain_max;
  std::size_t step = chain ? 1 : (last - first + 1) / 2;
  Expression whole;
  whole.shape = shape;
  for (std::size_t at = first; at < last; at += step) {
    Expression part = join(parts, at, std::min(at + step, last), shape);
    bool binds_tighter = part.shape == Shape::leaf || (part.shape == Shape::all && shape == Shape::any);
    if (!binds_tighter) part = parenthesized(std::move(part));
    constexpr std::size_t left_operand_and_operator = 2;
    whole.stack = std::max(whole.stack, part.stack + (at == first ? 0 : left_operand_and_operator));
    if (at > first) whole.sql.append(shape == Shape::all ? " AND " : " OR ");
    whole.sql.append(std::move(part.sql));
  }
  return whole;
}

/// Writes one filter, inside out.
class Compiler {
 public:
  Compiler(const FilterColumns& columns, const SqlDialect& dialect) : columns_(columns), dialect_(dialect) {}

  Result<Expression> compile(const Filter& filter, bool negate) {
    switch (filter.op) {
      case FilterOp::constant: return constant((filter.values.at(0) == Value(true)) != negate);
      case FilterOp::logical_not: return compile(filter.children.at(0), !negate);
      case FilterOp::logical_and:
      case FilterOp::logical_or: return children(filter, negate);
      default: return leaf(filter, negate);
    }
  }

 private:
  Result<Expression> leaf(const Filter& filter, bool negate) {
    if (filter.op == FilterOp::in && filter.values.empty()) return constant(negate);
    auto column = std::find_if(columns_.begin(), columns_.end(),
                               [&](const FilterColumn& candidate) { return candidate.name == filter.field.column; });
    if (column == columns_.end())
      return invalid_argument("the filter was compiled for columns without \"" + filter.field.column + "\"; bind it first");
    LOAM_TRY(SqlText condition, dialect_.condition(filter, column->sql, column->kind));
    Expression expression = leaf_expression(negate ? "(NOT (" : "(");
    expression.sql.append(std::move(condition)).append(negate ? "))" : ")");
    expression.stack = negate ? 4 : 2;
    return expression;
  }

  Result<Expression> children(const Filter& filter, bool negate) {
    bool all = (filter.op == FilterOp::logical_and) != negate;
    std::vector<Expression> parts;
    for (const Filter& child : filter.children) {
      LOAM_TRY(Expression part, compile(child, negate));
      parts.push_back(std::move(part));
    }
    if (parts.empty()) return constant(all);
    auto deepest = std::max_element(parts.begin(), parts.end(),
                                    [](const Expression& a, const Expression& b) { return a.stack < b.stack; });
    constexpr std::size_t stack_to_spare = 8;  // shallow filters keep the order in which people wrote them
    if (deepest->stack > stack_to_spare) std::rotate(parts.begin(), deepest, deepest + 1);
    return join(parts, 0, parts.size(), all ? Shape::all : Shape::any);
  }

  const FilterColumns& columns_;
  const SqlDialect& dialect_;
};

}  // namespace

Result<SqlText> compile_filter(const Filter& filter, const FilterColumns& columns, const SqlDialect& dialect) {
  LOAM_TRY(Expression whole, Compiler(columns, dialect).compile(filter, false));
  if (whole.shape != Shape::leaf) whole = parenthesized(std::move(whole));
  SqlText text = std::move(whole.sql);
  std::size_t most = dialect.limits().parameters_max;
  if (text.parameters.size() > most)
    return Error(ErrorCode::resource_exhausted, "the filter has " + std::to_string(text.parameters.size()) + " values; " +
                                                    std::string(dialect.name()) + " takes " + std::to_string(most))
        .hint("split its IN lists over several calls");
  return text;
}

}  // namespace loam
