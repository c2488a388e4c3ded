#include <algorithm>
#include <charconv>

#include "loam/adapters/sqlite/sqlite_database.hpp"

namespace loam::sqlite {
namespace {

constexpr int hidden_column = 1;  ///< in table_xinfo: of a virtual table; 2 and 3 are generated columns, which are real

Result<std::vector<ColumnInfo>> read_columns(SqlSession& session, std::string_view table, const Context& context) {
  LOAM_TRY(auto rows, session.query("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?)",
                                    {table}, context));
  std::vector<ColumnInfo> columns;
  for (const auto& row : rows.rows) {
    if (row[5].as<std::int64_t>() == hidden_column) continue;
    ColumnInfo column;
    column.name = row[0].as<std::string>();
    column.native_type = row[1].as<std::string>();
    column.kind = kind_of_declared_type(column.native_type);
    if (column.kind == ValueKind::null) column.kind = ValueKind::string;  // no type of Loam's: the most general
    column.nullable = row[2].as<std::int64_t>() == 0;
    if (const auto* text = row[3].get_if<std::string>()) column.default_sql = *text;
    column.primary_key_position = static_cast<int>(row[4].as<std::int64_t>());
    columns.push_back(std::move(column));
  }
  return columns;
}

/// The names of the key columns, in key order.
std::vector<std::string> primary_key_of(const std::vector<ColumnInfo>& columns) {
  std::vector<const ColumnInfo*> key;
  for (const ColumnInfo& column : columns)
    if (column.primary_key_position > 0) key.push_back(&column);
  std::sort(key.begin(), key.end(),
            [](const ColumnInfo* a, const ColumnInfo* b) { return a->primary_key_position < b->primary_key_position; });
  std::vector<std::string> names;
  for (const ColumnInfo* column : key) names.push_back(column->name);
  return names;
}

/// An INTEGER PRIMARY KEY is the row id: never NULL, though SQLite does not declare it so.
void mark_row_id(TableInfo& table) {
  if (table.primary_key.size() != 1) return;
  for (ColumnInfo& column : table.columns)
    if (column.primary_key_position == 1 && sqlite3_stricmp(column.native_type.c_str(), "INTEGER") == 0)
      column.nullable = false;
}

Result<std::vector<ForeignKeyInfo>> read_foreign_keys(SqlSession& session, std::string_view table, const Context& context) {
  LOAM_TRY(auto rows,
           session.query("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq",
                         {table}, context));
  std::vector<ForeignKeyInfo> keys;
  std::int64_t last = -1;
  for (const auto& row : rows.rows) {
    if (keys.empty() || row[0].as<std::int64_t>() != last) keys.emplace_back().referenced_table = row[1].as<std::string>();
    last = row[0].as<std::int64_t>();
    keys.back().columns.push_back(row[2].as<std::string>());
    if (const auto* to = row[3].get_if<std::string>()) keys.back().referenced_columns.push_back(*to);
  }
  for (ForeignKeyInfo& key : keys) {
    if (!key.referenced_columns.empty()) continue;  // REFERENCES t without columns means its primary key
    LOAM_TRY(auto columns, read_columns(session, key.referenced_table, context));
    key.referenced_columns = primary_key_of(columns);
  }
  return keys;
}

Result<std::vector<IndexInfo>> read_indexes(SqlSession& session, std::string_view table, const Context& context) {
  LOAM_TRY(
      auto rows,
      session.query("SELECT l.name, l.\"unique\", i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i "
                    "WHERE l.origin <> 'pk' ORDER BY l.name, i.seqno",
                    {table}, context));
  std::vector<IndexInfo> indexes;
  for (const auto& row : rows.rows) {
    const auto& name = row[0].as<std::string>();
    if (indexes.empty() || indexes.back().name != name)
      indexes.push_back({.name = name, .columns = {}, .unique = row[1].as<std::int64_t>() != 0});
    const auto* column = row[2].get_if<std::string>();
    indexes.back().columns.push_back(column != nullptr ? *column : "(expression)");
  }
  return indexes;
}

/// ANALYZE writes "rows per-value .." for each index; -1 when it never ran on the table.
Result<std::int64_t> row_estimate(SqlSession& session, std::string_view table, const Context& context) {
  LOAM_TRY(auto there, session.query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'", {}, context));
  if (there.rows.empty()) return -1;
  LOAM_TRY(auto rows, session.query("SELECT stat FROM sqlite_stat1 WHERE tbl = ? LIMIT 1", {table}, context));
  if (rows.rows.empty()) return -1;
  const auto* stat = rows.at(0, 0).get_if<std::string>();
  std::int64_t count = -1;
  if (stat != nullptr) std::from_chars(stat->data(), stat->data() + stat->size(), count);
  return count;
}

}  // namespace

Result<std::vector<std::string>> SqliteDatabase::table_names(const Context& context) {
  LOAM_TRY(auto rows, query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                            "AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
                            {}, context));
  std::vector<std::string> names;
  for (auto& row : rows.rows) names.push_back(row[0].as<std::string>());
  return names;
}

Result<TableInfo> SqliteDatabase::describe(std::string_view table, const Context& context) {
  LOAM_TRY(auto transaction, begin({.access = Access::read_only}, context));
  LOAM_TRY(auto found, transaction->query("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?",
                                          {table}, context));
  if (found.rows.empty()) return not_found("there is no table \"" + std::string(table) + "\" in \"" + path() + '"');
  TableInfo info;
  info.name = found.at(0, 0).as<std::string>();
  LOAM_TRY(info.columns, read_columns(*transaction, table, context));
  info.primary_key = primary_key_of(info.columns);
  mark_row_id(info);
  LOAM_TRY(info.foreign_keys, read_foreign_keys(*transaction, table, context));
  LOAM_TRY(info.indexes, read_indexes(*transaction, table, context));
  LOAM_TRY(info.row_count_estimate, row_estimate(*transaction, table, context));
  return info;
}

}  // namespace loam::sqlite
