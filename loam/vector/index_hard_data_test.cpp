// Data that graphs are bad at: equal vectors, far ones, clusters, lines, ties, and the ends of the floats.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "loam/core/limits.hpp"
#include "loam/vector/index.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr Distance every_distance[] = {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan};

IndexOptions graph_options(std::size_t dimension, Distance distance = Distance::euclidean) {
  return {.dimension = dimension, .distance = distance, .ef_construction = 60, .flat_max = 16};
}

std::unique_ptr<Index> filled(const IndexOptions& options, const Rows& rows, std::size_t threads = 1) {
  auto index = Index::create(options).value();
  EXPECT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, threads).ok());
  EXPECT_GE(index->stats().layers, 1u);
  return index;
}

Ids sorted_ids(const std::vector<Neighbour>& neighbours) {
  Ids ids = ids_of(neighbours);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// How many of the rows are not the answer to themselves, or at their distance from themselves.
std::size_t lost_to_themselves(const Index& index, const Rows& rows, std::size_t ef) {
  std::size_t lost = 0;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    const auto found = index.search(rows[i], {.k = 1, .ef = ef}).value().neighbours;
    if (found.size() != 1 || (found[0].id != static_cast<std::int64_t>(i) && found[0].distance > 0)) ++lost;
  }
  return lost;
}

// --- equal vectors

TEST(EqualVectors, TenThousandAreAllFoundAndAllErased) {
  constexpr std::size_t count = fewer_when_sanitized(limits::search_k_max);
  const std::vector<float> vector{1, -2, 3, 0.5f};
  const std::vector<float> query{1, 1, 1, 1};
  auto index = Index::create(graph_options(4)).value();
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), vector).ok());
  EXPECT_GE(index->stats().duplicates, count - 20);
  ASSERT_TRUE(healthy(*index));

  EXPECT_EQ(ids_of(index->search(query, {.k = count}).value().neighbours), ids_from(0, count));
  EXPECT_EQ(index->search(query, {.k = 10}).value().neighbours.size(), 10u);

  Ids order = ids_from(0, count);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(index->erase(order[i]).value());
    if (i % (count / 8) != 0) continue;
    Ids left(order.begin() + static_cast<std::ptrdiff_t>(i) + 1, order.end());
    std::sort(left.begin(), left.end());
    ASSERT_EQ(ids_of(index->search(query, {.k = count}).value().neighbours), left);
    ASSERT_TRUE(healthy(*index));
  }
  EXPECT_TRUE(index->search(query).value().neighbours.empty());
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_EQ(index->stats().duplicates, 0u);

  for (std::size_t i = 0; i < 100; ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), vector).ok());
  EXPECT_EQ(ids_of(index->search(query, {.k = 1000}).value().neighbours), ids_from(0, 100));
  EXPECT_EQ(index->stats().slots, count) << "slots are used again";
  EXPECT_TRUE(healthy(*index));
}

// The first of them is the node of the graph, the others hang on it in a chain.
class ErasingAChain : public testing::TestWithParam<std::string> {
 protected:
  static constexpr std::int64_t length = 9;

  static Ids order() {
    Ids order = ids_from(0, length);
    if (GetParam() == "HeadLast") std::rotate(order.begin(), order.begin() + 1, order.end());
    if (GetParam() == "HeadInTheMiddle") std::swap(order[0], order[length / 2]);
    if (GetParam() == "NewestFirst") std::reverse(order.begin(), order.end());
    if (GetParam() == "HeadAfterAll") std::reverse(order.begin() + 1, order.end());
    if (GetParam() == "HeadSecond") std::swap(order[0], order[1]);
    return order;
  }

  ErasingAChain() : rows_(normal_rows(200, 8, 7)), index_(Index::create(graph_options(8)).value()) {
    EXPECT_TRUE(index_->put_many(ids_from(1000, 200), rows_.values, 1).ok());
    for (std::int64_t id = 0; id < length; ++id) EXPECT_TRUE(index_->put(id, twin()).ok());
    EXPECT_EQ(index_->stats().duplicates, static_cast<std::size_t>(length - 1));
  }

