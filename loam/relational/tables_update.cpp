#include <algorithm>
#include <map>

#include "loam/ports/tables_values.hpp"
#include "loam/relational/tables_catalogue.hpp"
#include "loam/relational/tables_embedding.hpp"
#include "loam/relational/tables_reader.hpp"
#include "loam/relational/tables_writer.hpp"

namespace loam::relational {
namespace {

Result<RowFilter> required_filter(const TableLayout& layout, std::string_view where, const SqlDialect& dialect,
                                  std::string_view verb) {
  if (where.find_first_not_of(" \t\r\n") == where.npos)
    return Error(ErrorCode::invalid_argument,
                 std::string(verb) + " on table \"" + layout.schema.name + "\" has an empty filter")
        .hint("say TRUE to mean all rows");
  return make_row_filter(layout, where, dialect);
}

std::string where_text(const RowFilter& filter) { return filter.everything ? "" : " WHERE " + filter.condition.sql; }

/// The columns that an update sets, checked.
struct Assignment {
  std::vector<std::pair<std::size_t, Value>> scalars;
  std::vector<std::pair<std::size_t, Value>> vectors;
  bool touches_source = false;
};

Result<Assignment> make_assignment(const TableLayout& layout, const Record& values) {
  if (values.empty()) return invalid_argument("an update of table \"" + layout.schema.name + "\" sets no column");
  Assignment assignment;
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : values) {
    const ColumnSpec* column = layout.schema.column(name);
    if (column == nullptr) return unknown_column(layout.schema, name);
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      return invalid_argument("column \"" + name + "\" is set twice");
    seen.push_back(name);
    const auto& embedding = layout.schema.embedding;
    if (embedding && embedding->vector_column == name)
      return invalid_argument("column \"" + name + "\" is computed from the source text and cannot be written");
    LOAM_TRY(Value fitted, fit_value(value, *column));
    auto at = static_cast<std::size_t>(column - layout.schema.columns.data());
    (column->type == ValueKind::vector ? assignment.vectors : assignment.scalars).emplace_back(at, std::move(fitted));
    if (embedding && std::find(embedding->source_columns.begin(), embedding->source_columns.end(), name) !=
                         embedding->source_columns.end())
      assignment.touches_source = true;
  }
  return assignment;
}

/// A row that matches, and its source text after the update when that changes.
struct MatchedRow {
  std::int64_t row_id = 0;
  bool text_changes = false;
  std::optional<std::string> text;
};

class Update {
 public:
  Update(const TableSession& session, const TableLayout& layout, const WriterOptions& options, Assignment assignment,
         RowFilter filter, const Context& context)
      : session_(session),
        layout_(layout),
        options_(options),
        assignment_(std::move(assignment)),
        filter_(std::move(filter)),
        context_(context) {}

  Result<std::int64_t> run();

 private:
  Result<std::vector<MatchedRow>> find_rows(SqlSession& session) const;
  Result<void> embed_missing(const std::vector<MatchedRow>& rows);
  bool any_missing(const std::vector<MatchedRow>& rows) const;
  Result<std::int64_t> set_scalars(SqlSession& session) const;
  Result<void> set_vectors(SqlSession& session, const std::vector<MatchedRow>& rows) const;
  Result<void> write(SqlSession& session, std::int64_t& updated, bool& embeddings_missing);

  TableSession session_;
  const TableLayout& layout_;
  const WriterOptions& options_;
  Assignment assignment_;
  RowFilter filter_;
  const Context& context_;
  std::map<std::string, Vector> embedded_;  ///< by source text
};

Result<std::vector<MatchedRow>> Update::find_rows(SqlSession& session) const {
  Selection selection{.list = layout_.row_sql, .from = layout_.sql};
  if (assignment_.touches_source) {
    LOAM_TRY(selection, make_selection(layout_, layout_.schema.embedding->source_columns));
  }
  LOAM_TRY(auto cursor, session.open_cursor("SELECT " + selection.list + " FROM " + selection.from + where_text(filter_),
                                            filter_.condition.parameters, context_));
  std::vector<MatchedRow> rows;
  std::vector<Value> full(layout_.schema.columns.size());
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return rows;
    MatchedRow row{.row_id = cursor->int64(0)};
    if (assignment_.touches_source) {
      for (std::size_t i = 0; i < selection.columns.size(); ++i) full[selection.columns[i]] = cursor->value(1 + i);
      auto before = source_text(layout_, full);
      for (const auto& [column, value] : assignment_.scalars) full[column] = value;
      row.text = source_text(layout_, full);
      row.text_changes = row.text != before;
    }
    rows.push_back(std::move(row));
  }
}

