#include "apps/loam/demo/tour.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cmath>

#include "apps/loam/importer.hpp"
#include "apps/loam/line_reader.hpp"
#include "apps/loam/search_output.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

constexpr std::string_view tour_embedder = "hash:384";
constexpr std::size_t shown_rows = 5;
constexpr std::size_t shown_text_width = 58;
constexpr std::size_t shown_line_width = 110;
constexpr std::int64_t sample_adds = 25;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(); }

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::string first_line(const Value& value) {
  std::string text = value.to_display();
  return truncate_to_width(escape_control(text.substr(0, text.find('\n'))), shown_text_width);
}

Record tour_row(const std::string& name, const std::string& description) {
  return {{"name", name},
          {"section", "tour"},
          {"installed_size", 1},
          {"tags", Json{"[\"tour\"]"}},
          {"description", description}};
}

}  // namespace

Result<void> Tour::say(const std::string& line) {
  if (session_.format_is_for_programs()) return {};
  LOAM_TRY(session_.out().write(line + "\n"));
  return session_.out().flush();
}

Result<void> Tour::station(const std::string& title, const std::string& about) {
  const Terminal& terminal = session_.out_terminal();
  return say("\n" + terminal.styled("1;36", std::to_string(++stations_) + "  " + title) + "\n   " +
             terminal.styled("2", about));
}

void Tour::record(std::string what, std::string result, double seconds) {
  steps_.push_back({std::move(what), std::move(result), seconds});
}

Result<void> Tour::expect(bool as_it_should_be, const std::string& claim) {
  if (!as_it_should_be) return data_corruption("the demo found that this does not hold: " + claim);
  return say("   " + session_.out_terminal().styled("32", "✓") + " " + claim);
}

Result<void> Tour::open() {
  LOAM_TRY(store_, Store::open(workplace_.store()));
  LOAM_TRY(table_, store_->tables().open(tour_table, embedder_, session_.context()));
  return {};
}

Result<void> Tour::import_catalogue() {
  LOAM_TRY(Catalogue catalogue, open_catalogue(records_max_, session_.context()));
  kind_ = catalogue.kind;
  LOAM_TRY(station("Import", catalogue.description));
  LOAM_TRY(store_, Store::open(workplace_.store()));
  LOAM_TRY(std::shared_ptr<Embedder> inner, session_.registry().open_embedder(tour_embedder));
  auto ahead = std::make_shared<EmbedAhead>(inner);
  embedder_ = inner;
  LOAM_TRY(auto table, store_->tables().create(catalogue_schema(std::string(tour_table)), ahead, session_.context()));

  Progress progress(session_.progress("importing", "rows"));
  ImportOptions options{.on_duplicate = OnDuplicate::replace, .on_error = OnError::skip};
  options.on_batch = [&](const ImportReport& report) {
    bool known = catalogue.records_expected > 0;
    progress.update(report.rows_read, known
                                          ? std::optional(std::min(1.0, static_cast<double>(report.rows_read) /
                                                                            static_cast<double>(catalogue.records_expected)))
                                          : std::nullopt);
  };
  Stopwatch watch;
  ImportReport report;
  LOAM_TRY(import_records(*catalogue.source, {}, *table, ahead.get(), options, report, session_.context()));
  progress.finish();
  double seconds = watch.seconds();
  if (report.rows_read == 0) return not_found("there are no records to show: " + catalogue.description);
  table.reset();
  LOAM_TRY(table_, store_->tables().open(tour_table, embedder_, session_.context()));
  std::string rate = with_thousands(std::llround(static_cast<double>(report.rows_read) / seconds)) + " rows/s";
  record("import, embed (" + std::string(tour_embedder) + "), index text",
         with_thousands(report.rows_read) + " rows, " + rate, seconds);
  return say("   " + with_thousands(report.rows_read) + " rows with a 384-dimension embedding and a full-text index in " +
             human_seconds(seconds) + ": " + rate);
}

Result<void> Tour::show_rows(const SearchResult& result) {
  if (session_.format_is_for_programs()) return {};
  std::vector<std::string> columns = {"score", "name", "section", "KiB", "description"};
  auto rows = make_row_writer(Format::table, columns, session_.out(), session_.out_terminal(), "   ");
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    std::vector<Value> row = {Value(fixed(result.hits[i].score, 4)), result.rows.at(i, "name"), result.rows.at(i, "section"),
                              result.rows.at(i, "installed_size"), Value(first_line(result.rows.at(i, "description")))};
    LOAM_TRY(rows->row(row));
  }
  return rows->finish();
}

