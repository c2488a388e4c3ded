// LOAM_INSTRUCTION_SET=AVX2 runs the whole test program as on a machine that has nothing newer; "baseline" is the oldest
// that this compiler makes code for. Answers must not depend on it.

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "loam/vector/kernels.hpp"
#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

constexpr int skipped = 77;  // what ctest takes for "not on this machine"

std::string_view wanted() {
  const char* name = std::getenv("LOAM_INSTRUCTION_SET");
  return name == nullptr ? "" : name;
}

// In Highway a better target is a lower bit.
bool named(std::int64_t target, std::string_view name) {
  return name == "baseline" ? target == HWY_STATIC_TARGET : name == hwy::TargetName(target);
}

bool compiled_for(std::string_view name) {
  for (std::int64_t targets = HWY_TARGETS; targets != 0; targets &= targets - 1)
    if (named(targets & -targets, name)) return true;
  return false;
}

class ForcedInstructionSet : public testing::Environment {
 public:
  void SetUp() override {
    if (wanted().empty()) return;
    ASSERT_TRUE(compiled_for(wanted())) << "LOAM_INSTRUCTION_SET=" << wanted() << " is not known here";
    for (const std::int64_t target : usable_targets())
      if (named(target, wanted())) return hwy::DisableTargets(target - 1);
    std::printf("this machine has no %s\n", std::string(wanted()).c_str());
    std::exit(skipped);
  }
};

[[maybe_unused]] const auto* const forced = testing::AddGlobalTestEnvironment(new ForcedInstructionSet);

TEST(InstructionSet, IsTheBestThereIsOrTheOneWanted) {
  const std::int64_t best = usable_targets().front();

  EXPECT_STREQ(instruction_set(), hwy::TargetName(best));
  EXPECT_TRUE(wanted().empty() || named(best, wanted())) << instruction_set();
}

TEST(InstructionSet, IsTheSameAfterTestsOnEveryOne) {
  const std::string before = instruction_set();

  std::vector<std::string> seen;
  on_every_target([&] { seen.emplace_back(instruction_set()); });

  EXPECT_EQ(instruction_set(), before);
  EXPECT_EQ(seen.front(), before);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), before), 1);
}

}  // namespace
}  // namespace loam::vector