bool Update::any_missing(const std::vector<MatchedRow>& rows) const {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const MatchedRow& row) { return row.text_changes && row.text && !embedded_.contains(*row.text); });
}

Result<void> Update::embed_missing(const std::vector<MatchedRow>& rows) {
  std::vector<std::string> texts;
  for (const MatchedRow& row : rows)
    if (row.text_changes && row.text && embedded_.try_emplace(*row.text).second) texts.push_back(*row.text);
  if (texts.empty()) return {};
  if (options_.embedder == nullptr) return embedder_needed(layout_, "changing the source text of");
  LOAM_TRY(auto vectors, embed_texts(*options_.embedder, texts, context_));
  for (std::size_t i = 0; i < texts.size(); ++i) embedded_[texts[i]] = std::move(vectors[i]);
  return {};
}

Result<std::int64_t> Update::set_scalars(SqlSession& session) const {
  SqlText sql;
  sql.append("UPDATE " + layout_.sql + " SET ");
  for (std::size_t i = 0; i < assignment_.scalars.size(); ++i) {
    const auto& [column, value] = assignment_.scalars[i];
    sql.append((i > 0 ? ", " : "") + session.dialect().quote_identifier(layout_.schema.columns[column].name) + " = ")
        .bind(value);
  }
  sql.append(where_text(filter_));
  for (const Value& parameter : filter_.condition.parameters) sql.parameters.push_back(parameter);
  auto done = session.execute(sql.sql, sql.parameters, context_);
  if (done.ok()) return done->rows_affected;
  if (done.error().code() != ErrorCode::already_exists) return std::move(done).error();
  return Error(ErrorCode::already_exists, "the update would give two rows of table \"" + layout_.schema.name +
                                              "\" the same key: " + done.error().message());
}

Result<void> Update::set_vectors(SqlSession& session, const std::vector<MatchedRow>& rows) const {
  for (const VectorTable& vectors : layout_.vectors) {
    std::vector<VectorWrite> writes;
    for (const auto& [column, value] : assignment_.vectors)
      if (column == vectors.column)
        for (const MatchedRow& row : rows) writes.push_back({row.row_id, value});
    if (layout_.schema.embedding && layout_.schema.columns[vectors.column].name == layout_.schema.embedding->vector_column)
      for (const MatchedRow& row : rows)
        if (row.text_changes) writes.push_back({row.row_id, row.text ? Value(embedded_.at(*row.text)) : Value()});
    LOAM_TRY(write_vectors(session, vectors, writes, false, context_));
  }
  return {};
}

Result<void> Update::write(SqlSession& session, std::int64_t& updated, bool& embeddings_missing) {
  LOAM_TRY(begin_write(session, layout_, context_));
  bool vectors_change = assignment_.touches_source || !assignment_.vectors.empty();
  std::vector<MatchedRow> rows;
  if (vectors_change) {
    LOAM_TRY(rows, find_rows(session));
    updated = static_cast<std::int64_t>(rows.size());
    embeddings_missing = any_missing(rows);
    if (embeddings_missing && session_.transaction() == nullptr)
      return Error(ErrorCode::conflict,
                   "rows of table \"" + layout_.schema.name + "\" kept changing while their text was embedded");
    LOAM_TRY(embed_missing(rows));
  }
  if (!assignment_.scalars.empty()) {
    LOAM_TRY(std::int64_t changed, set_scalars(session));
    if (vectors_change && changed != updated)
      return Error(ErrorCode::conflict, "rows of table \"" + layout_.schema.name + "\" changed during the update");
    updated = changed;
  }
  LOAM_TRY(set_vectors(session, rows));
  return trim_change_log(session, layout_, vectors_change ? updated : 0, options_.change_log_entries, context_);
}

