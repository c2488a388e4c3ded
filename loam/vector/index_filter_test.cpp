// Searches among some of the vectors only: whatever part passes, and wherever it lies, all answers pass, and there are as
// many as there can be.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "loam/vector/index.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 32;
constexpr std::size_t count = fewer_when_sanitized(12'000);
constexpr std::size_t k = 10;

// Clusters, so that what is near the query is near each other, too.
struct Data {
  IndexOptions options{.dimension = dimension, .distance = Distance::euclidean, .ef_construction = 40, .flat_max = 100};
  Rows rows = shuffled(clustered_rows(count, normal_rows(60, dimension, 1), 0.8f, 2), 3);
  Rows queries = clustered_rows(12, normal_rows(60, dimension, 1), 0.8f, 4);
  Oracle oracle{options};
  std::unique_ptr<Index> index = Index::create(options).value();
  std::vector<std::vector<Neighbour>> ranked;  // all of them, for each query

  Data() {
    EXPECT_TRUE(index->put_many(ids_from(0, count), rows.values, 1).ok());
    oracle.put_all(ids_from(0, count), rows);
    for (std::size_t i = 0; i < queries.count(); ++i) ranked.push_back(oracle.ranked(queries[i]));
  }
};

const Data& data() {
  static const Data shared;
  return shared;
}

enum class Lie { anywhere, nearest, farthest };

// Which ids pass for query i.
std::vector<bool> passing(std::size_t query, double rate, Lie lie) {
  std::vector<bool> passes(count);
  const auto wanted = static_cast<std::size_t>(std::lround(rate * static_cast<double>(count)));
  std::vector<std::int64_t> order = ids_of(data().ranked[query]);
  if (lie == Lie::anywhere) std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<unsigned>(query)));
  if (lie == Lie::farthest) std::reverse(order.begin(), order.end());
  for (std::size_t i = 0; i < wanted; ++i) passes[static_cast<std::size_t>(order[i])] = true;
  return passes;
}

SlotBitmap filter_of(const Index& index, const std::vector<bool>& passes) {
  SlotBitmap filter;
  for (std::size_t id = 0; id < passes.size(); ++id)
    if (passes[id]) filter.insert(*index.slot_of(static_cast<std::int64_t>(id)));
  return filter;
}

// The same, with members beyond the index: it looks as if much passed, so that the graph is walked and not scanned.
SlotBitmap as_if_large(SlotBitmap filter) {
  for (Slot slot = 100'000; slot < 150'000; ++slot) filter.insert(slot);
  return filter;
}

std::vector<Neighbour> nearest_passing(std::size_t query, const std::vector<bool>& passes) {
  std::vector<Neighbour> best;
  for (const Neighbour& one : data().ranked[query]) {
    if (best.size() == k) break;
    if (passes[static_cast<std::size_t>(one.id)]) best.push_back(one);
  }
  return best;
}

struct Way {
  std::string name;
  std::function<SearchResult(std::size_t query, std::size_t ef, const std::vector<bool>& passes)> search;
  bool knows_the_rate = true;
};

std::vector<Way> ways() {
  const Index& index = *data().index;
  const Rows& queries = data().queries;
  return {{"filter",
           [&](std::size_t query, std::size_t ef, const std::vector<bool>& passes) {
             const SlotBitmap filter = filter_of(index, passes);
             return index.search(queries[query], {.k = k, .ef = ef, .filter = &filter}).value();
           }},
          {"filter that looks large",
           [&](std::size_t query, std::size_t ef, const std::vector<bool>& passes) {
             const SlotBitmap filter = as_if_large(filter_of(index, passes));
             return index.search(queries[query], {.k = k, .ef = ef, .filter = &filter}).value();
           },
           false},
          {"predicate", [&](std::size_t query, std::size_t ef, const std::vector<bool>& passes) {
             const auto one = [&](std::int64_t id) { return static_cast<bool>(passes[static_cast<std::size_t>(id)]); };
             return index.search(queries[query], {.k = k, .ef = ef, .predicate = one}).value();
           }}};
}