  std::vector<float> twin() const { return std::vector<float>(8, 0.25f); }

  void expect_left(Ids left) {
    std::sort(left.begin(), left.end());
    EXPECT_EQ(sorted_ids(index_->search_range(twin(), {.radius = 0}).value().neighbours), left);
    EXPECT_EQ(sorted_ids(index_->search_range(twin(), {.radius = 0, .exact = true}).value().neighbours), left);
    EXPECT_EQ(index_->search(twin(), {.k = 500}).value().neighbours.size(), index_->size());
    EXPECT_TRUE(healthy(*index_));
  }

  Rows rows_;
  std::unique_ptr<Index> index_;
};

INSTANTIATE_TEST_SUITE_P(InEveryOrder, ErasingAChain,
                         testing::Values("HeadFirst", "HeadSecond", "HeadInTheMiddle", "HeadLast", "NewestFirst",
                                         "HeadAfterAll"),
                         [](const testing::TestParamInfo<std::string>& order) { return order.param; });

TEST_P(ErasingAChain, LeavesTheOthers) {
  for (const bool tidy : {false, true}) {
    Ids left = order();
    while (!left.empty()) {
      ASSERT_TRUE(index_->erase(left.front()).value());
      left.erase(left.begin());
      if (tidy) {
        ASSERT_TRUE(index_->maintain().ok());
      }
      expect_left(left);
    }
    ASSERT_TRUE(no_slot_is_lost(*index_));
    EXPECT_EQ(index_->stats().duplicates, 0u);
    for (std::int64_t id = 0; id < length; ++id) ASSERT_TRUE(index_->put(id, twin()).ok());
    expect_left(ids_from(0, length));
  }
}

// In one change, so that none of them has left the graph when the next one is erased. This freed the slot of the head twice.
TEST_P(ErasingAChain, AtOnceFreesEverySlotOnce) {
  for (std::size_t kept = 0; kept < 3; ++kept) {
    std::vector<Change> changes;
    Ids left;
    for (const std::int64_t id : order()) changes.size() + kept < length ? changes.push_back({id, {}}) : left.push_back(id);

    ASSERT_TRUE(index_->apply(changes, index_->sequence() + 1).ok());

    EXPECT_TRUE(no_slot_is_lost(*index_));
    expect_left(left);
    const std::vector<float> again = twin();
    for (std::int64_t id = 0; id < length; ++id) ASSERT_TRUE(index_->put(id, again).ok());
    expect_left(ids_from(0, length));
  }
}

TEST_P(ErasingAChain, MovingEachElsewhereAndBackLosesNone) {
  for (const std::int64_t id : order()) {
    ASSERT_TRUE(index_->put(id, rows_[static_cast<std::size_t>(id)]).ok());
    EXPECT_EQ(index_->search_range(rows_[static_cast<std::size_t>(id)], {.radius = 0}).value().neighbours.size(), 2u);
  }
  expect_left({});
  for (const std::int64_t id : order()) ASSERT_TRUE(index_->put(id, twin()).ok());
  expect_left(ids_from(0, length));
  EXPECT_TRUE(no_slot_is_lost(*index_));
}

// What an application does that writes everything anew every night.
TEST(EqualVectors, PuttingTheSameVectorsAgainChangesNothing) {
  const Rows rows = normal_rows(500, 16, 3);
  auto index = filled(graph_options(16), rows);
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
    ASSERT_TRUE(index->put_many(ids_from(0, 500), rows.values, 1).ok());
  }
  ASSERT_TRUE(no_slot_is_lost(*index));

  EXPECT_EQ(index->size(), 500u);
  EXPECT_EQ(lost_to_themselves(*index, rows, 16), 0u);
  EXPECT_TRUE(healthy(*index));
  EXPECT_EQ(index->stats().duplicates, 0u);
  EXPECT_LE(index->stats().slots, 2 * 500u);
}

