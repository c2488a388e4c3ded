#include "loam/relational/tables_problems.hpp"

#include <cmath>

#include "loam/relational/tables_catalogue.hpp"

namespace loam::relational {
namespace {

class TableCheck {
 public:
  TableCheck(const TableSession& session, const TableLayout& layout, std::vector<std::string>& problems,
             const Context& context)
      : session_(session), layout_(layout), problems_(problems), context_(context) {}

  Result<void> rows_and_vectors(SqlSession& snapshot) {
    LOAM_TRY(keys(snapshot));
    for (const VectorTable& vectors : layout_.vectors) {
      LOAM_TRY(missing_vectors(snapshot, vectors));
      LOAM_TRY(stored_vectors(snapshot, vectors));
    }
    return change_log(snapshot);
  }
  Result<void> full_text();

 private:
  Result<void> keys(SqlSession& snapshot);
  Result<void> missing_vectors(SqlSession& snapshot, const VectorTable& vectors);
  Result<void> stored_vectors(SqlSession& snapshot, const VectorTable& vectors);
  Result<void> change_log(SqlSession& snapshot);
  Result<void> each_row(SqlSession& snapshot, const std::string& sql, std::string_view problem);
  void add(const std::string& problem) { problems_.push_back("table \"" + layout_.schema.name + "\": " + problem); }
  const ColumnSpec& column(const VectorTable& vectors) const { return layout_.schema.columns[vectors.column]; }

  const TableSession& session_;
  const TableLayout& layout_;
  std::vector<std::string>& problems_;
  const Context& context_;
};

Result<void> TableCheck::each_row(SqlSession& snapshot, const std::string& sql, std::string_view problem) {
  LOAM_TRY(auto cursor, snapshot.open_cursor(sql, {}, context_));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return {};
    add("row " + std::to_string(cursor->int64(0)) + ' ' + std::string(problem));
  }
}

/// The unique index should make this empty; grouping by `+x`-like expressions keeps the database from trusting it.
Result<void> TableCheck::keys(SqlSession& snapshot) {
  for (const auto& names : {layout_.schema.primary_key, layout_.schema.on_duplicate_columns}) {
    if (names.empty()) continue;
    std::string list, no_nulls;
    for (const std::string& name : names) {
      std::string sql =
          layout_.column_sql[static_cast<std::size_t>(layout_.schema.column(name) - layout_.schema.columns.data())];
      list += (list.empty() ? "" : ", ") + sql;
      no_nulls += (no_nulls.empty() ? "" : " AND ") + sql + " IS NOT NULL";
    }
    LOAM_TRY(each_row(snapshot,
                      "SELECT min(" + layout_.row_sql + ") FROM " + layout_.sql + " WHERE " + no_nulls + " GROUP BY " +
                          list + " HAVING count(*) > 1",
                      "has the same key as another row"));
  }
  return {};
}

Result<void> TableCheck::missing_vectors(SqlSession& snapshot, const VectorTable& vectors) {
  std::string joined = "SELECT " + layout_.row_sql + " FROM " + layout_.sql + " LEFT JOIN " + vectors.sql + " ON " +
                       vectors.sql + ".row_id = " + layout_.row_sql + " WHERE ";
  std::string name = '"' + column(vectors).name + '"';
  if (layout_.schema.embedding && layout_.schema.embedding->vector_column == column(vectors).name) {
    std::string any_text;
    for (const std::string& source : layout_.schema.embedding->source_columns)
      any_text +=
          (any_text.empty() ? "" : " OR ") +
          layout_.column_sql[static_cast<std::size_t>(layout_.schema.column(source) - layout_.schema.columns.data())] +
          " IS NOT NULL";
    LOAM_TRY(each_row(snapshot, joined + "(" + any_text + ") AND " + vectors.sql + ".row_id IS NULL",
                      "has source text but no vector in " + name));
    LOAM_TRY(each_row(snapshot, joined + "NOT (" + any_text + ") AND " + vectors.sql + ".row_id IS NOT NULL",
                      "has no source text but a vector in " + name));
  } else if (!column(vectors).nullable) {
    LOAM_TRY(each_row(snapshot, joined + vectors.sql + ".row_id IS NULL",
                      "has no vector in " + name + ", which is not nullable"));
  }
  return each_row(snapshot,
                  "SELECT " + vectors.sql + ".row_id FROM " + vectors.sql + " LEFT JOIN " + layout_.sql + " ON " +
                      layout_.row_sql + " = " + vectors.sql + ".row_id WHERE " + layout_.row_sql + " IS NULL",
                  "has a vector in " + name + " but does not exist");
}

Result<void> TableCheck::stored_vectors(SqlSession& snapshot, const VectorTable& vectors) {
  LOAM_TRY(auto cursor,
           snapshot.open_cursor("SELECT row_id, vector FROM " + vectors.sql + " ORDER BY row_id", {}, context_));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return {};
    std::string row = "row " + std::to_string(cursor->int64(0)) + ": the vector in \"" + column(vectors).name + '"';
    auto vector = decode_vector(cursor->text(1));
    if (!vector.ok() || vector->size() != column(vectors).dimension) {
      add(row + " has " + std::to_string(cursor->text(1).size()) + " bytes, not " +
          std::to_string(column(vectors).dimension * sizeof(float)));
      continue;
    }
    for (float element : *vector)
      if (!std::isfinite(element)) {
        add(row + " holds NaN or infinity");
        break;
      }
  }
}

