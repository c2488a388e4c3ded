/// PostgreSQL's spelling.
///
///   kind       column type        remarks
///   boolean    boolean
///   int64      bigint
///   float64    double precision
///   decimal    numeric            keeps the digits after the point: 12.50 stays 12.50
///   string     text COLLATE "C"   compared by bytes; the server refuses NUL
///   bytes      bytea
///   timestamp  timestamptz        microseconds
///   json       jsonb              the document, not its text: key order, spaces, repeated keys are lost; refuses \u0000
///   vector     real[]             a type of its own, so that it does not come back as bytes
///
/// jsonb, not json: a filter must not parse every document again, and must not fail on one that json lets in and its
/// operators refuse (\u0000).

#include <utility>

#include "loam/adapters/postgres/limits.hpp"
#include "loam/adapters/postgres/postgres.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/json_find.hpp"
#include "loam/query/number.hpp"
#include "loam/query/words.hpp"

namespace loam {
namespace {

/// "Loam" in the upper half keeps our advisory locks apart from those of an application in the same database.
constexpr std::int64_t lock_space = std::int64_t{0x4C6F616D} << 32;

std::string quote(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

/// A string literal that means the same whatever standard_conforming_strings says.
std::string quote_text(std::string_view text) {
  std::string quoted = text.find('\\') == text.npos ? "'" : "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted += '\'';
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + quote(name);
  return list;
}

SqlText text_of(std::string_view sql) {
  SqlText text;
  return std::move(text.append(sql));
}

SqlText list_of(const std::vector<Value>& values, std::string_view cast) {
  SqlText text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    text.append(i > 0 ? ", " : "");
    if (cast.empty()) {
      text.bind(values[i]);
    } else {
      text.append("CAST(").bind(values[i]).append(" AS ").append(cast).append(")");
    }
  }
  return text;
}

/// `subject` compared as the leaf says with values of its own family; `cast` names their type where the subject cannot.
SqlText comparison(SqlText subject, const Filter& leaf, const std::vector<Value>& values, std::string_view cast) {
  SqlText text = std::move(subject);
  switch (leaf.op) {
    case FilterOp::in: return std::move(text.append(" IN (").append(list_of(values, cast)).append(")"));
    case FilterOp::between:
      return std::move(
          text.append(" BETWEEN ").append(list_of({values[0]}, cast)).append(" AND ").append(list_of({values[1]}, cast)));
    default: return std::move(text.append(" ").append(sql_word(leaf.op)).append(" ").append(list_of({values[0]}, cast)));
  }
}

SqlText contains_substring(SqlText subject, const Value& part) {
  SqlText text = text_of("strpos(");
  return std::move(text.append(std::move(subject)).append(", CAST(").bind(part).append(" AS text)) > 0"));
}

SqlText scalar_condition(const Filter& leaf, std::string_view column) {
  switch (leaf.op) {
    case FilterOp::is_null: return text_of(std::string(column) + " IS NULL");
    case FilterOp::exists: return text_of(std::string(column) + " IS NOT NULL");
    case FilterOp::contains: return contains_substring(text_of(column), leaf.values[0]);
    default: return comparison(text_of(column), leaf, leaf.values, "");
  }
}

/// The document below `column` at the path. `->` looks up object keys only; `#>` takes digits as an index where there is an
/// array - and would take "-1", "+1" or " 1" so too, which is why the other parts do not go through it.
SqlText json_at(std::string_view column, const FieldPath& field) {
  SqlText text = text_of(column);
  for (const std::string& part : field.path) {
    SqlText outer = text_of("(");
    outer.append(std::move(text));
    if (array_index(part)) {
      outer.append(" #> ARRAY[CAST(").bind(part).append(" AS text)])");
    } else {
      outer.append(" -> CAST(").bind(part).append(" AS text))");
    }
    text = std::move(outer);
  }
  return text;
}

/// One arm of `CASE jsonb_typeof(..)` for each family of literals; other families fall through to NULL, which is unknown.
class JsonCases {
 public:
  explicit JsonCases(SqlText subject) : subject_(std::move(subject)), text_(text_of("CASE jsonb_typeof(")) {
    text_.append(subject_).append(")");
  }
  void when(std::string_view json_type, SqlText condition) {
    text_.append(" WHEN '").append(json_type).append("' THEN ").append(std::move(condition));
  }
  /// The subject as the SQL type of its family.
  SqlText as(std::string_view json_type) const {
    SqlText text = text_of("(");
    text.append(subject_);
    if (json_type == "string") return std::move(text.append(" #>> '{}') COLLATE \"C\""));
    return std::move(text.append(json_type == "number" ? ")::numeric" : ")::boolean"));
  }
  const SqlText& subject() const { return subject_; }
  SqlText end() && { return std::move(text_.append(" END")); }

