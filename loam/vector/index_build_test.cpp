/// Indexes that are built of many vectors at once, beside those that got one after the other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

constexpr Distance every_distance[] = {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan};

double mean_recall_at_10(const Index& index, const Oracle& oracle, const Rows& queries, std::size_t ef) {
  double sum = 0;
  for (std::size_t i = 0; i < queries.count(); ++i)
    sum += recall(index.search(queries[i], {.k = 10, .ef = ef}).value().neighbours, oracle.nearest(queries[i], 10));
  return sum / static_cast<double>(queries.count());
}

std::unique_ptr<Index> built(const IndexOptions& options, const Rows& rows, std::size_t threads = 2) {
  auto index = Index::create(options).value();
  EXPECT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, threads).ok());
  EXPECT_GE(index->stats().layers, 1u);
  return index;
}

TEST(IndexBuild, FindsAsMuchAsOneByOne) {
  const Rows rows = normal_rows(fewer_when_sanitized(6000), 24, 1);
  const Rows queries = normal_rows(100, 24, 2);
  for (const Distance distance : every_distance) {
    const IndexOptions options{.dimension = 24, .distance = distance, .flat_max = 100};
    Oracle oracle(options);
    oracle.put_all(ids_from(0, rows.count()), rows);

    const auto at_once = built(options, rows);
    auto one_by_one = Index::create(options).value();
    for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(one_by_one->put(static_cast<std::int64_t>(i), rows[i]).ok());

    const double wanted = mean_recall_at_10(*one_by_one, oracle, queries, 32);
    EXPECT_GE(mean_recall_at_10(*at_once, oracle, queries, 32), wanted - 0.04) << static_cast<int>(distance);
    EXPECT_TRUE(healthy(*at_once));
  }
}

TEST(IndexBuild, SpendsMoreWhereEfConstructionIsHigher) {
  const Rows rows = normal_rows(fewer_when_sanitized(12'000), 32, 3);
  const Rows queries = normal_rows(100, 32, 4);
  const auto recall_with = [&](std::size_t ef_construction) {
    const IndexOptions options{
        .dimension = 32, .distance = Distance::euclidean, .ef_construction = ef_construction, .flat_max = 100};
    Oracle oracle(options);
    oracle.put_all(ids_from(0, rows.count()), rows);
    return mean_recall_at_10(*built(options, rows), oracle, queries, 24);
  };

  EXPECT_GT(recall_with(400), recall_with(40));
}

TEST(IndexBuild, OfAnyNumberIsHealthy) {
  for (const std::size_t count : {1u, 2u, 3u, 10u, 64u, 401u, 1000u}) {
    const Rows rows = normal_rows(count, 8, 5);
    for (const unsigned max_connections : {8u, 26u}) {
      const auto index =
          built({.dimension = 8, .distance = Distance::euclidean, .max_connections = max_connections, .flat_max = 0}, rows);

      EXPECT_TRUE(healthy(*index)) << count;
      EXPECT_EQ(index->search(rows[0], {.k = count}).value().neighbours.size(), count);
    }
  }
}

TEST(IndexBuild, OfEqualVectorsAmongOthersHasAllOfThem) {
  Rows rows = normal_rows(3000, 8, 6);
  for (std::size_t i = 0; i < 3000; i += 3) std::fill(rows[i].begin(), rows[i].end(), static_cast<float>(i % 2));
  for (const Elements elements : {Elements::f32, Elements::f16}) {
    const IndexOptions options{.dimension = 8, .distance = Distance::euclidean, .elements = elements, .flat_max = 100};
    const auto index = built(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, 3000), rows);

    EXPECT_TRUE(healthy(*index));
    for (const std::size_t of : {0u, 3u}) {
      const auto found = index->search(rows[of], {.k = 500}).value().neighbours;
      ASSERT_EQ(found.size(), 500u);
      EXPECT_TRUE(sound(found, oracle, rows[of]));
      EXPECT_EQ(found.back().distance, 0);
    }
  }
}

// The few in the middle are nearest to all, and have room for a part of them as children. All those for which there was none
// used to be tried again after each search for one of them.
TEST(IndexBuild, OfACoreThatIsNearestToAllHangsTheRestBelowIt) {
  Rows rows = normal_rows(fewer_when_sanitized(6000), 64, 12);
  for (std::size_t i = 0; i < rows.count(); ++i) {
    normalize(rows[i]);
    if (i % 60 == 0)
      for (float& value : rows[i]) value *= 0.01F;
  }
  for (const unsigned max_connections : {8u, 26u}) {
    const IndexOptions options{
        .dimension = 64, .distance = Distance::euclidean, .max_connections = max_connections, .flat_max = 100};
    const auto index = built(options, rows);

    EXPECT_TRUE(healthy(*index)) << max_connections;
  }
}

// No list leads from one cluster to another, and there is no layer above that would.
TEST(IndexBuild, OfManyFarClustersIsHealthyWithoutUpperLayers) {
  Rows centres = normal_rows(150, 8, 13, 1000);
  const Rows rows = shuffled(clustered_rows(fewer_when_sanitized(9000), centres, 0.1F, 14), 15);
  for (const Distance distance : {Distance::euclidean, Distance::inner_product, Distance::manhattan}) {
    const auto index =
        built({.dimension = 8, .distance = distance, .ef_construction = 16, .nb_layers = 1, .flat_max = 100}, rows);

    EXPECT_TRUE(healthy(*index)) << static_cast<int>(distance);
  }
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // they reserve more addresses than any limit leaves
// Says what came of it, and ends the process.
[[noreturn]] void promote_with_memory_for_codes_and_edges_only() {
  const Rows rows = normal_rows(40'000, 2, 17);
  const IndexOptions options{.dimension = 2, .distance = Distance::euclidean, .flat_max = 50'000};
  auto index = Index::create(options).value();
  index->put_many(ids_from(0, rows.count()), rows.values, 1).value();
  // The lists of candidates alone take 20 MB.
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (std::size_t{26} << 20);
  const rlimit limits{limit, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_AS, &limits) != 0) std::exit(1);

  const auto promoted = index->promote();

  std::fprintf(stderr, "%s; %zu layers; nearest %lld\n", promoted.ok() ? "ok" : promoted.error().message().c_str(),
               std::size_t{index->stats().layers},
               static_cast<long long>(index->search(rows[7], {.k = 1}).value().neighbours.at(0).id));
  std::exit(promoted.ok() || promoted.error().code() != ErrorCode::resource_exhausted ? 1 : 0);
}

TEST(IndexBuild, WithoutMemoryForItIsAnErrorAndLeavesAFlatIndexThatAnswers) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a new process: what other tests have freed would be memory for it

  EXPECT_EXIT(promote_with_memory_for_codes_and_edges_only(), testing::ExitedWithCode(0),
              "the graph of 40000 vectors.*; 0 layers; nearest 7");
}
#endif

TEST(IndexBuild, ThatIsCancelledLeavesAFlatIndexThatAnswers) {
  const Rows rows = normal_rows(3000, 16, 16);
  const IndexOptions options{.dimension = 16, .distance = Distance::euclidean, .flat_max = 5000};
  auto index = Index::create(options).value();
  ASSERT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, 2).ok());
  std::size_t cancelled = 0;
  for (std::int64_t patience_ms = 1; patience_ms < 100'000; patience_ms *= 2) {
    const auto promoted = index->promote(2, Context().deadline_in_ms(patience_ms));
    if (promoted.ok()) break;
    ++cancelled;

    ASSERT_EQ(promoted.error().code(), ErrorCode::deadline_exceeded);
    ASSERT_EQ(index->stats().layers, 0u);
    ASSERT_EQ(index->search(rows[7], {.k = 1}).value().neighbours.at(0).id, 7);
  }
  EXPECT_GT(cancelled, 0u);
  EXPECT_GE(index->stats().layers, 1u);
  EXPECT_TRUE(healthy(*index));
}

