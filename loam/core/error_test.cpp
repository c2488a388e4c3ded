#include "loam/core/error.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "loam/core/result.hpp"

namespace loam {
namespace {

TEST(Error, RendersOperationResourceNativeOutcomeAndHint) {
  Error error = Error(ErrorCode::unavailable, "server closed the connection")
                    .frame({"kv.set", "postgres", "users/42"})
                    .native({"postgres", "08006", "terminated"})
                    .outcome(Outcome::unknown)
                    .hint("read the key before you write it again");

  EXPECT_EQ(error.to_string(),
            "unavailable: postgres kv.set \"users/42\": server closed the connection [postgres 08006: terminated] "
            "(outcome unknown); read the key before you write it again");
}

TEST(Error, FramesRenderOutermostFirst) {
  Error error = Error(ErrorCode::not_found, "no row").frame({"get", "", "inner"}).frame({"load", "", "outer"});

  EXPECT_EQ(error.to_string(), "not_found: load \"outer\": get \"inner\": no row");
}

TEST(Error, EveryCodeHasItsOwnWord) {
  std::set<std::string_view> words;
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code)
    words.insert(to_string(static_cast<ErrorCode>(code)));

  EXPECT_EQ(words.size(), 14u);
}

TEST(Error, OnlyWhatWasNotAppliedIsRetryable) {
  EXPECT_TRUE(Error(ErrorCode::unavailable, "x").retryable());
  EXPECT_TRUE(Error(ErrorCode::conflict, "x").retryable());
  EXPECT_FALSE(Error(ErrorCode::unavailable, "x").outcome(Outcome::unknown).retryable());
  EXPECT_FALSE(Error(ErrorCode::invalid_argument, "x").retryable());
}

TEST(Error, ACopyIsIndependent) {
  Error original(ErrorCode::internal, "a");
  Error copy = original;
  copy = std::move(copy).hint("only here");

  EXPECT_EQ(original.hint(), "");
}

Result<int> half(int number) {
  if (number % 2 != 0) return invalid_argument("odd");
  return number / 2;
}
Result<int> quarter(int number) {
  LOAM_TRY(int once, half(number));
  LOAM_TRY(int twice, half(once));
  return twice;
}
Result<void> only_even(int number) {
  LOAM_TRY(half(number));
  return {};
}

TEST(Result, TryPropagatesTheFirstError) {
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_EQ(quarter(6).error().message(), "odd");
  EXPECT_TRUE(only_even(2).ok());
  EXPECT_FALSE(only_even(3).ok());
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);

  std::unique_ptr<int> taken = std::move(result).value();

  EXPECT_EQ(*taken, 7);
}

TEST(ResultDeathTest, ReadingTheValueOfAFailureIsABug) {
  Result<int> failed = invalid_argument("no");

  EXPECT_DEATH((void)failed.value(), "value\\(\\) of a failed Result");
}

}  // namespace
}  // namespace loam
