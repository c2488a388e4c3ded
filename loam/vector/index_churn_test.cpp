// An index that is changed again and again stays what a fresh one would be.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "loam/vector/index.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

// --- any changes in any order, beside a map

constexpr std::size_t small_dimension = 6;

// Of few values, so that equal vectors come about.
std::vector<float> any_vector() {
  std::vector<float> vector(small_dimension);
  const bool coarse = *rc::gen::inRange(0, 3) == 0;
  for (float& value : vector)
    value = static_cast<float>(coarse ? *rc::gen::inRange(0, 2) : *rc::gen::inRange(-1000, 1000)) / 10;
  return vector;
}

struct Twins {
  explicit Twins(const IndexOptions& options) : index(Index::create(options).value()), oracle(options) {}

  void change_somehow() {
    const auto any_id = [] { return static_cast<std::int64_t>(*rc::gen::inRange(0, 60)); };
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const std::int64_t id = any_id();
        const std::vector<float> vector = any_vector();
        RC_ASSERT(index->put(id, vector).ok());
        oracle.put(id, vector);
        break;
      }
      case 4:
      case 5:
      case 6: {
        const std::int64_t id = any_id();
        RC_ASSERT(index->erase(id).value() == oracle.erase(id));
        break;
      }
      case 7: {
        std::vector<std::pair<std::int64_t, std::optional<std::vector<float>>>> wanted;
        for (int i = *rc::gen::inRange(0, 9); i > 0; --i) {
          wanted.emplace_back(any_id(), std::nullopt);
          if (*rc::gen::inRange(0, 2) == 0) wanted.back().second = any_vector();
        }
        std::vector<Change> changes;
        for (const auto& [id, vector] : wanted) changes.push_back({id, vector});
        RC_ASSERT(index->apply(changes, index->sequence() + 1).ok());
        for (const auto& [id, vector] : wanted) vector ? oracle.put(id, *vector) : static_cast<void>(oracle.erase(id));
        break;
      }
      case 8: {
        const auto count = static_cast<std::size_t>(*rc::gen::inRange(0, 20));
        const std::vector<std::int64_t> ids = ids_from(any_id(), count);
        Rows rows{small_dimension, {}};
        for (std::size_t i = 0; i < count; ++i) {
          const std::vector<float> vector = any_vector();
          rows.values.insert(rows.values.end(), vector.begin(), vector.end());
        }
        RC_ASSERT(index->put_many(ids, rows.values, 1).ok());
        oracle.put_all(ids, rows);
        break;
      }
      case 9: RC_ASSERT(index->maintain().ok()); break;
      case 10:
        if (*rc::gen::inRange(0, 5) == 0) RC_ASSERT(index->promote().ok());
        break;
      default:
        if (*rc::gen::inRange(0, 5) > 0) break;
        for (std::int64_t id = 0; id < 100; ++id) RC_ASSERT(index->erase(id).value() == oracle.erase(id));
    }
  }

  void compare() {
    const std::vector<float> query = any_vector();
    RC_ASSERT(index->size() == oracle.size());
    RC_ASSERT(same(index->search(query, {.k = 7, .exact = true}).value().neighbours, oracle.nearest(query, 7)));
    const auto found = index->search(query, {.k = 100}).value().neighbours;
    RC_ASSERT(sound(found, oracle, query));
    RC_ASSERT(found.size() == oracle.size());
  }

  void end() {
    RC_ASSERT(healthy(*index));
    RC_ASSERT(no_slot_is_lost(*index));
    RC_ASSERT(healthy(*index));
    for (std::int64_t id = 0; id < 100; ++id) {
      const auto vector = index->find(id);
      const auto wanted = oracle.vectors().find(id);
      RC_ASSERT(vector.has_value() == (wanted != oracle.vectors().end()));
      if (vector) RC_ASSERT(*vector == wanted->second);
    }
  }

  std::unique_ptr<Index> index;
  Oracle oracle;
};

RC_GTEST_PROP(IndexChurn, AnyChangesLeaveWhatAMapWouldHold, ()) {
  const auto distance = static_cast<Distance>(*rc::gen::inRange(0, 4));
  Twins twins({.dimension = small_dimension,
               .distance = distance,
               .max_connections = 8,
               .ef_construction = 16,
               .elements = *rc::gen::inRange(0, 2) == 0 ? Elements::f32 : Elements::f16,
               .flat_max = static_cast<std::size_t>(*rc::gen::element(0, 20, 1000))});
  for (int i = *rc::gen::inRange(0, 150); i > 0; --i) {
    twins.change_somehow();
    if (i % 8 == 0) twins.compare();
  }
  twins.compare();
  twins.end();
}

// --- turnovers: as many vectors are replaced as there are

constexpr std::size_t count = fewer_when_sanitized(1500);
constexpr std::size_t dimension = 32;
constexpr std::size_t turnovers = 10;

class IndexTurnover : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Of, IndexTurnover, testing::Values("Random", "Clustered", "Window"),
                         [](const testing::TestParamInfo<std::string>& kind) { return kind.param; });

