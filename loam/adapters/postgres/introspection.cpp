#include "loam/adapters/postgres/introspection.hpp"

#include "loam/adapters/postgres/types.hpp"

namespace loam::postgres {
namespace {

/// Names are compared as text: as `name`, a longer one would be cut and find the wrong table.
constexpr std::string_view table_sql =
    "SELECT c.oid::bigint, c.reltuples::bigint FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname::text = ?";

constexpr std::string_view names_sql =
    "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') ORDER BY c.relname::text COLLATE \"C\"";

/// A generated column has no default: its expression is not one.
constexpr std::string_view columns_sql =
    "SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS native_type, "
    "coalesce(nullif(t.typbasetype, 0), t.oid)::bigint AS type, NOT a.attnotnull AS nullable, "
    "CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default_sql, "
    "coalesce(array_position(k.conkey, a.attnum), 0)::bigint AS key_position "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
    "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p' "
    "WHERE a.attrelid = ?::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// One row for each pair of columns, in the order of the constraint.
constexpr std::string_view foreign_keys_sql =
    "SELECT k.conname::text AS key, f.relname::text AS target, a.attname::text AS own, b.attname::text AS other "
    "FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class f ON f.oid = k.confrelid "
    "CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS pair(own, other, position) "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own "
    "JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.other "
    "WHERE k.conrelid = ?::bigint::oid AND k.contype = 'f' ORDER BY k.conname::text COLLATE \"C\", pair.position";

/// One row for each key column; an expression stands as its text. The primary key's own index is told by primary_key.
constexpr std::string_view indexes_sql =
    "SELECT c.relname::text AS name, i.indisunique AS is_unique, "
    "pg_catalog.pg_get_indexdef(i.indexrelid, position, true) AS expression, a.attname::text AS column_name "
    "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
    "CROSS JOIN LATERAL generate_series(1, i.indnkeyatts::int) AS position "
    "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[position - 1] AND a.attnum > 0 "
    "WHERE i.indrelid = ?::bigint::oid AND NOT i.indisprimary ORDER BY c.relname::text COLLATE \"C\", position";

/// The last element if it has that name, else a new one.
template <typename Item, typename Name>
Item& item_named(std::vector<Item>& items, Name& last_name, const std::string& name) {
  if (items.empty() || last_name != name) {
    items.emplace_back();
    last_name = name;
  }
  return items.back();
}

Result<void> read_columns(SqlSession& session, std::int64_t id, TableInfo& info, const Context& context) {
  LOAM_TRY(QueryResult rows, session.query(columns_sql, {id}, context));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    ColumnInfo column;
    column.name = rows.at(i, "name").as<std::string>();
    column.native_type = rows.at(i, "native_type").as<std::string>();
    column.kind = kind_of(static_cast<Oid>(rows.at(i, "type").as<std::int64_t>()));
    column.nullable = rows.at(i, "nullable").as<bool>();
    if (const auto* text = rows.at(i, "default_sql").get_if<std::string>()) column.default_sql = *text;
    column.primary_key_position = static_cast<int>(rows.at(i, "key_position").as<std::int64_t>());
    info.columns.push_back(std::move(column));
  }
  for (int position = 1; position <= static_cast<int>(info.columns.size()); ++position)
    for (const ColumnInfo& column : info.columns)
      if (column.primary_key_position == position) info.primary_key.push_back(column.name);
  return {};
}

Result<void> read_foreign_keys(SqlSession& session, std::int64_t id, TableInfo& info, const Context& context) {
  LOAM_TRY(QueryResult rows, session.query(foreign_keys_sql, {id}, context));
  std::string last;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    ForeignKeyInfo& key = item_named(info.foreign_keys, last, rows.at(i, "key").as<std::string>());
    key.referenced_table = rows.at(i, "target").as<std::string>();
    key.columns.push_back(rows.at(i, "own").as<std::string>());
    key.referenced_columns.push_back(rows.at(i, "other").as<std::string>());
  }
  return {};
}

Result<void> read_indexes(SqlSession& session, std::int64_t id, TableInfo& info, const Context& context) {
  LOAM_TRY(QueryResult rows, session.query(indexes_sql, {id}, context));
  std::string last;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    IndexInfo& index = item_named(info.indexes, last, rows.at(i, "name").as<std::string>());
    index.name = last;
    index.unique = rows.at(i, "is_unique").as<bool>();
    const Value& column = rows.at(i, "column_name");
    index.columns.push_back((column.is_null() ? rows.at(i, "expression") : column).as<std::string>());
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> table_names(SqlSession& session, const Context& context) {
  LOAM_TRY(QueryResult rows, session.query(names_sql, {}, context));
  std::vector<std::string> names;
  for (const auto& row : rows.rows) names.push_back(row[0].as<std::string>());
  return names;
}

Result<TableInfo> describe(SqlSession& session, std::string_view table, const Context& context) {
  LOAM_TRY(QueryResult found, session.query(table_sql, {table}, context));
  if (found.rows.empty()) return not_found("no table \"" + std::string(table.substr(0, 256)) + "\" in the schema");
  TableInfo info;
  info.name = table;
  std::int64_t id = found.at(0, 0).as<std::int64_t>();
  info.row_count_estimate = found.at(0, 1).as<std::int64_t>();
  LOAM_TRY(read_columns(session, id, info, context));
  LOAM_TRY(read_foreign_keys(session, id, info, context));
  LOAM_TRY(read_indexes(session, id, info, context));
  return info;
}

}  // namespace loam::postgres
