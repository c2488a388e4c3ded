#include "loam/store/store.hpp"

#include <sys/stat.h>

#include <fstream>
#include <stdexcept>
#include <thread>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/store/process_lock.hpp"
#include "loam/store/store_test_support.hpp"

namespace loam {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Store> open_store(const std::string& location, StoreOptions options = {}) {
  auto store = Store::open(location, options);
  EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().to_string());
  return store.ok() ? std::move(store).value() : nullptr;
}

std::shared_ptr<Embedder> embedder() { return make_hash_embedder(64).value(); }

std::unique_ptr<Table> make_notes(Store& store) {
  TableSchema schema;
  schema.name = "notes";
  schema.columns = {{.name = "id", .type = ValueKind::int64, .nullable = false}, {.name = "body"}};
  schema.primary_key = {"id"};
  schema.text_columns = {"body"};
  schema.embedding = EmbeddingSpec{.source_columns = {"body"}};
  auto table = store.tables().create(schema, embedder());
  EXPECT_TRUE(table.ok()) << (table.ok() ? "" : table.error().to_string());
  return table.ok() ? std::move(table).value() : nullptr;
}

Result<void> add_note(Table& table, std::int64_t id, const std::string& body) {
  LOAM_TRY(table.add(std::vector<Record>{{{"id", id}, {"body", body}}}));
  return {};
}

std::string get(Store& store, const std::string& key) {
  auto kv = store.kv("n");
  auto value = (*kv)->get(key);
  EXPECT_TRUE(value.ok()) << (value.ok() ? "" : value.error().to_string());
  return value.ok() ? value->value_or("absent") : "error";
}

Result<void> set(Store& store, const std::string& key, const std::string& value, const Context& context = {}) {
  LOAM_TRY(auto kv, store.kv("n"));
  return kv->set(key, value, {}, context);
}

/// The same for a store in a directory and one in memory.
class AnyStore : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string location = std::string(GetParam()) == "memory" ? ":memory:" : root_ / "app.loam";
    store_ = open_store(location);
    ASSERT_NE(store_, nullptr);
  }
  std::int64_t notes() {
    auto count = store_->tables().open("notes").value()->count();
    return count.ok() ? *count : -1;
  }

  PrivateDirectory root_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Store, AnyStore, testing::Values("directory", "memory"),
                         [](const auto& kind) { return kind.param; });

TEST_P(AnyStore, TransactionStoresKeysAndRowsTogether) {
  make_notes(*store_);

  auto done = store_->transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto kv, t.kv("n"));
    LOAM_TRY(kv->set("k", "v"));
    LOAM_TRY(auto table, t.table("notes", embedder()));
    LOAM_TRY(add_note(*table, 1, "a grey heron"));
    LOAM_TRY(t.sql().execute("CREATE TABLE own(x INTEGER)"));
    EXPECT_EQ(kv->get("k")->value_or(""), "v") << "a transaction sees its own writes";
    EXPECT_EQ(table->count().value_or(-1), 1);
    return {};
  });

  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(get(*store_, "k"), "v");
  EXPECT_EQ(notes(), 1);
  EXPECT_TRUE(store_->database().query("SELECT * FROM own").ok());
  auto hits = store_->tables().open("notes", embedder()).value()->search({.text = "heron"});
  ASSERT_TRUE(hits.ok()) << hits.error().to_string();
  EXPECT_EQ(hits->hits.size(), 1u);
}

TEST_P(AnyStore, FailedFunctionStoresNothingAndItsErrorComesBack) {
  make_notes(*store_);

  auto done = store_->transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto kv, t.kv("n"));
    LOAM_TRY(kv->set("k", "v"));
    LOAM_TRY(auto table, t.table("notes", embedder()));
    LOAM_TRY(add_note(*table, 1, "a grey heron"));
    return invalid_argument("changed my mind");
  });

  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().message(), "changed my mind");
  EXPECT_EQ(get(*store_, "k"), "absent");
  EXPECT_EQ(notes(), 0);
}

