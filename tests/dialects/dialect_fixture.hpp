#pragma once

/// A test body that runs on a fresh database of every SQL dialect.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "loam/adapters/postgres/postgres.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/ports/database.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam::test {

class DialectTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "sqlite") {
      db_ = sqlite_in_memory().value();
      return;
    }
    LOAM_SHARED_POSTGRES(server);
    auto options = parse_postgres_url(server.fresh_schema()).value();
    options.pool.connections_min = 1;
    db_ = open_postgres(std::move(options)).value();
  }

  bool sqlite() const { return std::string(GetParam()) == "sqlite"; }
  const SqlDialect& dialect() const { return db_->dialect(); }
  std::string q(std::string_view name) const { return dialect().quote_identifier(name); }

  void run(const std::string& sql, std::vector<Value> parameters = {}) {
    auto done = db_->execute(sql, parameters);
    ASSERT_TRUE(done.ok()) << done.error().to_string() << "\n" << sql;
  }
  void run(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) run(sql);
  }
  std::vector<std::vector<Value>> rows(const std::string& sql, std::vector<Value> parameters = {}) {
    auto found = db_->query(sql, parameters);
    EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().to_string()) << "\n" << sql;
    return found.ok() ? found->rows : std::vector<std::vector<Value>>{};
  }
  std::vector<std::int64_t> integers(const std::string& sql, std::vector<Value> parameters = {}) {
    std::vector<std::int64_t> result;
    for (const auto& row : rows(sql, std::move(parameters))) result.push_back(row.at(0).as<std::int64_t>());
    return result;
  }

  std::unique_ptr<Database> db_;
};

#define LOAM_ON_EVERY_DIALECT(Suite)                                          \
  INSTANTIATE_TEST_SUITE_P(Sql, Suite, testing::Values("sqlite", "postgres"), \
                           [](const auto& about) { return std::string(about.param); })

}  // namespace loam::test
