#pragma once

/// What every KeyValue adapter must do (guarantees K1 to K8 of ports/kv.hpp). An adapter's test links loam_kv_contract and
/// says
///
///   INSTANTIATE_TEST_SUITE_P(Memory, KvContract, testing::Values(KvContractCase{"Memory", [](const Clock& clock) { .. }}),
///   kv_case_name);

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "loam/ports/contract/must.hpp"
#include "loam/ports/kv.hpp"

namespace loam::test {

/// An adapter's store with all that it stands on. Destroying it removes its data.
class KvBackend {
 public:
  virtual ~KvBackend() = default;
  virtual KeyValueStore& store() = 0;
  /// Closes the store and opens it again on the same data. Only called when characteristics().persistent.
  virtual Result<void> reopen() = 0;
};

struct KvContractCase {
  std::string name;
  /// The clock outlives the backend.
  std::function<Result<std::unique_ptr<KvBackend>>(const Clock& clock)> make;
  std::size_t model_steps = 3000;  ///< operations of the comparison with the model
};

inline std::string kv_case_name(const testing::TestParamInfo<KvContractCase>& info) { return info.param.name; }
inline void PrintTo(const KvContractCase& c, std::ostream* out) { *out << c.name; }

class KvContract : public testing::TestWithParam<KvContractCase> {
 protected:
  void SetUp() override;

  KeyValueStore& store() { return backend_->store(); }
  std::unique_ptr<KeyValue> open(std::string_view name_space);
  void reopen();

  static constexpr Timestamp start{1'750'000'000'000'000};
  ManualClock clock_{start};
  std::unique_ptr<KvBackend> backend_;
  std::unique_ptr<KeyValue> kv_;  ///< the namespace "test"
};

/// "a=1 b=2" over all pages of `page_limit` entries.
std::string render_list(KeyValue& kv, KvListOptions options = {});

}  // namespace loam::test

namespace loam {
using test::KvContract;
using test::KvContractCase;
}  // namespace loam