class Filters : public testing::TestWithParam<Lie> {};

std::string name_of(const testing::TestParamInfo<Lie>& lie) {
  const std::vector<std::string> names{"Anywhere", "Nearest", "Farthest"};
  return names[static_cast<std::size_t>(lie.param)];
}

INSTANTIATE_TEST_SUITE_P(PassWhatIs, Filters, testing::Values(Lie::anywhere, Lie::nearest, Lie::farthest), name_of);

TEST_P(Filters, OfEveryPassRateAreAnsweredInFull) {
  // Where the near ones do not pass, the first of those that do are very many at nearly one distance.
  const std::size_t ef = GetParam() == Lie::farthest ? 1500 : 100;
  for (const Way& way : ways()) {
    for (const double rate : {0.9, 0.5, 0.1, 0.01, 0.001, 0.0}) {
      double sum = 0;
      for (std::size_t query = 0; query < data().queries.count(); ++query) {
        const std::vector<bool> passes = passing(query, rate, GetParam());
        const std::vector<Neighbour> wanted = nearest_passing(query, passes);

        const auto found = way.search(query, ef, passes).neighbours;

        ASSERT_EQ(found.size(), wanted.size()) << way.name << ", " << rate;
        ASSERT_TRUE(sound(found, data().oracle, data().queries[query],
                          [&](std::int64_t id) { return static_cast<bool>(passes[static_cast<std::size_t>(id)]); }))
            << way.name << ", " << rate;
        sum += recall(found, wanted);
      }
      EXPECT_GE(sum / static_cast<double>(data().queries.count()), way.knows_the_rate ? 0.95 : 0.6)
          << way.name << ", " << rate;
    }
  }
}

// So large that more pass a filter than are scanned at once.
struct LargeData {
  static constexpr std::size_t count = 40'000;
  IndexOptions options{
      .dimension = 8, .distance = Distance::euclidean, .max_connections = 16, .ef_construction = 24, .flat_max = 100};
  Rows rows = normal_rows(count, 8, 6);
  Rows queries = normal_rows(8, 8, 7);
  Oracle oracle{options};
  std::unique_ptr<Index> index = Index::create(options).value();

  LargeData() {
    EXPECT_TRUE(index->put_many(ids_from(0, count), rows.values, 1).ok());
    oracle.put_all(ids_from(0, count), rows);
  }

  // What passes for a query, nearest first.
  std::vector<Neighbour> passing(std::size_t query, double rate, Lie lie) const {
    std::vector<Neighbour> order = oracle.ranked(queries[query]);
    if (lie == Lie::anywhere) std::shuffle(order.begin(), order.end(), std::mt19937(8));
    if (lie == Lie::farthest) std::reverse(order.begin(), order.end());
    order.resize(static_cast<std::size_t>(rate * count));
    std::sort(order.begin(), order.end(), nearer);
    return order;
  }
  SlotBitmap filter_of(const std::vector<Neighbour>& passing) const {
    SlotBitmap filter;
    for (const Neighbour& one : passing) filter.insert(*index->slot_of(one.id));
    return filter;
  }
};

const LargeData& large() {
  static const LargeData shared;
  return shared;
}

// 115 for each of ef, and what the way down the layers and the last step over the limit cost.
TEST(Filter, OfWhateverRateIsWalkedForABoundedTimeBeforeItIsScanned) {
  constexpr std::size_t ef = 20;
  for (const Lie lie : {Lie::anywhere, Lie::nearest, Lie::farthest}) {
    for (const double rate : {0.9, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001}) {
      for (std::size_t query = 0; query < large().queries.count(); ++query) {
        const auto passing = large().passing(query, rate, lie);
        const SlotBitmap filter = large().filter_of(passing);

        const auto found = large().index->search(large().queries[query], {.k = k, .ef = ef, .filter = &filter}).value();

        const std::size_t scanned = found.plan == Plan::scan ? passing.size() : 0;
        EXPECT_LE(found.estimates, 115 * ef + 200 + scanned) << static_cast<int>(lie) << ", " << rate;
      }
    }
  }
}