TEST(EqualVectors, ABurstAmongOthersHidesNobody) {
  Rows rows = normal_rows(1500, 16, 5);
  for (std::size_t i = 500; i < 1000; ++i) std::copy_n(rows[7].begin(), 16, rows[i].begin());
  for (const std::size_t threads : {std::size_t{1}, std::size_t{4}}) {
    auto index = filled(graph_options(16), rows, threads);
    const auto equal = index->search_range(rows[7], {.radius = 0}).value().neighbours;

    EXPECT_EQ(equal.size(), 501u);
    // Several threads make another graph each time, which in one of 240 loses one to 32 candidates. (The equal vectors are
    // more than 100, too.)
    EXPECT_LE(lost_to_themselves(*index, rows, 32), threads == 1 ? 0u : 1u);
    EXPECT_EQ(lost_to_themselves(*index, rows, 100), 0u);
    EXPECT_TRUE(healthy(*index));
    for (std::int64_t id = 500; id < 1000; ++id) ASSERT_TRUE(index->erase(id).value());
    EXPECT_EQ(ids_of(index->search_range(rows[7], {.radius = 0}).value().neighbours), Ids{7});
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(EqualVectors, FiltersAndPredicatesReachIntoChains) {
  Rows rows = normal_rows(600, 8, 6);
  for (std::size_t i = 100; i < 500; ++i) std::copy_n(rows[0].begin(), 8, rows[i].begin());
  auto index = filled(graph_options(8), rows);
  SlotBitmap filter;
  for (const std::int64_t id : {std::int64_t{131}, std::int64_t{432}, std::int64_t{550}}) filter.insert(*index->slot_of(id));
  // Beyond the index: so that it looks like one that passes much, and the graph is walked.
  SlotBitmap large = filter;
  for (Slot slot = 10'000; slot < 50'000; ++slot) large.insert(slot);
  const auto passes = [](std::int64_t id) { return id == 131 || id == 432 || id == 550; };

  for (const SlotBitmap* one : {&filter, &large})
    EXPECT_EQ(ids_of(index->search(rows[0], {.k = 10, .filter = one}).value().neighbours), (Ids{131, 432, 550}));
  EXPECT_EQ(ids_of(index->search(rows[0], {.k = 2, .predicate = passes}).value().neighbours), (Ids{131, 432}));
}

TEST(EqualVectors, ZerosOfEitherSignAreOneVector) {
  Rows rows = normal_rows(1200, 16, 8);
  std::mt19937 random(9);
  for (std::size_t i = 100; i < 1100; ++i)
    for (float& value : rows[i]) value = random() % 2 == 0 ? 0.0f : -0.0f;
  for (const Distance distance : every_distance) {
    auto index = filled(graph_options(16, distance), rows);

    EXPECT_EQ(index->search(rows[500], {.k = 1200}).value().neighbours.size(), 1200u);
    EXPECT_GE(index->stats().duplicates, 980u);
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(EqualVectors, ZeroVectorsLeaveTheOthersToBeFound) {
  Rows rows = normal_rows(1000, 16, 8);
  for (std::size_t i = 0; i < 1000; i += 2) std::fill(rows[i].begin(), rows[i].end(), 0.0f);
  const std::vector<float> zero(16);
  for (const Distance distance : every_distance) {
    const IndexOptions options = graph_options(16, distance);
    auto index = filled(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, 1000), rows);
    const Rows queries = normal_rows(20, 16, 9);

    EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 200}), 0.98);
    EXPECT_TRUE(same(index->search(zero, {.k = 3, .exact = true}).value().neighbours, oracle.nearest(zero, 3)));
    const auto near = index->search(zero, {.k = 700}).value().neighbours;
    EXPECT_EQ(near.size(), 700u);
    EXPECT_TRUE(sound(near, oracle, zero));
    if (distance == Distance::euclidean || distance == Distance::manhattan) {
      EXPECT_EQ(index->search_range(zero, {.radius = 0}).value().neighbours.size(), 500u);
    }
    for (std::int64_t id = 0; id < 1000; id += 2) ASSERT_TRUE(index->erase(id).value());
    EXPECT_EQ(index->search(zero, {.k = 700}).value().neighbours.size(), 500u);
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

// --- places

TEST(HardPlaces, AFarOutlierIsFoundByItselfAndFromBehindIt) {
  for (const Distance distance : {Distance::euclidean, Distance::manhattan}) {
    for (const std::size_t outlier : {std::size_t{0}, std::size_t{700}, std::size_t{1499}}) {
      Rows rows = normal_rows(1500, 16, 11);
      std::fill(rows[outlier].begin(), rows[outlier].end(), 1000.0f);
      auto index = filled(graph_options(16, distance), rows);

      for (const float at : {1000.0f, 2000.0f}) {
        const auto found = index->search(std::vector<float>(16, at), {.k = 2}).value().neighbours;
        EXPECT_EQ(found.at(0).id, static_cast<std::int64_t>(outlier));
        EXPECT_EQ(found.size(), 2u);
      }
      EXPECT_EQ(lost_to_themselves(*index, rows, 64), 0u);
      EXPECT_TRUE(healthy(*index));
    }
  }
}

TEST(HardPlaces, TwoFarClustersAreBothReached) {
  Rows centres{16, std::vector<float>(32)};
  std::fill(centres[1].begin(), centres[1].end(), 20.0f);
  for (const Distance distance : {Distance::euclidean, Distance::manhattan}) {
    const Rows rows = clustered_rows(2000, centres, 1, 13);
    auto index = filled(graph_options(16, distance), rows);

    EXPECT_EQ(lost_to_themselves(*index, rows, 200), 0u);
    EXPECT_TRUE(healthy(*index));
  }
}

// Blocks used to be full of neighbours that lie in one direction, and gave up the farthest edge first, which was the one
// that led out of a clump: walks ended in the wrong one.
TEST(HardPlaces, WalksLeaveTheClumpTheyComeBy) {
  const Rows clumps = clustered_rows(150, normal_rows(10, 32, 20), 0.5f, 21);
  const Rows rows = shuffled(clustered_rows(9000, clumps, 0.02f, 22), 23);
  const Rows queries = clustered_rows(100, clumps, 0.3f, 24);
  const IndexOptions options = graph_options(32, Distance::euclidean);
  auto index = Index::create(options).value();
  ASSERT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, 1).ok());
  Oracle oracle(options);
  oracle.put_all(ids_from(0, rows.count()), rows);

  EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 64}), 0.97);
}