// A new vector has a new id; which one goes for it depends. Clustered: whole clusters go, one after the other, and others
// come elsewhere.
TEST_P(IndexTurnover, LeavesNoneUnreachableAndSearchesAsAFreshOne) {
  const IndexOptions options{
      .dimension = dimension, .distance = Distance::euclidean, .ef_construction = 40, .flat_max = 100};
  constexpr std::size_t total = count * (turnovers + 1);
  constexpr std::size_t clusters_at_once = 4;
  const Rows centres = normal_rows(clusters_at_once * (turnovers + 1), dimension, 1, 2);
  const Rows pool = GetParam() == "Clustered" ? clustered_rows(total, centres, 0.7f, 2) : normal_rows(total, dimension, 2);
  // Of where the vectors are: how well a graph answers questions of far away is chance.
  const Rows last_centres{dimension, {centres.values.end() - clusters_at_once * dimension, centres.values.end()}};
  const Rows queries =
      GetParam() == "Clustered" ? clustered_rows(400, last_centres, 0.7f, 3) : normal_rows(400, dimension, 3);
  auto index = Index::create(options).value();
  Oracle oracle(options);
  std::vector<std::int64_t> there = ids_from(0, count);
  ASSERT_TRUE(index->put_many(there, std::span(pool.values).first(count * dimension), 1).ok());
  for (std::size_t i = 0; i < count; ++i) oracle.put(static_cast<std::int64_t>(i), pool[i]);
  std::mt19937 random(4);

  for (std::size_t turnover = 1; turnover <= turnovers; ++turnover) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t place = GetParam() == "Random" ? random() % count : i;
      const auto id = static_cast<std::int64_t>(turnover * count + i);
      ASSERT_TRUE(index->put(id, pool[static_cast<std::size_t>(id)]).ok());
      ASSERT_TRUE(index->erase(there[place]).value());
      oracle.put(id, pool[static_cast<std::size_t>(id)]);
      oracle.erase(there[place]);
      there[place] = id;
    }
    ASSERT_TRUE(healthy(*index)) << "after turnover " << turnover;
    constexpr std::size_t swept_at_once = 64;  // fewer do not pay for a sweep
    ASSERT_LE(index->stats().slots, count + std::max(count / 10, swept_at_once)) << "after turnover " << turnover;
  }

  // The fresh one has its codes from the first vectors too: these do not change with what the index holds.
  auto fresh = Index::create(options).value();
  ASSERT_TRUE(fresh->put_many(ids_from(0, count), std::span(pool.values).first(count * dimension), 1).ok());
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(fresh->erase(static_cast<std::int64_t>(i)).value());
  ASSERT_TRUE(fresh->maintain().ok());
  for (const auto& [id, vector] : oracle.vectors()) ASSERT_TRUE(fresh->put(id, vector).ok());
  for (const std::size_t ef : {std::size_t{64}, std::size_t{160}}) {
    const double old_one = mean_recall(*index, oracle, queries, {.k = 10, .ef = ef});
    const double fresh_one = mean_recall(*fresh, oracle, queries, {.k = 10, .ef = ef});
    EXPECT_GE(old_one, fresh_one - 0.005) << "ef " << ef << " finds " << old_one << ", when fresh " << fresh_one;
  }
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_TRUE(healthy(*index));
}

// --- all of them, and the ones that matter most

// A neighbourhood was erased, too small to be swept at once; the next vector of it was searched for among nodes that were
// leaving, found nothing else, and was searched for again, for ever.
TEST(IndexChurn, AVectorComesWhereAllOthersAreLeaving) {
  constexpr std::size_t others = 2000;
  constexpr std::size_t leaving = 60;
  auto index =
      Index::create({.dimension = 8, .distance = Distance::euclidean, .ef_construction = 16, .flat_max = 100}).value();
  Oracle oracle({.dimension = 8, .distance = Distance::euclidean});
  const Rows rows = normal_rows(others, 8, 1);
  const Rows near = clustered_rows(leaving + 20, Rows{8, std::vector<float>(8, 30)}, 0.1f, 2);
  ASSERT_TRUE(index->put_many(ids_from(0, others), rows.values, 1).ok());
  oracle.put_all(ids_from(0, others), rows);
  for (std::size_t i = 0; i < leaving; ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(others + i), near[i]).ok());
  for (std::size_t i = 0; i < leaving; ++i) ASSERT_TRUE(index->erase(static_cast<std::int64_t>(others + i)).value());

  for (std::size_t i = leaving; i < leaving + 20; ++i) {
    ASSERT_TRUE(index->put(static_cast<std::int64_t>(others + i), near[i]).ok());
    oracle.put(static_cast<std::int64_t>(others + i), near[i]);
  }

  EXPECT_TRUE(healthy(*index));
  EXPECT_GE(mean_recall(*index, oracle, Rows{8, {near.values.end() - 20 * 8, near.values.end()}}, {.k = 10, .ef = 64}),
            0.99);
  ASSERT_TRUE(index->maintain().ok());
  EXPECT_TRUE(healthy(*index));
}