// Half of 20,000 vectors pass, which lie anywhere: how many of the k nearest by inner product are found.
double filtered_recall(const Index& index, const Rows& queries) {
  SlotBitmap filter;
  for (std::int64_t id = 0; id < 20'000; id += 2) filter.insert(*index.slot_of(id));
  double sum = 0;
  for (std::size_t query = 0; query < queries.count(); ++query) {
    const auto wanted = index.search(queries[query], {.k = k, .filter = &filter, .exact = true}).value();
    const auto found = index.search(queries[query], {.k = k, .ef = 40, .filter = &filter}).value();
    EXPECT_EQ(found.plan, Plan::filtered_graph);
    sum += recall(found.neighbours, wanted.neighbours);
  }
  return sum / static_cast<double>(queries.count());
}

IndexOptions by_inner_product() {
  return {.dimension = 8, .distance = Distance::inner_product, .ef_construction = 40, .flat_max = 100};
}

// What waited to be expanded lay in buckets by how far it was from the nearest that could be, which is far away where one
// vector is a thousand times as long as all others: all of them fell into one bucket, out of which they came in no order,
// and searches ended with what they had found.
TEST(Filter, FindsWhatIsNearBesideOneVectorThatIsMuchLonger) {
  auto index = Index::create(by_inner_product()).value();
  Rows rows = normal_rows(20'000, 8, 31);
  for (std::size_t i = 0; i < 8; ++i) rows.values[8 + i] *= 1000;
  ASSERT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, 1).ok());

  EXPECT_GE(filtered_recall(*index, normal_rows(20, 8, 32)), 0.9);
}

