#pragma once

/// What every contract suite says about Results.

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "loam/core/result.hpp"

namespace loam::test {

/// The value of a Result; or a failed test, and a default.
template <typename T>
T must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  ADD_FAILURE() << result.error().to_string();
  return T{};
}
inline void must(Result<void> result) {
  if (!result.ok()) ADD_FAILURE() << result.error().to_string();
}
/// "ok" or the code of the error.
template <typename T>
std::string outcome_of(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(to_string(result.error().code()));
}

}  // namespace loam::test
