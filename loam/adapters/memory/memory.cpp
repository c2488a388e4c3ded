#include "loam/adapters/memory/memory.hpp"

#include <algorithm>
#include <mutex>
#include <queue>

#include "loam/adapters/memory/shards.hpp"

namespace loam {
namespace {

using memory::all_shards;
using memory::Entry;
using memory::Namespace;
using memory::Shard;
using memory::shard_count;
using memory::ShardMask;

using ReadLocks = memory::ShardLocks<std::shared_lock<std::shared_mutex>>;
using WriteLocks = memory::ShardLocks<std::unique_lock<std::shared_mutex>>;

constexpr KvCharacteristics memory_characteristics{};

/// The namespaces of one store, shared by the store and the open namespaces.
class Namespaces {
 public:
  std::shared_ptr<Namespace> open(std::string_view name) {
    std::lock_guard lock(mutex_);
    auto& slot = by_name_[std::string(name)];
    if (!slot) slot = std::make_shared<Namespace>();
    return slot;
  }

  /// Forgets the namespace when it is empty and `last` is the only handle, so that opening names costs no memory for ever.
  void close(std::string_view name, std::shared_ptr<Namespace> last) {
    std::lock_guard lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second != last || last.use_count() > 2) return;  // 2: the map's and `last`
    for (const Shard& shard : last->shards)
      if (!shard.ordered().empty()) return;
    by_name_.erase(found);
  }

  std::vector<std::pair<std::string, std::shared_ptr<Namespace>>> all() const {
    std::lock_guard lock(mutex_);
    return {by_name_.begin(), by_name_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Namespace>, std::less<>> by_name_;
};

/// Walks the live entries of all shards in key order, from `begin` on. The shards are locked.
class MergedWalk {
 public:
  MergedWalk(const Namespace& name_space, std::string_view begin, bool after_begin) {
    for (const Shard& shard : name_space.shards) {
      const auto& entries = shard.ordered();
      auto first = after_begin ? entries.upper_bound(begin) : entries.lower_bound(begin);
      if (first != entries.end()) heads_.push({first, entries.end()});
    }
  }

  bool at_end() const { return heads_.empty(); }
  const std::pair<const std::string, Entry>& current() const { return *heads_.top().next; }
  void advance() {
    Head head = heads_.top();
    heads_.pop();
    if (++head.next != head.end) heads_.push(head);
  }

 private:
  struct Head {
    Shard::Ordered::const_iterator next, end;
    bool operator<(const Head& other) const { return next->first > other.next->first; }  // the smallest key on top
  };
  std::priority_queue<Head> heads_;
};

class MemoryKv final : public KeyValue {
 public:
  MemoryKv(std::shared_ptr<Namespaces> store, std::string name, const Clock& clock)
      : store_(std::move(store)), name_(std::move(name)), data_(store_->open(name_)), clock_(clock) {}
  ~MemoryKv() override { store_->close(name_, std::move(data_)); }

  KvCharacteristics characteristics() const override { return memory_characteristics; }

 protected:
  Result<std::optional<std::string>> do_get(std::string_view key, const Context&) override {
    Shard& shard = data_->shard_of(key);
    std::shared_lock lock(shard.mutex);
    const Entry* entry = live(shard, key);
    if (entry == nullptr) return std::optional<std::string>();
    return std::optional<std::string>(entry->value);
  }

  Result<bool> do_exists(std::string_view key, const Context&) override {
    Shard& shard = data_->shard_of(key);
    std::shared_lock lock(shard.mutex);
    return live(shard, key) != nullptr;
  }

  Result<std::vector<std::optional<std::string>>> do_get_many(std::span<const std::string_view> keys,
                                                              const Context&) override {
    ReadLocks locks(*data_, mask_of(keys));
    Timestamp now = clock_.now();
    KvAnswerBudget budget;
    std::vector<std::optional<std::string>> values(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Entry* entry = data_->shard_of(keys[i]).find(keys[i]);
      if (entry == nullptr || !is_live(entry->expires_at, now)) continue;
      LOAM_TRY(budget.take(entry->value.size()));
      values[i] = entry->value;
    }
    return values;
  }

  Result<KvPage> do_list(const KvListOptions& options, const Context& context) override {
    KvPageBuilder page(options);
    ReadLocks locks(*data_, all_shards);
    Timestamp now = clock_.now();
    bool resumed = !options.cursor.empty();
    std::size_t steps = 0;
    for (MergedWalk walk(*data_, resumed ? options.cursor : options.prefix, resumed); !walk.at_end(); walk.advance()) {
      if (++steps % 1024 == 0) LOAM_TRY(context.check("kv list"));
      const auto& [key, entry] = walk.current();
      if (!key.starts_with(options.prefix)) break;
      if (is_live(entry.expires_at, now) && !page.add(key, entry.value, entry.expires_at)) break;
    }
    return std::move(page).finish();
  }

  Result<void> do_set_many(std::span<const KvWrite> writes, const Context&) override {
    ShardMask mask = 0;
    for (const KvWrite& write : writes) mask |= bit_of(write.key);
    WriteLocks locks(*data_, mask);
    Timestamp now = clock_.now();
    for (const KvWrite& write : writes)
      data_->shard_of(write.key).put(write.key, write.value, expiry_of(write.options, now));
    return {};
  }

  Result<std::int64_t> do_erase_many(std::span<const std::string_view> keys, const Context&) override {
    WriteLocks locks(*data_, mask_of(keys));
    Timestamp now = clock_.now();
    std::int64_t erased = 0;
    for (std::string_view key : keys) erased += data_->shard_of(key).erase(key, now);
    return erased;
  }

  Result<KvCasResult> do_compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                         std::optional<std::string_view> desired, KvSetOptions options,
                                         const Context&) override {
    Shard& shard = data_->shard_of(key);
    std::unique_lock lock(shard.mutex);
    Timestamp now = clock_.now();
    const Entry* entry = shard.find(key);
    KvCasResult result;
    if (entry != nullptr && is_live(entry->expires_at, now)) result.actual = entry->value;
    if (result.actual != expected) return result;
    result.applied = true;
    if (desired) {
      shard.put(key, *desired, expiry_of(options, now));
    } else {
      shard.erase(key, now);
    }
    return result;
  }

  Result<std::int64_t> do_clear(const Context&) override {
    WriteLocks locks(*data_, all_shards);
    std::int64_t live_count = 0;
    for (Shard& shard : data_->shards) live_count += shard.clear(clock_.now());
    return live_count;
  }

  Result<std::int64_t> do_purge_expired(const Context&) override {
    std::int64_t purged = 0;
    for (Shard& shard : data_->shards) {  // one at a time: nothing that can be seen changes
      std::unique_lock lock(shard.mutex);
      purged += shard.purge(clock_.now());
    }
    return purged;
  }

 private:
  static ShardMask bit_of(std::string_view key) { return ShardMask{1} << Namespace::index_of(key); }
  static ShardMask mask_of(std::span<const std::string_view> keys) {
    ShardMask mask = 0;
    for (std::string_view key : keys) mask |= bit_of(key);
    return mask;
  }
  const Entry* live(const Shard& shard, std::string_view key) const {
    const Entry* entry = shard.find(key);
    // Most entries never expire; those need no look at the clock.
    return entry != nullptr && (!entry->expires_at || is_live(entry->expires_at, clock_.now())) ? entry : nullptr;
  }

  std::shared_ptr<Namespaces> store_;
  std::string name_;
  std::shared_ptr<Namespace> data_;
  const Clock& clock_;
};

class MemoryStore final : public KeyValueStore {
 public:
  explicit MemoryStore(const Clock& clock) : namespaces_(std::make_shared<Namespaces>()), clock_(clock) {}