TEST_P(AnyStore, ExceptionRollsBackAndGoesOn) {
  auto run = [&] {
    (void)store_->transaction([&](StoreTransaction& t) -> Result<void> {
      LOAM_TRY(auto kv, t.kv("n"));
      LOAM_TRY(kv->set("k", "v"));
      throw std::runtime_error("from the callback");
    });
  };

  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(get(*store_, "k"), "absent");
  EXPECT_TRUE(set(*store_, "k", "later").ok()) << "the writer is free again";
}

TEST_P(AnyStore, SavepointUndoesItsOwnPartOnly) {
  auto done = store_->transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto kv, t.kv("n"));
    LOAM_TRY(kv->set("outer", "1"));
    auto inner = t.savepoint([&]() -> Result<void> {
      LOAM_TRY(kv->set("inner", "1"));
      LOAM_TRY(t.savepoint([&] { return kv->set("innermost", "1"); }));
      return invalid_argument("no");
    });
    EXPECT_EQ(inner.error().message(), "no");
    EXPECT_THROW((void)t.savepoint([&]() -> Result<void> {
      LOAM_TRY(kv->set("thrown", "1"));
      throw std::runtime_error("x");
    }),
                 std::runtime_error);
    return t.savepoint([&] { return kv->set("kept", "1"); });
  });

  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(get(*store_, "outer"), "1");
  EXPECT_EQ(get(*store_, "kept"), "1");
  for (const char* gone : {"inner", "innermost", "thrown"}) EXPECT_EQ(get(*store_, gone), "absent") << gone;
}

// Without the check each of these waits for its own thread until the deadline, 30 s by default.
TEST_P(AnyStore, WritingPastTheTransactionIsRefusedAtOnce) {
  auto notes_table = make_notes(*store_);
  ErrorCode kv_code{}, table_code{}, nested_code{}, sql_code{}, check_code{}, compact_code{};
  std::string seen;

  auto done = store_->transaction([&](StoreTransaction& t) -> Result<void> {
    kv_code = set(*store_, "k", "v").error().code();
    table_code = add_note(*notes_table, 1, "x").error().code();
    nested_code = store_->transaction([](StoreTransaction&) -> Result<void> { return {}; }).error().code();
    sql_code = store_->database().execute("CREATE TABLE x(y INTEGER)").error().code();
    check_code = store_->check().error().code();
    compact_code = store_->compact().error().code();
    LOAM_TRY(auto kv, t.kv("n"));
    return kv->set("inside", "1");
  });

  EXPECT_TRUE(done.ok()) << done.error().to_string();
  for (ErrorCode code : {kv_code, table_code, nested_code, sql_code, check_code, compact_code})
    EXPECT_EQ(code, ErrorCode::failed_precondition);
  EXPECT_EQ(get(*store_, "inside"), "1");
  EXPECT_TRUE(set(*store_, "k", "v").ok());
}

TEST_P(AnyStore, CheckFindsNothingInAHealthyStore) {
  auto table = make_notes(*store_);
  ASSERT_TRUE(add_note(*table, 1, "one").ok());
  ASSERT_TRUE(add_note(*table, 2, "two").ok());
  ASSERT_TRUE(set(*store_, "k", "v").ok());

  auto report = store_->check();

  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->ok()) << report->problems.front();
  EXPECT_EQ(report->rows_checked, 3);
}

TEST_P(AnyStore, CheckFindsABadKvEntry) {
  ASSERT_TRUE(set(*store_, "k", "v").ok());
  ASSERT_TRUE(store_->database().execute("UPDATE loam_kv SET key = x''").ok());

  auto report = store_->check();

  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_FALSE(report->ok());
}

TEST_P(AnyStore, CheckFindsAMigrationThatIsGone) {
  ASSERT_TRUE(store_->database().execute("UPDATE loam_migrations SET version = version + 1 WHERE component = 'kv'").ok());
  auto report = store_->check();
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_FALSE(report->ok());
}