// The same ef is spent where it is needed.
TEST(HardPlaces, AnswersThatStandOutCostLessThanACrowd) {
  for (const Distance distance : every_distance) {
    const Rows crowd = normal_rows(4000, 32, 30);
    Rows apart = normal_rows(10, 32, 31, 0.5f);
    for (float& value : apart.values) value += 5;
    Rows rows{32, crowd.values};
    rows.values.insert(rows.values.end(), apart.values.begin(), apart.values.end());
    auto index = filled(graph_options(32, distance), rows);

    const auto standing_out = index->search(std::vector<float>(32, 5.0f), {.k = 10, .ef = 64}).value();
    const auto crowded = index->search(normal_rows(1, 32, 32)[0], {.k = 10, .ef = 64}).value();

    EXPECT_EQ(sorted_ids(standing_out.neighbours), ids_from(4000, 10)) << static_cast<int>(distance);
    EXPECT_LT(standing_out.estimates, crowded.estimates * 2 / 3) << static_cast<int>(distance);
  }
}

// 20 clumps of vectors that differ by less than their codes tell, among others.
class NearlyEqual : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {
 protected:
  static constexpr std::size_t dimension = 16;

  std::size_t copies() const { return std::get<1>(GetParam()); }

  IndexOptions options() const {
    IndexOptions options = graph_options(dimension, Distance::euclidean);
    options.max_connections = std::get<0>(GetParam());
    return options;
  }

  static Rows centres(unsigned seed) { return normal_rows(20, dimension, seed + 25); }

  Rows clumps(unsigned seed) const {
    const Rows others = normal_rows(2000, dimension, 27);
    Rows rows = clustered_rows(20 * copies(), centres(seed), 1e-6f, 26);
    rows.values.insert(rows.values.end(), others.values.begin(), others.values.end());
    return shuffled(rows, seed + 28);
  }

  std::vector<Neighbour> clump(const Index& index, std::span<const float> centre, std::size_t size) const {
    return index.search(centre, {.k = size, .ef = 2 * copies()}).value().neighbours;
  }

