#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "apps/loam/handlers.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

Value text_or_null(std::string text) { return text.empty() ? Value() : Value(std::move(text)); }

std::string describe_type(const ColumnSpec& column) {
  std::string type(to_string(column.type));
  if (column.type == ValueKind::vector)
    type += "(" + std::to_string(column.dimension) + ", " + std::string(to_string(column.metric)) + ")";
  return type;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  for (const std::string& known : names)
    if (known == name) return true;
  return false;
}

std::string role_of(const TableSchema& schema, const std::string& column) {
  std::vector<std::string> roles;
  if (contains(schema.primary_key, column)) roles.push_back("primary key");
  if (contains(schema.on_duplicate_columns, column)) roles.push_back("key of duplicates");
  if (contains(schema.text_columns, column)) roles.push_back("full text");
  if (schema.embedding && contains(schema.embedding->source_columns, column)) roles.push_back("embedded");
  if (schema.embedding && schema.embedding->vector_column == column)
    roles.push_back("embedding by " + to_string(schema.embedding->embedder));
  std::string text;
  for (const std::string& role : roles) text += (text.empty() ? "" : ", ") + role;
  return text;
}

/// True when the person at the terminal says yes; invalid_argument when nobody is there to ask.
Result<bool> confirm(const Session& session, const std::string& question) {
  if (session.arguments().flag("--yes")) return true;
  if (::isatty(STDIN_FILENO) != 1 || !session.error_terminal().is_terminal)
    return invalid_argument("drop asks before it removes a table, and there is no terminal to ask on")
        .hint("--yes says that you mean it");
  std::fprintf(stderr, "%s [y/N] ", escape_control(question).c_str());
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

Result<void> run_tables(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(std::vector<TableSchema> schemas, store->tables().list(session.context()));
  auto writer = session.rows({"name", "rows", "columns", "key", "text", "embedded", "embedder"});
  for (const TableSchema& schema : schemas) {
    LOAM_TRY(auto table, store->tables().open(schema.name, nullptr, session.context()));
    LOAM_TRY(std::int64_t count, table->count({}, session.context()));
    std::vector<Value> row = {Value(schema.name),
                              Value(count),
                              Value(static_cast<std::int64_t>(schema.columns.size())),
                              text_or_null(joined(schema.key())),
                              text_or_null(joined(schema.text_columns)),
                              text_or_null(schema.embedding ? joined(schema.embedding->source_columns) : ""),
                              text_or_null(schema.embedding ? schema.embedding->embedder_spec : "")};
    LOAM_TRY(writer->row(row));
  }
  return writer->finish();
}

Result<void> run_describe(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(TableSchema schema, session.schema_of(*store, session.arguments().at("TABLE")));
  if (session.format() == Format::json || session.format() == Format::jsonl)
    return session.out().write(to_json(schema) + "\n");
  auto writer = session.rows({"column", "type", "nullable", "default", "role"});
  for (const ColumnSpec& column : schema.columns) {
    std::vector<Value> row = {Value(column.name), Value(describe_type(column)), Value(column.nullable),
                              text_or_null(column.default_value.to_display()), text_or_null(role_of(schema, column.name))};
    LOAM_TRY(writer->row(row));
  }
  return writer->finish();
}

Result<void> run_count(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(TableSchema schema, session.schema_of(*store, session.arguments().at("TABLE")));
  LOAM_TRY(auto table, store->tables().open(schema.name, nullptr, session.context()));
  LOAM_TRY(std::int64_t count, table->count(session.arguments().text("--where").value_or(""), session.context()));
  if (session.format_is_for_programs()) return session.print_fields({{"count", Value(count)}});
  return session.out().write(std::to_string(count) + "\n");
}

Result<void> run_drop(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::change));
  LOAM_TRY(TableSchema schema, session.schema_of(*store, session.arguments().at("TABLE")));
  std::int64_t rows = 0;
  {
    LOAM_TRY(auto table, store->tables().open(schema.name, nullptr, session.context()));
    LOAM_TRY(rows, table->count({}, session.context()));
  }
  LOAM_TRY(bool sure, confirm(session, "Remove the table " + schema.name + " with " + with_thousands(rows) + " rows?"));
  if (!sure) return Error(ErrorCode::cancelled, "nothing was removed");
  LOAM_TRY(store->tables().drop(schema.name, session.context()));
  JsonWriter json;
  json.begin_object().key("dropped").string(schema.name).key("rows").integer(rows).end_object();
  return session.done("removed the table " + schema.name + " with " + with_thousands(rows) + " rows", std::move(json));
}

}  // namespace loam::cli
