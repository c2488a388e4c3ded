#include "loam/relational/kv.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "loam/relational/kv_statements.hpp"

namespace loam {
namespace {

using relational::KvStatements;

/// Rows bound at a time: a batch of any size is never in memory a second time.
constexpr std::size_t slice_rows = 1'000;
constexpr std::size_t slice_bytes = 16u << 20;

/// Keys asked for in one statement. A few sizes only, so that the statements stay prepared.
constexpr std::array<std::size_t, 4> get_many_sizes = {4, 32, 128, 512};

/// A race that is lost so often in a row is given back to the caller.
constexpr int cas_attempts_max = 100;

Value bytes_value(std::string_view bytes) { return Bytes{std::string(bytes)}; }
Value expiry_value(std::optional<Timestamp> expires_at) { return expires_at ? Value(expires_at->micros) : Value(); }

std::optional<Timestamp> expiry_in(const Cursor& row, std::size_t column) {
  if (row.is_null(column)) return std::nullopt;
  return Timestamp{row.int64(column)};
}

KvCharacteristics characteristics_on(const DatabaseCapabilities& database) {
  return {.persistent = database.persistent, .durable = database.durable, .shared = database.shared, .transactional = true};
}

/// A namespace of a Database (`database` set: each call is a transaction of its own) or of a running Transaction.
class RelationalKv final : public KeyValue {
 public:
  RelationalKv(SqlSession& session, Database* database, std::shared_ptr<const KvStatements> statements,
               std::string_view name, const Clock& clock, KvCharacteristics characteristics)
      : session_(session),
        database_(database),
        sql_(std::move(statements)),
        name_(std::string(name)),
        clock_(clock),
        characteristics_(characteristics) {}

  KvCharacteristics characteristics() const override { return characteristics_; }

 protected:
  Result<std::optional<std::string>> do_get(std::string_view key, const Context& context) override {
    const Value parameters[] = {name_, bytes_value(key)};
    LOAM_TRY(auto cursor, session_.open_cursor(sql_->get, parameters, context));
    LOAM_TRY(bool found, cursor->next());
    if (!found || !is_live_row(*cursor, 1)) return std::optional<std::string>();
    return std::optional<std::string>(cursor->text(0));
  }

  Result<bool> do_exists(std::string_view key, const Context& context) override {
    const Value parameters[] = {name_, bytes_value(key)};
    LOAM_TRY(auto cursor, session_.open_cursor(sql_->find, parameters, context));
    LOAM_TRY(bool found, cursor->next());
    return found && is_live_row(*cursor, 0);
  }

  Result<std::vector<std::optional<std::string>>> do_get_many(std::span<const std::string_view> keys,
                                                              const Context& context) override {
    Lookup lookup(keys);
    if (lookup.keys.size() <= get_many_sizes.back() || database_ == nullptr) {
      LOAM_TRY(look_up(session_, lookup, context));
    } else {
      // More than one statement: one snapshot for all of them.
      LOAM_TRY(auto snapshot, database_->begin({Access::read_only, Isolation::repeatable_read}, context));
      LOAM_TRY(look_up(*snapshot, lookup, context));
    }
    return lookup.answers(keys);
  }

  Result<KvPage> do_list(const KvListOptions& options, const Context& context) override {
    const bool resumed = !options.cursor.empty();
    const std::optional<std::string> end = prefix_end(options.prefix);
    std::vector<Value> parameters = {name_, bytes_value(resumed ? options.cursor : options.prefix)};
    if (end) parameters.push_back(bytes_value(*end));
    parameters.push_back(clock_.now().micros);
    parameters.push_back(static_cast<std::int64_t>(options.limit) + 1);  // one more tells whether there is more
    LOAM_TRY(auto cursor,
             session_.open_cursor(sql_->list(resumed, end.has_value(), options.keys_only), parameters, context));
    KvPageBuilder page(options);
    for (;;) {
      LOAM_TRY(bool more, cursor->next());
      if (!more || !page.add(cursor->text(0), cursor->text(1), expiry_in(*cursor, 2))) return std::move(page).finish();
    }
  }