Result<void> Tour::show_search(const SearchRequest& request) {
  std::vector<double> times;
  std::optional<SearchResult> result;
  for (int i = 0; i < 5; ++i) {  // the first one warms the caches up; the median is shown
    Stopwatch watch;
    LOAM_TRY(result, table_->search(request, session_.context()));
    times.push_back(watch.seconds());
  }
  std::sort(times.begin(), times.end());
  double median = times[times.size() / 2];
  std::string mode(mode_name(result->explain.mode));
  std::string filter = request.where.empty() ? "" : "  where " + request.where;
  LOAM_TRY(say("\n   " + session_.out_terminal().styled("1", mode + " \"" + request.text + "\"") + filter));
  LOAM_TRY(show_rows(*result));
  for (const std::string& line : explain_lines(result->explain))
    LOAM_TRY(say("   " + session_.out_terminal().styled("2", truncate_to_width(line, shown_line_width))));
  record("search, " + mode + (request.where.empty() ? "" : ", filtered"), "\"" + request.text + "\"", median);
  return {};
}

Result<void> Tour::search_in_three_modes() {
  LOAM_TRY(station("Search", "the same table by meaning, by words and by both; filters restrict before ranking"));
  bool packages = kind_ == CatalogueKind::packages;
  SearchRequest request{.select = {"name", "section", "installed_size", "description"}, .limit = shown_rows};
  request.text = packages ? "image editing program" : "error handling";
  request.mode = SearchMode::vector;
  LOAM_TRY(show_search(request));
  request.text = packages ? "database client" : "the table";
  request.mode = SearchMode::text;
  if (packages) request.where = "section = 'database' AND installed_size < 20000";
  LOAM_TRY(show_search(request));
  request.text = packages ? "music player" : "read a file";
  request.mode = SearchMode::hybrid;
  if (packages) request.where = "installed_size BETWEEN 100 AND 5000 AND section IN ('sound', 'gnome', 'kde')";
  LOAM_TRY(show_search(request));
  if (!packages) return {};
  request.text = "chess game";
  request.where = "tags CONTAINS 'interface::text-mode'";
  return show_search(request);
}

Result<void> Tour::add_one_row() {
  LOAM_TRY(station("One more row", "durable on disk and found in all three modes as soon as the call returns"));
  std::vector<double> times;
  for (std::int64_t i = 0; i < sample_adds; ++i) {
    std::vector<Record> rows = {
        tour_row("tour-row-" + std::to_string(i), "a zebrafish carousel, number " + std::to_string(i))};
    Stopwatch watch;
    LOAM_TRY(table_->add(rows, OnDuplicate::error, session_.context()));
    times.push_back(watch.seconds());
  }
  std::sort(times.begin(), times.end());
  double median = times[times.size() / 2];
  for (SearchMode mode : {SearchMode::vector, SearchMode::text, SearchMode::hybrid}) {
    SearchRequest request{.text = "zebrafish carousel number 7", .mode = mode, .select = {"name"}, .limit = 1};
    LOAM_TRY(SearchResult found, table_->search(request, session_.context()));
    bool right = found.hits.size() == 1 && found.rows.at(0, "name") == Value("tour-row-7");
    LOAM_TRY(expect(right, "found by " + std::string(mode_name(mode)) + " search"));
  }
  record("add one durable row", "median of " + std::to_string(sample_adds), median);
  return say("   " + human_seconds(median) + " for each row, one file sync included");
}

Result<void> Tour::write_in_one_transaction() {
  LOAM_TRY(station("One transaction", "a key and a row: both, or neither"));
  Stopwatch watch;
  auto write_both = [&](const std::string& name, bool fail) {
    return store_->transaction(
        [&](StoreTransaction& transaction) -> Result<void> {
          LOAM_TRY(auto kv, transaction.kv(tour_namespace));
          LOAM_TRY(kv->set(name, "seen"));
          LOAM_TRY(auto table, transaction.table(tour_table, embedder_));
          std::vector<Record> rows = {tour_row(name, "written together with its key")};
          LOAM_TRY(table->add(rows));
          if (fail) return failed_precondition("on purpose");
          return {};
        },
        session_.context());
  };
  LOAM_TRY(write_both("tour-both", false));
  double seconds = watch.seconds();
  Result<void> failed = write_both("tour-neither", true);
  LOAM_TRY(expect(!failed.ok(), "the second transaction failed, as it was to"));
  LOAM_TRY(auto kv, store_->kv(tour_namespace));
  LOAM_TRY(bool both, kv->exists("tour-both"));
  LOAM_TRY(bool neither, kv->exists("tour-neither"));
  LOAM_TRY(std::int64_t rows, table_->count("name IN ('tour-both', 'tour-neither')", session_.context()));
  LOAM_TRY(expect(both && rows == 1, "the key and the row of the first are there"));
  LOAM_TRY(expect(!neither, "of the second there is nothing"));
  record("transaction over key-value and table", "both or neither", seconds);
  return {};
}

