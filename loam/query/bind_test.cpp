/// Names and types of a filter against the columns of a relation.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loam/query/schema.hpp"

namespace loam {
namespace {

using testing::HasSubstr;

const FilterColumns columns = {
    {"flag", ValueKind::boolean, ""},  {"size", ValueKind::int64, ""},  {"ratio", ValueKind::float64, ""},
    {"price", ValueKind::decimal, ""}, {"name", ValueKind::string, ""}, {"data", ValueKind::bytes, ""},
    {"at", ValueKind::timestamp, ""},  {"attrs", ValueKind::json, ""},  {"embedding", ValueKind::vector, ""},
};

std::string bound(std::string_view text) {
  auto filter = bind_filter(Filter::parse(text).value(), columns);
  return filter.ok() ? to_string(*filter) : filter.error().to_string();
}

TEST(FilterBind, AnUnknownColumnIsNamedWithTheNearestFirst) {
  EXPECT_EQ(bound("nmae = 'x'"),
            "invalid_argument: no column \"nmae\" to filter by; there are name, flag, size, at, price, data, ratio, attrs, "
            "embedding");
  EXPECT_THAT(bound("Size = 1"), HasSubstr("no column \"Size\" to filter by; there are size,"));
  EXPECT_THAT(bound("TRUE OR NOT (size = 1 AND x.y = 2)"), HasSubstr("no column \"x\""));
}

TEST(FilterBind, ListsAtMostTwentyColumns) {
  FilterColumns many;
  for (int i = 0; i < 30; ++i) many.push_back({"column_" + std::to_string(i), ValueKind::int64, ""});
  auto refused = bind_filter(Filter::parse("column_x = 1").value(), many);
  EXPECT_THAT(refused.error().hint(), HasSubstr("and 10 more"));
  EXPECT_EQ(bind_filter(Filter::parse("a = 1").value(), {}).error().hint(), "there are none");
}

TEST(FilterBind, APathNeedsAJsonColumn) {
  EXPECT_THAT(bound("size.x = 1"), HasSubstr("size is an int64 column; the path \"size.x\" needs a JSON column"));
  EXPECT_EQ(bound("attrs.x = 1"), "attrs.x = 1");
}

TEST(FilterBind, LiteralsBecomeTheKindOfTheirColumn) {
  EXPECT_EQ(bound("ratio > 1"), "ratio > 1.0");
  EXPECT_EQ(bound("ratio = 9007199254740993"), "ratio = 9007199254740992.0");
  EXPECT_EQ(bound("ratio = DECIMAL '0.1'"), "ratio = 0.1");
  EXPECT_EQ(bound("price = 1"), "price = DECIMAL '1'");
  EXPECT_EQ(bound("price = 0.1"), "price = DECIMAL '0.1'");
  EXPECT_EQ(bound("price = 1e23"), "price = DECIMAL '100000000000000000000000'");
  EXPECT_EQ(bound("price = '12.50'"), "price = DECIMAL '12.50'");
  EXPECT_EQ(bound("at > '2026-01-01'"), "at > TIMESTAMP '2026-01-01T00:00:00.000000Z'");
  EXPECT_EQ(bound("at IN ('2026-01-01', TIMESTAMP '2026-01-02')"),
            "at IN (TIMESTAMP '2026-01-01T00:00:00.000000Z', TIMESTAMP '2026-01-02T00:00:00.000000Z')");
}

TEST(FilterBind, NullElementsOfInAreDropped) {
  EXPECT_EQ(bound("name IN ('a', NULL)"), "name IN ('a')");
  EXPECT_EQ(bound("name IN (NULL)"), "name IN ()");
}

TEST(FilterBind, IntegerColumnsMeetOtherNumbersExactly) {
  // BETWEEN 1 AND 0 is how never-but-unknown-for-NULL is said.
  const char* never = "size BETWEEN 1 AND 0";
  const char* always = "size NOT BETWEEN 1 AND 0";
  EXPECT_EQ(bound("size = 2.0"), "size = 2");
  EXPECT_EQ(bound("size = 1.5"), never);
  EXPECT_EQ(bound("size != 1.5"), always);
  EXPECT_EQ(bound("size < 1.5"), "size <= 1");
  EXPECT_EQ(bound("size <= -1.5"), "size <= -2");
  EXPECT_EQ(bound("size > -1.5"), "size > -2");
  EXPECT_EQ(bound("size >= 0.5"), "size > 0");
  EXPECT_EQ(bound("size < -0.5"), "size <= -1");
  EXPECT_EQ(bound("size < 9223372036854775808"), always);
  EXPECT_EQ(bound("size >= 9223372036854775808"), never);
  EXPECT_EQ(bound("size > -1e300"), always);
  EXPECT_EQ(bound("size <= -1e300"), never);
  EXPECT_EQ(bound("size = 1e300"), never);
  EXPECT_EQ(bound("size BETWEEN 1.5 AND 3.5"), "size BETWEEN 2 AND 3");
  EXPECT_EQ(bound("size BETWEEN -1e300 AND 1e300"), "size BETWEEN -9223372036854775808 AND 9223372036854775807");
  EXPECT_EQ(bound("size BETWEEN 9223372036854775807.5 AND 1e300"), never);
  EXPECT_EQ(bound("size IN (1, 1.5, 2.0, 1e300)"), "size IN (1, 2)");
  EXPECT_EQ(bound("size IN (1.5)"), never);
  EXPECT_EQ(bound("size IN ()"), "size IN ()");
}

TEST(FilterBind, LiteralsOfAnotherFamilyAreRefused) {
  EXPECT_THAT(bound("size = '5'"), HasSubstr("size, an int64 column, with the string \"5\"; write a number without quotes"));
  EXPECT_THAT(bound("ratio = TRUE"), HasSubstr("ratio, a double column, with the bool \"true\""));
  EXPECT_THAT(bound("price = 'x'"), HasSubstr("price, a decimal column, with the string \"x\""));
  EXPECT_THAT(bound("name = 5"), HasSubstr("name, a string column, with the int64 \"5\"; write a string, in single quotes"));
  EXPECT_THAT(bound("flag = 1"), HasSubstr("write TRUE or FALSE"));
  EXPECT_THAT(bound("data = 'x'"), HasSubstr("write bytes as X'00ff'"));
  EXPECT_THAT(bound("at = 5"), HasSubstr("write a time such as"));
  EXPECT_THAT(bound("at = 'soon'"), HasSubstr("write a time such as"));
  EXPECT_THAT(bound("attrs.x = X'00'"), HasSubstr("JSON holds strings, numbers and booleans"));
  EXPECT_THAT(bound("attrs.x = TIMESTAMP '2026-01-01'"), HasSubstr("JSON holds strings, numbers and booleans"));
  EXPECT_THAT(bound("attrs.x BETWEEN 1 AND 'z'"), HasSubstr("of different types"));
  EXPECT_THAT(bound("ratio < " + std::string(400, '9')), HasSubstr("outside the range of a double"));
}

TEST(FilterBind, OperatorsThatATypeCannotTakeAreRefused) {
  EXPECT_THAT(bound("size LIKE '1%'"), HasSubstr("LIKE needs a string or JSON column"));
  EXPECT_THAT(bound("data CONTAINS X'00'"), HasSubstr("CONTAINS needs a string or JSON column"));
  EXPECT_THAT(bound("embedding = 1"), HasSubstr("embedding is a vector column, which can only be tested with IS NULL"));
  EXPECT_EQ(bound("embedding IS NOT NULL"), "embedding IS NOT NULL");
}

}  // namespace
}  // namespace loam
