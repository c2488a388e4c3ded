#include "tests/query_differential/sample_table.hpp"

#include <rapidcheck/gen/detail/GenerationHandler.h>

#include <cstdlib>
#include <sstream>

#include "loam/query/compile.hpp"
#include "loam/query/evaluate.hpp"
#include "loam/query/filter_parse.hpp"

namespace loam::test {
namespace {

Result<void> create_table(SqlSession& session) {
  const SqlDialect& dialect = session.dialect();
  std::string columns = "id BIGINT NOT NULL PRIMARY KEY";
  for (const FilterColumn& column : sample_columns()) columns += ", " + column.sql + ' ' + dialect.column_type(column.kind);
  LOAM_TRY(session.execute("CREATE TABLE sample (" + columns + ")"));
  return {};
}

Result<void> insert_rows(SqlSession& session, const std::vector<SampleRow>& rows) {
  std::string sql = "INSERT INTO sample VALUES (?";
  for (std::size_t i = 0; i < sample_columns().size(); ++i) sql += ", ?";
  std::vector<std::vector<Value>> batch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& values = batch.emplace_back();
    values.emplace_back(static_cast<std::int64_t>(i));
    for (const FilterColumn& column : sample_columns()) values.push_back(rows[i].find(column.name)->second);
  }
  LOAM_TRY(session.execute_many(sql + ")", batch));
  return {};
}

std::string show(const SampleRow& row) {
  std::string text;
  for (const auto& [name, value] : row)
    text += "  " + name + ": " + std::string(to_string(value.kind())) + ' ' + value.to_display() + '\n';
  return text;
}

std::string show(const SqlText& sql) {
  std::string text = sql.sql + "\n ";
  for (const Value& value : sql.parameters) text += " [" + value.to_display() + ']';
  return text;
}

}  // namespace

std::uint64_t base_seed() {
  const char* given = std::getenv("LOAM_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

Result<std::unique_ptr<SampleTable>> SampleTable::create(Database& db, std::size_t count, std::uint64_t seed) {
  std::vector<SampleRow> rows;
  rc::Gen<SampleRow> generator = sample_rows();
  for (rc::Random random(seed); rows.size() < count;) rows.push_back(generator(random.split(), 100).value());
  LOAM_TRY(db.atomically([&](SqlSession& session) -> Result<void> {
    LOAM_TRY(create_table(session));
    return insert_rows(session, rows);
  }));
  return std::unique_ptr<SampleTable>(new SampleTable(db, std::move(rows)));
}

Result<std::vector<bool>> SampleTable::found_by(const SqlText& condition) {
  LOAM_TRY(auto found, db_.query("SELECT id FROM sample WHERE " + condition.sql, condition.parameters));
  std::vector<bool> matched(rows_.size());
  for (const auto& row : found.rows) matched.at(static_cast<std::size_t>(row.at(0).as<std::int64_t>())) = true;
  return matched;
}

std::string SampleTable::disagreement(const Filter& filter) {
  auto bound = bind_filter(filter, sample_columns());
  if (!bound.ok()) return bound.error().to_string();
  std::string difference = compare(*bound);
  return difference.empty() ? compare(negated(*bound)) : difference;
}

std::string SampleTable::compare(const Filter& bound) {
  auto sql = compile_filter(bound, sample_columns(), db_.dialect());
  if (!sql.ok()) return sql.error().to_string();
  auto found = found_by(*sql);
  if (!found.ok()) return found.error().to_string() + '\n' + show(*sql);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const SampleRow& row = rows_[i];
    Truth truth = evaluate(bound, [&](std::string_view column) -> const Value& { return row.find(column)->second; });
    rows_matched_ += truth == Truth::yes ? 1 : 0;
    if ((truth == Truth::yes) == (*found)[i]) continue;
    std::string said = truth == Truth::yes ? "yes" : truth == Truth::no ? "no" : "unknown";
    return to_string(bound) + "\nrow " + std::to_string(i) + ": evaluate says " + said + ", " +
           std::string(db_.dialect().name()) + (((*found)[i]) ? " finds it\n" : " does not find it\n") + show(row) +
           show(*sql);
  }
  return "";
}

}  // namespace loam::test