TEST(IndexChurn, AllErasedAndPutAgainUseTheSameSlots) {
  const Rows rows = normal_rows(fewer_when_sanitized(1200), 16, 5);
  const Rows queries = normal_rows(20, 16, 6);
  const IndexOptions options{.dimension = 16, .distance = Distance::euclidean, .ef_construction = 40, .flat_max = 100};
  auto index = Index::create(options).value();
  Oracle oracle(options);
  oracle.put_all(ids_from(0, rows.count()), rows);
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
    EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 100}), 0.96) << "in round " << round;
    ASSERT_TRUE(healthy(*index));
    // From the front, from the back, and in one change.
    if (round == 2) {
      std::vector<Change> changes;
      for (std::size_t i = 0; i < rows.count(); ++i) changes.push_back({static_cast<std::int64_t>(i), {}});
      ASSERT_TRUE(index->apply(changes, index->sequence() + 1).ok());
    } else {
      for (std::size_t i = 0; i < rows.count(); ++i)
        ASSERT_TRUE(index->erase(static_cast<std::int64_t>(round == 0 ? i : rows.count() - 1 - i)).value());
    }
    ASSERT_EQ(index->size(), 0u);
    ASSERT_TRUE(index->search(queries[0], {.k = 10}).value().neighbours.empty());
    ASSERT_TRUE(no_slot_is_lost(*index));
    ASSERT_TRUE(healthy(*index));
  }
  EXPECT_EQ(index->stats().slots, rows.count());
  EXPECT_EQ(index->stats().free_slots, rows.count());
}

// The first one is the root of the lowest layer; it, and whoever takes its place, goes again and again.
TEST(IndexChurn, ErasingInTheOrderOfArrivalTakesRootAfterRoot) {
  const Rows rows = normal_rows(400, 8, 7);
  for (const std::size_t layers : {std::size_t{1}, std::size_t{4}}) {
    auto index = Index::create({.dimension = 8,
                                .distance = Distance::euclidean,
                                .max_connections = 8,
                                .ef_construction = 24,
                                .nb_layers = layers,
                                .flat_max = 0})
                     .value();
    for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
    for (std::size_t i = 0; i < rows.count(); ++i) {
      ASSERT_TRUE(index->erase(static_cast<std::int64_t>(i)).value());
      ASSERT_TRUE(index->maintain().ok());
      ASSERT_TRUE(healthy(*index)) << i;
      ASSERT_EQ(index->search(rows[i], {.k = 1000}).value().neighbours.size(), rows.count() - 1 - i);
    }
    EXPECT_TRUE(no_slot_is_lost(*index));
  }
}

// A star: everybody's nearest neighbour is the middle, so that it is the parent of as many as it can be.
TEST(IndexChurn, ErasingHubsLeavesTheirNeighboursReachable) {
  constexpr std::size_t hubs = 12;
  Rows rows = normal_rows(1200, 16, 8);
  for (std::size_t i = 0; i < rows.count(); ++i) {
    normalize(rows[i]);
    for (float& value : rows[i]) value += 3.0f * static_cast<float>(i % hubs);
    if (i < hubs) std::fill(rows[i].begin(), rows[i].end(), 3.0f * static_cast<float>(i));
  }
  auto index =
      Index::create({.dimension = 16, .distance = Distance::euclidean, .ef_construction = 48, .flat_max = 0}).value();
  for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < hubs; ++i) {
      ASSERT_TRUE(index->erase(static_cast<std::int64_t>(i)).value());
      ASSERT_TRUE(index->maintain().ok());
      ASSERT_TRUE(healthy(*index));
    }
    for (std::size_t i = 0; i < hubs; ++i) {
      const auto near = index->search(rows[i], {.k = 50, .ef = 100}).value().neighbours;
      EXPECT_LT(near.back().distance, 2.0f) << "all of them are of its own star";
      ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
      EXPECT_EQ(index->search(rows[i], {.k = 1}).value().neighbours.at(0).id, static_cast<std::int64_t>(i));
    }
  }
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_TRUE(healthy(*index));
}

// What waits is bounded without anybody calling maintain().
TEST(IndexChurn, ChangesDoTheUpkeepOfThoseBeforeThem) {
  const Rows rows = normal_rows(fewer_when_sanitized(1200), 8, 9);
  auto index =
      Index::create({.dimension = 8, .distance = Distance::euclidean, .ef_construction = 24, .flat_max = 0}).value();
  const std::size_t half = rows.count() / 2;
  for (std::size_t i = 0; i < half; ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
  for (std::size_t round = 0; round < 6; ++round) {
    for (std::size_t i = 0; i < half; ++i)
      ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[(i + round * 131) % rows.count()]).ok());
    EXPECT_LE(index->stats().waiting_slots, half / 5 + 160) << "put one by one";
    std::vector<std::int64_t> ids = ids_from(0, half);
    ASSERT_TRUE(index->put_many(ids, std::span(rows.values).subspan((round % 2) * 8, half * 8), 2).ok());
    EXPECT_LE(index->stats().waiting_slots, half / 5 + 160) << "put in bulk";
  }
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
}

}  // namespace
}  // namespace loam::vector
