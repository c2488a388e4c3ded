#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "loam/adapters/postgres/postgres.hpp"
#include "tests/query_differential/sample_table.hpp"
#include "tests/support/postgres_server.hpp"

namespace loam {
namespace {

constexpr std::size_t row_count = 200;

struct Sample {
  std::unique_ptr<Database> db;
  std::unique_ptr<test::SampleTable> table;
};

Result<Sample> make_sample() {
  LOAM_TRY(test::PostgresServer * server, test::shared_postgres());
  LOAM_TRY(std::string url, server->fresh_database());
  LOAM_TRY(PostgresOptions options, parse_postgres_url(url));
  options.pool.connections_min = 1;
  Sample sample;
  LOAM_TRY(sample.db, open_postgres(std::move(options)));
  LOAM_TRY(sample.table, test::SampleTable::create(*sample.db, row_count, test::base_seed()));
  return sample;
}

Result<Sample>& sample() {
  static Result<Sample> one = make_sample();
  return one;
}

#define LOAM_NEEDS_SAMPLE()                                               \
  if (!sample().ok() && test::missing_servers_are_skipped())              \
    GTEST_SKIP() << "needs PostgreSQL: " << sample().error().to_string(); \
  if (!sample().ok()) FAIL() << sample().error().to_string()

TEST(QueryDifferential, PostgresFindsWhatTheEvaluatorSays) {
  LOAM_NEEDS_SAMPLE();
  EXPECT_TRUE(rc::check([] {
    std::string difference = sample()->table->disagreement(*test::bindable_filters(3));
    if (!difference.empty()) RC_FAIL(difference);
  }));
}

TEST(QueryDifferential, PostgresComparisonIsNotVacuous) {
  LOAM_NEEDS_SAMPLE();
  test::SampleTable& table = *sample()->table;
  std::size_t before = table.rows_matched();
  for (const char* text :
       {"size > 0", "name LIKE '%a%'", "attrs.a = 1", "attrs CONTAINS 'a'", "price < 1", "\"seen at\" >= '2000-01-01'"}) {
    EXPECT_EQ(table.disagreement(Filter::parse(text).value()), "");
    EXPECT_GT(table.rows_matched(), before) << text << " matched no row of the sample";
    before = table.rows_matched();
  }
}

}  // namespace
}  // namespace loam
