/// The Database contract on a file and in memory.

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/sqlite_test_support.hpp"
#include "loam/ports/contract/database_contract.hpp"

namespace loam::test {
namespace {

class FileBackend final : public DatabaseBackend {
 public:
  Result<std::unique_ptr<Database>> open(PoolOptions pool) override {
    return open_sqlite({.path = directory_ / "contract.db", .readers = pool, .write_timeout_ms = 20'000});
  }

 private:
  TestDirectory directory_;
};

class MemoryBackend final : public DatabaseBackend {
 public:
  Result<std::unique_ptr<Database>> open(PoolOptions pool) override { return sqlite_in_memory(pool); }
};

template <typename Backend>
Result<std::unique_ptr<DatabaseBackend>> make() {
  return std::make_unique<Backend>();
}

INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseContract,
                         testing::Values(DatabaseContractCase{"File", make<FileBackend>},
                                         DatabaseContractCase{"Memory", make<MemoryBackend>}),
                         database_case_name);

}  // namespace
}  // namespace loam::test
