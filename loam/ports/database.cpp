#include "loam/ports/database.hpp"

#include <algorithm>

namespace loam {

std::optional<std::size_t> QueryResult::column_index(std::string_view name) const {
  auto found = std::find(columns.begin(), columns.end(), name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

const Value& QueryResult::at(std::size_t row, std::string_view column) const {
  auto index = column_index(column);
  LOAM_ASSERT(index && row < rows.size(), "no such row or column in the result");
  return rows[row][*index];
}

Result<QueryResult> SqlSession::query(std::string_view sql, Parameters parameters, const Context& context) {
  LOAM_TRY(auto cursor, open_cursor(sql, parameters, context));
  QueryResult result;
  std::size_t width = cursor->column_count();
  for (std::size_t i = 0; i < width; ++i) result.columns.emplace_back(cursor->column_name(i));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return result;
    auto& row = result.rows.emplace_back();
    row.reserve(width);
    for (std::size_t i = 0; i < width; ++i) row.push_back(cursor->value(i));
  }
}

Result<void> Transaction::atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context) {
  LOAM_TRY(context.check("atomically"));
  std::string name = "loam_atomic_" + std::to_string(depth_ + 1);
  LOAM_TRY(savepoint(name));
  ++depth_;
  Result<void> done = work(*this);
  --depth_;
  if (!done.ok()) {
    // The work's own error is what the caller needs; a failing rollback leaves the transaction unusable, which commit
    // reports.
    if (rollback_to(name).ok()) (void)release(name);
    return done;
  }
  return release(name);
}

Result<void> Database::atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context) {
  LOAM_TRY(auto transaction, begin({}, context));
  Result<void> done = work(*transaction);
  if (!done.ok()) {
    (void)transaction->rollback();
    return done;
  }
  return transaction->commit(context);
}

Result<std::int64_t> Database::execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                            const Context& context) {
  std::int64_t total = 0;
  LOAM_TRY(atomically(
      [&](SqlSession& session) -> Result<void> {
        LOAM_TRY(total, session.execute_many(sql, rows, context));
        return {};
      },
      context));
  return total;
}

}  // namespace loam