  Result<void> do_set_many(std::span<const KvWrite> writes, const Context& context) override {
    if (writes.size() == 1) {
      const KvWrite& one = writes.front();
      const Value parameters[] = {name_, bytes_value(one.key), bytes_value(one.value),
                                  expiry_value(expiry_of(one.options, clock_.now()))};
      LOAM_TRY(session_.execute(sql_->set, parameters, context));
      return {};
    }
    const std::vector<KvWrite> ordered = last_of_each_key(writes);
    return as_one(
        [&](SqlSession& session) -> Result<void> {
          const Timestamp now = clock_.now();
          for (std::size_t begin = 0; begin < ordered.size();) {
            std::vector<std::vector<Value>> rows;
            for (std::size_t bytes = 0; begin < ordered.size() && rows.size() < slice_rows && bytes < slice_bytes; ++begin) {
              const KvWrite& one = ordered[begin];
              bytes += one.key.size() + one.value.size();
              rows.push_back(
                  {name_, bytes_value(one.key), bytes_value(one.value), expiry_value(expiry_of(one.options, now))});
            }
            LOAM_TRY(session.execute_many(sql_->set, rows, context));
          }
          return {};
        },
        context);
  }

  Result<std::int64_t> do_erase_many(std::span<const std::string_view> keys, const Context& context) override {
    const std::int64_t now = clock_.now().micros;
    if (keys.size() == 1) {
      LOAM_TRY(auto erased, session_.execute(sql_->erase, {name_, bytes_value(keys.front()), now}, context));
      return erased.rows_affected;
    }
    const Lookup lookup(keys);
    std::int64_t erased = 0;
    LOAM_TRY(as_one(
        [&](SqlSession& session) -> Result<void> {
          for (std::size_t begin = 0; begin < lookup.keys.size(); begin += slice_rows) {
            std::vector<std::vector<Value>> rows;
            for (std::size_t i = begin; i < std::min(begin + slice_rows, lookup.keys.size()); ++i)
              rows.push_back({name_, bytes_value(lookup.keys[i]), now});
            LOAM_TRY(std::int64_t count, session.execute_many(sql_->erase, rows, context));
            erased += count;
          }
          return {};
        },
        context));
    return erased;
  }

  // One conditional statement decides and writes; the database orders it among all writers of the row. Only when it did not
  // apply is the value read, and should that be the expected one by now, the race is run again: so both answers were true at
  // a moment.
  Result<KvCasResult> do_compare_and_set(std::string_view key, std::optional<std::string_view> expected,
                                         std::optional<std::string_view> desired, KvSetOptions options,
                                         const Context& context) override {
    for (int attempt = 0; attempt < cas_attempts_max; ++attempt) {
      LOAM_TRY(context.check("kv compare_and_set"));
      LOAM_TRY(bool applied, write_if(key, expected, desired, options, context));
      KvCasResult result{.applied = applied, .actual = {}};
      if (applied) {
        if (expected) result.actual = std::string(*expected);
        return result;
      }
      LOAM_TRY(result.actual, do_get(key, context));
      result.applied = !expected && !desired && !result.actual;
      if (result.applied || result.actual != expected) return result;
    }
    return Error(ErrorCode::conflict,
                 "a key changed between each of " + std::to_string(cas_attempts_max) + " attempts to compare and set it")
        .hint("read it and try again");
  }

  Result<std::int64_t> do_clear(const Context& context) override {
    std::int64_t live = 0;
    LOAM_TRY(as_one(
        [&](SqlSession& session) -> Result<void> {
          LOAM_TRY(auto cleared, session.execute(sql_->clear_live, {name_, clock_.now().micros}, context));
          live = cleared.rows_affected;
          LOAM_TRY(session.execute(sql_->clear_all, {name_}, context));
          return {};
        },
        context));
    return live;
  }

