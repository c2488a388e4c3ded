#include "loam/query/compile.hpp"

#include <algorithm>

namespace loam {
namespace {

/// Writes the conditions of one filter, inside out.
class Compiler {
 public:
  Compiler(const FilterColumns& columns, const SqlDialect& dialect) : columns_(columns), dialect_(dialect) {}

  /// Always in parentheses.
  Result<SqlText> compile(const Filter& filter) {
    switch (filter.op) {
      case FilterOp::constant: return constant(filter.values.at(0) == Value(true));
      case FilterOp::logical_and: return children(filter, 0, filter.children.size(), " AND ");
      case FilterOp::logical_or: return children(filter, 0, filter.children.size(), " OR ");
      case FilterOp::logical_not: {
        LOAM_TRY(SqlText child, compile(filter.children.at(0)));
        SqlText text;
        return std::move(text.append("(NOT ").append(std::move(child)).append(")"));
      }
      default: return leaf(filter);
    }
  }

 private:
  static SqlText constant(bool yes) {
    SqlText text;
    return std::move(text.append(yes ? "(1 = 1)" : "(1 = 0)"));
  }

  Result<SqlText> leaf(const Filter& filter) {
    if (filter.op == FilterOp::in && filter.values.empty()) return constant(false);
    auto column = std::find_if(columns_.begin(), columns_.end(),
                               [&](const FilterColumn& candidate) { return candidate.name == filter.field.column; });
    if (column == columns_.end())
      return invalid_argument("the filter was compiled for columns without \"" + filter.field.column + "\"; bind it first");
    LOAM_TRY(SqlText condition, dialect_.condition(filter, column->sql, column->kind));
    SqlText text;
    return std::move(text.append("(").append(std::move(condition)).append(")"));
  }

  /// Children [first, last) joined as a balanced tree: a flat chain of a thousand ANDs is a tree of that depth to SQLite, which
  /// refuses more than SQLITE_MAX_EXPR_DEPTH.
  Result<SqlText> children(const Filter& filter, std::size_t first, std::size_t last, std::string_view joiner) {
    constexpr std::size_t chain_max = 16;
    if (first == last) return constant(filter.op == FilterOp::logical_and);
    bool chain = last - first <= chain_max;
    std::size_t step = chain ? 1 : (last - first + 1) / 2;
    SqlText text;
    text.append("(");
    for (std::size_t at = first; at < last; at += step) {
      if (at > first) text.append(joiner);
      LOAM_TRY(SqlText part, chain ? compile(filter.children[at]) : children(filter, at, std::min(at + step, last), joiner));
      text.append(std::move(part));
    }
    return std::move(text.append(")"));
  }

  const FilterColumns& columns_;
  const SqlDialect& dialect_;
};

}  // namespace

Result<SqlText> compile_filter(const Filter& filter, const FilterColumns& columns, const SqlDialect& dialect) {
  LOAM_TRY(SqlText text, Compiler(columns, dialect).compile(filter));
  std::size_t most = dialect.limits().parameters_max;
  if (text.parameters.size() > most)
    return Error(ErrorCode::resource_exhausted, "the filter has " + std::to_string(text.parameters.size()) + " values; " +
                                                    std::string(dialect.name()) + " takes " + std::to_string(most))
        .hint("split its IN lists over several calls");
  return text;
}

}  // namespace loam
