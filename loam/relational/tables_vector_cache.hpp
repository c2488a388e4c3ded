#pragma once

/// The in-memory index of one vector column, kept in step with the database by its change log.
///
/// The index is a fold of the log: it holds exactly the vectors of the state after change number `applied_`. A search pins
/// it: under the shared lock it opens a snapshot of the database, and reads the number of that snapshot's newest change.
/// Equal numbers mean equal vectors; otherwise the changed rows are read again under the exclusive lock. So it does not
/// matter who wrote, this thread, another process or one that was killed: there is one way for a change to get here.
///
///     pin() -> [shared: numbers equal] -> search, then rows of the same snapshot
///           -> [behind] -> catch_up() under the exclusive lock -> again; after the third time it searches under that lock

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "loam/ports/database.hpp"
#include "loam/relational/tables_catalogue.hpp"
#include "loam/relational/tables_session.hpp"
#include "loam/vector/flat_index.hpp"

namespace loam::relational {

/// *thread-safe*
class VectorCache {
 public:
  VectorCache(LayoutPtr layout, std::size_t column);

  /// The index as it is in `snapshot`; nothing can change it while the pin lives.
  class Pin {
   public:
    const vector::FlatIndex& index() const { return cache_->index_; }
    SqlSession& snapshot() const { return *snapshot_; }
    /// Lets writers go on; the snapshot stays.
    void release_index() {
      shared_ = {};
      exclusive_ = {};
    }

   private:
    friend class VectorCache;
    const VectorCache* cache_ = nullptr;
    std::unique_ptr<Transaction> snapshot_;
    std::shared_lock<std::shared_mutex> shared_;
    std::unique_lock<std::shared_mutex> exclusive_;
  };
  /// A snapshot of now, with the index brought to it. failed_precondition when the table was dropped; data_corruption for a
  /// stored vector that the index refuses, naming the row.
  Result<Pin> pin(const TableSession& session, const Context& context) { return pin(session, context, context); }

  /// Nearest neighbours as the running transaction sees the rows, its own uncommitted changes included. They are searched
  /// beside the index and never put into it.
  Result<vector::FlatSearchResult> search_in(Transaction& transaction, Database& db, std::span<const float> query,
                                             const vector::FlatSearchOptions& options, const Context& context);

  /// Differences between index and rows, when the index is loaded; one line each.
  Result<std::vector<std::string>> problems(const TableSession& session, const Context& context);

  std::size_t bytes() const;

 private:
  /// `begin` holds for getting connections, `context` for the reading.
  Result<Pin> pin(const TableSession& session, const Context& begin, const Context& context);
  /// Keeps the shared index near the present for a transaction that searches beside it.
  void refresh(Database& db, const Context& context);
  Result<void> catch_up(SqlSession& snapshot, const ChangeLogState& log, const Context& context);
  Result<void> load_all(SqlSession& snapshot, const Context& context);
  Result<bool> reaches(SqlSession& transaction, const Context& context) const;

  LayoutPtr layout_;
  const VectorTable& vectors_;
  vector::Distance distance_;
  mutable std::shared_mutex mutex_;
  vector::FlatIndex index_;
  std::int64_t applied_ = -1;  ///< -1: never loaded
};

/// The caches of one process for one database. *thread-safe*
class VectorCaches {
 public:
  std::shared_ptr<VectorCache> of(const LayoutPtr& layout, std::size_t column);
  void forget(std::int64_t table_id);
  std::size_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::size_t>, std::shared_ptr<VectorCache>> caches_;
};

vector::Distance distance_of(Metric metric);

}  // namespace loam::relational