  Result<std::int64_t> do_purge_expired(const Context& context) override {
    LOAM_TRY(auto purged, session_.execute(sql_->purge, {name_, clock_.now().micros}, context));
    return purged.rows_affected;
  }

 private:
  /// The keys of a batch, sorted and each once, and what was found for them. Sorted, so that two batches that write lock
  /// their rows in the same order and never wait for each other in a circle.
  struct Lookup {
    explicit Lookup(std::span<const std::string_view> asked) : keys(asked.begin(), asked.end()) {
      std::sort(keys.begin(), keys.end());
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
      values.resize(keys.size());
    }
    std::size_t index_of(std::string_view key) const {
      return static_cast<std::size_t>(std::lower_bound(keys.begin(), keys.end(), key) - keys.begin());
    }
    Result<std::vector<std::optional<std::string>>> answers(std::span<const std::string_view> asked) {
      if (keys.size() == asked.size() && std::equal(keys.begin(), keys.end(), asked.begin())) return std::move(values);
      KvAnswerBudget repeated;
      std::vector<std::optional<std::string>> in_order;
      in_order.reserve(asked.size());
      for (std::string_view key : asked) {
        const auto& value = values[index_of(key)];
        LOAM_TRY(repeated.take(value ? value->size() : 0));
        in_order.push_back(value);
      }
      return in_order;
    }

    std::vector<std::string_view> keys;
    std::vector<std::optional<std::string>> values;
    KvAnswerBudget budget;
  };

  static std::vector<KvWrite> last_of_each_key(std::span<const KvWrite> writes) {
    std::vector<KvWrite> ordered(writes.rbegin(), writes.rend());  // the last one of a key first
    std::stable_sort(ordered.begin(), ordered.end(), [](const KvWrite& a, const KvWrite& b) { return a.key < b.key; });
    auto same_key = [](const KvWrite& a, const KvWrite& b) { return a.key == b.key; };
    ordered.erase(std::unique(ordered.begin(), ordered.end(), same_key), ordered.end());
    return ordered;
  }

  /// All of `work` or nothing. Read committed: each statement decides on the newest rows, as a blind write may, instead of
  /// losing to a writer who committed after the transaction began.
  Result<void> as_one(const std::function<Result<void>(SqlSession&)>& work, const Context& context) {
    if (database_ == nullptr) return session_.atomically(work, context);
    LOAM_TRY(auto transaction, database_->begin({Access::read_write, Isolation::read_committed}, context));
    LOAM_TRY(work(*transaction));
    return transaction->commit(context);
  }

  // Most entries never expire; those need no look at the clock.
  bool is_live_row(const Cursor& row, std::size_t expiry_column) const {
    return row.is_null(expiry_column) || is_live(expiry_in(row, expiry_column), clock_.now());
  }

  Result<void> look_up(SqlSession& session, Lookup& lookup, const Context& context) const {
    const Timestamp now = clock_.now();
    for (std::size_t begin = 0; begin < lookup.keys.size();) {
      const std::size_t left = lookup.keys.size() - begin;
      auto size = std::lower_bound(get_many_sizes.begin(), get_many_sizes.end(), left);
      const std::size_t count = size == get_many_sizes.end() ? get_many_sizes.back() : *size;
      std::vector<Value> parameters = {name_};
      parameters.reserve(count + 1);
      // The last key fills up what the statement has places for: a key twice in IN is found once.
      for (std::size_t i = 0; i < count; ++i) parameters.push_back(bytes_value(lookup.keys[begin + std::min(i, left - 1)]));
      LOAM_TRY(auto cursor, session.open_cursor(sql_->get_many(count), parameters, context));
      for (;;) {
        LOAM_TRY(bool more, cursor->next());
        if (!more) break;
        if (!is_live(expiry_in(*cursor, 2), now)) continue;
        std::string_view value = cursor->text(1);
        LOAM_TRY(lookup.budget.take(value.size()));
        lookup.values[lookup.index_of(cursor->text(0))] = std::string(value);
      }
      begin += std::min(count, left);
    }
    return {};
  }

