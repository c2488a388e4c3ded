#pragma once

/// The Tables of any Database as the contract suite drives them. For tests.

#include <functional>
#include <memory>

#include "loam/ports/contract/tables_contract.hpp"
#include "loam/relational/tables.hpp"

namespace loam::test {

class RelationalBackend final : public TablesBackend {
 public:
  /// Another connection to the same data each time.
  using Connect = std::function<Result<std::unique_ptr<Database>>()>;

  static Result<std::unique_ptr<TablesBackend>> open(Connect connect) {
    auto backend = std::make_unique<RelationalBackend>();
    backend->connect_ = std::move(connect);
    LOAM_TRY(backend->db_, backend->connect_());
    // A short log, so that the suite also meets indexes that have fallen out of it.
    LOAM_TRY(backend->tables_, open_relational_tables(*backend->db_, {.search_threads = 2, .change_log_entries = 50}));
    return std::unique_ptr<TablesBackend>(std::move(backend));
  }

  RelationalTables& tables() override { return *tables_; }
  Result<std::unique_ptr<TablesBackend>> beside() override { return open(connect_); }

  Result<void> transaction(const std::function<Result<void>(const OpenInTransaction& open)>& work) override {
    LOAM_TRY(auto transaction, db_->begin());
    Result<void> done = work([&](std::string_view name, std::shared_ptr<Embedder> embedder) {
      return tables_->open_in(*transaction, name, std::move(embedder));
    });
    if (done.ok()) return transaction->commit();
    LOAM_TRY(transaction->rollback());
    return done;
  }

  Result<std::vector<std::string>> problems() override { return tables_->problems(); }
  Database& database() { return *db_; }

 private:
  Connect connect_;
  std::unique_ptr<Database> db_;
  std::unique_ptr<RelationalTables> tables_;
};

}  // namespace loam::test
