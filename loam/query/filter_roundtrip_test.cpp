/// What is printed is read back as the same tree, whatever names and values it holds.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "loam/query/filter.hpp"
#include "loam/query/filter_generators.hpp"
#include "loam/query/filter_parse.hpp"

namespace loam {
namespace {

/// Filter has no ==: an equal tree is one whose parts are equal.
bool same(const Filter& a, const Filter& b) {
  if (a.op != b.op || !(a.field == b.field) || a.values != b.values || a.children.size() != b.children.size()) return false;
  for (std::size_t i = 0; i < a.children.size(); ++i)
    if (!same(a.children[i], b.children[i])) return false;
  return true;
}

/// Numbers that a parser would have read as another kind are brought to that kind once: `{1.0 as a Decimal}` is printed
/// DECIMAL '1.0'.
void expect_read_back(const Filter& filter, const std::string& text) {
  auto again = Filter::parse(text);
  if (!again.ok()) RC_FAIL(text + "\n" + again.error().to_string());
  if (!same(*again, filter)) RC_FAIL(text + "\nwas read as\n" + to_string(*again));
}

RC_GTEST_PROP(FilterRoundTrip, SqlSyntaxReadsBackWhatItPrints, ()) {
  Filter filter = *test::any_filters(5);
  expect_read_back(filter, to_string(filter));
}

RC_GTEST_PROP(FilterRoundTrip, JsonSyntaxReadsBackWhatItPrints, ()) {
  Filter filter = *test::any_filters(5);
  expect_read_back(filter, to_json(filter));
}

RC_GTEST_PROP(FilterRoundTrip, BoundFiltersReadBackToo, ()) {
  auto bound = bind_filter(*test::bindable_filters(4), test::sample_columns());
  if (!bound.ok()) RC_FAIL(bound.error().to_string());
  expect_read_back(*bound, to_string(*bound));
  expect_read_back(*bound, to_json(*bound));
}

RC_GTEST_PROP(FilterRoundTrip, BindingTwiceIsBindingOnce, ()) {
  auto once = bind_filter(*test::bindable_filters(4), test::sample_columns());
  if (!once.ok()) RC_FAIL(once.error().to_string());
  auto twice = bind_filter(*once, test::sample_columns());
  if (!twice.ok()) RC_FAIL(twice.error().to_string());
  RC_ASSERT(same(*once, *twice));
}

// Found by the fuzzer: a decimal with a leading zero was printed bare into JSON, which has no such numbers.
TEST(FilterRoundTrip, DecimalsWithLeadingZerosArePrintedQuoted) {
  Filter filter = Filter::parse("d = 023456789012345678901234567890").value();
  EXPECT_EQ(to_json(filter), R"({"d": {"$eq": {"$decimal": "023456789012345678901234567890"}}})");
  EXPECT_TRUE(same(Filter::parse(to_json(filter)).value(), filter));
  EXPECT_TRUE(same(Filter::parse(to_string(filter)).value(), filter));
}

TEST(FilterRoundTrip, BothJoinsFlat) {
  Filter a = Filter::parse("a = 1 AND b = 2").value();
  Filter b = Filter::parse("c = 3").value();
  EXPECT_EQ(to_string(both(a, b)), "a = 1 AND b = 2 AND c = 3");
  EXPECT_EQ(to_string(both(Filter::everything(), b)), "c = 3");
  EXPECT_EQ(to_string(both(b, Filter::everything())), "c = 3");
}

TEST(FilterRoundTrip, EmptyNodesOfAProgramPrintAsConstants) {
  EXPECT_EQ(to_string(Filter{.op = FilterOp::logical_and}), "TRUE");
  EXPECT_EQ(to_string(Filter{.op = FilterOp::logical_or}), "FALSE");
}

}  // namespace
}  // namespace loam
