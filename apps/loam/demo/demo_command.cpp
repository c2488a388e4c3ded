#include <unistd.h>

#include "apps/loam/demo/tour.hpp"
#include "apps/loam/handlers.hpp"

namespace loam::cli {
namespace {

constexpr int uncommitted_rows = 100;

Record writer_row(const std::string& name) {
  return {{"name", name}, {"section", "tour"}, {"description", "from a process that was killed"}};
}

/// Tells the parent how far it is, at once.
Result<void> tell(Session& session, std::string_view word) {
  LOAM_TRY(session.out().write(std::string(word) + "\n"));
  return session.out().flush();
}

}  // namespace

Result<void> run_demo(Session& session) {
  constexpr std::int64_t records_max_default = 1'000'000;
  LOAM_TRY(std::int64_t records_max, session.arguments().integer("--records", records_max_default, 1, records_max_default));
  LOAM_TRY(auto workplace, Workplace::prepare(session.arguments().text("--dir"), session.arguments().flag("--keep")));
  Tour tour(session, *workplace, records_max);
  return tour.run();
}

/// Commits once, then waits inside a transaction to be killed. Nothing but the demo runs it.
Result<void> run_demo_writer(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::change));
  LOAM_TRY(TableSchema schema, session.schema_of(*store, tour_table));
  LOAM_TRY(auto embedder, session.embedder_of(schema));
  auto write = [&](StoreTransaction& transaction, const std::string& key, const std::vector<Record>& rows) -> Result<void> {
    LOAM_TRY(auto kv, transaction.kv(tour_namespace));
    LOAM_TRY(kv->set(key, "yes"));
    LOAM_TRY(auto table, transaction.table(tour_table, embedder));
    LOAM_TRY(table->add(rows));
    return {};
  };
  LOAM_TRY(store->transaction(
      [&](StoreTransaction& transaction) { return write(transaction, "committed", {writer_row("tour-committed")}); },
      session.context()));
  LOAM_TRY(tell(session, "committed"));
  return store->transaction(
      [&](StoreTransaction& transaction) -> Result<void> {
        std::vector<Record> rows;
        for (int i = 0; i < uncommitted_rows; ++i) rows.push_back(writer_row("tour-uncommitted-" + std::to_string(i)));
        LOAM_TRY(write(transaction, "uncommitted", rows));
        LOAM_TRY(tell(session, "inside"));
        while (!session.interrupted()) ::pause();
        return session.context().check("demo-writer");
      },
      session.context());
}

}  // namespace loam::cli
