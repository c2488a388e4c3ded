#include "loam/adapters/memory/memory.hpp"

#include "loam/ports/contract/kv_contract.hpp"

namespace loam {
namespace {

class MemoryBackend final : public test::KvBackend {
 public:
  explicit MemoryBackend(const Clock& clock) : store_(make_memory_kv(clock)) {}
  KeyValueStore& store() override { return *store_; }
  Result<void> reopen() override { return unsupported("memory does not outlive its store"); }

 private:
  std::unique_ptr<KeyValueStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, KvContract,
                         testing::Values(KvContractCase{"Memory",
                                                        [](const Clock& clock) -> Result<std::unique_ptr<test::KvBackend>> {
                                                          return std::unique_ptr<test::KvBackend>(
                                                              std::make_unique<MemoryBackend>(clock));
                                                        },
                                                        20'000}),
                         test::kv_case_name);

TEST(MemoryKv, ANamespaceOutlivesItsStore) {
  auto store = make_memory_kv();
  auto kv = test::must(store->open("n"));
  test::must(kv->set("k", "v"));
  store.reset();
  EXPECT_EQ(test::must(kv->get("k")), std::optional<std::string>("v"));
}

TEST(MemoryKv, EntriesOutliveTheHandleThatWroteThem) {
  auto store = make_memory_kv();
  test::must(test::must(store->open("n"))->set("k", "v"));
  EXPECT_EQ(test::must(test::must(store->open("n"))->get("k")), std::optional<std::string>("v"));
}

TEST(MemoryKv, NamesThatWereOnlyOpenedAreForgotten) {
  auto store = make_memory_kv();
  for (int i = 0; i < 100; ++i) test::must(test::must(store->open("n" + std::to_string(i)))->get("k"));
  HealthStatus status = store->health();
  ASSERT_EQ(status.details.front().first, "namespaces");
  EXPECT_EQ(status.details.front().second, "0");
}

}  // namespace
}  // namespace loam
