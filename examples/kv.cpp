// The examples of docs/kv.md; a test compiles and runs them.
#include <cstdio>
#include <string>
#include <vector>

#include "loam/adapters/lmdb/lmdb.hpp"
#include "loam/adapters/memory/memory.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/relational/kv.hpp"

namespace {

using loam::KeyValue;
using loam::KeyValueStore;
using loam::Result;

// [open]
Result<void> use(KeyValueStore& store) {
  LOAM_TRY(auto users, store.open("users"));  // a namespace; it costs nothing until something is stored
  LOAM_TRY(users->set("user/42", "ada"));
  LOAM_TRY(auto name, users->get("user/42"));  // optional<string>: absence is a value, not an error
  std::printf("%s\n", name ? name->c_str() : "nobody");
  return {};
}

Result<void> choose_a_backend() {
  auto memory = loam::make_memory_kv();
  LOAM_TRY(use(*memory));

  LOAM_TRY(auto lmdb, loam::open_lmdb({.path = "state.lmdb"}));
  LOAM_TRY(use(*lmdb));

  LOAM_TRY(auto database, loam::open_sqlite({.path = "app.db"}));  // or open_postgres(..)
  LOAM_TRY(auto relational, loam::open_relational_kv(*database));
  return use(*relational);
}
// [/open]

Result<void> batches(KeyValue& kv) {
  // [batch]
  const std::vector<loam::KvWrite> writes = {
      {"cart/1", "apples"}, {"cart/2", "pears"}, {"cart/3", "plums", {.ttl_ms = 60'000}}};
  LOAM_TRY(kv.set_many(writes));  // all of them or none
  const std::vector<std::string_view> wanted = {"cart/2", "cart/9"};
  LOAM_TRY(auto values, kv.get_many(wanted));  // from one snapshot, in this order
  std::printf("%s, %s\n", values[0]->c_str(), values[1] ? "found" : "absent");
  // [/batch]
  return {};
}

Result<void> walk(KeyValue& kv) {
  // [list]
  std::string cursor;
  do {
    LOAM_TRY(auto page, kv.list({.prefix = "cart/", .limit = 100, .cursor = cursor}));
    for (const loam::KvEntry& entry : page.entries) std::printf("%s = %s\n", entry.key.c_str(), entry.value.c_str());
    cursor = page.next_cursor.value_or("");
  } while (!cursor.empty());
  // [/list]
  return {};
}

// [counter]
Result<long> count_up(KeyValue& kv, std::string_view key) {
  LOAM_TRY(auto seen, kv.get(key));
  for (;;) {
    const long next = seen ? std::stol(*seen) + 1 : 1;
    LOAM_TRY(auto result, kv.compare_and_set(key, seen, std::to_string(next)));
    if (result.applied) return next;
    seen = std::move(result.actual);  // somebody was faster; this is what they wrote
  }
}
// [/counter]

// [lock]
Result<bool> take_lease(KeyValue& kv, std::string_view owner) {
  LOAM_TRY(auto taken, kv.compare_and_set("lease", std::nullopt, owner, {.ttl_ms = 30'000}));
  return taken.applied;  // false while another owner's 30 seconds run
}
// [/lock]

// [transaction]
Result<void> move(loam::Database& database, std::string_view from, std::string_view to) {
  LOAM_TRY(auto transaction, database.begin());
  LOAM_TRY(auto kv, loam::relational_kv_in(*transaction, "accounts"));
  LOAM_TRY(auto value, kv->get(from));
  if (!value) return loam::not_found("no account \"" + std::string(from) + "\"");  // and the transaction is rolled back
  LOAM_TRY(kv->set(to, *value));
  LOAM_TRY(kv->erase(from));
  LOAM_TRY(transaction->execute("UPDATE audit SET moves = moves + 1"));  // SQL in the same transaction
  return transaction->commit();
}
// [/transaction]

Result<void> accounts() {
  LOAM_TRY(auto database, loam::sqlite_in_memory());
  LOAM_TRY(auto store, loam::open_relational_kv(*database));
  LOAM_TRY(database->execute("CREATE TABLE audit (moves INTEGER)"));
  LOAM_TRY(auto kv, store->open("accounts"));
  LOAM_TRY(kv->set("old", "12"));
  return move(*database, "old", "new");
}

Result<void> run() {
  LOAM_TRY(choose_a_backend());
  auto store = loam::make_memory_kv();
  LOAM_TRY(auto kv, store->open("example"));
  LOAM_TRY(batches(*kv));
  LOAM_TRY(walk(*kv));
  LOAM_TRY(long count, count_up(*kv, "visits"));
  LOAM_TRY(bool first, take_lease(*kv, "worker 1"));
  LOAM_TRY(bool second, take_lease(*kv, "worker 2"));
  if (count != 1 || !first || second) return loam::internal_error("the examples give other answers than they say");
  return accounts();
}

}  // namespace

int main() {
  Result<void> done = run();
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
