// The quick start of README.md; a test compiles and runs it.
// [quick_start]
#include <cstdio>

#include "loam/loam.hpp"

loam::Result<void> run(const char* path) {
  LOAM_TRY(auto store, loam::Store::open(path));

  // An embedding table: rows with text, vectors made of the text, full text; the key decides what is a duplicate.
  LOAM_TRY(auto embedder, loam::make_hash_embedder(384));
  LOAM_TRY(auto notes, store->tables().create({.name = "notes",
                                               .columns = {{.name = "id", .type = loam::ValueKind::int64, .nullable = false},
                                                           {.name = "topic"},
                                                           {.name = "body"}},
                                               .primary_key = {"id"},
                                               .text_columns = {"body"},
                                               .embedding = loam::EmbeddingSpec{.source_columns = {"body"}}},
                                              embedder));

  // One transaction over every kind of data: all of it is stored, or nothing.
  LOAM_TRY(store->transaction([&](loam::StoreTransaction& t) -> loam::Result<void> {
    LOAM_TRY(auto table, t.table("notes", embedder));
    const loam::Record rows[] = {{{"id", 1}, {"topic", "db"}, {"body", "A write-ahead log makes commits durable."}},
                                 {{"id", 2}, {"topic", "db"}, {"body", "An index finds rows without reading them all."}},
                                 {{"id", 3}, {"topic", "tea"}, {"body", "Green tea likes water below boiling."}}};
    LOAM_TRY(table->add(rows));
    LOAM_TRY(auto state, t.kv("agent"));
    return state->set("last_note", "3");
  }));

  // Vector and full-text search fused, restricted by a filter.
  LOAM_TRY(auto found, notes->search({.text = "durable commit log", .where = "topic = 'db'", .limit = 2}));
  for (std::size_t i = 0; i < found.hits.size(); ++i)
    std::printf("%.3f  %s\n", found.hits[i].score, found.rows.at(i, "body").as<std::string>().c_str());
  return {};
}

int main(int argc, char** argv) {
  loam::Result<void> done = run(argc > 1 ? argv[1] : "app.loam");
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
// [/quick_start]
