#pragma once

/// Runs tests on every instruction set. Only for tests.

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>

#include "loam/vector/kernels.hpp"

namespace loam::vector {

// Runs `body` once on every instruction set that both the compiler and this machine know.
template <class Body>
void on_every_target(Body body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
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
