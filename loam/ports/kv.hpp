#pragma once

/// The KeyValue port: one namespace of binary keys and values, ordered by key bytes.
///
///   LOAM_TRY(kv->set("user/42", "ada", {.ttl_ms = 60'000}));
///   LOAM_TRY(auto hit, kv->get("user/42"));             // optional<string>: absence is a value
///   LOAM_TRY(auto page, kv->list({.prefix = "user/"}));
///
/// Guarantees of every adapter:
///  K1 Keys are 1 to 1024 bytes, values 0 to 64 MiB; both hold any bytes, NUL included, and come back the same.
///  K2 Each call is atomic, batches included: all keys of a set_many or delete_many, or none.
///  K3 A call that returned is seen by every later call of any thread (and process, where processes share the data).
///  K4 list() goes in byte order (unsigned), exactly the keys with the prefix, each once. A page ends at `limit` entries or
///     after 64 MiB of keys and values, never before its first entry, and says where to go on. Entries that stay during the
///     walk are listed; those that come or go meanwhile may or may not be.
///  K5 An entry whose time has come is absent from every answer from that microsecond on, swept or not.
///  K6 compare_and_set compares and writes as one step, whoever else writes.
///  K7 After ok the write is as durable as characteristics() say.
///  K8 Namespaces share nothing: clear() and list() of one never touch another.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/health.hpp"
#include "loam/core/limits.hpp"
#include "loam/core/result.hpp"
#include "loam/core/time.hpp"

namespace [[gnu::visibility("default")]] loam {

struct KvSetOptions {
  /// From now on; the entry is gone when it has passed. Absent: kept for ever, and a former TTL of the key is dropped.
  /// Less than 1 or more than 1000 years is invalid_argument.
  std::optional<std::int64_t> ttl_ms;
};

struct KvWrite {
  std::string_view key;
  std::string_view value;
  KvSetOptions options = {};
};

struct KvEntry {
  std::string key;
  std::string value;
  std::optional<Timestamp> expires_at;
};

struct KvListOptions {
  std::string_view prefix = {};
  std::size_t limit = 1000;      ///< 1 to 100,000 entries in the page
  std::string_view cursor = {};  ///< KvPage::next_cursor of the page before, with the same prefix; empty: from the start
  bool keys_only = false;        ///< leave the values empty and unread
};

struct KvPage {
  std::vector<KvEntry> entries;
  std::optional<std::string> next_cursor;  ///< printable ASCII; absent at the end
};

struct KvCasResult {
  bool applied = false;
  std::optional<std::string> actual;  ///< the value that was found
};

struct KvCharacteristics {
  bool persistent = false;     ///< survives the process
  bool durable = false;        ///< survives a power cut as soon as the call returned
  bool shared = false;         ///< other processes see it
  bool transactional = false;  ///< takes part in store.transaction()
  std::size_t key_bytes_max = limits::key_bytes_max;
  std::size_t value_bytes_max = limits::value_bytes_max;
};

/// One namespace. *thread-safe*, but a namespace of a Transaction *needs external synchronization* as that does.
/// Besides what each call says: invalid_argument for keys, values, limits and cursors out of bounds (nothing is applied),
/// cancelled and deadline_exceeded of the context, unavailable and data_corruption of the backend.
class KeyValue {
 public:
  virtual ~KeyValue() = default;

  /// O(log n).
  Result<std::optional<std::string>> get(std::string_view key, const Context& context = {});
  Result<bool> exists(std::string_view key, const Context& context = {});
  /// In the order of `keys`, from one snapshot. resource_exhausted when the values are more than 256 MiB together.
  Result<std::vector<std::optional<std::string>>> get_many(std::span<const std::string_view> keys,
                                                           const Context& context = {});
  Result<KvPage> list(const KvListOptions& options = {}, const Context& context = {});