  static void expect_whole(const std::vector<Neighbour>& clump, std::size_t size, std::size_t which) {
    ASSERT_EQ(clump.size(), size) << which;
    EXPECT_LT(clump.back().distance, 1e-4) << which;
  }
};

// One of them used to shield another, so that their edges all stayed among them. Later one shielded all the others, which
// became its children as long as it had room, then hung on vectors far away.
TEST_P(NearlyEqual, VectorsHideNeitherTheOthersNorThemselves) {
  for (const unsigned seed : {0U, 1000U}) {
    const Rows few = centres(seed);
    const Rows rows = clumps(seed);
    auto index = filled(options(), rows);
    Oracle oracle(options());
    oracle.put_all(ids_from(0, rows.count()), rows);
    const Rows queries = normal_rows(100, dimension, 29);

    EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 2 * copies()}), 0.95);
    for (std::size_t i = 0; i < few.count(); ++i) expect_whole(clump(*index, few[i], copies()), copies(), i);
    EXPECT_TRUE(healthy(*index));
  }
}

// The children of an erased vector used to hang on its parent or wherever there was room near that one, so that half of the
// clumps fell apart when those that came first, the parents of the others, were erased.
TEST_P(NearlyEqual, VectorsStayTogetherWhenHalfOfThemIsErased) {
  for (const unsigned seed : {0U, 1000U}) {
    const Rows few = centres(seed);
    auto index = filled(options(), clumps(seed));
    for (std::size_t i = 0; i < few.count(); ++i) {
      const Ids whole = sorted_ids(clump(*index, few[i], copies()));
      ASSERT_EQ(whole.size(), copies());
      for (std::size_t j = 0; j < copies() / 2; ++j) ASSERT_TRUE(index->erase(whole[j]).ok());
    }

    ASSERT_TRUE(index->maintain().ok());

    for (std::size_t i = 0; i < few.count(); ++i) expect_whole(clump(*index, few[i], copies() / 2), copies() / 2, i);
    EXPECT_TRUE(healthy(*index));
  }
}

INSTANTIATE_TEST_SUITE_P(OfEachSize, NearlyEqual,
                         testing::Combine(testing::Values(16, IndexOptions{}.max_connections), testing::Values(60, 200)),
                         [](const auto& one) {
                           return std::to_string(std::get<0>(one.param)) + "Edges" + std::to_string(std::get<1>(one.param)) +
                                  "Copies";
                         });

// One cluster after the other is harder than all of them mixed: what comes later is not near anything.
TEST(HardPlaces, OfManyTightClustersEveryVectorFindsItself) {
  Rows centres = normal_rows(200, 16, 14);
  for (std::size_t i = 0; i < centres.count(); ++i) normalize(centres[i]);
  for (const Distance distance : {Distance::cosine, Distance::euclidean, Distance::manhattan}) {
    for (const bool mixed : {true, false}) {
      Rows rows = clustered_rows(2000, centres, 1e-3f, 15);
      if (mixed) rows = shuffled(rows, 16);
      auto index = filled(graph_options(16, distance), rows);

      EXPECT_EQ(lost_to_themselves(*index, rows, mixed ? 24 : 200), 0u) << "distance " << static_cast<int>(distance);
      EXPECT_TRUE(healthy(*index));
    }
  }
}

TEST(HardPlaces, PointsOfALineInTheirOrder) {
  for (const bool backwards : {false, true}) {
    Rows rows{4, std::vector<float>(2000 * 4)};
    for (std::size_t i = 0; i < 2000; ++i)
      for (std::size_t j = 0; j < 4; ++j)
        rows[i][j] = static_cast<float>(backwards ? 2000 - i : i) * (1 + static_cast<float>(j));
    auto index = filled(graph_options(4), rows);

    EXPECT_EQ(lost_to_themselves(*index, rows, 16), 0u);
    for (const std::size_t at : {std::size_t{0}, std::size_t{1000}, std::size_t{1999}}) {
      const auto found = index->search(rows[at], {.k = 5, .ef = 32}).value().neighbours;
      const auto id = static_cast<std::int64_t>(at);
      EXPECT_TRUE(std::all_of(found.begin(), found.end(), [&](const Neighbour& one) { return std::abs(one.id - id) <= 4; }));
    }
    EXPECT_TRUE(healthy(*index));
  }
}