TEST_P(AnyStore, StatsCountWhatIsThere) {
  auto table = make_notes(*store_);
  ASSERT_TRUE(add_note(*table, 1, "one").ok());
  ASSERT_TRUE(set(*store_, "a", "1").ok());
  ASSERT_TRUE(set(*store_, "b", "2").ok());

  auto stats = store_->stats();

  ASSERT_TRUE(stats.ok()) << stats.error().to_string();
  EXPECT_EQ(stats->kv_entries, 2);
  ASSERT_EQ(stats->tables.size(), 1u);
  EXPECT_EQ(stats->tables[0].name, "notes");
  EXPECT_EQ(stats->tables[0].rows, 1);
  EXPECT_EQ(stats->tables[0].vectors, 1);
  EXPECT_GT(stats->database_bytes, 0);
  EXPECT_EQ(stats->format_version, 1);
  EXPECT_TRUE(stats->engine.starts_with("sqlite 3."));
}

TEST_P(AnyStore, BackupBecomesAStore) {
  auto table = make_notes(*store_);
  ASSERT_TRUE(add_note(*table, 1, "one").ok());
  ASSERT_TRUE(set(*store_, "k", "v").ok());

  auto taken = store_->backup(root_ / "backup");
  ASSERT_TRUE(taken.ok()) << taken.error().to_string();
  auto restored = restore_backup(root_ / "backup", root_ / "restored.loam");
  ASSERT_TRUE(restored.ok()) << restored.error().to_string();

  auto copy = open_store(root_ / "restored.loam");
  EXPECT_EQ(get(*copy, "k"), "v");
  EXPECT_EQ(copy->tables().open("notes").value()->count().value_or(-1), 1);
  EXPECT_TRUE(copy->check().value().ok());
  EXPECT_TRUE(copy->stats().value().notes.empty());
}

TEST_P(AnyStore, CompactRemovesExpiredEntriesAndKeepsTheOthers) {
  auto kv = store_->kv("n").value();
  ASSERT_TRUE(kv->set("short", "1", {.ttl_ms = 1}).ok());
  ASSERT_TRUE(kv->set("long", "1").ok());
  while (kv->exists("short").value()) std::this_thread::yield();

  ASSERT_TRUE(store_->compact().ok());

  auto rows = store_->database().query("SELECT count(*) FROM loam_kv");
  EXPECT_EQ(rows->at(0, 0u).as<std::int64_t>(), 1);
  EXPECT_EQ(get(*store_, "long"), "1");
}

TEST_P(AnyStore, HealthNamesTheStore) {
  auto health = store_->health();
  EXPECT_EQ(health.status, Health::healthy) << health.error;
  EXPECT_EQ(health.port, "store");
  EXPECT_EQ(health.adapter, "sqlite");
}

TEST(StoreOpen, WhatWasStoredIsThereAfterReopening) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    auto table = make_notes(*store);
    ASSERT_TRUE(add_note(*table, 7, "seven swans").ok());
    ASSERT_TRUE(set(*store, "k", "v").ok());
  }
  auto store = open_store("file:" + path, {.create = false});
  EXPECT_EQ(get(*store, "k"), "v");
  auto hits = store->tables().open("notes", embedder()).value()->search({.text = "swans"});
  ASSERT_TRUE(hits.ok());
  EXPECT_EQ(hits->hits.size(), 1u);
}

TEST(StoreOpen, TwoStoresOnOneDirectorySeeEachOther) {
  PrivateDirectory root;
  auto one = open_store(root / "app.loam");
  auto two = open_store(root / "app.loam");
  auto table = make_notes(*one);
  ASSERT_TRUE(add_note(*table, 1, "from one").ok());
  auto same = two->tables().open("notes", embedder());
  ASSERT_TRUE(same.ok()) << same.error().to_string();

  std::thread a([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(set(*one, "a" + std::to_string(i), "1").ok());
  });
  std::thread b([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(set(*two, "b" + std::to_string(i), "1").ok());
  });
  a.join();
  b.join();

  EXPECT_EQ(one->stats().value().kv_entries, 100);
  EXPECT_EQ((*same)->search({.text = "one", .mode = SearchMode::text})->hits.size(), 1u);
  EXPECT_GE(two->stats().value().lock_epoch, 2u);
}