 private:
  SqlText subject_;
  SqlText text_;
};

struct JsonFamily {
  std::string_view json_type;
  std::string_view cast;
};
constexpr JsonFamily families[] = {{"number", "numeric"}, {"string", "text"}, {"boolean", "boolean"}};

/// The literals of one family; numbers as exact decimals.
std::vector<Value> literals_of(std::string_view json_type, const std::vector<Value>& values) {
  std::vector<Value> chosen;
  for (const Value& value : values) {
    ValueKind kind = value.kind();
    bool number = kind == ValueKind::int64 || kind == ValueKind::float64 || kind == ValueKind::decimal;
    if (number && json_type == "number") chosen.emplace_back(Decimal{decimal_text(value)});
    if (kind == ValueKind::string && json_type == "string") chosen.push_back(value);
    if (kind == ValueKind::boolean && json_type == "boolean") chosen.push_back(value);
  }
  return chosen;
}

SqlText json_contains(JsonCases cases, const Filter& leaf) {
  for (const JsonFamily& family : families) {
    auto literals = literals_of(family.json_type, leaf.values);
    if (literals.empty()) continue;
    SqlText holds = cases.subject();
    cases.when("array", std::move(holds.append(" @> to_jsonb(").append(list_of(literals, family.cast)).append(")")));
  }
  if (leaf.values[0].kind() == ValueKind::string)
    cases.when("string", contains_substring(cases.as("string"), leaf.values[0]));
  return std::move(cases).end();
}

SqlText json_condition(const Filter& leaf, std::string_view column) {
  SqlText subject = json_at(column, leaf.field);
  if (leaf.op == FilterOp::exists) return std::move(subject.append(" IS NOT NULL"));
  if (leaf.op == FilterOp::is_null) {
    SqlText text = text_of("COALESCE(jsonb_typeof(");
    return std::move(text.append(std::move(subject)).append("), 'null') = 'null'"));
  }
  JsonCases cases(std::move(subject));
  if (leaf.op == FilterOp::contains) return json_contains(std::move(cases), leaf);
  for (const JsonFamily& family : families) {
    auto literals = literals_of(family.json_type, leaf.values);
    if (!literals.empty()) cases.when(family.json_type, comparison(cases.as(family.json_type), leaf, literals, family.cast));
  }
  return std::move(cases).end();
}

class PostgresDialect final : public SqlDialect {
 public:
  std::string_view name() const override { return "postgres"; }
  SqlLimits limits() const override { return {.identifier_bytes_max = 63, .parameters_max = postgres::parameters_max}; }
  std::string quote_identifier(std::string_view name) const override { return quote(name); }

  std::string column_type(ValueKind kind) const override {
    switch (kind) {
      case ValueKind::boolean: return "boolean";
      case ValueKind::int64: return "bigint";
      case ValueKind::float64: return "double precision";
      case ValueKind::decimal: return "numeric";
      case ValueKind::null:
      case ValueKind::string: return "text COLLATE \"C\"";
      case ValueKind::bytes: return "bytea";
      case ValueKind::vector: return "real[]";
      case ValueKind::timestamp: return "timestamptz";
      case ValueKind::json: return "jsonb";
    }
    return "text COLLATE \"C\"";
  }
  std::string auto_key_type() const override { return "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"; }

  std::string on_conflict(const std::vector<std::string>& key, const std::vector<std::string>& update) const override {
    if (key.empty()) return "";
    std::string text = "ON CONFLICT (" + quoted_list(key) + ")";
    if (update.empty()) return text + " DO NOTHING";
    text += " DO UPDATE SET ";
    for (std::size_t i = 0; i < update.size(); ++i)
      text += (i > 0 ? ", " : "") + quote(update[i]) + " = excluded." + quote(update[i]);
    return text;
  }

  Result<SqlText> condition(const Filter& leaf, std::string_view column_sql, ValueKind kind) const override {
    return kind == ValueKind::json ? json_condition(leaf, column_sql) : scalar_condition(leaf, column_sql);
  }

  std::vector<std::string> create_full_text(const FullTextIndex& index) const override;
  std::vector<std::string> drop_full_text(const FullTextIndex& index) const override;
  SqlText full_text_select(const FullTextIndex& index, const std::string& query) const override;
  std::string full_text_query(std::string_view words, bool all_words) const override;
  /// A generated column and its index are kept by the database itself.
  std::vector<std::string> check_full_text(const FullTextIndex&) const override { return {}; }