// Distances that are equal when they are answered may differ in more digits. The k-th was chosen by those, so that the
// answer followed from the order of the slots.
TEST(HardPlaces, OfDistancesThatAreEqualAsAnsweredTheLowerIdComesFirst) {
  const std::vector<float> query(3, 0);
  for (const bool farther_first : {false, true}) {
    auto index = Index::create({.dimension = 3, .distance = Distance::euclidean}).value();
    const Rows both{3, farther_first ? std::vector<float>{1, 0x1p-12f, 0x1p-12f, 1, 0, 0}
                                     : std::vector<float>{1, 0, 0, 1, 0x1p-12f, 0x1p-12f}};
    ASSERT_TRUE(index->put(farther_first ? 5 : 9, both[0]).ok());
    ASSERT_TRUE(index->put(farther_first ? 9 : 5, both[1]).ok());

    const auto found = index->search(query, {.k = 1}).value().neighbours;

    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].id, 5) << farther_first;
    EXPECT_EQ(found[0].distance, 1.0f);
  }
}

TEST(HardPlaces, BinaryVectorsAreFullOfTies) {
  Rows rows{12, std::vector<float>(2500 * 12)};
  std::mt19937 random(17);
  for (float& value : rows.values) value = static_cast<float>(random() % 2);
  for (const Distance distance : every_distance) {
    const IndexOptions options = graph_options(12, distance);
    auto index = filled(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, rows.count()), rows);
    const Rows queries{12, std::vector<float>(rows.values.begin(), rows.values.begin() + 20 * 12)};

    EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 20, .ef = 200}), 0.98);
    for (std::size_t i = 0; i < queries.count(); ++i) {
      const auto found = index->search(queries[i], {.k = 20}).value().neighbours;
      EXPECT_EQ(found.size(), 20u);
      EXPECT_TRUE(sound(found, oracle, queries[i]));
      EXPECT_TRUE(
          same(index->search(queries[i], {.k = 50, .exact = true}).value().neighbours, oracle.nearest(queries[i], 50)))
          << "of equal distances the lower ids";
    }
    EXPECT_TRUE(healthy(*index));
  }
}

// --- sizes

// More candidates than are compared with each other, and the largest blocks there are, full and repaired.
TEST(HardSizes, TheLargestBlocksAndTheMostCandidatesTakeChanges) {
  const std::size_t count = fewer_when_sanitized(2500);
  IndexOptions options = graph_options(12, Distance::euclidean);
  options.max_connections = 48;
  options.ef_construction = 2000;
  const Rows rows = normal_rows(count, 12, 31);
  auto index = filled(options, rows);
  Oracle oracle(options);
  oracle.put_all(ids_from(0, count), rows);

  for (std::size_t i = 0; i < count; i += 3) {
    ASSERT_TRUE(index->erase(static_cast<std::int64_t>(i)).value());
    oracle.erase(static_cast<std::int64_t>(i));
  }

  EXPECT_GE(mean_recall(*index, oracle, normal_rows(30, 12, 32), {.k = 10, .ef = 64}), 0.95);
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_TRUE(healthy(*index));
}

class AnyDimension : public testing::TestWithParam<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(Dimensions, AnyDimension, testing::Values(1, 2, 3, 65, 1000));