TEST(StoreOpen, TwoProcessesLoseNoUpdate) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  open_store(path);
  auto work = [&] {
    auto store = Store::open(path, {.durability = Durability::normal});
    if (!store.ok()) return 1;
    for (int i = 0; i < 100; ++i) {
      auto done = (*store)->transaction([](StoreTransaction& t) -> Result<void> {
        LOAM_TRY(auto kv, t.kv("n"));
        LOAM_TRY(auto before, kv->get("count"));
        return kv->set("count", std::to_string(before ? std::stoi(*before) + 1 : 1));
      });
      if (!done.ok()) return 2;
    }
    return 0;
  };

  ChildProcess one(work), two(work);

  EXPECT_EQ(one.wait(), 0);
  EXPECT_EQ(two.wait(), 0);
  EXPECT_EQ(get(*open_store(path), "count"), "200");
}

TEST(StoreOpen, WriterThatWaitsTooLongIsToldWhoHoldsTheLock) {
  PrivateDirectory root;
  auto one = open_store(root / "app.loam");
  auto two = open_store(root / "app.loam");

  auto done = one->transaction([&](StoreTransaction&) -> Result<void> {
    auto refused = std::thread([&] {
      auto late = set(*two, "k", "v", Context().deadline_in_ms(50));
      ASSERT_FALSE(late.ok());
      EXPECT_EQ(late.error().code(), ErrorCode::unavailable);
      EXPECT_TRUE(late.error().retryable());
      EXPECT_NE(late.error().to_string().find("process " + std::to_string(::getpid())), std::string::npos)
          << late.error().to_string();
    });
    refused.join();
    return {};
  });
  EXPECT_TRUE(done.ok());
}

TEST(StoreOpen, ReadersDoNotWaitForAWriter) {
  PrivateDirectory root;
  auto store = open_store(root / "app.loam");
  ASSERT_TRUE(set(*store, "k", "before").ok());

  auto done = store->transaction([&](StoreTransaction& t) -> Result<void> {
    LOAM_TRY(auto kv, t.kv("n"));
    LOAM_TRY(kv->set("k", "after"));
    std::thread reader([&] { EXPECT_EQ(get(*store, "k"), "before"); });
    reader.join();
    return {};
  });

  EXPECT_TRUE(done.ok());
  EXPECT_EQ(get(*store, "k"), "after");
}

TEST(StoreOpen, ReadOnlyStoreReadsAndRefusesToWrite) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    make_notes(*store);
    ASSERT_TRUE(set(*store, "k", "v").ok());
  }
  fs::remove(path + "/LOCK");

  auto store = open_store(path, {.read_only = true});

  EXPECT_EQ(get(*store, "k"), "v");
  EXPECT_EQ(set(*store, "k", "w").error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(store->transaction([](StoreTransaction&) -> Result<void> { return {}; }).error().code(),
            ErrorCode::failed_precondition);
  EXPECT_EQ(store->compact().error().code(), ErrorCode::failed_precondition);
  auto report = store->check();
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->skipped.size(), 1u) << "what was not looked at is said";
  EXPECT_FALSE(fs::exists(path + "/LOCK")) << "no lock is taken";
}

