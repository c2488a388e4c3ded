#include "loam/adapters/lmdb/lmdb.hpp"

#include "loam/adapters/lmdb/lmdb_internal.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam {
namespace {

class LmdbBackend final : public test::KvBackend {
 public:
  LmdbBackend(const Clock& clock, std::size_t chunk_bytes, Durability durability)
      : clock_(clock), chunk_bytes_(chunk_bytes), durability_(durability) {}

  KeyValueStore& store() override { return *store_; }
  Result<void> reopen() override {
    store_.reset();
    LmdbOptions options{.path = directory_ / "kv", .durability = durability_, .map_bytes_initial = 1u << 20};
    LOAM_TRY(store_, lmdb::open_with_chunks(options, clock_, chunk_bytes_));
    return {};
  }

 private:
  test::TemporaryDirectory directory_;
  const Clock& clock_;
  std::size_t chunk_bytes_;
  Durability durability_;
  std::unique_ptr<KeyValueStore> store_;
};

KvContractCase lmdb_case(std::string name, std::size_t chunk_bytes, Durability durability, std::size_t steps) {
  return {std::move(name),
          [=](const Clock& clock) -> Result<std::unique_ptr<test::KvBackend>> {
            auto backend = std::make_unique<LmdbBackend>(clock, chunk_bytes, durability);
            LOAM_TRY(backend->reopen());
            return std::unique_ptr<test::KvBackend>(std::move(backend));
          },
          steps};
}

INSTANTIATE_TEST_SUITE_P(Lmdb, KvContract,
                         testing::Values(lmdb_case("Full", lmdb::chunk_bytes_default, Durability::full, 1000),
                                         lmdb_case("Normal", lmdb::chunk_bytes_default, Durability::normal, 5000),
                                         lmdb_case("ChunksOfThree", 3, Durability::normal, 2000)),
                         test::kv_case_name);

TEST(LmdbKv, DurableOnlyAtFullDurability) {
  test::TemporaryDirectory directory;
  EXPECT_TRUE(test::must(open_lmdb({.path = directory / "full"}))->characteristics().durable);
  EXPECT_FALSE(
      test::must(open_lmdb({.path = directory / "normal", .durability = Durability::normal}))->characteristics().durable);
}

TEST(LmdbKv, TheMapGrowsWithTheData) {
  test::TemporaryDirectory directory;
  auto store =
      test::must(open_lmdb({.path = directory / "kv", .durability = Durability::normal, .map_bytes_initial = 64u << 10}));
  auto kv = test::must(store->open("n"));
  for (int i = 0; i < 40; ++i)
    test::must(kv->set(std::to_string(i), std::string(std::size_t{50'000} * static_cast<std::size_t>(i + 1), 'v')));
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(test::must(kv->get(std::to_string(i)))->size(), std::size_t{50'000} * static_cast<std::size_t>(i + 1));
}

TEST(LmdbKv, AFullStoreRefusesTheWholeBatchKeepsItsEntriesAndWorksOnAfterDeletes) {
  test::TemporaryDirectory directory;
  auto store = test::must(open_lmdb({.path = directory / "kv",
                                     .durability = Durability::normal,
                                     .map_bytes_initial = 64u << 10,
                                     .map_bytes_max = 1u << 20}));
  auto kv = test::must(store->open("n"));
  const std::string value(100'000, 'v');
  test::must(kv->set("first", value));
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) keys.push_back(std::to_string(i));
  std::vector<KvWrite> writes;
  for (const std::string& key : keys) writes.push_back({key, value});
  auto refused = kv->set_many(writes);
  ASSERT_EQ(test::outcome_of(refused), "resource_exhausted");
  EXPECT_EQ(refused.error().outcome(), Outcome::not_applied);
  EXPECT_NE(refused.error().to_string().find("map_bytes_max"), std::string::npos);
  EXPECT_EQ(test::must(kv->list({.keys_only = true})).entries.size(), 1u);
  test::must(kv->erase("first"));
  test::must(kv->set("second", value));
  EXPECT_TRUE(test::must(kv->get("second")) == value);
}

TEST(LmdbKv, HealthNamesSizesAndReaders) {
  test::TemporaryDirectory directory;
  auto store = test::must(open_lmdb({.path = directory / "kv"}));
  std::string names;
  for (const auto& [name, value] : store->health().details) names += name + " ";
  EXPECT_EQ(names, "version entries used_bytes map_bytes readers readers_max ");
}

}  // namespace
}  // namespace loam
