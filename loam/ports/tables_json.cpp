/// The JSON form of a table's schema: what `--schema` files hold and the catalogue stores (docs/tables.md).

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "loam/core/json_internal.hpp"
#include "loam/core/limits.hpp"
#include "loam/ports/tables.hpp"
#include "loam/ports/tables_values.hpp"

namespace loam {
namespace {

using Document = nlohmann::ordered_json;

constexpr ValueKind column_kinds[] = {ValueKind::boolean,   ValueKind::int64,  ValueKind::float64,
                                      ValueKind::decimal,   ValueKind::string, ValueKind::bytes,
                                      ValueKind::timestamp, ValueKind::json,   ValueKind::vector};

Document default_to_json(const Value& value) {
  switch (value.kind()) {
    case ValueKind::boolean: return value.as<bool>();
    case ValueKind::int64: return value.as<std::int64_t>();
    case ValueKind::float64: return value.as<double>();
    case ValueKind::json: return Document::parse(value.as<Json>().text, nullptr, false);
    default: return value.to_display();  // decimal, string, timestamp, and bytes as hexadecimal
  }
}

Document column_to_json(const ColumnSpec& column) {
  Document out = {{"name", column.name}, {"type", to_string(column.type)}};
  if (!column.nullable) out["nullable"] = false;
  if (!column.default_value.is_null()) out["default"] = default_to_json(column.default_value);
  if (column.type == ValueKind::vector) {
    out["dimension"] = column.dimension;
    out["metric"] = to_string(column.metric);
  }
  return out;
}

Document embedding_to_json(const EmbeddingSpec& embedding) {
  Document out = {{"source_columns", embedding.source_columns}, {"vector_column", embedding.vector_column}};
  if (embedding.embedder != EmbedderIdentity{}) {
    const EmbedderIdentity& id = embedding.embedder;
    out["embedder"] = {{"provider", id.provider},
                       {"model", id.model},
                       {"dimension", id.dimension},
                       {"metric", id.metric},
                       {"normalized", id.normalized}};
  }
  if (!embedding.embedder_spec.empty()) out["embedder_spec"] = embedding.embedder_spec;
  return out;
}

/// One object of the document, read member by member; `where` names it in messages ("columns[2]").
class ObjectReader {
 public:
  ObjectReader(const Document& object, std::string where) : object_(object), where_(std::move(where)) {}

  Result<void> check_members(std::initializer_list<std::string_view> known) const {
    if (!object_.is_object()) return invalid_argument("table schema: " + where_ + " is not a JSON object");
    for (const auto& [name, _] : object_.items()) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      std::string list;
      for (std::string_view one : known) list += (list.empty() ? "" : ", ") + std::string(one);
      return Error(ErrorCode::invalid_argument, "table schema: unknown member \"" + name + "\" in " + where_)
          .hint("known are " + list);
    }
    return {};
  }

  const Document* member(const char* name) const {
    auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }
  Error wrong(const char* name, const std::string& expected) const {
    return invalid_argument("table schema: \"" + std::string(name) + "\" of " + where_ + " must be " + expected);
  }

  Result<void> read(const char* name, std::string& out) const {
    const Document* value = member(name);
    if (value == nullptr) return {};
    if (!value->is_string()) return wrong(name, "a string");
    out = value->get<std::string>();
    return {};
  }
  Result<void> read(const char* name, bool& out) const {
    const Document* value = member(name);
    if (value == nullptr) return {};
    if (!value->is_boolean()) return wrong(name, "true or false");
    out = value->get<bool>();
    return {};
  }
  Result<void> read(const char* name, std::size_t& out) const {
    const Document* value = member(name);
    if (value == nullptr) return {};
    if (!value->is_number_unsigned()) return wrong(name, "a whole number, not negative");
    out = value->get<std::size_t>();
    return {};
  }
  Result<void> read(const char* name, std::vector<std::string>& out) const {
    const Document* value = member(name);
    if (value == nullptr) return {};
    if (!value->is_array()) return wrong(name, "an array of strings");
    for (const Document& element : *value) {
      if (!element.is_string()) return wrong(name, "an array of strings");
      out.push_back(element.get<std::string>());
    }
    return {};
  }

