#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "tests/query_differential/sample_table.hpp"

namespace loam {
namespace {

constexpr std::size_t row_count = 400;

struct Sample {
  std::unique_ptr<Database> db = sqlite_in_memory().value();
  std::unique_ptr<test::SampleTable> table = test::SampleTable::create(*db, row_count, test::base_seed()).value();
};

test::SampleTable& sample() {
  static Sample one;
  return *one.table;
}

RC_GTEST_PROP(QueryDifferential, SqliteFindsWhatTheEvaluatorSays, ()) {
  std::string difference = sample().disagreement(*test::bindable_filters(3));
  if (!difference.empty()) RC_FAIL(difference);
}

TEST(QueryDifferential, SqliteComparisonIsNotVacuous) {
  std::size_t before = sample().rows_matched();
  for (const char* text : {"size > 0", "name LIKE '%a%'", "attrs.a = 1", "attrs CONTAINS 'a'", "price < 1", "\"seen at\" >= '2000-01-01'"}) {
    EXPECT_EQ(sample().disagreement(Filter::parse(text).value()), "");
    EXPECT_GT(sample().rows_matched(), before) << text << " matched no row of the sample";
    before = sample().rows_matched();
  }
}

}  // namespace
}  // namespace loam
