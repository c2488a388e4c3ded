#pragma once

/// What every Database adapter must do (guarantees D1 to D8 of ports/database.hpp). An adapter's test links
/// loam_database_contract and says
///
///   INSTANTIATE_TEST_SUITE_P(File, DatabaseContract, testing::Values(DatabaseContractCase{"File", [] { .. }}),
///   database_case_name);

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "loam/ports/database.hpp"

namespace loam::test {

/// One database, empty at first, with all that it stands on. Destroying it removes its data; what open() gave is gone by
/// then.
class DatabaseBackend {
 public:
  virtual ~DatabaseBackend() = default;
  /// Opens the same database again and again, at the same time too when capabilities().shared.
  virtual Result<std::unique_ptr<Database>> open(PoolOptions pool) = 0;
};

struct DatabaseContractCase {
  std::string name;
  std::function<Result<std::unique_ptr<DatabaseBackend>>()> make;
};

inline std::string database_case_name(const testing::TestParamInfo<DatabaseContractCase>& info) { return info.param.name; }
inline void PrintTo(const DatabaseContractCase& c, std::ostream* out) { *out << c.name; }

class DatabaseContract : public testing::TestWithParam<DatabaseContractCase> {
 protected:
  void SetUp() override;

  Database& db() { return *db_; }
  /// The type of a column for this kind, in this database's spelling.
  std::string type(ValueKind kind) const { return db_->dialect().column_type(kind); }
  std::string quoted(std::string_view name) const { return db_->dialect().quote_identifier(name); }

  /// Table items(id int64 primary key, name string), with rows 1..count named "item 1", ..
  void make_items(int count = 0);
  std::int64_t count_items() { return count_items(*db_); }
  std::int64_t count_items(SqlSession& session);
  /// Every first column of the result, as people see it, joined by a blank.
  std::string listed(SqlSession& session, std::string_view sql, std::initializer_list<Value> parameters = {});

  /// Closes the database and opens it again; with other pool options, a second life on the same data.
  void reopen(PoolOptions pool);

  std::unique_ptr<DatabaseBackend> backend_;
  std::unique_ptr<Database> db_;
};

/// A reading statement that would run for minutes, in any SQL database.
inline constexpr std::string_view endless_query =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n";

inline constexpr PoolOptions contract_pool{.connections_min = 1, .connections_max = 8, .acquire_timeout_ms = 20'000};

}  // namespace loam::test

/// For the suite's own files.
#define ASSERT_OK(expression)                                                   \
  do {                                                                          \
    auto&& assert_ok_result = (expression);                                     \
    ASSERT_TRUE(assert_ok_result.ok()) << assert_ok_result.error().to_string(); \
  } while (false)
#define EXPECT_OK(expression)                                                   \
  do {                                                                          \
    auto&& expect_ok_result = (expression);                                     \
    EXPECT_TRUE(expect_ok_result.ok()) << expect_ok_result.error().to_string(); \
  } while (false)
#define EXPECT_CODE(expected, expression)                                                                           \
  do {                                                                                                              \
    auto&& expect_code_result = (expression);                                                                       \
    ASSERT_FALSE(expect_code_result.ok()) << #expression << " went through";                                        \
    EXPECT_EQ(::loam::to_string(expect_code_result.error().code()), ::loam::to_string(::loam::ErrorCode::expected)) \
        << expect_code_result.error().to_string();                                                                  \
  } while (false)
