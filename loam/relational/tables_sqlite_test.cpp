/// The Tables contract on SQLite, in a file and with two connections to it as two processes would have.

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/ports/contract/tables_contract.hpp"
#include "loam/relational/tables_contract_backend.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam::test {
namespace {

Result<std::unique_ptr<TablesBackend>> on_file() {
  auto directory = std::make_shared<TemporaryDirectory>();
  return RelationalBackend::open([directory] { return open_sqlite({.path = *directory / "tables.db"}); });
}

INSTANTIATE_TEST_SUITE_P(Sqlite, TablesContract, testing::Values(TablesContractCase{"File", on_file}), tables_case_name);

}  // namespace
}  // namespace loam::test