// Where the nearest can be is known from the vectors that were there when the graph was made.
TEST(Filter, FindsVectorsThatAreLongerThanAllBeforeThem) {
  auto index = Index::create(by_inner_product()).value();
  const Rows first = normal_rows(10'000, 8, 33);
  const Rows longer = normal_rows(10'000, 8, 34, 3);
  ASSERT_TRUE(index->put_many(ids_from(0, first.count()), first.values, 1).ok());
  ASSERT_TRUE(index->put_many(ids_from(10'000, longer.count()), longer.values, 1).ok());

  EXPECT_GE(filtered_recall(*index, normal_rows(20, 8, 35)), 0.9);
}

// The graph is walked, and where what passes lies far from the query, that shows soon.
TEST(Filter, OfMuchOfALargeIndexWalksTheGraphUnlessItIsFarAway) {
  const Index& index = *large().index;
  for (const double rate : {0.9, 0.65}) {
    for (const Lie lie : {Lie::anywhere, Lie::nearest, Lie::farthest}) {
      double sum = 0;
      for (std::size_t query = 0; query < large().queries.count(); ++query) {
        std::vector<Neighbour> wanted = large().passing(query, rate, lie);
        const SlotBitmap filter = large().filter_of(wanted);
        wanted.resize(k);
        const auto query_row = large().queries[query];

        const auto found = index.search(query_row, {.k = k, .ef = 600, .filter = &filter}).value();

        EXPECT_EQ(found.plan, lie == Lie::farthest ? Plan::scan : Plan::filtered_graph);
        ASSERT_EQ(found.neighbours.size(), k);
        ASSERT_TRUE(sound(found.neighbours, large().oracle, query_row,
                          [&](std::int64_t id) { return filter.contains(*index.slot_of(id)); }));
        sum += recall(found.neighbours, wanted);
      }
      EXPECT_GE(sum / static_cast<double>(large().queries.count()), 0.9) << rate << ", lie " << static_cast<int>(lie);
    }
  }
}

// Estimates of a walk for `ef` candidates where the farthest pass, on average over the queries, for each candidate.
double estimates_where_the_farthest_pass(double rate, std::size_t ef) {
  std::size_t estimates = 0;
  for (std::size_t query = 0; query < large().queries.count(); ++query) {
    const std::vector<Neighbour> passing = large().passing(query, rate, Lie::farthest);
    const SlotBitmap filter = as_if_large(large().filter_of(passing));

    const auto found = large().index->search(large().queries[query], {.k = k, .ef = ef, .filter = &filter}).value();

    EXPECT_EQ(found.plan, Plan::filtered_graph);
    EXPECT_EQ(found.neighbours.size(), k);
    EXPECT_LE(found.neighbours.back().distance, 1.05f * passing[k - 1].distance);
    estimates += found.estimates;
  }
  return static_cast<double>(estimates) / static_cast<double>(large().queries.count() * ef);
}

// What is near the query used to be searched for answers until it was given up, though none was found at first and half of
// all vectors were some.
TEST(Filter, ThatKeepsOutWhatIsNearIsSeenAtTheFirstLook) {
  EXPECT_LT(estimates_where_the_farthest_pass(0.5, 16), 50) << "it was 67 and is 36";
}

// Members of a filter that are no vectors do not make it one that much passes.
TEST(Filter, OfLittleIsLookedForLongerWhereItKeepsOutWhatIsNear) {
  EXPECT_GT(estimates_where_the_farthest_pass(0.2, 16), 45) << "it would be 34";
}

// What passes lies on a sphere around the query: codes do not tell who is nearest, and nearly all used to be refined, and
// four full vectors for each candidate kept compared.
TEST(Filter, OfEquallyFarVectorsIsAnsweredByNearOnesForABoundedEffort) {
  constexpr std::size_t crowd = 400;
  constexpr std::size_t ef = 16;
  constexpr float radius = 10;
  const IndexOptions options{.dimension = 32, .distance = Distance::euclidean, .flat_max = 100};
  const std::vector<float> query(32, 3);
  Rows rows = normal_rows(2000, 32, 21);
  SlotBitmap filter;
  for (std::size_t i = 0; i < crowd; ++i) {
    const double length = std::sqrt(std::inner_product(rows[i].begin(), rows[i].end(), rows[i].begin(), 0.0));
    const auto scale = radius * (1 + 1e-3f * static_cast<float>(i % 10)) / static_cast<float>(length);
    for (std::size_t j = 0; j < 32; ++j) rows[i][j] = query[j] + scale * rows[i][j];
  }
  auto index = Index::create(options).value();
  ASSERT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, 1).ok());
  for (std::size_t i = 0; i < crowd; ++i) filter.insert(*index->slot_of(static_cast<std::int64_t>(i)));

  const auto found = index->search(query, {.k = 10, .ef = ef, .filter = &filter}).value();

  EXPECT_EQ(found.plan, Plan::scan);
  ASSERT_EQ(found.neighbours.size(), 10u);
  EXPECT_LE(found.neighbours.back().distance, radius * 1.005f);
  EXPECT_EQ(found.estimates, crowd);
  EXPECT_LE(found.distances, 10 + 2 * ef) << "and two for each candidate kept";
}

TEST(Filter, ExactSearchesKeepToItExactly) {
  for (std::size_t query = 0; query < data().queries.count(); ++query) {
    const std::vector<bool> passes = passing(query, 0.3, Lie::anywhere);
    const SlotBitmap filter = filter_of(*data().index, passes);
    const auto one = [&](std::int64_t id) { return static_cast<bool>(passes[static_cast<std::size_t>(id)]); };
    const auto wanted = nearest_passing(query, passes);
    const auto query_row = data().queries[query];

    EXPECT_TRUE(
        same(data().index->search(query_row, {.k = k, .filter = &filter, .exact = true}).value().neighbours, wanted));
    EXPECT_TRUE(same(data().index->search(query_row, {.k = k, .predicate = one, .exact = true}).value().neighbours, wanted));
  }
}

TEST(Filter, MoreAskedForThanPasses) {
  const std::vector<bool> passes = passing(3, 0.01, Lie::anywhere);
  const auto expected = static_cast<std::size_t>(std::count(passes.begin(), passes.end(), true));
  const SlotBitmap filter = filter_of(*data().index, passes);
  const SlotBitmap large = as_if_large(filter);
  const auto one = [&](std::int64_t id) { return static_cast<bool>(passes[static_cast<std::size_t>(id)]); };
  const auto query = data().queries[3];

  for (const std::size_t wanted : {expected - 1, expected, expected + 1, std::size_t{2000}}) {
    const std::size_t least = std::min(wanted, expected);
    EXPECT_EQ(data().index->search(query, {.k = wanted, .filter = &filter}).value().neighbours.size(), least);
    EXPECT_EQ(data().index->search(query, {.k = wanted, .filter = &large}).value().neighbours.size(), least);
    EXPECT_EQ(data().index->search(query, {.k = wanted, .predicate = one}).value().neighbours.size(), least);
  }
}

TEST(Filter, AsksAPredicateOnlyForWhatIsThere) {
  std::size_t asked = 0;
  const auto one = [&](std::int64_t id) {
    ++asked;
    return id >= 0 && id < static_cast<std::int64_t>(count);
  };

  const auto found = data().index->search(data().queries[0], {.k = k, .predicate = one}).value();

  EXPECT_EQ(found.neighbours.size(), k);
  EXPECT_EQ(found.plan, Plan::filtered_graph);
  EXPECT_LT(asked, count) << "and for candidates only";
}

// Shorter and longer than the index, with free slots, erased ones and ones that were never there in it.
TEST(Filter, MembersThatAreNotThereAreNoAnswers) {
  const Rows rows = normal_rows(1500, 8, 5);
  const IndexOptions options{.dimension = 8, .distance = Distance::euclidean, .ef_construction = 40, .flat_max = 100};
  for (const bool maintained : {false, true}) {
    auto index = Index::create(options).value();
    Oracle oracle(options);
    ASSERT_TRUE(index->put_many(ids_from(0, 1500), rows.values, 1).ok());
    oracle.put_all(ids_from(0, 1500), rows);
    for (std::int64_t id = 0; id < 1500; id += 2) {
      ASSERT_TRUE(index->erase(id).value());
      oracle.erase(id);
    }
    if (maintained) {
      ASSERT_TRUE(index->maintain().ok());
    }
    for (const std::size_t end : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{700},
                                  std::size_t{1500}, std::size_t{1 << 16}, std::size_t{1 << 24}}) {
      const SlotBitmap filter(end, true);
      const auto passes = [&](std::int64_t id) { return *index->slot_of(id) < end; };
      const auto wanted = oracle.nearest(rows[7], 30, passes);

      const auto found = index->search(rows[7], {.k = 30, .ef = 200, .filter = &filter}).value().neighbours;

      EXPECT_EQ(found.size(), wanted.size()) << end;
      EXPECT_TRUE(sound(found, oracle, rows[7], passes)) << end;
      EXPECT_GE(recall(found, wanted), 0.9) << end;
      EXPECT_TRUE(same(index->search(rows[7], {.k = 30, .filter = &filter, .exact = true}).value().neighbours, wanted))
          << end;
    }
  }
}

// The filter was made for the slots of before: what has taken one since then passes in its place.
TEST(Filter, IsOfSlotsNotOfIds) {
  auto index = Index::create({.dimension = 1, .distance = Distance::euclidean, .flat_max = 0}).value();
  for (std::int64_t id = 0; id < 10; ++id) ASSERT_TRUE(index->put(id, std::vector<float>{static_cast<float>(id)}).ok());
  SlotBitmap filter;
  filter.insert(*index->slot_of(4));
  filter.insert(*index->slot_of(5));
  ASSERT_TRUE(index->erase(5).value());

  EXPECT_EQ(ids_of(index->search(std::vector<float>{0}, {.filter = &filter}).value().neighbours),
            std::vector<std::int64_t>{4});
  ASSERT_TRUE(index->put(4, std::vector<float>{4.5f}).ok());
  EXPECT_TRUE(index->search(std::vector<float>{0}, {.filter = &filter}).value().neighbours.empty());
}

}  // namespace
}  // namespace loam::vector