  std::vector<std::string> create_change_triggers(std::string_view table, std::string_view row_id_column,
                                                  std::int64_t table_id) const override;
  SqlText lock_for_write(std::int64_t resource_id) const override {
    SqlText text;
    text.append("SELECT pg_advisory_xact_lock(CAST(").bind(lock_space ^ resource_id);
    return std::move(text.append(" AS bigint))"));
  }
};

/// A generated tsvector column in the table itself, named as the index, and a GIN index on it.
std::vector<std::string> PostgresDialect::create_full_text(const FullTextIndex& index) const {
  std::string document;
  for (const std::string& column : index.columns)
    document += (document.empty() ? "" : " || ' ' || ") + ("coalesce(" + quote(column) + ", '')");
  std::string table = quote(index.table), name = quote(index.index);
  return {
      "ALTER TABLE " + table + " ADD COLUMN " + name + " tsvector GENERATED ALWAYS AS (to_tsvector('simple', " + document +
          ")) STORED",
      "CREATE INDEX " + quote(index.index + "_gin") + " ON " + table + " USING gin (" + name + ")",
  };
}

std::vector<std::string> PostgresDialect::drop_full_text(const FullTextIndex& index) const {
  return {"ALTER TABLE IF EXISTS " + quote(index.table) + " DROP COLUMN IF EXISTS " + quote(index.index)};
}

/// ts_rank_cd is cover density, not BM25: DatabaseCapabilities::full_text_bm25 is false.
SqlText PostgresDialect::full_text_select(const FullTextIndex& index, const std::string& query) const {
  std::string name = quote(index.index);
  SqlText text;
  text.append("SELECT " + quote(index.row_id_column) + " AS row_id, CAST(ts_rank_cd(" + name +
              ", loam_query) AS double precision) AS score FROM " + quote(index.table) + ", to_tsquery('simple', CAST(");
  return std::move(text.bind(query).append(" AS text)) AS loam_query WHERE " + name + " @@ loam_query"));
}

std::string PostgresDialect::full_text_query(std::string_view words, bool all_words) const {
  std::string query;
  for (std::string_view word : distinct_words(words)) {
    if (!query.empty()) query += all_words ? " & " : " | ";
    (query += '\'').append(word) += '\'';
  }
  return query;
}

/// One function for all tables, one call for each statement: the rows come as transition tables, whatever their number.
/// search_path is that of the creation, so that the log is found whoever writes. TRUNCATE shows no rows, so it logs them
/// before.
std::vector<std::string> PostgresDialect::create_change_triggers(std::string_view table, std::string_view row_id_column,
                                                                 std::int64_t table_id) const {
  std::string id = std::to_string(table_id);
  std::string arguments = "('" + id + "', " + quote_text(row_id_column) + ")";
  auto trigger = [&](std::string_view event, std::string_view moment, std::string_view rows) {
    return "CREATE TRIGGER " + quote("loam_changes_" + id + "_" + std::string(event)) + ' ' + std::string(moment) + ' ' +
           std::string(event) + " ON " + quote(table) + ' ' + std::string(rows) +
           " FOR EACH STATEMENT EXECUTE FUNCTION loam_record_changes" + arguments;
  };
  return {
      R"(CREATE OR REPLACE FUNCTION loam_record_changes() RETURNS trigger
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $loam$
DECLARE
  source text := CASE TG_OP
    WHEN 'INSERT' THEN 'SELECT %1$I AS id FROM loam_new'
    WHEN 'DELETE' THEN 'SELECT %1$I AS id FROM loam_old'
    WHEN 'UPDATE' THEN 'SELECT %1$I AS id FROM loam_new UNION SELECT %1$I FROM loam_old'
    ELSE 'SELECT %1$I AS id FROM %2$I.%3$I' END;
BEGIN
  EXECUTE 'INSERT INTO loam_changes(table_id, row_id) SELECT $1, changed.id FROM ('
    || format(source, TG_ARGV[1], TG_TABLE_SCHEMA, TG_TABLE_NAME) || ') AS changed ORDER BY changed.id'
    USING CAST(TG_ARGV[0] AS bigint);
  RETURN NULL;
END $loam$)",
      trigger("INSERT", "AFTER", "REFERENCING NEW TABLE AS loam_new"),
      trigger("DELETE", "AFTER", "REFERENCING OLD TABLE AS loam_old"),
      trigger("UPDATE", "AFTER", "REFERENCING OLD TABLE AS loam_old NEW TABLE AS loam_new"),
      trigger("TRUNCATE", "BEFORE", ""),
  };
}

}  // namespace

const SqlDialect& postgres_dialect() {
  static const PostgresDialect dialect;
  return dialect;
}

}  // namespace loam
