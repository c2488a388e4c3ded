#include "tests/crash/family.hpp"

#include "loam/adapters/hash/hash_embedder.hpp"

namespace loam::crash {
namespace {

constexpr std::string_view kv_namespace = "crash";
constexpr std::string_view counter_namespace = "crash-counter";
constexpr std::string_view counter_key = "count";
constexpr std::string_view table_name = "crash_notes";

class KvFamily final : public CrashFamily {
 public:
  std::string_view name() const override { return "kv"; }
  Result<void> prepare(Store&) override { return {}; }

  Result<void> apply(Store& store, std::span<const ItemWrite> writes, std::uint64_t style) override {
    LOAM_TRY(auto kv, store.kv(kv_namespace));
    return apply_to(*kv, writes, style);
  }

  Result<void> apply_in(StoreTransaction& transaction, std::span<const ItemWrite> writes, std::uint64_t style) override {
    LOAM_TRY(auto kv, transaction.kv(kv_namespace));
    return apply_to(*kv, writes, style);
  }

  Result<Items> read_all(Store& store) override {
    LOAM_TRY(auto kv, store.kv(kv_namespace));
    Items items;
    std::string cursor;
    for (;;) {
      LOAM_TRY(auto page, kv->list({.limit = 100, .cursor = cursor}));
      for (KvEntry& entry : page.entries) items.emplace(std::move(entry.key), std::move(entry.value));
      if (!page.next_cursor) return items;
      cursor = *page.next_cursor;
    }
  }

  Result<std::vector<std::string>> index_problems(Store& store, const Items& items) override {
    LOAM_TRY(auto kv, store.kv(kv_namespace));
    std::vector<std::string> problems;
    for (const auto& [item, content] : items) {
      LOAM_TRY(auto value, kv->get(item));
      if (value != content) problems.push_back("kv get of " + item + " differs from list");
    }
    return problems;
  }

 private:
  static Result<void> apply_to(KeyValue& kv, std::span<const ItemWrite> writes, std::uint64_t style) {
    if (!writes.front().content) {
      std::vector<std::string_view> keys;
      for (const ItemWrite& write : writes) keys.push_back(write.item);
      LOAM_TRY(kv.erase_many(keys));
      return {};
    }
    if (writes.size() == 1 && style % 2 == 0) return compare_and_set(kv, writes.front());
    std::vector<KvWrite> batch;
    for (const ItemWrite& write : writes) batch.push_back({write.item, *write.content});
    return kv.set_many(batch);
  }

  /// Only this lane writes the key, so it always applies.
  static Result<void> compare_and_set(KeyValue& kv, const ItemWrite& write) {
    LOAM_TRY(auto before, kv.get(write.item));
    LOAM_TRY(auto done, kv.compare_and_set(write.item, before, *write.content));
    if (!done.applied) return internal_error("compare_and_set of " + write.item + " met another writer");
    return {};
  }
};

class TablesFamily final : public CrashFamily {
 public:
  std::string_view name() const override { return "tables"; }

  Result<void> prepare(Store& store) override {
    LOAM_TRY(embedder_, make_hash_embedder(64));
    TableSchema schema;
    schema.name = table_name;
    schema.columns = {{.name = "item", .type = ValueKind::string, .nullable = false},
                      {.name = "body", .type = ValueKind::string}};
    schema.primary_key = {"item"};
    schema.text_columns = {"body"};
    schema.embedding = EmbeddingSpec{.source_columns = {"body"}};
    auto made = store.tables().create(std::move(schema), embedder_);
    if (!made.ok() && made.error().code() != ErrorCode::already_exists) return std::move(made).error();
    return {};
  }

  Result<void> apply(Store& store, std::span<const ItemWrite> writes, std::uint64_t) override {
    LOAM_TRY(auto table, store.tables().open(table_name, embedder_));
    return apply_to(*table, writes);
  }

  Result<void> apply_in(StoreTransaction& transaction, std::span<const ItemWrite> writes, std::uint64_t) override {
    LOAM_TRY(auto table, transaction.table(table_name, embedder_));
    return apply_to(*table, writes);
  }

  Result<Items> read_all(Store& store) override {
    LOAM_TRY(auto table, store.tables().open(table_name));
    Items items;
    ScanOptions options{.limit = 100};
    for (;;) {
      LOAM_TRY(auto page, table->scan(options));
      for (std::size_t i = 0; i < page.rows.rows.size(); ++i)
        items.emplace(page.rows.at(i, "item").as<std::string>(), page.rows.at(i, "body").as<std::string>());
      if (!page.next_cursor) return items;
      options.cursor = *page.next_cursor;
    }
  }

  Result<std::vector<std::string>> index_problems(Store& store, const Items& items) override {
    LOAM_TRY(auto table, store.tables().open(table_name, embedder_));
    std::vector<std::string> problems;
    for (const auto& [item, content] : items) {
      LOAM_TRY(auto by_word, table->search({.text = rare_word(content), .mode = SearchMode::text, .limit = 5}));
      if (by_word.hits.size() != 1 || by_word.rows.at(0, "item") != Value(item))
        problems.push_back(item +
                           " is not the one row with its rare word; rows found: " + std::to_string(by_word.hits.size()));
      LOAM_TRY(auto by_vector, table->search({.text = content, .mode = SearchMode::vector, .limit = 1}));
      if (by_vector.hits.size() != 1 || by_vector.rows.at(0, "body") != Value(content))
        problems.push_back(item + " is not the nearest to its own vector");
    }
    LOAM_TRY(auto all, table->search({.text = "river", .mode = SearchMode::vector, .limit = items.size() + 10}));
    if (all.hits.size() != items.size())
      problems.push_back("the vector index holds " + std::to_string(all.hits.size()) + " rows, the table " +
                         std::to_string(items.size()));
    return problems;
  }

 private:
  static Result<void> apply_to(Table& table, std::span<const ItemWrite> writes) {
    if (!writes.front().content) {
      std::string where = "item IN (";
      for (const ItemWrite& write : writes) where += (where.back() == '(' ? "'" : ", '") + write.item + "'";
      LOAM_TRY(table.erase(where + ")"));
      return {};
    }
    std::vector<Record> rows;
    for (const ItemWrite& write : writes) rows.push_back({{"item", write.item}, {"body", *write.content}});
    LOAM_TRY(table.upsert(rows));
    return {};
  }

  std::shared_ptr<Embedder> embedder_;
};

}  // namespace

std::unique_ptr<CrashFamily> make_kv_family() { return std::make_unique<KvFamily>(); }
std::unique_ptr<CrashFamily> make_tables_family() { return std::make_unique<TablesFamily>(); }

std::vector<std::unique_ptr<CrashFamily>> all_families() {
  std::vector<std::unique_ptr<CrashFamily>> families;
  families.push_back(make_kv_family());
  families.push_back(make_tables_family());
  return families;
}

Result<void> add_to_counter(StoreTransaction& transaction) {
  LOAM_TRY(auto kv, transaction.kv(counter_namespace));
  LOAM_TRY(auto before, kv->get(counter_key));
  return kv->set(counter_key, std::to_string(before ? std::stoll(*before) + 1 : 1));
}

Result<std::int64_t> read_counter(Store& store) {
  LOAM_TRY(auto kv, store.kv(counter_namespace));
  LOAM_TRY(auto value, kv->get(counter_key));
  return value ? std::stoll(*value) : 0;
}

}  // namespace loam::crash