Result<void> TableCheck::change_log(SqlSession& snapshot) {
  LOAM_TRY(ChangeLogState log, read_change_log(snapshot, layout_, context_));
  LOAM_TRY(auto oldest, snapshot.query("SELECT min(seq) FROM loam_changes WHERE table_id = ?", {layout_.id}, context_));
  const auto* first = oldest.at(0, std::size_t{0}).get_if<std::int64_t>();
  if (first != nullptr && *first <= log.floor)
    add("the change log holds entry " + std::to_string(*first) + " although it was cut at " + std::to_string(log.floor));
  if (first == nullptr && log.floor > 0) add("the change log is empty although it was cut at " + std::to_string(log.floor));
  for (const VectorTable& vectors : layout_.vectors) {
    if (first != nullptr) continue;
    LOAM_TRY(auto any, snapshot.query("SELECT 1 FROM " + vectors.sql + " LIMIT 1", {}, context_));
    if (!any.rows.empty()) add("there are vectors in \"" + column(vectors).name + "\" but no entry in the change log");
  }
  return {};
}

/// The check changes nothing and still is a write to SQLite, so a database that takes none goes without it (tables.hpp says
/// so).
Result<void> TableCheck::full_text() {
  if (!layout_.text) return {};
  std::vector<std::string> statements = session_.dialect().check_full_text(*layout_.text);
  if (statements.empty()) return {};
  bool begun = false;
  auto checked = session_.write(
      [&](SqlSession& session) -> Result<void> {
        begun = true;
        for (const std::string& statement : statements) LOAM_TRY(session.execute(statement, {}, context_));
        return {};
      },
      context_);
  if (checked.ok() || (!begun && checked.error().code() == ErrorCode::failed_precondition)) return {};
  if (checked.error().code() != ErrorCode::data_corruption) return checked;
  add("the full-text index does not agree with the rows: " + checked.error().message());
  return {};
}

}  // namespace

Result<std::vector<std::string>> table_problems(const TableSession& session, const LayoutPtr& layout, VectorCaches& caches,
                                                const Context& context) {
  std::vector<std::string> problems;
  TableCheck check(session, *layout, problems, context);
  LOAM_TRY(session.read([&](SqlSession& snapshot) { return check.rows_and_vectors(snapshot); }, context));
  LOAM_TRY(check.full_text());
  for (const VectorTable& vectors : layout->vectors) {
    LOAM_TRY(auto differences, caches.of(layout, vectors.column)->problems(session, context));
    problems.insert(problems.end(), differences.begin(), differences.end());
  }
  return problems;
}

}  // namespace loam::relational
