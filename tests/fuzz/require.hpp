#pragma once

/// What a fuzz target demands of its subject.

#include <cstdio>
#include <cstdlib>
#include <string>

namespace loam::fuzz {

/// Prints what was wrong and aborts, so that the fuzzer keeps the input.
inline void require(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: %s\n", what.c_str());
  std::abort();
}

}  // namespace loam::fuzz