  Result<void> set(std::string_view key, std::string_view value, KvSetOptions options = {}, const Context& context = {});
  /// A key given twice keeps the last value.
  Result<void> set_many(std::span<const KvWrite> writes, const Context& context = {});
  /// True when the key was there.
  Result<bool> erase(std::string_view key, const Context& context = {});
  /// How many were there.
  Result<std::int64_t> erase_many(std::span<const std::string_view> keys, const Context& context = {});
  /// Writes `desired` (absent: deletes) when the key holds `expected` (absent: is not there). Not applied is not an error.
  Result<KvCasResult> compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                      std::optional<std::string_view> desired, KvSetOptions options = {},
                                      const Context& context = {});
  /// Removes all entries of the namespace; how many live ones there were.
  Result<std::int64_t> clear(const Context& context = {});
  /// Gives the space of expired entries back; how many were swept. Answers do not depend on it (K5).
  Result<std::int64_t> purge_expired(const Context& context = {});

  virtual KvCharacteristics characteristics() const = 0;

 protected:
  // The public calls check their arguments once, for all adapters, and then call these, never with an empty batch.
  virtual Result<std::optional<std::string>> do_get(std::string_view key, const Context& context) = 0;
  virtual Result<bool> do_exists(std::string_view key, const Context& context) = 0;
  virtual Result<std::vector<std::optional<std::string>>> do_get_many(std::span<const std::string_view> keys,
                                                                      const Context& context) = 0;
  /// `cursor` is the last key of the page before, decoded, and has the prefix; next_cursor is given back in the same form.
  virtual Result<KvPage> do_list(const KvListOptions& options, const Context& context) = 0;
  /// Also the single set.
  virtual Result<void> do_set_many(std::span<const KvWrite> writes, const Context& context) = 0;
  virtual Result<std::int64_t> do_erase_many(std::span<const std::string_view> keys, const Context& context) = 0;
  virtual Result<KvCasResult> do_compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                                 std::optional<std::string_view> desired, KvSetOptions options,
                                                 const Context& context) = 0;
  virtual Result<std::int64_t> do_clear(const Context& context) = 0;
  virtual Result<std::int64_t> do_purge_expired(const Context& context) = 0;
};

/// Namespaces of one backend. *thread-safe*
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  /// Names are 1 to 256 bytes of UTF-8 without NUL. A namespace exists from its first entry on; opening costs nothing.
  virtual Result<std::unique_ptr<KeyValue>> open(std::string_view name_space) = 0;
  /// Those that hold an entry, in byte order.
  virtual Result<std::vector<std::string>> namespaces(const Context& context = {}) = 0;
  virtual HealthStatus health(const Context& context = {}) = 0;
  virtual KvCharacteristics characteristics() const = 0;
};

/// For adapters: what they all need to keep the guarantees above.

/// invalid_argument unless the name fits the rule above.
Result<void> check_namespace(std::string_view name_space);

/// When an entry written now goes; absent: never.
std::optional<Timestamp> expiry_of(const KvSetOptions& options, Timestamp now);

/// K5 in one place.
inline bool is_live(const std::optional<Timestamp>& expires_at, Timestamp now) { return !expires_at || now < *expires_at; }

/// The smallest string that is greater than every string with the prefix; absent when there is none ("", "\xFF\xFF").
std::optional<std::string> prefix_end(std::string_view prefix);

/// Cuts a page by count and bytes (K4). *needs external synchronization*
class KvPageBuilder {
 public:
  explicit KvPageBuilder(const KvListOptions& options) : limit_(options.limit), keys_only_(options.keys_only) {}
  /// Adds the next entry. False when the page is full: then the entry begins the next page and the walk is over.
  bool add(std::string_view key, std::string_view value, std::optional<Timestamp> expires_at);
  KvPage finish() && { return std::move(page_); }

 private:
  std::size_t limit_;
  bool keys_only_;
  std::size_t bytes_ = 0;
  KvPage page_;
};

/// Keeps the answer of a get_many in bounds. *needs external synchronization*
class KvAnswerBudget {
 public:
  /// Call before copying a value of this size.
  Result<void> take(std::size_t bytes);

 private:
  std::size_t left_ = limits::kv_answer_bytes_max;
};

}  // namespace loam