  Result<std::unique_ptr<KeyValue>> open(std::string_view name_space) override {
    LOAM_TRY(check_namespace(name_space));
    return std::unique_ptr<KeyValue>(std::make_unique<MemoryKv>(namespaces_, std::string(name_space), clock_));
  }

  Result<std::vector<std::string>> namespaces(const Context& context) override {
    LOAM_TRY(context.check("kv namespaces"));
    std::vector<std::string> names;
    for (const auto& [name, data] : namespaces_->all())
      if (holds_live_entry(*data)) names.push_back(name);
    return names;
  }

  HealthStatus health(const Context&) override {
    auto start = std::chrono::steady_clock::now();
    std::size_t entries = 0, name_count = 0;
    for (const auto& [name, data] : namespaces_->all()) {
      ++name_count;
      for (const Shard& shard : data->shards) {
        std::shared_lock lock(shard.mutex);
        entries += shard.ordered().size();
      }
    }
    HealthStatus status{.adapter = "memory", .port = "kv", .details = {}, .error = {}};
    status.details = {{"namespaces", std::to_string(name_count)}, {"entries", std::to_string(entries)}};
    status.latency_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return status;
  }

  KvCharacteristics characteristics() const override { return memory_characteristics; }

 private:
  bool holds_live_entry(const Namespace& data) const {
    Timestamp now = clock_.now();
    return std::any_of(data.shards.begin(), data.shards.end(), [&](const Shard& shard) {
      std::shared_lock lock(shard.mutex);
      return std::any_of(shard.ordered().begin(), shard.ordered().end(),
                         [&](const auto& entry) { return is_live(entry.second.expires_at, now); });
    });
  }

  std::shared_ptr<Namespaces> namespaces_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<KeyValueStore> make_memory_kv(const Clock& clock) { return std::make_unique<MemoryStore>(clock); }

}  // namespace loam
