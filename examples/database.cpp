// The examples of docs/database.md; a test compiles and runs them.
#include <cstdio>
#include <string>

#include "loam/adapters/sqlite/sqlite.hpp"

namespace {

using loam::Result;

// [open]
Result<std::unique_ptr<loam::Database>> open(const std::string& path) {
  return loam::open_sqlite({.path = path, .durability = loam::Durability::full, .readers = {.connections_max = 4}});
}
// [/open]

Result<void> create(loam::Database& db) {
  // [execute]
  LOAM_TRY(db.execute("CREATE TABLE IF NOT EXISTS city (name TEXT PRIMARY KEY, people INTEGER NOT NULL)"));
  LOAM_TRY(auto done, db.execute("INSERT INTO city VALUES (?, ?) ON CONFLICT DO NOTHING", {"Porto", 249'633}));
  std::printf("%lld row(s) stored\n", static_cast<long long>(done.rows_affected));
  // [/execute]
  return {};
}

Result<void> read(loam::Database& db) {
  // [query]
  LOAM_TRY(auto rows, db.query("SELECT name, people FROM city WHERE people > ?", {100'000}));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) std::printf("%s\n", rows.at(i, "name").as<std::string>().c_str());
  // [/query]

  // [cursor]
  LOAM_TRY(auto cursor, db.open_cursor("SELECT name FROM city ORDER BY name"));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) break;
    std::string_view name = cursor->text(0);  // a view, valid until the next next()
    std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
  }
  // [/cursor]
  return {};
}

Result<void> write_together(loam::Database& db) {
  // [transaction]
  LOAM_TRY(auto transaction, db.begin());
  LOAM_TRY(transaction->execute("UPDATE city SET people = people + 1 WHERE name = ?", {"Porto"}));
  LOAM_TRY(transaction->savepoint("maybe"));
  LOAM_TRY(transaction->execute("DELETE FROM city"));
  LOAM_TRY(transaction->rollback_to("maybe"));
  Result<void> done = transaction->commit();
  if (!done.ok() && done.error().outcome() == loam::Outcome::unknown) {
    // The reply of the commit was lost: read before doing it again.
  }
  // [/transaction]
  return done;
}

Result<void> bounded(loam::Database& db) {
  // [deadline]
  loam::Cancellation cancel;  // cancel.cancel() from another thread ends the call
  auto rows = db.query("SELECT name FROM city", {}, loam::Context().deadline_in_ms(200).cancelled_by(cancel));
  if (!rows.ok() && rows.error().retryable()) {
    // unavailable or conflict, and nothing was applied: the same call may succeed later.
  }
  // [/deadline]
  return rows.ok() ? Result<void>() : rows.error();
}

Result<void> inspect(loam::Database& db) {
  // [inspect]
  LOAM_TRY(auto city, db.describe("city"));
  for (const loam::ColumnInfo& column : city.columns)
    std::printf("%s %s%s\n", column.name.c_str(), column.native_type.c_str(),
                column.primary_key_position > 0 ? " (key)" : "");
  std::printf("%s\n", to_json(db.health()).c_str());
  // [/inspect]
  return {};
}

Result<void> run(const std::string& path) {
  LOAM_TRY(auto db, open(path));
  LOAM_TRY(create(*db));
  LOAM_TRY(read(*db));
  LOAM_TRY(write_together(*db));
  LOAM_TRY(bounded(*db));
  return inspect(*db);
}

}  // namespace

int main(int argc, char** argv) {
  loam::Result<void> done = run(argc > 1 ? argv[1] : "example.db");
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