TEST_P(AnyDimension, IsSearchedWell) {
  const std::size_t dimension = GetParam();
  const std::size_t count = fewer_when_sanitized(dimension > 100 ? 400 : 1000);
  for (const Distance distance : every_distance) {
    const IndexOptions options = graph_options(dimension, distance);
    const Rows rows = normal_rows(count, dimension, 21);
    auto index = filled(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, count), rows);

    const double found = mean_recall(*index, oracle, normal_rows(20, dimension, 22), {.k = 10, .ef = 300});

    // In very many dimensions normal vectors are all about as far from each other.
    EXPECT_GE(found, dimension < 1000 ? 0.95 : 0.85) << "distance " << static_cast<int>(distance);
    EXPECT_TRUE(healthy(*index));
    for (std::size_t i = 0; i < count; i += 3) ASSERT_TRUE(index->erase(static_cast<std::int64_t>(i)).value());
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(HardSizes, MoreIsAskedForThanThereIs) {
  for (std::size_t count = 0; count <= 40; ++count) {
    auto index = Index::create({.dimension = 3, .distance = Distance::euclidean, .flat_max = 0}).value();
    const Rows rows = normal_rows(count, 3, static_cast<unsigned>(count));
    for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());

    for (const std::size_t k : {count, count + 1, std::size_t{1000}})
      EXPECT_EQ(sorted_ids(index->search(std::vector<float>{0, 0, 0}, {.k = k}).value().neighbours), ids_from(0, count));
    EXPECT_TRUE(healthy(*index));
  }
}

// --- values

class AnyMagnitude : public testing::TestWithParam<float> {};

INSTANTIATE_TEST_SUITE_P(Magnitudes, AnyMagnitude, testing::Values(1e-18f, 1e-9f, 1e9f, 1e15f),
                         [](const testing::TestParamInfo<float>& magnitude) {
                           return "Log10_" + std::string(magnitude.param < 1 ? "minus_" : "") +
                                  std::to_string(std::abs(std::lround(std::log10(magnitude.param))));
                         });

TEST_P(AnyMagnitude, IsSearchedAsWellAsOne) {
  const Rows rows = normal_rows(800, 16, 31, GetParam());
  const Rows queries = normal_rows(20, 16, 32, GetParam());
  for (const Distance distance : every_distance) {
    const IndexOptions options = graph_options(16, distance);
    auto index = filled(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, rows.count()), rows);

    EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 300}), 0.97) << "distance " << static_cast<int>(distance);
    for (std::size_t i = 0; i < queries.count(); ++i)
      EXPECT_TRUE(sound(index->search(queries[i]).value().neighbours, oracle, queries[i]));
    EXPECT_TRUE(healthy(*index));
  }
}

// Codes take components beyond 1e16 for 1e16: the graph is a poor one, and still whole, and answers are exact distances.
TEST(HardValues, HugeOnesAreKeptAndFound) {
  for (const float magnitude : {1e18f, 1e30f, 3e38f}) {
    Rows rows = normal_rows(600, 16, 33);
    for (float& value : rows.values) value = std::clamp(value, -1.0f, 1.0f) * magnitude;
    for (const Distance distance : every_distance) {
      const IndexOptions options = graph_options(16, distance);
      auto index = filled(options, rows);
      Oracle oracle(options);
      oracle.put_all(ids_from(0, rows.count()), rows);
      for (std::size_t i = 0; i < 30; ++i) {
        const auto found = index->search(rows[i], {.k = 10, .ef = 600}).value().neighbours;
        EXPECT_EQ(found.size(), 10u);
        EXPECT_TRUE(sound(found, oracle, rows[i]));
        EXPECT_TRUE(same(index->search(rows[i], {.exact = true}).value().neighbours, oracle.nearest(rows[i], 10)));
      }
      EXPECT_TRUE(healthy(*index));
    }
  }
}

TEST(HardValues, OfAllMagnitudesAtOnce) {
  Rows rows = normal_rows(1000, 16, 34);
  for (std::size_t i = 0; i < rows.count(); ++i)
    for (float& value : rows[i]) value *= std::pow(10.0f, static_cast<float>(i % 37) - 18);
  for (const Distance distance : every_distance) {
    const IndexOptions options = graph_options(16, distance);
    auto index = filled(options, rows);
    Oracle oracle(options);
    oracle.put_all(ids_from(0, rows.count()), rows);
    for (std::size_t i = 0; i < 40; ++i)
      EXPECT_TRUE(sound(index->search(rows[i], {.k = 10, .ef = 100}).value().neighbours, oracle, rows[i]));
    EXPECT_TRUE(healthy(*index));
    for (std::int64_t id = 0; id < 1000; ++id) ASSERT_TRUE(index->erase(id).value());
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

}  // namespace
}  // namespace loam::vector
