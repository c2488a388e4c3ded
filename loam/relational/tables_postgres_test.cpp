/// The Tables contract on PostgreSQL, each test in a schema of its own.

#include "loam/adapters/postgres/postgres.hpp"
#include "loam/ports/contract/tables_contract.hpp"
#include "loam/relational/tables_contract_backend.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam::test {
namespace {

Result<std::unique_ptr<TablesBackend>> on_server() {
  auto server = shared_postgres();
  if (!server.ok() && missing_servers_are_skipped()) return std::unique_ptr<TablesBackend>();
  if (!server.ok()) return server.error();
  LOAM_TRY(PostgresOptions options, parse_postgres_url((*server)->fresh_schema()));
  options.pool = {.connections_min = 1, .connections_max = 8};
  return RelationalBackend::open([options] { return open_postgres(options); });
}

INSTANTIATE_TEST_SUITE_P(Postgres, TablesContract, testing::Values(TablesContractCase{"Schema", on_server, 120}),
                         tables_case_name);

}  // namespace
}  // namespace loam::test
