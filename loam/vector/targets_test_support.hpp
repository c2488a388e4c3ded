#pragma once

/// Runs tests on every instruction set. Only for tests.

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <vector>

#include "loam/vector/kernels.hpp"

namespace loam::vector {

/// The instruction sets that both the compiler and this machine know, best first, without those that are disabled.
inline std::vector<std::int64_t> usable_targets() {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  // Asking has made Highway 1.0 choose the best one again, be it disabled: now it chooses once more, at the next call.
  hwy::GetChosenTarget().DeInit();
  return targets;
}

/// Runs `body` once on each of them.
template <class Body>
void on_every_target(Body body) {
  for (const std::int64_t target : usable_targets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    SCOPED_TRACE(hwy::TargetName(target));
    EXPECT_STREQ(instruction_set(), hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace loam::vector
