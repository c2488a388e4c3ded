#pragma once

/// The store's database as everybody but the store sees it: a write outside of a store transaction, made by the very thread
/// that runs one, is refused at once instead of waiting for itself until the deadline.

#include <memory>
#include <string>

#include "loam/ports/database.hpp"

namespace loam::store_internal {

/// *thread-safe*
class GuardedDatabase final : public Database {
 public:
  GuardedDatabase(std::unique_ptr<Database> inner, bool read_only);

  /// While it lives, this thread is inside a transaction of this database.
  class Inside {
   public:
    explicit Inside(const GuardedDatabase& database);
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside();

   private:
    const GuardedDatabase* database_;
  };

  /// failed_precondition when this thread is inside a transaction: `operation` would wait for itself.
  Result<void> check_outside(std::string_view operation) const;
  /// The same, and when the store is read-only.
  Result<void> check_may_write() const;
  Database& inner() const { return *inner_; }

  Result<std::unique_ptr<Cursor>> open_cursor(std::string_view sql, Parameters parameters, const Context& context) override;
  Result<ExecuteResult> execute(std::string_view sql, Parameters parameters, const Context& context) override;
  Result<std::int64_t> execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                    const Context& context) override;
  Result<void> atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context) override;
  const SqlDialect& dialect() const override { return inner_->dialect(); }
  Result<std::unique_ptr<Transaction>> begin(TransactionOptions options, const Context& context) override;
  Result<std::vector<std::string>> table_names(const Context& context) override { return inner_->table_names(context); }
  Result<TableInfo> describe(std::string_view table, const Context& context) override {
    return inner_->describe(table, context);
  }
  PoolStats pool_stats() const override { return inner_->pool_stats(); }
  HealthStatus health(const Context& context) override { return inner_->health(context); }
  DatabaseCapabilities capabilities() const override { return inner_->capabilities(); }

 private:
  std::unique_ptr<Database> inner_;
  bool read_only_;
};

}  // namespace loam::store_internal
