#include "loam/ports/tables.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"
#include "loam/ports/tables_values.hpp"

namespace loam {
namespace {

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

/// `what` is "table" or "column".
Result<void> check_name(std::string_view what, const std::string& name) {
  auto refuse = [&](const std::string& why) {
    return invalid_argument(std::string(what) + " name " + quoted(name) + " " + why);
  };
  if (name.empty()) return invalid_argument("a " + std::string(what) + " has an empty name");
  if (name.size() > limits::identifier_bytes_max)
    return refuse("is longer than " + std::to_string(limits::identifier_bytes_max) + " bytes");
  if (!is_utf8(name)) return invalid_argument("a " + std::string(what) + " name is not valid UTF-8");
  for (unsigned char c : name)
    if (c < 0x20 || c == 0x7F) return invalid_argument("a " + std::string(what) + " name holds a control character");
  std::string lower = ascii_lower(name);
  if (lower.starts_with("loam_") || lower.starts_with("sqlite_")) return refuse("begins with a reserved prefix");
  return {};
}

Result<void> check_vector_column(const ColumnSpec& column) {
  if (column.dimension == 0 || column.dimension > limits::dimension_max)
    return invalid_argument("vector column " + quoted(column.name) + " has dimension " + std::to_string(column.dimension) +
                            "; it must be 1 to " + std::to_string(limits::dimension_max));
  if (!column.default_value.is_null())
    return invalid_argument("vector column " + quoted(column.name) + " has a default; vectors have none");
  return {};
}

Result<void> check_columns(const TableSchema& schema) {
  if (schema.columns.empty()) return invalid_argument("table " + quoted(schema.name) + " has no column");
  if (schema.columns.size() > limits::columns_max)
    return invalid_argument("table " + quoted(schema.name) + " has " + std::to_string(schema.columns.size()) +
                            " columns; at most " + std::to_string(limits::columns_max) + " are allowed");
  std::map<std::string, std::string> taken;
  for (const ColumnSpec& column : schema.columns) {
    LOAM_TRY(check_name("column", column.name));
    auto [other, fresh] = taken.emplace(ascii_lower(column.name), column.name);
    if (!fresh)
      return invalid_argument("columns " + quoted(other->second) + " and " + quoted(column.name) +
                              " have the same name (upper and lower case do not differ)");
    if (column.type == ValueKind::null) return invalid_argument("column " + quoted(column.name) + " has no type");
    if (column.type == ValueKind::vector) {
      LOAM_TRY(check_vector_column(column));
    } else if (column.dimension != 0) {
      return invalid_argument("column " + quoted(column.name) + " has a dimension but is of type " +
                              std::string(to_string(column.type)));
    }
    if (!column.default_value.is_null()) {
      auto fitted = fit_value(column.default_value, column);
      if (!fitted.ok()) return invalid_argument("default of " + fitted.error().message());
    }
  }
  return {};
}

/// Names of `list` that exist, once each, with a type that `accepts`.
Result<void> check_list(const TableSchema& schema, const std::vector<std::string>& list, std::string_view what,
                        bool (*accepts)(ValueKind), std::string_view accepted) {
  std::set<std::string_view> seen;
  for (const std::string& name : list) {
    const ColumnSpec* column = schema.column(name);
    if (column == nullptr)
      return invalid_argument(std::string(what) + " column " + quoted(name) + " is not a column of table " +
                              quoted(schema.name));
    if (!accepts(column->type))
      return invalid_argument(std::string(what) + " column " + quoted(name) + " is of type " +
                              std::string(to_string(column->type)) + "; it must be " + std::string(accepted));
    if (!seen.insert(name).second)
      return invalid_argument(std::string(what) + " column " + quoted(name) + " is named twice");
  }
  return {};
}

/// Kinds whose equal values are the same bytes in every database: 1.0 and 1.00 are one decimal here and two there.
bool can_be_key(ValueKind kind) {
  return kind == ValueKind::boolean || kind == ValueKind::int64 || kind == ValueKind::string || kind == ValueKind::bytes ||
         kind == ValueKind::timestamp;
}
bool is_string(ValueKind kind) { return kind == ValueKind::string; }

Result<void> check_embedding(const TableSchema& schema, const EmbeddingSpec& embedding) {
  if (embedding.source_columns.empty())
    return invalid_argument("the embedding of table " + quoted(schema.name) + " has no source column");
  LOAM_TRY(check_list(schema, embedding.source_columns, "embedding source", is_string, "string"));
  LOAM_TRY(check_name("column", embedding.vector_column));
  const ColumnSpec* column = schema.column(embedding.vector_column);
  if (column == nullptr) {
    for (const ColumnSpec& other : schema.columns)
      if (ascii_lower(other.name) == ascii_lower(embedding.vector_column))
        return invalid_argument("vector column " + quoted(embedding.vector_column) + " differs from column " +
                                quoted(other.name) + " in case only");
    return {};
  }
  if (column->type != ValueKind::vector)
    return invalid_argument("vector column " + quoted(column->name) + " of the embedding is of type " +
                            std::string(to_string(column->type)));
  if (!column->nullable)
    return invalid_argument("vector column " + quoted(column->name) +
                            " of the embedding must be nullable: rows without source text have no vector");
  if (embedding.embedder.dimension != 0 && embedding.embedder.dimension != column->dimension)
    return invalid_argument("vector column " + quoted(column->name) + " has dimension " + std::to_string(column->dimension) +
                            ", the embedder " + to_string(embedding.embedder));
  return {};
}

}  // namespace

std::string_view to_string(Metric metric) noexcept {
  switch (metric) {
    case Metric::cosine: return "cosine";
    case Metric::euclidean: return "euclidean";
    case Metric::inner_product: return "inner_product";
    case Metric::manhattan: return "manhattan";
  }
  return "cosine";
}

Result<Metric> parse_metric(std::string_view name) {
  for (Metric metric : {Metric::cosine, Metric::euclidean, Metric::inner_product, Metric::manhattan})
    if (name == to_string(metric)) return metric;
  return Error(ErrorCode::invalid_argument, "unknown metric " + quoted(name))
      .hint("known are cosine, euclidean, inner_product and manhattan");
}

const ColumnSpec* TableSchema::column(std::string_view wanted) const {
  auto found = std::find_if(columns.begin(), columns.end(), [&](const ColumnSpec& c) { return c.name == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

const std::vector<std::string>& TableSchema::key() const {
  return on_duplicate_columns.empty() ? primary_key : on_duplicate_columns;
}

const Value& RowSet::at(std::size_t row, std::string_view column) const {
  auto found = std::find(columns.begin(), columns.end(), column);
  LOAM_ASSERT(found != columns.end() && row < rows.size(), "no such row or column in the row set");
  return rows[row][static_cast<std::size_t>(found - columns.begin())];
}

Result<void> check_schema(const TableSchema& schema) {
  LOAM_TRY(check_name("table", schema.name));
  LOAM_TRY(check_columns(schema));
  constexpr std::string_view key_types = "bool, int64, string, bytes or timestamp";
  LOAM_TRY(check_list(schema, schema.primary_key, "primary key", can_be_key, key_types));
  for (const std::string& name : schema.primary_key)
    if (schema.column(name)->nullable)
      return Error(ErrorCode::invalid_argument, "primary key column " + quoted(name) + " is nullable")
          .hint("set nullable to false, or name it in on_duplicate_columns");
  LOAM_TRY(check_list(schema, schema.on_duplicate_columns, "on-duplicate", can_be_key, key_types));
  LOAM_TRY(check_list(schema, schema.text_columns, "text", is_string, "string"));
  if (schema.embedding) LOAM_TRY(check_embedding(schema, *schema.embedding));
  return {};
}

}  // namespace loam
