// The examples of docs/tables.md; a test compiles and runs them.
#include <cstdio>
#include <string>
#include <vector>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/relational/tables.hpp"

namespace {

using loam::Embedder;
using loam::OnDuplicate;
using loam::Record;
using loam::Result;
using loam::SearchMode;
using loam::Table;
using loam::Tables;
using loam::TableSchema;
using loam::ValueKind;

// [create]
Result<std::unique_ptr<Table>> create_packages(Tables& tables, std::shared_ptr<Embedder> embedder) {
  TableSchema schema{
      .name = "packages",
      .columns = {{.name = "name", .type = ValueKind::string, .nullable = false},
                  {.name = "section", .type = ValueKind::string},
                  {.name = "size", .type = ValueKind::int64, .default_value = 0},
                  {.name = "summary", .type = ValueKind::string},
                  {.name = "attrs", .type = ValueKind::json}},
      .primary_key = {"name"},
      .text_columns = {"name", "summary"},                                     // full-text indexed together
      .embedding = loam::EmbeddingSpec{.source_columns = {"name", "summary"}}  // embedded together
  };
  return tables.create(schema, std::move(embedder));
}
// [/create]

Result<void> write(Table& packages) {
  // [add]
  std::vector<Record> rows = {
      {{"name", "curl"}, {"section", "net"}, {"size", 500}, {"summary", "transfer a file with URL syntax"}},
      {{"name", "wget"}, {"section", "net"}, {"size", 900}, {"summary", "retrieves files from the web"}},
      {{"name", "gimp"},
       {"section", "graphics"},
       {"summary", "image editor"},
       {"attrs", loam::Json{R"({"tags":["gui"]})"}}}};
  LOAM_TRY(auto added, packages.add(rows));                     // all rows, or none
  LOAM_TRY(auto again, packages.add(rows, OnDuplicate::skip));  // known keys stay as they are
  LOAM_TRY(packages.upsert({{{"name", "gimp"}, {"summary", "GNU image manipulation program"}}}));
  std::printf("%d added, then %d skipped\n", static_cast<int>(added.inserted), static_cast<int>(again.skipped));
  // [/add]

  // [update]
  LOAM_TRY(auto moved, packages.update({{"section", "web"}}, "section = 'net' AND size < 800"));
  LOAM_TRY(packages.update({{"summary", "command line tool for URLs"}}, "name = 'curl'"));  // embedded again
  LOAM_TRY(auto removed, packages.erase("name LIKE 'lib%' OR attrs.tags CONTAINS 'obsolete'"));
  std::printf("%d moved, %d removed\n", static_cast<int>(moved), static_cast<int>(removed));
  // [/update]
  return {};
}

Result<void> read(Table& packages) {
  // [get]
  LOAM_TRY(auto rows, packages.get({{"curl"}, {"nothing"}}, {"summary"}));  // in the order of the keys
  std::printf("%s, %s\n", rows[0]->at(0).to_display().c_str(), rows[1] ? "found" : "absent");
  // [/get]

  // [scan]
  loam::ScanOptions options{.where = "size >= 500", .select = {"name", "size"}, .limit = 100};
  for (;;) {
    LOAM_TRY(auto page, packages.scan(options));
    for (std::size_t i = 0; i < page.rows.rows.size(); ++i)
      std::printf("%s %s\n", page.rows.at(i, "name").to_display().c_str(), page.rows.at(i, "size").to_display().c_str());
    if (!page.next_cursor) break;
    options.cursor = *page.next_cursor;
  }
  // [/scan]
  return {};
}

Result<void> search(Table& packages) {
  // [search]
  LOAM_TRY(auto found,
           packages.search({.text = "retrieving web files", .where = "size > 100", .select = {"name"}, .limit = 5}));
  for (std::size_t i = 0; i < found.hits.size(); ++i)
    std::printf("%.4f %s\n", found.hits[i].score, found.rows.at(i, "name").to_display().c_str());
  // [/search]

  // [modes]
  LOAM_TRY(auto near, packages.search({.text = "manipulating an image", .mode = SearchMode::vector, .threshold = 0.1}));
  LOAM_TRY(auto words, packages.search({.text = "image program", .mode = SearchMode::text, .match = loam::TextMatch::all}));
  LOAM_TRY(auto weighted, loam::weighted_fusion(0.7, 0.3));
  LOAM_TRY(auto both, packages.search({.text = "image program", .mode = SearchMode::hybrid, .reranker = weighted.get()}));
  // [/modes]

  // [explain]
  std::printf("%s; %s; %s\n", both.explain.vector_plan.c_str(), both.explain.text_plan.c_str(), both.explain.fusion.c_str());
  for (const auto& [step, ms] : both.explain.timings_ms) std::printf("%s %.2f ms\n", step.c_str(), ms);
  // [/explain]
  return near.hits.empty() || words.hits.size() != 1 ? loam::internal_error("the example finds nothing") : Result<void>();
}

Result<void> run() {
  // [open]
  LOAM_TRY(auto database, loam::open_sqlite({.path = "app.db"}));  // or open_postgres(..)
  LOAM_TRY(auto tables, loam::open_relational_tables(*database));
  LOAM_TRY(auto embedder, loam::make_hash_embedder(384));
  // [/open]
  LOAM_TRY(auto packages, create_packages(*tables, embedder));
  LOAM_TRY(write(*packages));
  LOAM_TRY(read(*packages));
  LOAM_TRY(search(*packages));

  // [sql]
  LOAM_TRY(auto names, database->query("SELECT name FROM packages WHERE size > ? ORDER BY name", {100}));
  std::printf("%zu rows\n", names.rows.size());
  // [/sql]

  LOAM_TRY(auto wrong, loam::make_hash_embedder(64));
  auto refused = tables->open("packages", wrong);
  std::printf("%s\n", refused.error().to_string().c_str());
  return {};
}

}  // namespace

int main() {
  Result<void> done = run();
  if (!done.ok()) std::printf("%s\n", done.error().to_string().c_str());
  return done.ok() ? 0 : 1;
}
