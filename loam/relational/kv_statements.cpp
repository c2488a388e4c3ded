#include "loam/relational/kv_statements.hpp"

#include <vector>

namespace loam::relational {
namespace {

std::vector<std::string> create_entries(const SqlDialect& dialect) {
  auto column = [&](const char* name, ValueKind kind) {
    return dialect.quote_identifier(name) + " " + dialect.column_type(kind);
  };
  std::string table = "CREATE TABLE loam_kv (" + column("namespace", ValueKind::string) + " NOT NULL, " +
                      column("key", ValueKind::bytes) + " NOT NULL, " + column("value", ValueKind::bytes) + " NOT NULL, " +
                      column("expires_at", ValueKind::int64) + ", PRIMARY KEY (namespace, " +
                      dialect.quote_identifier("key") + "))";
  // One tree instead of two: the entry lies where its key is found.
  if (dialect.name() == "sqlite") table += " WITHOUT ROWID";
  return {table, "CREATE INDEX loam_kv_expiry ON loam_kv (namespace, expires_at) WHERE expires_at IS NOT NULL"};
}

constexpr const char* live = "(expires_at IS NULL OR expires_at > ?)";

}  // namespace

std::span<const Migration> kv_migrations() {
  static const Migration migrations[] = {{1, "create kv entries", &create_entries}};
  return migrations;
}

KvStatements::KvStatements(const SqlDialect& dialect) : key_(dialect.quote_identifier("key")) {
  const std::string value = dialect.quote_identifier("value");
  const std::string one = " WHERE namespace = ? AND " + key_ + " = ?";
  const std::string and_live = std::string(" AND ") + live;
  get = "SELECT " + value + ", expires_at FROM loam_kv" + one;
  find = "SELECT expires_at FROM loam_kv" + one;
  set = "INSERT INTO loam_kv (namespace, " + key_ + ", " + value + ", expires_at) VALUES (?, ?, ?, ?) " +
        dialect.on_conflict({"namespace", "key"}, {"value", "expires_at"});
  set_if_absent = set + " WHERE loam_kv.expires_at <= ?";  // what has expired is absent; NULL never compares
  set_if_equal = "UPDATE loam_kv SET " + value + " = ?, expires_at = ?" + one + " AND " + value + " = ?" + and_live;
  erase = "DELETE FROM loam_kv" + one + and_live;
  erase_if_equal = "DELETE FROM loam_kv" + one + " AND " + value + " = ?" + and_live;
  clear_live = "DELETE FROM loam_kv WHERE namespace = ?" + and_live;
  clear_all = "DELETE FROM loam_kv WHERE namespace = ?";
  purge = "DELETE FROM loam_kv WHERE namespace = ? AND expires_at <= ?";
  next_namespace =
      "SELECT namespace FROM loam_kv WHERE namespace > ?" + and_live + " ORDER BY namespace, " + key_ + " LIMIT 1";
}

std::string KvStatements::get_many(std::size_t count) const {
  std::string sql = "SELECT " + key_ + ", value, expires_at FROM loam_kv WHERE namespace = ? AND " + key_ + " IN (";
  for (std::size_t i = 0; i < count; ++i) sql += i == 0 ? "?" : ", ?";
  return sql + ")";
}

std::string KvStatements::list(bool after_first, bool has_end, bool keys_only) const {
  return "SELECT " + key_ + (keys_only ? ", NULL" : ", value") + ", expires_at FROM loam_kv WHERE namespace = ? AND " +
         key_ + (after_first ? " > ?" : " >= ?") + (has_end ? " AND " + key_ + " < ?" : "") + " AND " + live + " ORDER BY " +
         key_ + " LIMIT ?";
}

}  // namespace loam::relational
