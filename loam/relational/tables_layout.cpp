#include "loam/relational/tables_layout.hpp"

#include <algorithm>

namespace loam::relational {
namespace {

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::vector<std::string> quoted(const std::vector<std::string>& names, const SqlDialect& dialect) {
  std::vector<std::string> out;
  for (const std::string& name : names) out.push_back(dialect.quote_identifier(name));
  return out;
}

std::string create_rows(const TableLayout& layout, const SqlDialect& dialect) {
  std::vector<std::string> columns = {dialect.quote_identifier(row_column) + ' ' + dialect.auto_key_type()};
  for (const ColumnSpec& column : layout.schema.columns) {
    if (column.type == ValueKind::vector) continue;
    columns.push_back(dialect.quote_identifier(column.name) + ' ' + dialect.column_type(column.type) +
                      (column.nullable ? "" : " NOT NULL"));
  }
  return "CREATE TABLE " + layout.sql + " (" + join(columns) + ")";
}

std::string create_unique(const TableLayout& layout, std::string_view kind, const std::vector<std::string>& columns,
                          const SqlDialect& dialect) {
  std::string name = "loam_" + std::string(kind) + '_' + std::to_string(layout.id);
  return "CREATE UNIQUE INDEX " + dialect.quote_identifier(name) + " ON " + layout.sql + " (" +
         join(quoted(columns, dialect)) + ")";
}

std::string create_vectors(const TableLayout& layout, const VectorTable& vectors, const SqlDialect& dialect) {
  // INTEGER is spelled out: in SQLite only this exact type makes the key the row's own address, without an index beside it.
  // In PostgreSQL a table whose rows are counted in int64 needs the wide type.
  std::string key_type = dialect.name() == "sqlite" ? "INTEGER" : dialect.column_type(ValueKind::int64);
  return "CREATE TABLE " + vectors.sql + " (row_id " + key_type + " PRIMARY KEY REFERENCES " + layout.sql + " (" +
         dialect.quote_identifier(row_column) + ") ON DELETE CASCADE, vector " + dialect.column_type(ValueKind::vector) +
         " NOT NULL)";
}

}  // namespace

const VectorTable* TableLayout::vector_table(std::size_t column) const {
  auto found = std::find_if(vectors.begin(), vectors.end(), [&](const VectorTable& v) { return v.column == column; });
  return found == vectors.end() ? nullptr : &*found;
}

LayoutPtr make_layout(std::int64_t id, TableSchema schema, const SqlDialect& dialect) {
  auto layout = std::make_shared<TableLayout>();
  layout->id = id;
  layout->sql = dialect.quote_identifier(schema.name);
  layout->row_sql = layout->sql + '.' + dialect.quote_identifier(row_column);
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const ColumnSpec& column = schema.columns[i];
    if (column.type == ValueKind::vector) {
      std::string name = "loam_vectors_" + std::to_string(id) + '_' + std::to_string(i);
      layout->vectors.push_back({.column = i, .name = name, .sql = dialect.quote_identifier(name)});
      layout->column_sql.push_back(layout->vectors.back().sql + ".vector");
    } else {
      layout->column_sql.push_back(layout->sql + '.' + dialect.quote_identifier(column.name));
      layout->filter_columns.push_back({.name = column.name, .kind = column.type, .sql = layout->column_sql.back()});
    }
  }
  for (const std::string& name : schema.key())
    layout->key.push_back(static_cast<std::size_t>(schema.column(name) - schema.columns.data()));
  if (!schema.text_columns.empty())
    layout->text = FullTextIndex{.table = schema.name,
                                 .row_id_column = std::string(row_column),
                                 .index = "loam_text_" + std::to_string(id),
                                 .columns = schema.text_columns};
  layout->schema = std::move(schema);
  return layout;
}

std::vector<std::string> create_statements(const TableLayout& layout, const SqlDialect& dialect) {
  std::vector<std::string> statements = {create_rows(layout, dialect)};
  const TableSchema& schema = layout.schema;
  if (!schema.primary_key.empty()) statements.push_back(create_unique(layout, "key", schema.primary_key, dialect));
  if (!schema.on_duplicate_columns.empty() && schema.on_duplicate_columns != schema.primary_key)
    statements.push_back(create_unique(layout, "duplicates", schema.on_duplicate_columns, dialect));
  for (const VectorTable& vectors : layout.vectors) {
    statements.push_back(create_vectors(layout, vectors, dialect));
    for (std::string& trigger : dialect.create_change_triggers(vectors.name, "row_id", layout.id))
      statements.push_back(std::move(trigger));
  }
  if (layout.text)
    for (std::string& statement : dialect.create_full_text(*layout.text)) statements.push_back(std::move(statement));
  return statements;
}

std::vector<std::string> drop_statements(const TableLayout& layout, const SqlDialect& dialect) {
  std::vector<std::string> statements;
  if (layout.text) statements = dialect.drop_full_text(*layout.text);
  // The tables beside it go first: dropping the referenced one would delete their rows one by one.
  for (const VectorTable& vectors : layout.vectors) statements.push_back("DROP TABLE " + vectors.sql);
  statements.push_back("DROP TABLE " + layout.sql);
  return statements;
}

}  // namespace loam::relational
