#pragma once

/// What every Embedder must do (guarantees E1 to E3 of ports/embedder.hpp). An adapter's test links loam_embedder_contract
/// and says
///
///   INSTANTIATE_TEST_SUITE_P(Hash, EmbedderContract, testing::Values(EmbedderContractCase{"Hash", [] { .. }}),
///   embedder_case_name);

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "loam/ports/embedder.hpp"

namespace loam::test {

struct EmbedderContractCase {
  std::string name;
  /// Opens the same embedder each time; what it stands on lives until the test program ends.
  std::function<Result<std::shared_ptr<Embedder>>()> open;
};

inline std::string embedder_case_name(const testing::TestParamInfo<EmbedderContractCase>& info) { return info.param.name; }
inline void PrintTo(const EmbedderContractCase& c, std::ostream* out) { *out << c.name; }

class EmbedderContract : public testing::TestWithParam<EmbedderContractCase> {
 protected:
  void SetUp() override;
  std::vector<Vector> embed(const std::vector<std::string>& texts);

  std::shared_ptr<Embedder> embedder_;
};

}  // namespace loam::test
