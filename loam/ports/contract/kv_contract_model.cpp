#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loam/ports/contract/kv_contract.hpp"

namespace loam::test {
namespace {

/// The port as its documentation reads, over std::map.
class Model {
 public:
  explicit Model(const Clock& clock) : clock_(clock) {}

  std::optional<std::string> get(const std::string& key) const {
    auto found = entries_.find(key);
    if (found == entries_.end() || !is_live(found->second.expires_at, clock_.now())) return std::nullopt;
    return found->second.value;
  }
  void set(const std::string& key, std::string value, std::optional<std::int64_t> ttl_ms) {
    std::optional<Timestamp> expires_at;
    if (ttl_ms) expires_at = Timestamp{clock_.now().micros + *ttl_ms * 1000};
    entries_[key] = KvEntry{key, std::move(value), expires_at};
  }
  bool erase(const std::string& key) {
    bool live = get(key).has_value();
    entries_.erase(key);
    return live;
  }
  std::vector<KvEntry> list(const std::string& prefix) const {
    std::vector<KvEntry> found;
    for (const auto& [key, entry] : entries_)
      if (key.starts_with(prefix) && get(key)) found.push_back(entry);
    return found;
  }
  std::int64_t clear() {
    auto live = static_cast<std::int64_t>(list("").size());
    entries_.clear();
    return live;
  }

 private:
  const Clock& clock_;
  std::map<std::string, KvEntry> entries_;
};

/// Random calls from a seed. Keys come from a small alphabet with lengths around the places where adapters cut them.
class Calls {
 public:
  explicit Calls(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }

  std::string key() {
    static constexpr std::size_t lengths[] = {1, 2, 3, 501, 502, 503, 504, 511, 512, 1003, 1004, 1005, 1023, 1024};
    static constexpr char edge_bytes[] = {'\0', '\x01', 'a', '\x7F', '\x80', '\xFF'};
    std::size_t length = below(3) == 0 ? lengths[below(std::size(lengths))] : 1 + below(3);
    std::string key(length, 'a');
    for (std::size_t at = length > 3 ? length - 3 : 0; at < length; ++at) key[at] = edge_bytes[below(std::size(edge_bytes))];
    if (length > 503 && below(2) == 0) key[502] = edge_bytes[below(std::size(edge_bytes))];
    return key;
  }
  std::string value() {
    std::string value(below(8) == 0 ? below(6000) : below(12), 'v');
    for (char& byte : value) byte = static_cast<char>(below(256));
    return value;
  }
  std::optional<std::int64_t> ttl_ms() {
    if (below(3) != 0) return std::nullopt;
    return static_cast<std::int64_t>(1 + below(20));
  }

 private:
  std::mt19937_64 random_;
};

std::string render(const std::vector<KvEntry>& entries) {
  std::string text;
  for (const KvEntry& entry : entries)
    text += entry.key + "=" + entry.value + "@" + (entry.expires_at ? std::to_string(entry.expires_at->micros) : "-") + "\n";
  return text;
}

std::vector<KvEntry> all_pages(KeyValue& kv, const std::string& prefix, std::size_t limit) {
  std::vector<KvEntry> entries;
  std::string cursor;
  do {
    KvPage page = must(kv.list({.prefix = prefix, .limit = limit, .cursor = cursor}));
    for (KvEntry& entry : page.entries) entries.push_back(std::move(entry));
    cursor = page.next_cursor.value_or("");
  } while (!cursor.empty());
  return entries;
}

std::uint64_t seed_of_run() {
  const char* given = std::getenv("LOAM_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20261121;
}

TEST_P(KvContract, RandomCallsGiveTheAnswersOfTheModel) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay with LOAM_TEST_SEED=" + std::to_string(seed));
  RecordProperty("seed", std::to_string(seed));
  Calls calls(seed);
  Model model(clock_);
  const bool persistent = store().characteristics().persistent;

  for (std::size_t step = 0; step < GetParam().model_steps && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    std::string key = calls.key();
    switch (calls.below(12)) {
      case 0:
      case 1: {
        std::string value = calls.value();
        auto ttl_ms = calls.ttl_ms();
        must(kv_->set(key, value, {.ttl_ms = ttl_ms}));
        model.set(key, value, ttl_ms);
        break;
      }
      case 2:
        EXPECT_EQ(must(kv_->get(key)), model.get(key));
        EXPECT_EQ(must(kv_->exists(key)), model.get(key).has_value());
        break;
      case 3: EXPECT_EQ(must(kv_->erase(key)), model.erase(key)); break;
      case 4: {
        std::vector<std::string> keys, values;
        for (std::size_t i = 0; i < 1 + calls.below(6); ++i) keys.push_back(calls.key());
        for (std::size_t i = 0; i < keys.size(); ++i) values.push_back(calls.value());
        std::vector<KvWrite> writes;
        for (std::size_t i = 0; i < keys.size(); ++i) writes.push_back({keys[i], values[i], {.ttl_ms = calls.ttl_ms()}});
        must(kv_->set_many(writes));
        for (std::size_t i = 0; i < keys.size(); ++i) model.set(keys[i], values[i], writes[i].options.ttl_ms);
        break;
      }
      case 5: {
        std::vector<std::string> keys;
        for (std::size_t i = 0; i < 1 + calls.below(40); ++i) keys.push_back(calls.key());
        std::vector<std::optional<std::string>> expected;
        for (const std::string& k : keys) expected.push_back(model.get(k));
        EXPECT_EQ(must(kv_->get_many(std::vector<std::string_view>(keys.begin(), keys.end()))), expected);
        break;
      }
      case 6: {
        std::vector<std::string> keys;
        for (std::size_t i = 0; i < 1 + calls.below(6); ++i) keys.push_back(calls.key());
        std::int64_t expected = 0;
        for (const std::string& k : keys) expected += model.erase(k);
        EXPECT_EQ(must(kv_->erase_many(std::vector<std::string_view>(keys.begin(), keys.end()))), expected);
        break;
      }
      case 7:
      case 8: {
        auto actual = model.get(key);
        auto expected = calls.below(3) == 0 ? std::optional<std::string>(calls.value()) : actual;
        auto desired = calls.below(3) == 0 ? std::nullopt : std::optional<std::string>(calls.value());
        auto ttl_ms = calls.ttl_ms();
        KvCasResult result = must(kv_->compare_and_set(key, expected, desired, {.ttl_ms = ttl_ms}));
        EXPECT_EQ(result.applied, actual == expected);
        EXPECT_EQ(result.actual, actual);
        if (actual == expected && desired) model.set(key, *desired, ttl_ms);
        if (actual == expected && !desired) model.erase(key);
        break;
      }
      case 9: {
        std::string prefix = calls.below(2) == 0 ? "" : key.substr(0, calls.below(key.size() + 1));
        EXPECT_EQ(render(all_pages(*kv_, prefix, 1 + calls.below(30))), render(model.list(prefix)));
        break;
      }
      case 10:
        clock_.advance_micros(static_cast<std::int64_t>(calls.below(3000)));
        if (calls.below(4) == 0) (void)must(kv_->purge_expired());
        break;
      case 11:
        if (persistent && calls.below(8) == 0) reopen();
        if (calls.below(60) == 0) {
          EXPECT_EQ(must(kv_->clear()), model.clear());
        }
        break;
    }
  }
  EXPECT_EQ(render(all_pages(*kv_, "", 100)), render(model.list("")));
}

}  // namespace
}  // namespace loam::test
