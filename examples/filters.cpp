// The examples of docs/filters.md; a test compiles and runs them.
#include <cstdio>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/query/compile.hpp"
#include "loam/query/evaluate.hpp"

namespace {

using loam::Result;

Result<void> use(loam::Database& db) {
  // [use]
  const loam::FilterColumns columns = {{"size", loam::ValueKind::int64, "\"size\""},
                                       {"name", loam::ValueKind::string, "\"name\""}};
  LOAM_TRY(auto filter, loam::Filter::parse("size > 1000 AND NOT name LIKE 'lib%'"));
  LOAM_TRY(auto bound, loam::bind_filter(filter, columns));  // checks names and types

  LOAM_TRY(auto where, loam::compile_filter(bound, columns, db.dialect()));
  LOAM_TRY(auto rows, db.query("SELECT name FROM package WHERE " + where.sql, where.parameters));

  const loam::Value size = 2'000, name = "curl";  // the same question to a row in memory
  bool curl_matches =
      loam::matches(bound, [&](std::string_view column) -> const loam::Value& { return column == "size" ? size : name; });
  // [/use]
  std::printf("%zu row(s); %s; %s\n", rows.rows.size(), curl_matches ? "matches" : "does not match",
              to_json(filter).c_str());
  return {};
}

Result<void> run() {
  LOAM_TRY(auto db, loam::sqlite_in_memory());
  LOAM_TRY(db->execute("CREATE TABLE package (name TEXT, size BIGINT)"));
  LOAM_TRY(db->execute("INSERT INTO package VALUES ('curl', 2000), ('libcurl', 3000), ('true', 30)"));
  return use(*db);
}

}  // namespace

int main() {
  loam::Result<void> done = run();
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