Result<void> Tour::survive_a_kill() {
  LOAM_TRY(station("Kill -9", "a process that writes dies in the middle of a transaction; the store is opened again"));
  table_.reset();
  store_.reset();
  LOAM_TRY(auto child, ChildProcess::start("/proc/self/exe", {"demo-writer", workplace_.store()}, session_.context()));
  auto output = child->take_output();
  LineReader lines(*output);
  bool committed = false;
  bool inside = false;
  while (!inside) {
    LOAM_TRY(std::optional<Line> line, lines.next());
    if (!line) return internal_error("the writing process ended before it was killed");
    committed = committed || line->text == "committed";
    inside = line->text == "inside";
  }
  child->kill();
  bool killed = WIFSIGNALED(child->wait());
  LOAM_TRY(
      expect(committed && killed, "process " + std::to_string(child->id()) + " was killed inside its second transaction"));
  Stopwatch watch;
  LOAM_TRY(open());
  LOAM_TRY(std::int64_t kept, table_->count("name = 'tour-committed'", session_.context()));
  double open_seconds = watch.seconds();
  Stopwatch search_watch;
  SearchRequest request{.text = "from a process that was killed", .select = {"name"}, .limit = 1};
  LOAM_TRY(SearchResult found, table_->search(request, session_.context()));
  double search_seconds = search_watch.seconds();
  LOAM_TRY(std::int64_t lost, table_->count("name LIKE 'tour-uncommitted%'", session_.context()));
  LOAM_TRY(auto kv, store_->kv(tour_namespace));
  LOAM_TRY(bool kept_key, kv->exists("committed"));
  LOAM_TRY(bool lost_key, kv->exists("uncommitted"));
  bool is_found = found.hits.size() == 1 && found.rows.at(0, "name") == Value("tour-committed");
  LOAM_TRY(expect(kept == 1 && kept_key && is_found, "what it had committed is there, and search finds it"));
  LOAM_TRY(expect(lost == 0 && !lost_key, "what it had not is not"));
  record("open after kill -9", "committed there, uncommitted gone", open_seconds);
  record("the first search after opening", "vector index loaded", search_seconds);
  return {};
}

Result<void> Tour::check_backup_and_verify() {
  LOAM_TRY(
      station("Check, back up, verify", "every row against every index; a copy while the store is open; every byte hashed"));
  Stopwatch check_watch;
  LOAM_TRY(CheckReport check, store_->check(session_.context()));
  record("check", with_thousands(check.rows_checked) + " rows", check_watch.seconds());
  LOAM_TRY(expect(check.ok(), with_thousands(check.rows_checked) + " rows and their indexes agree" +
                                  (check.ok() ? "" : ": " + check.problems.front())));
  Stopwatch backup_watch;
  LOAM_TRY(BackupReport backup, store_->backup(workplace_.backup(), session_.context()));
  record("back up", human_bytes(backup.bytes), backup_watch.seconds());
  Stopwatch verify_watch;
  LOAM_TRY(BackupReport verified, verify_backup(workplace_.backup(), session_.context()));
  record("verify the backup", "every byte hashed", verify_watch.seconds());
  return expect(verified.bytes == backup.bytes, "the backup of " + human_bytes(backup.bytes) + " is whole");
}

Result<void> Tour::print_summary() {
  if (session_.format_is_for_programs()) {
    auto rows = session_.rows({"step", "result", "seconds"});
    for (const Step& step : steps_)
      LOAM_TRY(rows->row(std::vector<Value>{Value(step.what), Value(step.result), Value(step.seconds)}));
    return rows->finish();
  }
  LOAM_TRY(say("\n" + session_.out_terminal().styled("1;36", "What it did, and how fast")));
  auto rows = make_row_writer(Format::table, {"step", "result", "time"}, session_.out(), session_.out_terminal());
  for (const Step& step : steps_)
    LOAM_TRY(rows->row(std::vector<Value>{Value(step.what), Value(step.result), Value(human_seconds(step.seconds))}));
  LOAM_TRY(rows->finish());
  LOAM_TRY(StoreStats stats, store_->stats(session_.context()));
  LOAM_TRY(say("\n" + human_bytes(stats.database_bytes + stats.wal_bytes) + " on disk, " + human_bytes(stats.index_bytes) +
               " of vector index in memory (" + stats.engine + ")"));
  if (workplace_.keeps())
    return say("The store is " + workplace_.store() + "; try: loam search " + workplace_.store() +
               " packages \"chess engine\"");
  return say("loam demo --keep leaves the store to look around in.");
}

Result<void> Tour::run() {
  LOAM_TRY(import_catalogue());
  LOAM_TRY(search_in_three_modes());
  LOAM_TRY(add_one_row());
  LOAM_TRY(write_in_one_transaction());
  LOAM_TRY(survive_a_kill());
  LOAM_TRY(check_backup_and_verify());
  return print_summary();
}

}  // namespace loam::cli
