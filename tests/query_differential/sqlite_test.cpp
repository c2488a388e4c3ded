#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/core/limits.hpp"
#include "loam/query/filter_parse.hpp"
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

/// A tree as deep as the cap allows, with bushes along the way.
Filter deep_filter() {
  Filter filter = *test::bindable_filters(2);
  while (depth_of(filter) < limits::filter_depth_max - 1) {
    int choice = *rc::gen::inRange(0, 5);
    if (choice == 0) {
      filter = negated(std::move(filter));
      continue;
    }
    std::vector<Filter> parts{std::move(filter), *test::bindable_filters(3)};
    if (node_count(parts[0]) + node_count(parts[1]) + 2 > limits::filter_nodes_max) return std::move(parts[0]);
    if (choice < 3) std::swap(parts[0], parts[1]);
    filter = joined(choice % 2 == 0 ? FilterOp::logical_and : FilterOp::logical_or, std::move(parts));
  }
  return filter;
}

// Once NOT and parentheses were written as they nest, and SQLite's parser stack of 100 entries overflowed at depth 34.
TEST(QueryDifferential, SqliteTakesFiltersAsDeepAsTheCap) {
  rc::Random random(test::base_seed());
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(sample().disagreement(rc::gen::exec(deep_filter)(random.split(), 100).value()), "");
}

TEST(QueryDifferential, SqliteComparisonIsNotVacuous) {
  std::size_t before = sample().rows_matched();
  for (const char* text :
       {"size > 0", "name LIKE '%a%'", "attrs.a = 1", "attrs CONTAINS 'a'", "price < 1", "\"seen at\" >= '2000-01-01'"}) {
    EXPECT_EQ(sample().disagreement(Filter::parse(text).value()), "");
    EXPECT_GT(sample().rows_matched(), before) << text << " matched no row of the sample";
    before = sample().rows_matched();
  }
}

}  // namespace
}  // namespace loam
