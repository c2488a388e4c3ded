#pragma once

/// Where the statements of a table run: each call in a transaction of its own, or all of them in one that is running.

#include <functional>
#include <memory>

#include "loam/ports/database.hpp"

namespace loam::relational {

/// Cheap to copy. As thread-safe as what it was made of.
class TableSession {
 public:
  explicit TableSession(Database& db) : db_(&db) {}
  TableSession(Database& db, Transaction& transaction) : db_(&db), transaction_(&transaction) {}

  /// Null unless bound to a running transaction.
  Transaction* transaction() const { return transaction_; }
  Database& database() const { return *db_; }
  const SqlDialect& dialect() const { return db_->dialect(); }

  /// Runs `work` on one snapshot; it only reads.
  Result<void> read(const std::function<Result<void>(SqlSession&)>& work, const Context& context) const {
    if (transaction_ != nullptr) return work(*transaction_);
    LOAM_TRY(auto snapshot, begin_snapshot(context));
    return work(*snapshot);
  }

  /// Runs `work` as one all-or-nothing unit.
  Result<void> write(const std::function<Result<void>(SqlSession&)>& work, const Context& context) const {
    return transaction_ != nullptr ? transaction_->atomically(work, context) : db_->atomically(work, context);
  }

  /// A transaction that sees one state from its first read on.
  Result<std::unique_ptr<Transaction>> begin_snapshot(const Context& context) const {
    return db_->begin({.access = Access::read_only, .isolation = Isolation::repeatable_read}, context);
  }

 private:
  Database* db_;
  Transaction* transaction_ = nullptr;
};

}  // namespace loam::relational