  /// True when the entry held `expected` and now holds `desired`. Nothing expected and nothing desired: false, nothing done.
  Result<bool> write_if(std::string_view key, std::optional<std::string_view> expected,
                        std::optional<std::string_view> desired, const KvSetOptions& options, const Context& context) {
    const Timestamp now = clock_.now();
    ExecuteResult written;
    if (expected && desired) {
      LOAM_TRY(written, session_.execute(sql_->set_if_equal,
                                         {bytes_value(*desired), expiry_value(expiry_of(options, now)), name_,
                                          bytes_value(key), bytes_value(*expected), now.micros},
                                         context));
    } else if (expected) {
      LOAM_TRY(written, session_.execute(sql_->erase_if_equal, {name_, bytes_value(key), bytes_value(*expected), now.micros},
                                         context));
    } else if (desired) {
      LOAM_TRY(written, session_.execute(sql_->set_if_absent,
                                         {name_, bytes_value(key), bytes_value(*desired),
                                          expiry_value(expiry_of(options, now)), now.micros},
                                         context));
    }
    return written.rows_affected > 0;
  }

  SqlSession& session_;
  Database* database_;
  std::shared_ptr<const KvStatements> sql_;
  const Value name_;
  const Clock& clock_;
  const KvCharacteristics characteristics_;
};

class RelationalKvStore final : public KeyValueStore {
 public:
  RelationalKvStore(Database& db, const Clock& clock)
      : db_(db), clock_(clock), sql_(std::make_shared<const KvStatements>(db.dialect())) {}

  Result<std::unique_ptr<KeyValue>> open(std::string_view name_space) override {
    LOAM_TRY(check_namespace(name_space));
    return std::unique_ptr<KeyValue>(std::make_unique<RelationalKv>(db_, &db_, sql_, name_space, clock_, characteristics()));
  }

  // From one to the next through the primary key: the cost is that of the namespaces, not of their entries.
  Result<std::vector<std::string>> namespaces(const Context& context) override {
    LOAM_TRY(context.check("kv namespaces"));
    LOAM_TRY(auto snapshot, db_.begin({Access::read_only, Isolation::repeatable_read}, context));
    const std::int64_t now = clock_.now().micros;
    std::vector<std::string> names;
    for (std::string last;;) {
      LOAM_TRY(auto next, snapshot->query(sql_->next_namespace, {Value(last), now}, context));
      if (next.rows.empty()) return names;
      last = next.at(0, 0).as<std::string>();
      names.push_back(last);
    }
  }

  HealthStatus health(const Context& context) override {
    HealthStatus status = db_.health(context);
    status.port = "kv";
    return status;
  }

  KvCharacteristics characteristics() const override { return characteristics_on(db_.capabilities()); }

 private:
  Database& db_;
  const Clock& clock_;
  std::shared_ptr<const KvStatements> sql_;
};

}  // namespace

Result<std::unique_ptr<KeyValueStore>> open_relational_kv(Database& db, const Clock& clock) {
  LOAM_TRY(migrate(db, "kv", relational::kv_migrations()));
  return std::unique_ptr<KeyValueStore>(std::make_unique<RelationalKvStore>(db, clock));
}

Result<std::unique_ptr<KeyValue>> relational_kv_in(Transaction& transaction, std::string_view name_space, const Clock& clock,
                                                   const DatabaseCapabilities& database) {
  LOAM_TRY(check_namespace(name_space));
  auto statements = std::make_shared<const KvStatements>(transaction.dialect());
  return std::unique_ptr<KeyValue>(std::make_unique<RelationalKv>(transaction, nullptr, std::move(statements), name_space,
                                                                  clock, characteristics_on(database)));
}

}  // namespace loam