// As an index that got its vectors one by one: what is built at once has no other kind of graph.
TEST(IndexBuild, IsChangedLikeAnyOther) {
  const Rows rows = normal_rows(fewer_when_sanitized(6000), 16, 7);
  const auto count = static_cast<std::int64_t>(rows.count());
  const IndexOptions options{.dimension = 16, .distance = Distance::euclidean, .flat_max = 100};
  const auto index = built(options, rows);
  Oracle oracle(options);
  oracle.put_all(ids_from(0, rows.count()), rows);
  const Rows others = normal_rows(rows.count() / 3, 16, 8);

  for (std::int64_t id = 0; id < count; id += 2) ASSERT_TRUE(index->erase(id).value() && oracle.erase(id));
  for (std::size_t i = 0; i < others.count(); ++i) {
    const auto id = count + static_cast<std::int64_t>(i);
    ASSERT_TRUE(index->put(id, others[i]).ok());
    oracle.put(id, others[i]);
  }
  ASSERT_TRUE(index->maintain().ok());

  EXPECT_GE(mean_recall_at_10(*index, oracle, normal_rows(100, 16, 9), 64), 0.97);
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
}

TEST(IndexBuild, OfManyThreadsIsHealthy) {
  const Rows rows = normal_rows(fewer_when_sanitized(9000), 16, 10);
  const IndexOptions options{.dimension = 16, .distance = Distance::cosine, .flat_max = 100};
  Oracle oracle(options);
  oracle.put_all(ids_from(0, rows.count()), rows);

  const auto index = built(options, rows, 8);

  EXPECT_TRUE(healthy(*index));
  EXPECT_GE(mean_recall_at_10(*index, oracle, normal_rows(100, 16, 11), 64), 0.97);
}

}  // namespace
}  // namespace loam::vector