 private:
  const Document& object_;
  std::string where_;
};

std::optional<std::string> unhex(std::string_view text) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

Result<Value> read_default(const Document& json, const ColumnSpec& column) {
  Value value;
  if (column.type == ValueKind::json) {
    value = Json{json.dump()};
  } else if (json.is_boolean()) {
    value = json.get<bool>();
  } else if (json.is_number_integer()) {
    if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
      return invalid_argument("default of column \"" + column.name + "\" is too large for int64");
    value = json.get<std::int64_t>();
  } else if (json.is_number_float()) {
    value = json.get<double>();
  } else if (json.is_string()) {
    value = json.get<std::string>();
  } else if (!json.is_null()) {
    return invalid_argument("default of column \"" + column.name + "\" must be a JSON value of its type");
  }
  if (const auto* text = value.get_if<std::string>(); text != nullptr && column.type == ValueKind::bytes) {
    auto bytes = unhex(*text);
    if (!bytes) return invalid_argument("default of column \"" + column.name + "\" must be bytes in hexadecimal");
    value = Bytes{std::move(*bytes)};
  }
  if (value.is_null()) return value;
  auto fitted = fit_value(std::move(value), column);
  if (!fitted.ok()) return invalid_argument("default of " + fitted.error().message());
  return fitted;
}

Result<ColumnSpec> read_column(const Document& json, std::size_t number) {
  ObjectReader reader(json, "columns[" + std::to_string(number) + "]");
  LOAM_TRY(reader.check_members({"name", "type", "nullable", "default", "dimension", "metric"}));
  ColumnSpec column;
  LOAM_TRY(reader.read("name", column.name));
  LOAM_TRY(reader.read("nullable", column.nullable));
  LOAM_TRY(reader.read("dimension", column.dimension));
  std::string type = "string", metric = "cosine";
  LOAM_TRY(reader.read("type", type));
  LOAM_TRY(reader.read("metric", metric));
  LOAM_TRY(column.metric, parse_metric(metric));
  auto kind =
      std::find_if(std::begin(column_kinds), std::end(column_kinds), [&](ValueKind k) { return type == to_string(k); });
  if (kind == std::end(column_kinds))
    return reader.wrong("type", "bool, int64, double, decimal, string, bytes, timestamp, json or vector");
  column.type = *kind;
  if (const Document* value = reader.member("default")) {
    LOAM_TRY(column.default_value, read_default(*value, column));
  }
  return column;
}

Result<EmbeddingSpec> read_embedding(const Document& json) {
  ObjectReader reader(json, "embedding");
  LOAM_TRY(reader.check_members({"source_columns", "vector_column", "embedder", "embedder_spec"}));
  EmbeddingSpec embedding;
  LOAM_TRY(reader.read("source_columns", embedding.source_columns));
  LOAM_TRY(reader.read("vector_column", embedding.vector_column));
  LOAM_TRY(reader.read("embedder_spec", embedding.embedder_spec));
  if (const Document* identity = reader.member("embedder")) {
    ObjectReader inner(*identity, "embedding.embedder");
    LOAM_TRY(inner.check_members({"provider", "model", "dimension", "metric", "normalized"}));
    LOAM_TRY(inner.read("provider", embedding.embedder.provider));
    LOAM_TRY(inner.read("model", embedding.embedder.model));
    LOAM_TRY(inner.read("dimension", embedding.embedder.dimension));
    LOAM_TRY(inner.read("metric", embedding.embedder.metric));
    LOAM_TRY(inner.read("normalized", embedding.embedder.normalized));
  }
  return embedding;
}

}  // namespace

std::string to_json(const TableSchema& schema) {
  Document out = {{"name", schema.name}, {"columns", Document::array()}};
  for (const ColumnSpec& column : schema.columns) out["columns"].push_back(column_to_json(column));
  if (!schema.primary_key.empty()) out["primary_key"] = schema.primary_key;
  if (!schema.on_duplicate_columns.empty()) out["on_duplicate_columns"] = schema.on_duplicate_columns;
  if (!schema.text_columns.empty()) out["text_columns"] = schema.text_columns;
  if (schema.embedding) out["embedding"] = embedding_to_json(*schema.embedding);
  return out.dump(-1, ' ', false, Document::error_handler_t::replace);
}

Result<TableSchema> parse_table_schema(std::string_view json) {
  LOAM_TRY(Document document, parse_json_strict(json));
  ObjectReader reader(document, "the schema");
  LOAM_TRY(reader.check_members({"name", "columns", "primary_key", "on_duplicate_columns", "text_columns", "embedding"}));
  TableSchema schema;
  LOAM_TRY(reader.read("name", schema.name));
  const Document* columns = reader.member("columns");
  if (columns == nullptr || !columns->is_array()) return reader.wrong("columns", "an array of objects");
  if (columns->size() > limits::columns_max)
    return reader.wrong("columns", "an array of at most " + std::to_string(limits::columns_max) + " objects");
  for (std::size_t i = 0; i < columns->size(); ++i) {
    LOAM_TRY(ColumnSpec column, read_column((*columns)[i], i));
    schema.columns.push_back(std::move(column));
  }
  LOAM_TRY(reader.read("primary_key", schema.primary_key));
  LOAM_TRY(reader.read("on_duplicate_columns", schema.on_duplicate_columns));
  LOAM_TRY(reader.read("text_columns", schema.text_columns));
  if (const Document* embedding = reader.member("embedding")) {
    LOAM_TRY(schema.embedding, read_embedding(*embedding));
  }
  // A schema file says which columns are the key; that they then hold a value need not be said again.
  for (ColumnSpec& column : schema.columns)
    if (std::find(schema.primary_key.begin(), schema.primary_key.end(), column.name) != schema.primary_key.end())
      column.nullable = false;
  LOAM_TRY(check_schema(schema));
  return schema;
}

}  // namespace loam
