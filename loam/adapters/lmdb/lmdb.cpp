#include "loam/adapters/lmdb/lmdb.hpp"

#include <atomic>

#include "loam/adapters/lmdb/environment.hpp"
#include "loam/adapters/lmdb/key_tree.hpp"
#include "loam/adapters/lmdb/lmdb_internal.hpp"

namespace loam {
namespace {

using lmdb::Environment;
using lmdb::KeyTree;
using lmdb::NodeId;
using lmdb::StoredEntry;
using Verdict = Environment::Verdict;

KvCharacteristics characteristics_of(const Environment& environment) {
  return {
      .persistent = true, .durable = environment.durability() == Durability::full, .shared = true, .transactional = false};
}

KeyTree tree_in(const Environment& environment, MDB_txn* transaction) {
  return KeyTree(environment.tables(), environment.chunk_bytes(), transaction);
}

class LmdbKv final : public KeyValue {
 public:
  LmdbKv(std::shared_ptr<Environment> environment, std::string name, const Clock& clock)
      : environment_(std::move(environment)), name_(std::move(name)), clock_(clock) {}

  KvCharacteristics characteristics() const override { return characteristics_of(*environment_); }

 protected:
  Result<std::optional<std::string>> do_get(std::string_view key, const Context&) override {
    LOAM_TRY(auto read, environment_->read());
    LOAM_TRY(auto entry, find_live(tree(read.transaction()), key));
    if (!entry) return std::optional<std::string>();
    return std::optional<std::string>(entry->value);
  }

  Result<bool> do_exists(std::string_view key, const Context&) override {
    LOAM_TRY(auto read, environment_->read());
    LOAM_TRY(auto entry, find_live(tree(read.transaction()), key));
    return entry.has_value();
  }

  Result<std::vector<std::optional<std::string>>> do_get_many(std::span<const std::string_view> keys,
                                                              const Context&) override {
    LOAM_TRY(auto read, environment_->read());
    KeyTree tree = this->tree(read.transaction());
    KvAnswerBudget budget;
    std::vector<std::optional<std::string>> values(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      LOAM_TRY(auto entry, find_live(tree, keys[i]));
      if (!entry) continue;
      LOAM_TRY(budget.take(entry->value.size()));
      values[i] = entry->value;
    }
    return values;
  }

  Result<KvPage> do_list(const KvListOptions& options, const Context& context) override {
    LOAM_TRY(auto read, environment_->read());
    KeyTree tree = this->tree(read.transaction());
    LOAM_TRY(auto root, root_node(tree));
    if (!root) return KvPage();
    KvPageBuilder page(options);
    const Timestamp now = clock_.now();
    std::size_t steps = 0;
    auto visit = [&](std::string_view key, const StoredEntry& entry) -> Result<bool> {
      if (++steps % 1024 == 0) LOAM_TRY(context.check("kv list"));
      if (!key.starts_with(options.prefix)) return false;
      return !is_live(entry.expires_at, now) || page.add(key, entry.value, entry.expires_at);
    };
    if (options.cursor.empty()) {
      LOAM_TRY(tree.walk(*root, options.prefix, KeyTree::From::at, visit));
    } else {
      LOAM_TRY(tree.walk(*root, options.cursor, KeyTree::From::after, visit));
    }
    return std::move(page).finish();
  }

  Result<void> do_set_many(std::span<const KvWrite> writes, const Context& context) override {
    return environment_->write(context, [&](MDB_txn* transaction) -> Result<Verdict> {
      KeyTree tree = this->tree(transaction);
      const Timestamp now = clock_.now();
      LOAM_TRY(NodeId root, tree.make_namespace(name_));
      for (const KvWrite& write : writes) LOAM_TRY(tree.put(root, write.key, write.value, expiry_of(write.options, now)));
      return Verdict::commit;
    });
  }

  Result<std::int64_t> do_erase_many(std::span<const std::string_view> keys, const Context& context) override {
    std::int64_t erased = 0;
    LOAM_TRY(environment_->write(context, [&](MDB_txn* transaction) -> Result<Verdict> {
      erased = 0;
      KeyTree tree = this->tree(transaction);
      LOAM_TRY(auto root, root_node(tree));
      if (!root) return Verdict::roll_back;
      bool changed = false;
      for (std::string_view key : keys) {
        LOAM_TRY(auto live, find_live(tree, key));
        LOAM_TRY(bool removed, tree.erase(*root, key));
        erased += live.has_value();
        changed |= removed;
      }
      return changed ? Verdict::commit : Verdict::roll_back;
    }));
    return erased;
  }

