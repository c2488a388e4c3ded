#include "loam/relational/tables_catalogue.hpp"

#include <algorithm>

#include "loam/core/utf8.hpp"
#include "loam/relational/migrations.hpp"

namespace loam::relational {
namespace {

std::vector<std::string> create_catalogue(const SqlDialect& dialect) {
  std::string number = dialect.column_type(ValueKind::int64), text = dialect.column_type(ValueKind::string);
  return {"CREATE TABLE loam_tables (id " + dialect.auto_key_type() + ", name " + text + " NOT NULL, name_key " + text +
              " NOT NULL UNIQUE, schema_json " + text + " NOT NULL, created_at " +
              dialect.column_type(ValueKind::timestamp) + " NOT NULL, change_floor " + number + " NOT NULL)",
          "CREATE TABLE loam_changes (seq " + dialect.auto_key_type() + ", table_id " + number + " NOT NULL, row_id " +
              number + " NOT NULL)",
          "CREATE INDEX loam_changes_of_table ON loam_changes (table_id, seq)"};
}

constexpr const char* layout_columns = "SELECT id, schema_json FROM loam_tables";

Result<LayoutPtr> layout_of(const QueryResult& result, std::size_t row, const SqlDialect& dialect) {
  auto schema = parse_table_schema(result.at(row, std::size_t{1}).as<std::string>());
  if (!schema.ok()) return data_corruption("the catalogue holds a schema that cannot be read: " + schema.error().message());
  return make_layout(result.at(row, std::size_t{0}).as<std::int64_t>(), std::move(*schema), dialect);
}

Error dropped(const TableLayout& layout) {
  return failed_precondition("table \"" + layout.schema.name + "\" was dropped since it was opened").hint("open it again");
}

/// Asked in a savepoint: in PostgreSQL a failed statement would end the transaction.
Result<bool> is_sql_table(SqlSession& session, const std::string& name, const Context& context) {
  auto probed = session.atomically(
      [&](SqlSession& inner) -> Result<void> {
        auto read = inner.query("SELECT 1 FROM " + inner.dialect().quote_identifier(name) + " LIMIT 0", {}, context);
        return read.ok() ? Result<void>() : Result<void>(std::move(read).error());
      },
      context);
  if (probed.ok()) return true;
  if (probed.error().code() == ErrorCode::invalid_argument || probed.error().code() == ErrorCode::not_found) return false;
  return std::move(probed).error();
}

Error name_taken(const std::string& name, const std::string& other) {
  std::string message = "table \"" + name + "\" exists already";
  if (other != name) message += ", as \"" + other + "\" (upper and lower case do not differ)";
  return Error(ErrorCode::already_exists, message).hint("open it, or drop it first");
}

}  // namespace

Result<void> open_catalogue(Database& db) {
  static const Migration migrations[] = {{1, "create catalogue and change log", create_catalogue}};
  LOAM_TRY([[maybe_unused]] int applied, migrate(db, "tables", migrations));
  return {};
}

Result<LayoutPtr> find_layout(SqlSession& session, std::string_view name, const Context& context) {
  LOAM_TRY(auto found, session.query(std::string(layout_columns) + " WHERE name = ?", {Value(name)}, context));
  if (found.rows.empty()) return LayoutPtr();
  return layout_of(found, 0, session.dialect());
}

Result<std::vector<LayoutPtr>> all_layouts(SqlSession& session, const Context& context) {
  LOAM_TRY(auto found, session.query(layout_columns, {}, context));
  std::vector<LayoutPtr> layouts;
  for (std::size_t row = 0; row < found.rows.size(); ++row) {
    LOAM_TRY(LayoutPtr layout, layout_of(found, row, session.dialect()));
    layouts.push_back(std::move(layout));
  }
  std::sort(layouts.begin(), layouts.end(), [](const auto& a, const auto& b) { return a->schema.name < b->schema.name; });
  return layouts;
}

Result<LayoutPtr> create_table(SqlSession& session, const TableSchema& schema, Timestamp now, const Context& context) {
  std::string name_key = ascii_lower(schema.name);
  LOAM_TRY(auto taken, session.query("SELECT name FROM loam_tables WHERE name_key = ?", {name_key}, context));
  if (!taken.rows.empty()) return name_taken(schema.name, taken.at(0, std::size_t{0}).as<std::string>());
  LOAM_TRY(bool foreign, is_sql_table(session, schema.name, context));
  if (foreign)
    return Error(ErrorCode::already_exists, "the database has an SQL table \"" + schema.name + "\" that Loam did not make")
        .hint("choose another name");
  LOAM_TRY(auto added, session.execute("INSERT INTO loam_tables (name, name_key, schema_json, created_at, change_floor) "
                                       "VALUES (?, ?, ?, ?, 0) RETURNING id",
                                       {schema.name, name_key, to_json(schema), now}, context));
  LayoutPtr layout = make_layout(added.returned.at(0, std::size_t{0}).as<std::int64_t>(), schema, session.dialect());
  for (const std::string& statement : create_statements(*layout, session.dialect())) {
    auto done = session.execute(statement, {}, context);
    if (!done.ok()) return std::move(done).error().frame({.operation = "create table", .resource = schema.name});
  }
  return layout;
}

Result<void> drop_table(SqlSession& session, const TableLayout& layout, const Context& context) {
  for (const std::string& statement : drop_statements(layout, session.dialect()))
    LOAM_TRY(session.execute(statement, {}, context));
  LOAM_TRY(session.execute("DELETE FROM loam_changes WHERE table_id = ?", {layout.id}, context));
  LOAM_TRY(session.execute("DELETE FROM loam_tables WHERE id = ?", {layout.id}, context));
  return {};
}

Result<void> check_exists(SqlSession& session, const TableLayout& layout, const Context& context) {
  LOAM_TRY(auto found, session.query("SELECT 1 FROM loam_tables WHERE id = ?", {layout.id}, context));
  if (found.rows.empty()) return dropped(layout);
  return {};
}

Result<ChangeLogState> read_change_log(SqlSession& session, const TableLayout& layout, const Context& context) {
  LOAM_TRY(auto found, session.query("SELECT change_floor, (SELECT max(seq) FROM loam_changes WHERE table_id = ?) "
                                     "FROM loam_tables WHERE id = ?",
                                     {layout.id, layout.id}, context));
  if (found.rows.empty()) return dropped(layout);
  ChangeLogState state{.floor = found.at(0, std::size_t{0}).as<std::int64_t>()};
  if (const auto* last = found.at(0, std::size_t{1}).get_if<std::int64_t>()) state.last = *last;
  return state;
}

Result<void> trim_change_log(SqlSession& session, const TableLayout& layout, std::int64_t written, std::size_t entries_max,
                             const Context& context) {
  if (written <= 0 || layout.vectors.empty()) return {};
  LOAM_TRY(ChangeLogState log, read_change_log(session, layout, context));
  // A prime, so that writers of several tables that take turns cannot keep one of them off its multiples for ever.
  auto period = std::min<std::int64_t>(8191, static_cast<std::int64_t>(entries_max) / 2 + 1);
  if (log.last % period >= written) return {};
  LOAM_TRY(auto oldest, session.query("SELECT seq FROM loam_changes WHERE table_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
                                      {layout.id, static_cast<std::int64_t>(entries_max)}, context));
  if (oldest.rows.empty()) return {};
  Value floor = oldest.at(0, std::size_t{0});
  LOAM_TRY(session.execute("UPDATE loam_tables SET change_floor = ? WHERE id = ?", {floor, layout.id}, context));
  LOAM_TRY(session.execute("DELETE FROM loam_changes WHERE table_id = ? AND seq <= ?", {layout.id, floor}, context));
  return {};
}

}  // namespace loam::relational
