// The examples of docs/store.md; a test compiles and runs them.
#include <cstdio>
#include <vector>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/store/store.hpp"
#include "loam/store/store_settings.hpp"

namespace {

using loam::Record;
using loam::Result;
using loam::Store;
using loam::StoreTransaction;

Result<void> write_both(Store& store, const std::shared_ptr<loam::Embedder>& embedder) {
  // [transaction]
  LOAM_TRY(store.transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto notes, t.table("notes", embedder));
    LOAM_TRY(notes->add(std::vector<Record>{{{"id", 1}, {"body", "the ferry leaves at nine"}}}));
    LOAM_TRY(auto sessions, t.kv("sessions"));
    LOAM_TRY(sessions->set("last-note", "1"));
    return {};
  }));
  // [/transaction]
  return {};
}

Result<void> undo_a_part(Store& store) {
  // [savepoint]
  LOAM_TRY(store.transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto sessions, t.kv("sessions"));
    LOAM_TRY(sessions->set("user", "ada"));
    Result<void> optional_part = t.savepoint([&]() -> Result<void> {
      LOAM_TRY(sessions->set("theme", "unknown"));
      return loam::invalid_argument("no such theme");
    });
    std::printf("the theme was %s\n", optional_part.ok() ? "set" : "not set");
    return {};
  }));
  // [/savepoint]
  return {};
}

Result<void> keep_safe(Store& store) {
  // [backup]
  LOAM_TRY(auto taken, store.backup("backup-1"));
  LOAM_TRY(loam::verify_backup("backup-1"));
  LOAM_TRY(loam::restore_backup("backup-1", "copy.loam"));
  std::printf("%lld files\n", static_cast<long long>(taken.files));
  // [/backup]

  // [check]
  LOAM_TRY(auto report, store.check());
  for (const std::string& problem : report.problems) std::printf("%s\n", problem.c_str());
  LOAM_TRY(store.compact());
  LOAM_TRY(auto stats, store.stats());
  std::printf("%s, %s\n", stats.location.c_str(), report.ok() ? "healthy" : "damaged");
  // [/check]
  return {};
}

Result<std::unique_ptr<Store>> open_as_configured(std::string_view json) {
  // [settings]
  loam::Config config;
  LOAM_TRY(config.add_json(json, "loam.json"));  // {"store": "app.loam", "durability": "normal"}
  config.add_environment();                      // LOAM_STORE, LOAM_DURABILITY, ..; DATABASE_URL for the store
  LOAM_TRY(auto settings, loam::read_store_settings(config));
  LOAM_TRY(config.finish());  // a field that nobody asked for is an error
  return Store::open(settings.location, settings.options);
  // [/settings]
}

Result<void> run() {
  // [open]
  LOAM_TRY(auto store, Store::open("app.loam"));
  // [/open]
  LOAM_TRY(auto embedder, loam::make_hash_embedder(64));
  loam::TableSchema schema;
  schema.name = "notes";
  schema.columns = {{.name = "id", .type = loam::ValueKind::int64, .nullable = false}, {.name = "body"}};
  schema.primary_key = {"id"};
  schema.text_columns = {"body"};
  schema.embedding = loam::EmbeddingSpec{.source_columns = {"body"}};
  LOAM_TRY(store->tables().create(schema, embedder));
  LOAM_TRY(write_both(*store, embedder));
  LOAM_TRY(undo_a_part(*store));
  LOAM_TRY(keep_safe(*store));
  LOAM_TRY(auto again, open_as_configured(R"({"store": "app.loam", "durability": "normal"})"));
  return {};
}

}  // namespace

int main() {
  Result<void> done = run();
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
