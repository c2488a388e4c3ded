/// SQLite's spelling.
///
///   kind       declared type   stored as
///   boolean    BOOLEAN         integer 0, 1
///   int64      BIGINT          integer (not INTEGER: a key of that type would become the row number)
///   float64    DOUBLE          real
///   decimal    DECIMAL_TEXT    text as written; compared by loam_decimal_matches()
///   string     TEXT            text, compared by bytes
///   bytes      BLOB            blob
///   timestamp  TIMESTAMP       integer, microseconds since 1970
///   json       JSON_TEXT       text as written; filtered by loam_json_matches()
///   vector     VECTOR_BLOB     blob, little-endian binary32
///
/// The names are chosen by SQLite's affinity rules ("Datatypes In SQLite", 3.1): JSON or DECIMAL alone would have numeric
/// affinity and turn the text '1e5' into a number.

#include <algorithm>
#include <array>
#include <utility>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/like.hpp"
#include "loam/query/words.hpp"

namespace loam {
namespace {

constexpr std::string_view tokenizer = "unicode61 remove_diacritics 2";

std::string quote(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

std::string quote_text(std::string_view text) {
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted += '\'';
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + quote(name);
  return list;
}

/// The leaf as an argument of the loam_*_matches functions, which parse it once for each statement.
Value leaf_argument(const Filter& leaf) {
  Filter argument = leaf;
  argument.field.column = "v";
  return to_json(argument);
}

SqlText matches(std::string_view function, std::string_view column, const Filter& leaf) {
  SqlText text;
  return std::move(text.append(function).append("(").append(column).append(", ").bind(leaf_argument(leaf)).append(")"));
}

SqlText comparison(std::string_view column, std::string_view op, const Value& value) {
  SqlText text;
  return std::move(text.append(column).append(" ").append(op).append(" ").bind(value));
}

SqlText in_list(std::string_view column, const std::vector<Value>& values) {
  SqlText text;
  text.append(column).append(" IN (");
  for (std::size_t i = 0; i < values.size(); ++i) text.append(i > 0 ? ", " : "").bind(values[i]);
  return std::move(text.append(")"));
}

/// Not the LIKE operator: it ignores ASCII case unless a PRAGMA says otherwise. The range lets an index find the candidates.
SqlText like(std::string_view column, const Filter& leaf) {
  SqlText text;
  auto range = like_range(leaf.values[0].as<std::string>());
  if (range) {
    text.append(comparison(column, ">=", range->first)).append(" AND ");
    text.append(comparison(column, "<", range->end)).append(" AND ");
  }
  return std::move(text.append("loam_like(").append(column).append(", ").bind(leaf.values[0]).append(")"));
}

SqlText native_condition(const Filter& leaf, std::string_view column) {
  SqlText text;
  switch (leaf.op) {
    case FilterOp::is_null: return std::move(text.append(column).append(" IS NULL"));
    case FilterOp::exists: return std::move(text.append(column).append(" IS NOT NULL"));
    case FilterOp::in: return in_list(column, leaf.values);
    case FilterOp::like: return like(column, leaf);
    case FilterOp::contains:
      return std::move(text.append("instr(").append(column).append(", ").bind(leaf.values[0]).append(") > 0"));
    case FilterOp::between:
      return std::move(text.append(column).append(" BETWEEN ").bind(leaf.values[0]).append(" AND ").bind(leaf.values[1]));
    default: return comparison(column, sql_word(leaf.op), leaf.values[0]);
  }
}

bool asks_for_null(const Filter& leaf) { return leaf.op == FilterOp::is_null || leaf.op == FilterOp::exists; }

class SqliteDialect final : public SqlDialect {
 public:
  std::string_view name() const override { return "sqlite"; }
  /// The library's own default of SQLITE_MAX_VARIABLE_NUMBER; names have no limit of their own.
  SqlLimits limits() const override { return {.identifier_bytes_max = 1'000, .parameters_max = 32'766}; }
  std::string quote_identifier(std::string_view name) const override { return quote(name); }

  std::string column_type(ValueKind kind) const override {
    switch (kind) {
      case ValueKind::boolean: return "BOOLEAN";
      case ValueKind::int64: return "BIGINT";
      case ValueKind::float64: return "DOUBLE";
      case ValueKind::decimal: return "DECIMAL_TEXT";
      case ValueKind::null:
      case ValueKind::string: return "TEXT";
      case ValueKind::bytes: return "BLOB";
      case ValueKind::timestamp: return "TIMESTAMP";
      case ValueKind::json: return "JSON_TEXT";
      case ValueKind::vector: return "VECTOR_BLOB";
    }
    return "TEXT";
  }
  std::string auto_key_type() const override { return "INTEGER PRIMARY KEY AUTOINCREMENT"; }

  std::string on_conflict(const std::vector<std::string>& key, const std::vector<std::string>& update) const override {
    if (key.empty()) return "";
    std::string text = "ON CONFLICT (" + quoted_list(key) + ")";
    if (update.empty()) return text + " DO NOTHING";
    text += " DO UPDATE SET ";
    for (std::size_t i = 0; i < update.size(); ++i)
      text += (i > 0 ? ", " : "") + quote(update[i]) + " = excluded." + quote(update[i]);
    return text;
  }

  /// Comparisons of scalar columns are SQLite's own, so that indexes serve them. What it cannot say exactly - decimals, JSON
  /// with any key, LIKE - goes to the functions of functions.cpp, which answer as evaluate() does.
  Result<SqlText> condition(const Filter& leaf, std::string_view column_sql, ValueKind kind) const override {
    bool bare = leaf.field.path.empty();
    if (kind == ValueKind::json && !(bare && leaf.op == FilterOp::exists))
      return matches("loam_json_matches", column_sql, leaf);
    if (kind == ValueKind::decimal && !asks_for_null(leaf)) return matches("loam_decimal_matches", column_sql, leaf);
    return native_condition(leaf, column_sql);
  }

  std::vector<std::string> create_full_text(const FullTextIndex& index) const override;
  std::vector<std::string> drop_full_text(const FullTextIndex& index) const override;
  SqlText full_text_select(const FullTextIndex& index, const std::string& query) const override;
  std::string full_text_query(std::string_view words, bool all_words) const override;
  /// A rank other than 0 makes FTS5 compare the index with the rows and not only with itself.
  std::vector<std::string> check_full_text(const FullTextIndex& index) const override {
    std::string name = quote(index.index);
    return {"INSERT INTO " + name + "(" + name + ", rank) VALUES ('integrity-check', 1)"};
  }

  std::vector<std::string> create_change_triggers(std::string_view table, std::string_view row_id_column,
                                                  std::int64_t table_id) const override;
  SqlText lock_for_write(std::int64_t) const override { return {}; }
};

/// An FTS5 table without content of its own: it reads through a view that gives the columns plain names, since FTS5 refuses
/// some (rank, rowid) that a user's table may well have. Three triggers hand it old and new texts symmetrically.
std::vector<std::string> SqliteDialect::create_full_text(const FullTextIndex& index) const {
  std::string columns, selected, old_values, new_values;
  for (std::size_t i = 0; i < index.columns.size(); ++i) {
    std::string plain = "c" + std::to_string(i);
    std::string column = quote(index.columns[i]);
    columns += ", " + plain;
    selected += ", " + column + " AS " + plain;
    old_values += ", old." + column;
    new_values += ", new." + column;
  }
  std::string table = quote(index.table), row_id = quote(index.row_id_column), name = quote(index.index);
  std::string view = index.index + "_rows";
  std::string remove =
      "INSERT INTO " + name + "(" + name + ", rowid" + columns + ") VALUES ('delete', old." + row_id + old_values + ");";
  std::string add = "INSERT INTO " + name + "(rowid" + columns + ") VALUES (new." + row_id + new_values + ");";
  auto trigger = [&](std::string_view suffix, std::string_view event, const std::string& body) {
    return "CREATE TRIGGER " + quote(index.index + std::string(suffix)) + " AFTER " + std::string(event) + " ON " + table +
           " BEGIN " + body + " END";
  };
  return {
      "CREATE VIEW " + quote(view) + " AS SELECT " + row_id + " AS row_id" + selected + " FROM " + table,
      "CREATE VIRTUAL TABLE " + name + " USING fts5(" + columns.substr(2) + ", content=" + quote_text(view) +
          ", content_rowid='row_id', tokenize=" + quote_text(tokenizer) + ")",
      "INSERT INTO " + name + "(" + name + ") VALUES ('rebuild')",
      trigger("_insert", "INSERT", add),
      trigger("_delete", "DELETE", remove),
      trigger("_update", "UPDATE OF " + row_id + ", " + quoted_list(index.columns), remove + " " + add),
  };
}

std::vector<std::string> SqliteDialect::drop_full_text(const FullTextIndex& index) const {
  std::vector<std::string> statements;
  for (const char* suffix : {"_insert", "_delete", "_update"})
    statements.push_back("DROP TRIGGER IF EXISTS " + quote(index.index + suffix));
  statements.push_back("DROP TABLE IF EXISTS " + quote(index.index));
  statements.push_back("DROP VIEW IF EXISTS " + quote(index.index + "_rows"));
  return statements;
}

SqlText SqliteDialect::full_text_select(const FullTextIndex& index, const std::string& query) const {
  std::string name = quote(index.index);
  SqlText text;
  text.append("SELECT rowid AS row_id, -bm25(" + name + ") AS score FROM " + name + " WHERE " + name + " MATCH ");
  return std::move(text.bind(query));
}

std::string SqliteDialect::full_text_query(std::string_view words, bool all_words) const {
  std::string query;
  for (std::string_view word : distinct_words(words)) {
    if (!query.empty()) query += all_words ? " " : " OR ";
    (query += '"').append(word) += '"';
  }
  return query;
}

std::vector<std::string> SqliteDialect::create_change_triggers(std::string_view table, std::string_view row_id_column,
                                                               std::int64_t table_id) const {
  std::string id = std::to_string(table_id), column = quote(row_id_column);
  auto note = [&](std::string_view row) {
    return "INSERT INTO loam_changes(table_id, row_id) VALUES (" + id + ", " + std::string(row) + "." + column + ");";
  };
  auto trigger = [&](std::string_view event, const std::string& body) {
    std::string name = quote("loam_changes_of_" + std::string(table) + "_" + std::string(event));
    return "CREATE TRIGGER " + name + " AFTER " + std::string(event) + " ON " + quote(table) + " BEGIN " + body + " END";
  };
  std::string moved = " INSERT INTO loam_changes(table_id, row_id) SELECT " + id + ", old." + column + " WHERE old." +
                      column + " <> new." + column + ";";
  return {trigger("INSERT", note("new")), trigger("DELETE", note("old")), trigger("UPDATE", note("new") + moved)};
}

}  // namespace

const SqlDialect& sqlite_dialect() {
  static const SqliteDialect dialect;
  return dialect;
}

}  // namespace loam
