/// Import, search and single writes of a table with text, 384-dimension embeddings and a full-text index. Results:
/// bench/results/tables.md.
///
///   loam_tables_bench
///
/// The data: the first 60,000 packages of `apt-cache dumpavail`, or as many synthetic ones (seed 7) where there is no such
/// program. Queries: two words of a random row's description (seed 11). Each benchmark reports percentiles of its own calls,
/// in milliseconds. Files are under $TMPDIR or /tmp.

#include <benchmark/benchmark.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/relational/tables.hpp"
#include "loam/vector/flat_index.hpp"

namespace loam {
namespace {

using Stopwatch = std::chrono::steady_clock;

constexpr std::size_t row_count = 60'000;
constexpr std::size_t dimension = 384;
constexpr std::size_t batch_rows = 1'000;

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

struct Package {
  std::string name, section, description;
  std::int64_t size = 0;
};

std::vector<Package> installed_catalogue() {
  std::vector<Package> packages;
  std::set<std::string> names;
  std::FILE* pipe = ::popen("apt-cache dumpavail 2>/dev/null", "r");
  if (pipe == nullptr) return packages;
  Package package;
  char* line = nullptr;
  std::size_t room = 0;
  auto field = [&](std::string_view text, std::string_view name, std::string& into) {
    if (text.starts_with(name)) into = text.substr(name.size());
  };
  for (ssize_t length; packages.size() < row_count && (length = ::getline(&line, &room, pipe)) >= 0;) {
    std::string_view text(line, static_cast<std::size_t>(length));
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.empty()) {
      if (names.insert(package.name).second) packages.push_back(package);
      package = {};
      continue;
    }
    std::string size;
    field(text, "Package: ", package.name);
    field(text, "Section: ", package.section);
    field(text, "Description: ", package.description);
    field(text, "Installed-Size: ", size);
    if (!size.empty()) package.size = std::atoll(size.c_str());
  }
  std::free(line);
  ::pclose(pipe);
  return packages;
}

std::vector<Package> synthetic_catalogue() {
  std::mt19937 random(7);
  std::vector<Package> packages;
  for (std::size_t i = 0; i < row_count; ++i) {
    Package package{.name = "package-" + std::to_string(i),
                    .section = "section" + std::to_string(random() % 50),
                    .size = static_cast<std::int64_t>(random() % 100'000)};
    for (int word = 0; word < 8; ++word) {
      // Words as frequent as in language: the rank is a power law.
      double uniform = (random() + 1.0) / 4294967297.0;
      package.description += (word > 0 ? " word" : "word") + std::to_string(static_cast<int>(1.0 / uniform) % 20'000);
    }
    packages.push_back(std::move(package));
  }
  return packages;
}

const std::vector<Package>& catalogue() {
  static const std::vector<Package> packages = [] {
    auto real = installed_catalogue();
    return real.size() == row_count ? real : synthetic_catalogue();
  }();
  return packages;
}

TableSchema schema() {
  return {.name = "packages",
          .columns = {{.name = "name"},
                      {.name = "section"},
                      {.name = "description"},
                      {.name = "size", .type = ValueKind::int64}},
          .primary_key = {"name"},
          .text_columns = {"name", "description"},
          .embedding = EmbeddingSpec{.source_columns = {"name", "description"}}};
}

Record record_of(const Package& p) {
  return {{"name", p.name}, {"section", p.section}, {"description", p.description}, {"size", p.size}};
}

/// A table in a directory of its own.
struct Fixture {
  std::string directory;
  std::unique_ptr<Database> db;
  std::unique_ptr<RelationalTables> tables;
  std::shared_ptr<Embedder> embedder = must(make_hash_embedder(dimension));
  std::unique_ptr<Table> table;

  Fixture() {
    const char* base = std::getenv("TMPDIR");
    directory = std::string(base != nullptr ? base : "/tmp") + "/loam-bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) std::exit(1);
    db = must(open_sqlite({.path = directory + "/bench.db"}));
    tables = must(open_relational_tables(*db));
    table = must(tables->create(schema(), embedder));
  }
  ~Fixture() {
    table.reset();
    tables.reset();
    db.reset();
    std::filesystem::remove_all(directory);
  }

  /// As `loam import` does: while one batch is written the next one is read and embedded.
  void import() {
    std::vector<std::future<void>> running;
    for (std::size_t first = 0; first < row_count; first += batch_rows) {
      if (running.size() == 2) {
        running.front().get();
        running.erase(running.begin());
      }
      running.push_back(std::async(std::launch::async, [this, first] {
        std::vector<Record> batch;
        for (std::size_t i = first; i < std::min(first + batch_rows, row_count); ++i)
          batch.push_back(record_of(catalogue()[i]));
        must(table->add(batch, OnDuplicate::replace));
      }));
    }
    for (auto& one : running) one.get();
  }
};

Fixture& filled() {
  static auto fixture = [] {
    auto made = std::make_unique<Fixture>();
    made->import();
    return made;
  }();
  return *fixture;
}

std::vector<std::string> two_word_queries() {
  std::mt19937 random(11);
  std::vector<std::string> queries;
  while (queries.size() < 500) {
    std::vector<std::string> words(1);
    for (char c : catalogue()[random() % row_count].description) {
      if (std::isalnum(static_cast<unsigned char>(c)))
        words.back() += c;
      else if (!words.back().empty())
        words.emplace_back();
    }
    std::erase_if(words, [](const std::string& word) { return word.size() < 3; });
    if (words.size() >= 2) queries.push_back(words[random() % words.size()] + " " + words[random() % words.size()]);
  }
  return queries;
}

void report(benchmark::State& state, const std::string& what, std::vector<double> ms) {
  if (ms.empty()) return;
  std::sort(ms.begin(), ms.end());
  for (int p : {50, 95})
    state.counters[what + "p" + std::to_string(p) + "_ms"] = ms[ms.size() * static_cast<std::size_t>(p) / 100];
}

/// Times each call and reports percentiles.
class Percentiles {
 public:
  explicit Percentiles(benchmark::State& state) : state_(state) {}
  template <typename Work>
  void time(Work&& work) {
    auto begun = Stopwatch::now();
    work();
    ms_.push_back(std::chrono::duration<double, std::milli>(Stopwatch::now() - begun).count());
  }
  ~Percentiles() { report(state_, "", ms_); }

 private:
  benchmark::State& state_;
  std::vector<double> ms_;
};

void Import(benchmark::State& state) {
  catalogue();
  for (auto _ : state) {
    Fixture fixture;
    auto begun = Stopwatch::now();
    fixture.import();
    double seconds = std::chrono::duration<double>(Stopwatch::now() - begun).count();
    state.SetIterationTime(seconds);
    state.counters["rows_per_s"] = row_count / seconds;
  }
}
BENCHMARK(Import)->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);

/// The index alone, with the queries embedded before: the floor of the table's vector search.
void VectorSearchIndexAlone(benchmark::State& state) {
  static const auto index = [] {
    auto made = std::make_unique<vector::FlatIndex>(dimension, vector::Distance::cosine);
    std::int64_t id = 0;
    ScanOptions options{.select = {"embedding"}, .limit = 10'000};
    for (;;) {
      ScanPage page = must(filled().table->scan(options));
      for (auto& row : page.rows.rows)
        if (!made->put(++id, row[0].as<Vector>()).ok()) std::exit(1);
      if (!page.next_cursor) break;
      options.cursor = *page.next_cursor;
    }
    return made;
  }();
  auto queries = must(filled().embedder->embed(two_word_queries()));
  Percentiles times(state);
  std::size_t i = 0;
  for (auto _ : state)
    times.time(
        [&] { benchmark::DoNotOptimize(must(index->search(queries[i++ % queries.size()], {.k = 10, .threads = 2}))); });
}
BENCHMARK(VectorSearchIndexAlone)->UseRealTime()->Unit(benchmark::kMillisecond);

void Search(benchmark::State& state, SearchMode mode, const char* where, bool embedded) {
  Table& table = *filled().table;
  auto words = two_word_queries();
  auto vectors = must(filled().embedder->embed(words));
  must(table.search({.text = "warm up", .mode = mode}));
  Percentiles times(state);
  std::size_t i = 0, hits = 0;
  for (auto _ : state) {
    SearchRequest request{.mode = mode, .where = where};
    std::size_t at = i++ % words.size();
    if (embedded)
      request.vector = vectors[at];
    else
      request.text = words[at];
    times.time([&] { hits += must(table.search(request)).hits.size(); });
  }
  state.counters["hits"] = static_cast<double>(hits) / static_cast<double>(i);
}
BENCHMARK_CAPTURE(Search, vector, SearchMode::vector, "", true)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Search, vector_where, SearchMode::vector, "section = 'python'", true)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Search, text, SearchMode::text, "", false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Search, text_where, SearchMode::text, "section = 'python'", false)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Search, hybrid, SearchMode::hybrid, "", false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Search, hybrid_where, SearchMode::hybrid, "section = 'python'", false)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// The raw peer of text search: FTS5 itself on the same file, all words, best ten by rank with the name joined.
void TextSearchRawFts5(benchmark::State& state) {
  sqlite3* db = nullptr;
  sqlite3_open_v2((filled().directory + "/bench.db").c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(
      db,
      "SELECT p.name, p.section, p.description, p.size FROM (SELECT rowid FROM loam_text_1 WHERE loam_text_1 MATCH ? "
      "ORDER BY rank LIMIT 10) f JOIN packages p ON p.loam_row = f.rowid",
      -1, &statement, nullptr);
  auto words = two_word_queries();
  Percentiles times(state);
  std::size_t i = 0;
  for (auto _ : state) {
    std::string quoted = '"' + words[i++ % words.size()] + '"';
    quoted.replace(quoted.find(' '), 1, "\" \"");
    times.time([&] {
      sqlite3_bind_text(statement, 1, quoted.data(), static_cast<int>(quoted.size()), SQLITE_TRANSIENT);
      while (sqlite3_step(statement) == SQLITE_ROW) benchmark::DoNotOptimize(sqlite3_column_text(statement, 0));
      sqlite3_reset(statement);
    });
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
}
BENCHMARK(TextSearchRawFts5)->UseRealTime()->Unit(benchmark::kMillisecond);

/// One durable row, found at once: the time of add() plus that of bringing the vector index to it, and of nothing else.
void AddOneRow(benchmark::State& state) {
  Table& table = *filled().table;
  Vector query = must(filled().embedder->embed(std::vector<std::string>{"warm up"}))[0];
  must(table.search({.vector = query}));
  static std::int64_t next = 0;
  std::vector<double> add_ms, catch_up_ms, total_ms;
  for (auto _ : state) {
    std::int64_t number = next++;
    auto begun = Stopwatch::now();
    must(table.add({{{"name", "bench-row-" + std::to_string(number)},
                     {"section", "bench"},
                     {"description", "a row that the benchmark adds"}}}));
    add_ms.push_back(std::chrono::duration<double, std::milli>(Stopwatch::now() - begun).count());
    SearchResult found =
        must(table.search({.text = "bench row " + std::to_string(number) + " that the benchmark adds", .limit = 1}));
    if (found.rows.at(0, "name") != Value("bench-row-" + std::to_string(number))) std::exit(1);
    for (const auto& [step, ms] : found.explain.timings_ms)
      if (step == "catch up") catch_up_ms.push_back(ms);
    total_ms.push_back(add_ms.back() + catch_up_ms.back());
    state.SetIterationTime(total_ms.back() / 1000);
  }
  report(state, "", total_ms);
  report(state, "add_", add_ms);
  report(state, "catch_up_", catch_up_ms);
}
BENCHMARK(AddOneRow)->UseManualTime()->Iterations(500)->Unit(benchmark::kMillisecond);

/// The floor of AddOneRow: one durable row in a plain table of the same database.
void AddOneRowPlainSql(benchmark::State& state) {
  Database& db = *filled().db;
  must(db.execute("CREATE TABLE IF NOT EXISTS plain (name TEXT PRIMARY KEY, description TEXT)"));
  static std::int64_t next = 0;
  Percentiles times(state);
  for (auto _ : state)
    times.time([&] {
      must(
          db.execute("INSERT INTO plain VALUES (?, ?)", {"row-" + std::to_string(next++), "a row that the benchmark adds"}));
    });
}
BENCHMARK(AddOneRowPlainSql)->UseRealTime()->Iterations(500)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loam

BENCHMARK_MAIN();