  Result<KvCasResult> do_compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                         std::optional<std::string_view> desired, KvSetOptions options,
                                         const Context& context) override {
    KvCasResult result;
    LOAM_TRY(environment_->write(context, [&](MDB_txn* transaction) -> Result<Verdict> {
      result = {};
      KeyTree tree = this->tree(transaction);
      LOAM_TRY(auto found, find_live(tree, key));
      if (found) result.actual = found->value;
      result.applied = result.actual == expected;
      if (!result.applied || (!desired && !found)) return Verdict::roll_back;
      LOAM_TRY(NodeId root, tree.make_namespace(name_));
      if (desired) {
        LOAM_TRY(tree.put(root, key, *desired, expiry_of(options, clock_.now())));
      } else {
        LOAM_TRY(tree.erase(root, key));
      }
      return Verdict::commit;
    }));
    return result;
  }

  Result<std::int64_t> do_clear(const Context& context) override {
    std::int64_t live = 0;
    LOAM_TRY(environment_->write(context, [&](MDB_txn* transaction) -> Result<Verdict> {
      live = 0;
      std::size_t steps = 0;
      KeyTree tree = this->tree(transaction);
      LOAM_TRY(auto root, root_node(tree));
      if (!root) return Verdict::roll_back;
      const Timestamp now = clock_.now();
      LOAM_TRY(tree.clear(*root, [&](std::string_view, const StoredEntry& entry) -> Result<bool> {
        if (++steps % 1024 == 0) LOAM_TRY(context.check("kv clear"));
        live += is_live(entry.expires_at, now);
        return true;
      }));
      return steps > 0 ? Verdict::commit : Verdict::roll_back;
    }));
    return live;
  }

  // Finds the expired keys as a reader and removes them in pieces, so that other writers wait for milliseconds only.
  Result<std::int64_t> do_purge_expired(const Context& context) override {
    std::int64_t purged = 0;
    std::string after;
    for (;;) {
      LOAM_TRY(auto expired, expired_keys(after, context));
      if (expired.empty()) return purged;
      after = expired.back();
      LOAM_TRY(std::int64_t removed, erase_if_expired(expired, context));
      purged += removed;
    }
  }

 private:
  static constexpr std::size_t purge_piece = 1000;

  KeyTree tree(MDB_txn* transaction) const { return tree_in(*environment_, transaction); }

  /// The root of this namespace. It never changes, so it is looked up until it is there and then remembered. Not after
  /// make_namespace() in the same transaction: that one may not be committed.
  Result<std::optional<NodeId>> root_node(const KeyTree& tree) {
    NodeId known = root_.load(std::memory_order_relaxed);
    if (known != 0) return std::optional<NodeId>(known);
    LOAM_TRY(auto found, tree.find_namespace(name_));
    if (found) root_.store(*found, std::memory_order_relaxed);
    return found;
  }

  Result<std::optional<StoredEntry>> find_live(const KeyTree& tree, std::string_view key) {
    LOAM_TRY(auto root, root_node(tree));
    if (!root) return std::optional<StoredEntry>();
    LOAM_TRY(auto entry, tree.find(*root, key));
    if (entry && entry->expires_at && !is_live(entry->expires_at, clock_.now())) return std::optional<StoredEntry>();
    return entry;
  }

  Result<std::vector<std::string>> expired_keys(const std::string& after, const Context& context) {
    std::vector<std::string> keys;
    LOAM_TRY(auto read, environment_->read());
    KeyTree tree = this->tree(read.transaction());
    LOAM_TRY(auto root, root_node(tree));
    if (!root) return keys;
    const Timestamp now = clock_.now();
    std::size_t steps = 0;
    auto visit = [&](std::string_view key, const StoredEntry& entry) -> Result<bool> {
      if (++steps % 1024 == 0) LOAM_TRY(context.check("kv purge_expired"));
      if (!is_live(entry.expires_at, now)) keys.emplace_back(key);
      return keys.size() < purge_piece;
    };
    LOAM_TRY(tree.walk(*root, after, after.empty() ? KeyTree::From::at : KeyTree::From::after, visit));
    return keys;
  }

