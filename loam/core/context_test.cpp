#include "loam/core/context.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Context, WithoutBoundsNeverFails) {
  Context context;

  EXPECT_TRUE(context.unbounded());
  EXPECT_TRUE(context.check("search").ok());
}

TEST(Context, APastDeadlineNamesTheOperation) {
  auto result = Context().deadline_in_ms(-1).check("search of notes");

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_NE(result.error().message().find("search of notes"), std::string::npos);
}

TEST(Context, CancellationReachesEveryCopy) {
  Cancellation cancel;
  Context original = Context().cancelled_by(cancel);
  Context copy = original;

  cancel.cancel();

  EXPECT_EQ(copy.check("x").error().code(), ErrorCode::cancelled);
}

TEST(Context, ALocalTimeoutNeverOutlastsTheDeadline) {
  Context context = Context().deadline_in_ms(10);

  EXPECT_EQ(context.deadline_within_ms(60'000), *context.deadline());
  EXPECT_LT(context.deadline_within_ms(0), *context.deadline());
}

}  // namespace
}  // namespace loam