Result<std::int64_t> Update::run() {
  constexpr int attempts_max = 4;
  for (int attempt = 1;; ++attempt) {
    if (assignment_.touches_source && session_.transaction() == nullptr) {
      std::vector<MatchedRow> rows;
      LOAM_TRY(session_.read(
          [&](SqlSession& snapshot) -> Result<void> {
            LOAM_TRY(check_exists(snapshot, layout_, context_));
            LOAM_TRY(rows, find_rows(snapshot));
            return {};
          },
          context_));
      LOAM_TRY(embed_missing(rows));
    }
    std::int64_t updated = 0;
    bool embeddings_missing = false;
    auto done = session_.write([&](SqlSession& session) { return write(session, updated, embeddings_missing); }, context_);
    if (done.ok()) return updated;
    bool again = session_.transaction() == nullptr && done.error().code() == ErrorCode::conflict;
    if (!again || attempt == attempts_max || done.error().outcome() == Outcome::unknown) return std::move(done).error();
  }
}

}  // namespace

Result<void> write_vectors(SqlSession& session, const VectorTable& vectors, std::span<const VectorWrite> writes,
                           bool all_new, const Context& context) {
  constexpr std::size_t rows_max =
      1'000;  // of one statement's parameters, so that they stay small beside the vectors themselves
  std::string insert = "INSERT INTO " + vectors.sql + " (row_id, vector) VALUES (?, ?)";
  if (!all_new) insert += ' ' + session.dialect().on_conflict({"row_id"}, {"vector"});
  for (std::size_t first = 0; first < writes.size(); first += rows_max) {
    std::vector<std::vector<Value>> set, removed;
    for (const VectorWrite& write : writes.subspan(first, std::min(rows_max, writes.size() - first))) {
      if (!write.vector.is_null())
        set.push_back({write.row_id, write.vector});
      else if (!all_new)
        removed.push_back({write.row_id});
    }
    if (!set.empty()) LOAM_TRY(session.execute_many(insert, set, context));
    if (!removed.empty())
      LOAM_TRY(session.execute_many("DELETE FROM " + vectors.sql + " WHERE row_id = ?", removed, context));
  }
  return {};
}

Result<void> begin_write(SqlSession& session, const TableLayout& layout, const Context& context) {
  SqlText lock = session.dialect().lock_for_write(layout.id);
  if (!lock.sql.empty()) LOAM_TRY(session.query(lock.sql, lock.parameters, context));
  return check_exists(session, layout, context);
}

Result<std::int64_t> update_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                                 const Record& values, std::string_view where, const Context& context) {
  LOAM_TRY(context.check("table update"));
  LOAM_TRY(RowFilter filter, required_filter(layout, where, session.dialect(), "update"));
  LOAM_TRY(Assignment assignment, make_assignment(layout, values));
  return Update(session, layout, options, std::move(assignment), std::move(filter), context).run();
}

Result<std::int64_t> erase_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                                std::string_view where, const Context& context) {
  LOAM_TRY(context.check("table erase"));
  LOAM_TRY(RowFilter filter, required_filter(layout, where, session.dialect(), "erase"));
  std::int64_t erased = 0;
  LOAM_TRY(session.write(
      [&](SqlSession& write) -> Result<void> {
        LOAM_TRY(begin_write(write, layout, context));
        LOAM_TRY(auto done,
                 write.execute("DELETE FROM " + layout.sql + where_text(filter), filter.condition.parameters, context));
        erased = done.rows_affected;
        return trim_change_log(write, layout, erased, options.change_log_entries, context);
      },
      context));
  return erased;
}

}  // namespace loam::relational