  Result<std::int64_t> erase_if_expired(const std::vector<std::string>& keys, const Context& context) {
    std::int64_t removed = 0;
    LOAM_TRY(environment_->write(context, [&](MDB_txn* transaction) -> Result<Verdict> {
      removed = 0;
      KeyTree tree = this->tree(transaction);
      LOAM_TRY(auto root, root_node(tree));
      const Timestamp now = clock_.now();
      for (const std::string& key : keys) {
        LOAM_TRY(auto entry, tree.find(*root, key));
        if (!entry || is_live(entry->expires_at, now)) continue;  // written anew since we read it
        LOAM_TRY(tree.erase(*root, key));
        ++removed;
      }
      return removed > 0 ? Verdict::commit : Verdict::roll_back;
    }));
    return removed;
  }

  std::shared_ptr<Environment> environment_;
  std::string name_;
  const Clock& clock_;
  std::atomic<NodeId> root_ = 0;
};

class LmdbStore final : public KeyValueStore {
 public:
  LmdbStore(std::shared_ptr<Environment> environment, const Clock& clock)
      : environment_(std::move(environment)), clock_(clock) {}

  Result<std::unique_ptr<KeyValue>> open(std::string_view name_space) override {
    LOAM_TRY(check_namespace(name_space));
    return std::unique_ptr<KeyValue>(std::make_unique<LmdbKv>(environment_, std::string(name_space), clock_));
  }

  Result<std::vector<std::string>> namespaces(const Context& context) override {
    LOAM_TRY(context.check("kv namespaces"));
    LOAM_TRY(auto read, environment_->read());
    KeyTree tree = tree_in(*environment_, read.transaction());
    LOAM_TRY(auto all, tree.namespaces());
    const Timestamp now = clock_.now();
    std::vector<std::string> names;
    for (auto& [name, root] : all) {
      bool live = false;
      LOAM_TRY(tree.walk(root, "", KeyTree::From::at, [&](std::string_view, const StoredEntry& entry) -> Result<bool> {
        live = is_live(entry.expires_at, now);
        return !live;
      }));
      if (live) names.push_back(std::move(name));
    }
    return names;
  }

  HealthStatus health(const Context&) override {
    HealthStatus status{.adapter = "lmdb", .port = "kv", .details = {}, .error = {}};
    auto start = std::chrono::steady_clock::now();
    if (auto probed = probe(status); !probed.ok()) {
      status.status = Health::unhealthy;
      status.error = probed.error().to_string();
    }
    status.latency_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return status;
  }

  KvCharacteristics characteristics() const override { return characteristics_of(*environment_); }

 private:
  Result<void> probe(HealthStatus& status) {
    LOAM_TRY(auto read, environment_->read());
    MDB_stat entries;
    MDB_envinfo info;
    mdb_stat(read.transaction(), environment_->tables().entries, &entries);
    mdb_env_info(environment_->native(), &info);
    status.details = {{"version", mdb_version(nullptr, nullptr, nullptr)},
                      {"entries", std::to_string(entries.ms_entries)},
                      {"used_bytes", std::to_string((info.me_last_pgno + 1) * entries.ms_psize)},
                      {"map_bytes", std::to_string(info.me_mapsize)},
                      {"readers", std::to_string(info.me_numreaders)},
                      {"readers_max", std::to_string(info.me_maxreaders)}};
    if (environment_->broken()) {
      status.status = Health::degraded;
      status.error = "a commit failed half-way; reads work, writes need the store to be opened anew";
    }
    return {};
  }

  std::shared_ptr<Environment> environment_;
  const Clock& clock_;
};

}  // namespace

namespace lmdb {

Result<std::unique_ptr<KeyValueStore>> open_with_chunks(const LmdbOptions& options, const Clock& clock,
                                                        std::size_t chunk_bytes) {
  LOAM_TRY(auto environment, Environment::open(options, chunk_bytes));
  return std::unique_ptr<KeyValueStore>(std::make_unique<LmdbStore>(std::move(environment), clock));
}

}  // namespace lmdb

Result<std::unique_ptr<KeyValueStore>> open_lmdb(LmdbOptions options, const Clock& clock) {
  return lmdb::open_with_chunks(options, clock, lmdb::chunk_bytes_default);
}

}  // namespace loam
