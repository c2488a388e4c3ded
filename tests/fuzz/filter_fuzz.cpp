/// The filter language end to end: what parses prints and parses back to the same, and SQLite finds the rows that the
/// evaluator names, whatever the text.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loam/adapters/postgres/postgres.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/query/compile.hpp"
#include "loam/query/evaluate.hpp"
#include "loam/query/schema.hpp"
#include "tests/fuzz/require.hpp"

namespace loam {
namespace {

using fuzz::require;

const FilterColumns& columns() {
  static const FilterColumns list = {
      {"a", ValueKind::int64, "\"a\""},     {"b", ValueKind::float64, "\"b\""}, {"c", ValueKind::string, "\"c\""},
      {"d", ValueKind::decimal, "\"d\""},   {"e", ValueKind::boolean, "\"e\""}, {"f", ValueKind::bytes, "\"f\""},
      {"g", ValueKind::timestamp, "\"g\""}, {"j", ValueKind::json, "\"j\""},
  };
  return list;
}

using Row = std::vector<Value>;

const std::vector<Row>& rows() {
  static const std::vector<Row> list = {
      Row(8),
      {1, 0.5, "a", Decimal{"1.50"}, true, Bytes{"a"}, Timestamp{0},
       Json{R"({"a": 1, "b": [1, "x", null, {"a": true}], "": ""})"}},
      {-1, -0.0, "", Decimal{"-0.1"}, false, Bytes{""}, Timestamp{1}, Json{R"(["a", 1.50, "%", false])"}},
      {std::int64_t{9007199254740993}, 1e300, "a%b_\\'\"", Decimal{"123456789012345678901234567890"}, true,
       Bytes{std::string("\0\xff", 2)}, Timestamp{-1}, Json{"\"text\""}},
      {std::int64_t{9223372036854775807},
       9007199254740992.0,
       "ü😀",
       Decimal{"0"},
       {},
       {},
       {},
       Json{R"({"a": {"b": {"c": "d"}}, "a.b": -1e400})"}},
      {0, 2.5, "text", {}, true, Bytes{"text"}, Timestamp{1767225600000000}, Json{"null"}},
  };
  return list;
}

std::unique_ptr<Database> sample_database() {
  auto db = sqlite_in_memory().value();
  std::string sql = "CREATE TABLE t (id BIGINT";
  for (const FilterColumn& column : columns()) sql += ", " + column.sql + ' ' + db->dialect().column_type(column.kind);
  require(db->execute(sql + ")").ok(), "the sample table was not created");
  for (std::size_t i = 0; i < rows().size(); ++i) {
    Row values = rows()[i];
    values.insert(values.begin(), Value(static_cast<std::int64_t>(i)));
    require(db->execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).ok(), "a sample row was not stored");
  }
  return db;
}

void check_reads_back(const Filter& filter) {
  std::string sql = to_string(filter), json = to_json(filter);
  if (sql.size() > 200'000 || json.size() > 200'000) return;  // the longer spelling may pass the cap of the text
  for (const std::string& text : {sql, json}) {
    auto again = Filter::parse(text);
    require(again.ok(), "printed but not read: " + text + (again.ok() ? "" : " " + again.error().to_string()));
    require(to_string(*again) == sql && to_json(*again) == json, "read back as another filter: " + text);
  }
}

void check_sqlite_agrees(const Filter& bound) {
  static const std::unique_ptr<Database> db = sample_database();
  auto condition = compile_filter(bound, columns(), db->dialect());
  require(condition.ok(), "not compiled: " + to_string(bound));
  auto found = db->query("SELECT id FROM t WHERE " + condition->sql, condition->parameters);
  require(found.ok(), "refused by SQLite: " + condition->sql + (found.ok() ? "" : " " + found.error().to_string()));
  std::vector<bool> matched(rows().size());
  for (const auto& row : found->rows) matched[static_cast<std::size_t>(row[0].as<std::int64_t>())] = true;
  for (std::size_t i = 0; i < rows().size(); ++i) {
    ColumnReader reader = [&](std::string_view name) -> const Value& {
      for (std::size_t c = 0; c < columns().size(); ++c)
        if (columns()[c].name == name) return rows()[i][c];
      std::abort();
    };
    require(matches(bound, reader) == matched[i], "row " + std::to_string(i) + " differs for " + to_string(bound));
  }
}

void check(std::string_view text) {
  auto filter = Filter::parse(text);
  if (!filter.ok()) {
    require(filter.error().code() == ErrorCode::invalid_argument && !filter.error().message().empty(),
            "an error without a reason");
    return;
  }
  check_reads_back(*filter);
  auto bound = bind_filter(*filter, columns());
  if (!bound.ok()) return;
  check_reads_back(*bound);
  require(compile_filter(*bound, columns(), postgres_dialect()).ok(), "not compiled for PostgreSQL");
  check_sqlite_agrees(*bound);
}

}  // namespace
}  // namespace loam

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  loam::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