// A CD-ROM, a container image: nothing can be written, not even by SQLite beside its file.
TEST(StoreOpen, ReadOnlyStoreOpensWhereNothingCanBeWritten) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    make_notes(*store);
    ASSERT_TRUE(set(*store, "k", "v").ok());
  }
  fs::remove(path + "/LOCK");
  bool root_user = ::geteuid() == 0;
  for (const auto& entry : fs::recursive_directory_iterator(root.path()))
    ::chmod(entry.path().c_str(), entry.is_directory() ? 0555 : 0444);
  ::chmod(root.path().c_str(), 0755);

  ChildProcess child([&] {
    if (root_user && ::setuid(65'534) != 0) return 1;  // root may write anywhere
    if (std::ofstream(path + "/probe").good()) return 2;
    auto store = Store::open(path, {.read_only = true});
    if (!store.ok()) return 3;
    auto kv = (*store)->kv("n");
    auto value = (*kv)->get("k");
    if (!value.ok() || *value != "v") return 4;
    return (*store)->tables().list().ok() ? 0 : 5;
  });
  EXPECT_EQ(child.wait(), 0);
  ::chmod(path.c_str(), 0755);
}

TEST(StoreOpen, ForkedChildIsToldToOpenItAgain) {
  PrivateDirectory root;
  auto store = open_store(root / "app.loam");
  ASSERT_TRUE(set(*store, "k", "v").ok());

  ChildProcess child([&] {
    auto refused = set(*store, "k", "child");
    return !refused.ok() && refused.error().code() == ErrorCode::failed_precondition ? 0 : 1;
  });

  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(get(*store, "k"), "v");
}

TEST(StoreOpen, NotesSayWhatWasIgnored) {
  PrivateDirectory root;
  open_store(root / "app.loam");
  write_text(root / "app.loam/stray.tmp", "x");

  auto notes = open_store(root / "app.loam")->stats().value().notes;

  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("stray.tmp"), std::string::npos);
}

TEST(StoreOpen, LocationsThatAreNoStoreAreRefused) {
  EXPECT_EQ(Store::open("").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(Store::open(std::string_view("a\0b", 3)).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(Store::open("mysql://db/x").error().code(), ErrorCode::unsupported);
  EXPECT_EQ(Store::open(":memory:", {.read_only = true}).error().code(), ErrorCode::invalid_argument);
}

TEST(StoreOpen, NewerPartOfAStoreIsRefused) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    ASSERT_TRUE(store->database()
                    .execute("INSERT INTO loam_migrations (component, version, name, checksum, applied_at) "
                             "VALUES ('kv', 99, 'from the future', 'x', ?)",
                             {system_clock().now()})
                    .ok());
  }
  EXPECT_EQ(Store::open(path).error().code(), ErrorCode::failed_precondition);
}

// Page after page of the file, overwritten while the store is closed: never a crash, and never a clean report.
TEST(StoreOpen, EveryDamagedPageIsReported) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    auto table = make_notes(*store);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(add_note(*table, i, "note number " + std::to_string(i)).ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(set(*store, "k" + std::to_string(i), std::string(300, 'v')).ok());
  }
  std::string good = file_text(path + "/loam.db");
  std::size_t unnoticed = 0, free_pages = 0;
  for (std::size_t page = 0; page < good.size() / 4096; ++page) {
    std::string bad = good;
    std::size_t kept = page == 0 ? 100 : 0;  // of the header of the file, which layout_test damages
    bad.replace(page * 4096 + kept, 4096 - kept, std::string(4096 - kept, '\x5a'));
    write_text(path + "/loam.db", bad);
    auto store = Store::open(path);
    if (!store.ok()) continue;
    auto report = (*store)->check();
    if (!report.ok() || !report->ok()) continue;
    ++unnoticed;
    free_pages = static_cast<std::size_t>((*store)->database().query("PRAGMA freelist_count")->at(0, 0u).as<std::int64_t>());
  }
  EXPECT_LE(unnoticed, free_pages);
}

// Values of the wrong type in the record of migrations ended the process by an assertion.
TEST(StoreOpen, DamagedRecordOfMigrationsIsAnError) {
  PrivateDirectory root;
  std::string path = root / "app.loam";
  {
    auto store = open_store(path);
    ASSERT_TRUE(store->database().execute("UPDATE loam_migrations SET applied_at = 'yesterday'").ok());
  }
  EXPECT_EQ(Store::open(path).error().code(), ErrorCode::data_corruption);
}

}  // namespace
}  // namespace loam
