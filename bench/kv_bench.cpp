/// Key-value reads and writes through the port, beside the same work on the raw library. Results: bench/results/kv.md.
///
///   loam_kv_bench --benchmark_repetitions=7 --benchmark_enable_random_interleaving=true
///   --benchmark_report_aggregates_only=true
///
/// The data: 200,000 entries of 13-byte keys and 200-byte values, read in a random order (seed 7). Files are under $TMPDIR
/// or /tmp.

#include <benchmark/benchmark.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "loam/adapters/lmdb/lmdb.hpp"
#include "loam/adapters/memory/memory.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/relational/kv.hpp"

namespace loam {
namespace {

constexpr std::size_t entry_count = 200'000;
constexpr std::size_t value_bytes = 200;
constexpr std::size_t batch_count = 1'000;

/// A benchmark that fails has nothing to measure.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}
void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

class Scratch {
 public:
  Scratch() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/loam-kv-bench-XXXXXX";
    require(::mkdtemp(path_.data()) != nullptr, "mkdtemp");
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

const Scratch& scratch() {
  static const Scratch made;
  return made;
}

/// The keys in the order of reading.
const std::vector<std::string>& keys() {
  static const std::vector<std::string> made = [] {
    std::vector<std::string> all;
    char text[16];
    for (std::size_t i = 0; i < entry_count; ++i) {
      std::snprintf(text, sizeof text, "user/%08zu", i);
      all.emplace_back(text);
    }
    std::shuffle(all.begin(), all.end(), std::mt19937(7));
    return all;
  }();
  return made;
}

std::string value_of(const std::string& key) {
  std::string value;
  while (value.size() < value_bytes) value += key;
  value.resize(value_bytes);
  return value;
}

void fill(KeyValue& kv) {
  std::vector<std::string> values;
  for (std::size_t begin = 0; begin < entry_count; begin += batch_count) {
    values.clear();
    for (std::size_t i = begin; i < begin + batch_count; ++i) values.push_back(value_of(keys()[i]));
    std::vector<KvWrite> writes;
    for (std::size_t i = 0; i < batch_count; ++i) writes.push_back({keys()[begin + i], values[i]});
    must(kv.set_many(writes));
  }
}

/// Calls get(key) with one key after the other.
template <typename Get>
void read_all(benchmark::State& state, Get get) {
  // Threads read different parts.
  std::size_t next =
      entry_count / static_cast<std::size_t>(state.threads()) * static_cast<std::size_t>(state.thread_index());
  for (auto _ : state) {
    std::string value = get(keys()[next]);
    require(value.size() == value_bytes, "a value of another size");
    benchmark::DoNotOptimize(value);
    if (++next == entry_count) next = 0;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void read_port(benchmark::State& state, KeyValue& kv) {
  read_all(state, [&](const std::string& key) { return *must(kv.get(key)); });
}

// The three adapters, opened and filled once.

KeyValue& memory_kv() {
  static const std::unique_ptr<KeyValue> kv = [] {
    auto made = must(make_memory_kv()->open("bench"));
    fill(*made);
    return made;
  }();
  return *kv;
}

KeyValue& lmdb_kv() {
  static const std::unique_ptr<KeyValue> kv = [] {
    auto made = must(must(open_lmdb({.path = scratch() / "port.lmdb"}))->open("bench"));
    fill(*made);
    return made;
  }();
  return *kv;
}

Database& sqlite_database() {
  static const std::unique_ptr<Database> db = must(open_sqlite({.path = scratch() / "kv.db"}));
  return *db;
}

KeyValue& sqlite_kv() {
  static const std::unique_ptr<KeyValueStore> store = must(open_relational_kv(sqlite_database()));
  static const std::unique_ptr<KeyValue> kv = [] {
    auto made = must(store->open("bench"));
    fill(*made);
    return made;
  }();
  return *kv;
}

// The raw peers.

/// LMDB as one would use it by hand: a kept read transaction, renewed for each get.
class RawLmdb {
 public:
  RawLmdb() {
    const std::string path = scratch() / "raw.lmdb";
    std::filesystem::create_directory(path);
    require(mdb_env_create(&environment_) == 0, "mdb_env_create");
    mdb_env_set_mapsize(environment_, 1u << 30);
    require(mdb_env_open(environment_, path.c_str(), MDB_NOTLS, 0600) == 0, "mdb_env_open");
    MDB_txn* write = nullptr;
    require(mdb_txn_begin(environment_, nullptr, 0, &write) == 0, "mdb_txn_begin");
    require(mdb_dbi_open(write, nullptr, 0, &table_) == 0, "mdb_dbi_open");
    for (const std::string& key : keys()) {
      std::string value = value_of(key);
      MDB_val k = {key.size(), const_cast<char*>(key.data())}, v = {value.size(), value.data()};
      require(mdb_put(write, table_, &k, &v, 0) == 0, "mdb_put");
    }
    require(mdb_txn_commit(write) == 0, "mdb_txn_commit");
  }

  /// A transaction for one thread to read in.
  MDB_txn* new_reader() {
    MDB_txn* read = nullptr;
    require(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &read) == 0, "mdb_txn_begin");
    mdb_txn_reset(read);
    return read;
  }

  std::string get(MDB_txn* read, const std::string& key) {
    require(mdb_txn_renew(read) == 0, "mdb_txn_renew");
    MDB_val k = {key.size(), const_cast<char*>(key.data())}, v;
    require(mdb_get(read, table_, &k, &v) == 0, "mdb_get");
    std::string value(static_cast<const char*>(v.mv_data), v.mv_size);
    mdb_txn_reset(read);
    return value;
  }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
};

/// A connection with the settings of the adapter's and one prepared statement, on the adapter's own file.
class RawSqlite {
 public:
  RawSqlite() {
    sqlite_kv();  // filled
    require(sqlite3_open_v2((scratch() / "kv.db").c_str(), &db_, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr) ==
                SQLITE_OK,
            "sqlite3_open_v2");
    for (const char* pragma : {"PRAGMA cache_size=-16384", "PRAGMA mmap_size=0", "PRAGMA query_only=ON"})
      require(sqlite3_exec(db_, pragma, nullptr, nullptr, nullptr) == SQLITE_OK, pragma);
    const char* sql = "SELECT value FROM loam_kv WHERE namespace = ? AND key = ?";
    require(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &get_, nullptr) == SQLITE_OK, "sqlite3_prepare_v3");
  }

  std::string get(const std::string& key) {
    sqlite3_bind_text(get_, 1, "bench", 5, SQLITE_STATIC);
    sqlite3_bind_blob(get_, 2, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    require(sqlite3_step(get_) == SQLITE_ROW, "sqlite3_step");
    std::string value(static_cast<const char*>(sqlite3_column_blob(get_, 0)),
                      static_cast<std::size_t>(sqlite3_column_bytes(get_, 0)));
    sqlite3_reset(get_);
    sqlite3_clear_bindings(get_);
    return value;
  }

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* get_ = nullptr;
};

void memory_get(benchmark::State& state) { read_port(state, memory_kv()); }
void lmdb_get_port(benchmark::State& state) { read_port(state, lmdb_kv()); }
void sqlite_get_port(benchmark::State& state) { read_port(state, sqlite_kv()); }

void lmdb_get_raw(benchmark::State& state) {
  static RawLmdb raw;
  static thread_local MDB_txn* const reader = raw.new_reader();
  read_all(state, [&](const std::string& key) { return raw.get(reader, key); });
}
void sqlite_get_raw(benchmark::State& state) {
  static thread_local RawSqlite raw;
  read_all(state, [&](const std::string& key) { return raw.get(key); });
}

BENCHMARK(memory_get)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(lmdb_get_raw)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(lmdb_get_port)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(sqlite_get_raw)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(sqlite_get_port)->Threads(1)->Threads(2)->UseRealTime();

// Durable writes: new keys, into the filled store.

void write_singles(benchmark::State& state, KeyValue& kv) {
  static std::size_t next = 0;
  const std::string value(value_bytes, 'w');
  for (auto _ : state) must(kv.set("single/" + std::to_string(next++), value));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void write_batches(benchmark::State& state, KeyValue& kv) {
  static std::size_t next = 0;
  const std::string value(value_bytes, 'w');
  std::vector<std::string> names(batch_count);
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<KvWrite> writes;
    for (std::string& name : names) writes.push_back({name = "batch/" + std::to_string(next++), value});
    state.ResumeTiming();
    must(kv.set_many(writes));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batch_count));
}

void lmdb_set_durable(benchmark::State& state) { write_singles(state, lmdb_kv()); }
void lmdb_set_many_durable(benchmark::State& state) { write_batches(state, lmdb_kv()); }
void sqlite_set_durable(benchmark::State& state) { write_singles(state, sqlite_kv()); }
void sqlite_set_many_durable(benchmark::State& state) { write_batches(state, sqlite_kv()); }

BENCHMARK(lmdb_set_durable)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(lmdb_set_many_durable)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(sqlite_set_durable)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(sqlite_set_many_durable)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace loam

BENCHMARK_MAIN();
