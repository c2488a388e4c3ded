/// The Database contract on a PostgreSQL of our own.

#include "loam/adapters/postgres/postgres.hpp"
#include "loam/ports/contract/database_contract.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam::test {
namespace {

/// A schema for each test; the server goes with the program, and the schemas with it.
class SchemaBackend final : public DatabaseBackend {
 public:
  explicit SchemaBackend(PostgresOptions options) : options_(std::move(options)) {}
  Result<std::unique_ptr<Database>> open(PoolOptions pool) override {
    options_.pool = pool;
    return open_postgres(options_);
  }

 private:
  PostgresOptions options_;
};

Result<std::unique_ptr<DatabaseBackend>> make() {
  LOAM_TRY(PostgresServer * server, shared_postgres());
  LOAM_TRY(PostgresOptions options, parse_postgres_url(server->fresh_schema()));
  return std::make_unique<SchemaBackend>(std::move(options));
}

INSTANTIATE_TEST_SUITE_P(Postgres, DatabaseContract, testing::Values(DatabaseContractCase{"Server", make}),
                         database_case_name);

}  // namespace
}  // namespace loam::test
