#include "loam/core/secret.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <type_traits>

namespace loam {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secret, HasNoWayToLeakByAccident) {
  static_assert(!Streamable<Secret>);
  static_assert(!std::is_convertible_v<Secret, std::string>);
  static_assert(!std::is_convertible_v<Secret, std::string_view>);

  EXPECT_EQ(to_string(Secret("hunter2")), "***");
  EXPECT_EQ(to_string(Secret()), "");
}

TEST(Secret, MovingLeavesNothingBehind) {
  Secret first("hunter2");
  Secret second = std::move(first);

  EXPECT_EQ(second.reveal(), "hunter2");
  EXPECT_TRUE(first.empty());
}

TEST(Secret, CopyingAndAssigningKeepTheText) {
  Secret first("a secret that is longer than a short string holds");
  Secret copy = first;
  copy = Secret("b");

  EXPECT_EQ(copy.reveal(), "b");
  EXPECT_EQ(first.reveal(), "a secret that is longer than a short string holds");
}

}  // namespace
}  // namespace loam
