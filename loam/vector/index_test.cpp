#include "loam/vector/index.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "loam/core/limits.hpp"
#include "loam/vector/code_probe.hpp"
#include "loam/vector/graph.hpp"
#include "loam/vector/index_access_test_support.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

using Ids = std::vector<std::int64_t>;

template <class T>
ErrorCode code_of(const Result<T>& result) {
  return result.ok() ? ErrorCode::internal : result.error().code();
}

TEST(IndexOptions, OutOfRangeIsRefusedByName) {
  const std::vector<std::pair<IndexOptions, std::string>> wrong{
      {{.dimension = 0}, "dimension"},
      {{.dimension = limits::dimension_max + 1}, "dimension"},
      {{.dimension = 4, .max_connections = 7}, "max_connections"},
      {{.dimension = 4, .max_connections = 49}, "max_connections"},
      {{.dimension = 4, .ef_construction = 15}, "ef_construction"},
      {{.dimension = 4, .ef_construction = 2001}, "ef_construction"},
      {{.dimension = 4, .ef_search = 0}, "ef_search"},
      {{.dimension = 4, .ef_search = limits::search_k_max + 1}, "ef_search"},
      {{.dimension = 4, .nb_layers = 0}, "nb_layers"},
      {{.dimension = 4, .nb_layers = 17}, "nb_layers"},
      {{.dimension = 4, .code_bits = 5}, "code_bits"},
      {{.dimension = 4, .distance = Distance::manhattan, .code_bits = 3}, "code_bits"},
      {{.dimension = 4, .distance = Distance::manhattan, .code_bits = 16}, "code_bits"},
      {{.dimension = 4, .code_dimension = 5}, "code_dimension"},
  };
  for (const auto& [options, name] : wrong) {
    const auto index = Index::create(options);
    ASSERT_EQ(code_of(index), ErrorCode::invalid_argument) << name;
    EXPECT_NE(index.error().message().find(name), std::string::npos) << index.error().message();
  }
}

TEST(IndexOptions, LeastAndGreatestWork) {
  for (const std::size_t connections : {std::size_t{8}, std::size_t{48}}) {
    for (const std::size_t layers : {std::size_t{1}, std::size_t{16}}) {
      auto index = Index::create({.dimension = 3,
                                  .distance = Distance::euclidean,
                                  .max_connections = connections,
                                  .ef_construction = 16,
                                  .nb_layers = layers,
                                  .code_bits = 1,
                                  .flat_max = 0})
                       .value();
      const Rows rows = normal_rows(300, 3, 5);
      for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());

      EXPECT_EQ(index->search(rows[77], {.k = 1}).value().neighbours.at(0).id, 77);
      EXPECT_TRUE(healthy(*index));
    }
  }
}

TEST(Index, AVectorItCannotTakeIsRefusedAndNothingChanges) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 3, .elements = Elements::f16, .flat_max = graph ? 0u : 100u}).value();
    ASSERT_TRUE(index->put(1, std::vector<float>{1, 2, 3}).ok());
    const std::uint64_t sequence = index->sequence();
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const std::vector<float>& vector :
         std::vector<std::vector<float>>{{}, {1, 2}, {1, 2, 3, 4}, {1, nan, 3}, {1, 2, infinity}, {-infinity, 2, 3}}) {
      EXPECT_EQ(code_of(index->put(2, vector)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(index->apply(std::vector<Change>{{1, {}}, {2, vector}}, sequence + 1)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(index->search(vector)), ErrorCode::invalid_argument);
      EXPECT_EQ(code_of(index->search_range(vector, {.radius = 1})), ErrorCode::invalid_argument);
    }
    EXPECT_EQ(code_of(index->put_many(Ids{2, 3}, std::vector<float>{1, 2, 3, nan, 0, 0}, 1)), ErrorCode::invalid_argument);

    EXPECT_EQ(index->size(), 1u);
    EXPECT_EQ(index->sequence(), sequence);
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(Index, WhatHalfFloatsCannotHoldIsRefused) {
  auto index = Index::create({.dimension = 2, .distance = Distance::euclidean, .elements = Elements::f16}).value();

  EXPECT_EQ(code_of(index->put(1, std::vector<float>{1, 65'520})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->put_many(Ids{1, 2}, std::vector<float>{1, 2, -70'000, 4}, 2)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->apply(std::vector<Change>{{1, std::vector<float>{1e9f, 0}}}, 1)), ErrorCode::invalid_argument);
  EXPECT_TRUE(index->put(1, std::vector<float>{1, 65'504}).ok());

  EXPECT_EQ(index->size(), 1u);
}

TEST(Index, KeepsTheLastVectorOfEachIdUntilItIsErased) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 2, .distance = Distance::euclidean, .flat_max = graph ? 0u : 100u}).value();
    const std::int64_t least = std::numeric_limits<std::int64_t>::min();

    const Slot first = index->put(least, std::vector<float>{1, 2}).value();
    EXPECT_EQ(index->slot_of(least), first);
    const Slot second = index->put(least, std::vector<float>{3, 4}).value();
    EXPECT_NE(first, second) << "who searches meanwhile still needs the former";
    ASSERT_TRUE(index->put(-1, std::vector<float>{5, 6}).ok());

    EXPECT_EQ(index->size(), 2u);
    EXPECT_EQ(index->slot_of(least), second);
    EXPECT_EQ(index->find(least), (std::vector<float>{3, 4}));
    EXPECT_EQ(index->slot_of(0), std::nullopt);
    EXPECT_EQ(index->find(0), std::nullopt);
    EXPECT_EQ(ids_of(index->search(std::vector<float>{0, 0}).value().neighbours), (Ids{least, -1}));
    EXPECT_FALSE(index->erase(0).value());
    EXPECT_TRUE(index->erase(least).value());
    EXPECT_FALSE(index->erase(least).value());
    EXPECT_EQ(index->size(), 1u);
    EXPECT_EQ(index->find(least), std::nullopt);
    EXPECT_EQ(ids_of(index->search(std::vector<float>{0, 0}).value().neighbours), Ids{-1});
    EXPECT_TRUE(healthy(*index));
    EXPECT_TRUE(no_slot_is_lost(*index));
  }
}

TEST(Index, EveryChangeHasTheNextSequence) {
  auto index = Index::create({.dimension = 1, .distance = Distance::euclidean}).value();
  EXPECT_EQ(index->sequence(), 0u);

  ASSERT_TRUE(index->put(1, std::vector<float>{1}).ok());
  EXPECT_EQ(index->sequence(), 1u);
  ASSERT_TRUE(index->put_many(Ids{2, 3}, std::vector<float>{2, 3}, 1).ok());
  EXPECT_EQ(index->sequence(), 2u);
  ASSERT_TRUE(index->erase(3).value());
  EXPECT_EQ(index->sequence(), 3u);
  ASSERT_FALSE(index->erase(3).value());
  EXPECT_EQ(index->sequence(), 3u) << "nothing was changed";
  ASSERT_TRUE(index->apply(std::vector<Change>{{4, std::vector<float>{4}}}, 10).ok());
  EXPECT_EQ(index->sequence(), 10u);

  EXPECT_EQ(index->search(std::vector<float>{0}).value().sequence, 10u);
  EXPECT_EQ(index->search(std::vector<float>{0}, {.k = 0}).value().sequence, 10u);
  EXPECT_EQ(index->search_range(std::vector<float>{0}, {.radius = 1}).value().sequence, 10u);
  EXPECT_EQ(index->stats().sequence, 10u);
}

TEST(Index, ApplyIsDoneWholeOrNotAtAll) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 1, .distance = Distance::euclidean, .flat_max = graph ? 0u : 100u}).value();
    const std::vector<float> one{1};
    const std::vector<float> two{2};
    ASSERT_TRUE(index->apply(std::vector<Change>{{1, one}, {2, two}}, 5).ok());

    for (const std::uint64_t late : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{5}})
      EXPECT_EQ(code_of(index->apply(std::vector<Change>{{1, {}}, {3, one}}, late)), ErrorCode::failed_precondition);
    EXPECT_EQ(ids_of(index->search(one).value().neighbours), (Ids{1, 2}));
    EXPECT_TRUE(no_slot_is_lost(*index)) << "also those of the changes that were refused";

    // Of several changes of one id the last one counts; what is not there need not be erased.
    ASSERT_TRUE(index->apply(std::vector<Change>{{1, {}}, {1, two}, {2, one}, {2, {}}, {3, one}, {9, {}}}, 6).ok());
    EXPECT_EQ(ids_of(index->search(one).value().neighbours), (Ids{3, 1}));
    ASSERT_TRUE(index->apply({}, 7).ok());
    EXPECT_EQ(index->sequence(), 7u);
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(Index, PutManyRefusesWhatIsAmbiguous) {
  auto index = Index::create({.dimension = 2}).value();
  const std::vector<float> rows{1, 2, 3, 4};

  EXPECT_EQ(code_of(index->put_many(Ids{1}, rows, 1)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->put_many(Ids{1, 2, 3}, rows, 1)), ErrorCode::invalid_argument);
  const auto twice = index->put_many(Ids{7, 7}, rows, 1);
  EXPECT_EQ(code_of(twice), ErrorCode::invalid_argument);
  EXPECT_NE(twice.error().message().find("id 7 twice"), std::string::npos) << twice.error().message();
  EXPECT_TRUE(index->put_many({}, {}, 0).ok());

  EXPECT_EQ(index->size(), 0u);
}

TEST(Index, ACancelledPutManyLeavesNothingBehind) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 4, .flat_max = graph ? 0u : 1000u}).value();
    const Rows rows = normal_rows(200, 4, 3);
    ASSERT_TRUE(index->put_many(ids_from(0, 100), std::span(rows.values).first(400), 1).ok());
    Cancellation cancelled;
    cancelled.cancel();

    const auto many = index->put_many(ids_from(50, 200), rows.values, 2, Context().cancelled_by(cancelled));
    const auto late = index->put_many(ids_from(50, 200), rows.values, 2, Context().deadline_in_ms(-1));

    EXPECT_EQ(code_of(many), ErrorCode::cancelled);
    EXPECT_EQ(code_of(late), ErrorCode::deadline_exceeded);
    EXPECT_EQ(index->size(), 100u);
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

// Enough of them to be put in order, which looks at all of them before they are checked.
TEST(Index, APutManyWithOneBadVectorAmongThousandsLeavesNothingBehind) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t flat_max : {std::size_t{0}, std::size_t{10'000}}) {
      auto index = Index::create({.dimension = 8, .ef_construction = 16, .flat_max = flat_max}).value();
      Rows rows = normal_rows(5000, 8, 63);
      ASSERT_TRUE(index->put_many(ids_from(0, 20), std::span(rows.values).first(20 * 8), 1).ok());
      rows[4321][5] = bad;

      EXPECT_EQ(code_of(index->put_many(ids_from(0, 5000), rows.values, 2)), ErrorCode::invalid_argument);

      EXPECT_EQ(index->size(), 20u);
      EXPECT_TRUE(no_slot_is_lost(*index));
      EXPECT_TRUE(healthy(*index));
      rows[4321][5] = 1;
      ASSERT_TRUE(index->put_many(ids_from(0, 5000), rows.values, 2).ok());
      EXPECT_EQ(index->size(), 5000u);
    }
  }
}

// Cancelled while vectors are linked: those that are in the graph already leave it again.
TEST(Index, APutManyCancelledInTheMiddleLeavesNothingBehind) {
  auto index = Index::create({.dimension = 16, .distance = Distance::euclidean, .flat_max = 0}).value();
  const Rows rows = normal_rows(3000, 16, 3);
  ASSERT_TRUE(index->put_many(ids_from(0, 500), std::span(rows.values).first(500 * 16), 1).ok());
  std::size_t undone = 0;
  for (std::int64_t patience_ms = 1; patience_ms < 100; patience_ms *= 2) {
    const auto done = index->put_many(ids_from(0, 3000), rows.values, 2, Context().deadline_in_ms(patience_ms));
    if (done.ok()) break;
    ++undone;

    ASSERT_EQ(code_of(done), ErrorCode::deadline_exceeded);
    ASSERT_EQ(index->size(), 500u);
    ASSERT_TRUE(no_slot_is_lost(*index));
    ASSERT_TRUE(healthy(*index));
  }
  EXPECT_GT(undone, 0u);
  EXPECT_EQ(index->search(rows[33], {.k = 1}).value().neighbours.at(0).id, 33);
}

// The change is made when the graph is built; only the building is given up, and made up for by the next change.
TEST(Index, APutManyCancelledWhileTheGraphIsBuiltIsDone) {
  const Rows rows = normal_rows(2001, 16, 3);
  for (std::int64_t patience_ms = 1; patience_ms < 10'000; patience_ms *= 2) {
    auto index = Index::create({.dimension = 16, .distance = Distance::euclidean, .flat_max = 1000}).value();

    const auto done = index->put_many(ids_from(0, 2000), std::span(rows.values).first(2000 * 16), 1,
                                      Context().deadline_in_ms(patience_ms));

    ASSERT_EQ(index->size(), done.ok() ? 2000u : 0u) << "with " << patience_ms << " ms";
    ASSERT_TRUE(no_slot_is_lost(*index));
    if (!done.ok()) continue;
    ASSERT_TRUE(index->put(2000, rows[2000]).ok());
    EXPECT_GE(index->stats().layers, 1u);
    EXPECT_TRUE(healthy(*index));
    break;
  }
}

TEST(Index, AnEmptyOneAnswersNothing) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 2}).value();
    const std::vector<float> query{1, 0};
    ASSERT_TRUE(index->promote(3).ok());
    EXPECT_EQ(index->stats().layers, 0u) << "there is nothing to make codes for";
    if (graph) {
      ASSERT_TRUE(index->put(1, query).ok());
      ASSERT_TRUE(index->promote(3).ok());
      ASSERT_EQ(index->stats().layers, 1u);
      ASSERT_TRUE(index->erase(1).value());
    }
    const SlotBitmap filter(1000, true);

    EXPECT_TRUE(index->search(query).value().neighbours.empty());
    EXPECT_TRUE(index->search(query, {.exact = true}).value().neighbours.empty());
    EXPECT_TRUE(index->search(query, {.filter = &filter}).value().neighbours.empty());
    EXPECT_TRUE(index->search(query, {.predicate = [](std::int64_t) { return true; }}).value().neighbours.empty());
    EXPECT_TRUE(index->search_many(query, {}, 2).value().at(0).neighbours.empty());
    EXPECT_TRUE(index->search_many({}, {}, 2).value().empty());
    EXPECT_TRUE(index->search_range(query, {.radius = 10}).value().neighbours.empty());
    EXPECT_FALSE(index->erase(1).value());
    EXPECT_TRUE(index->maintain().ok());
    EXPECT_EQ(index->size(), 0u);
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(Index, RefusesWhatASearchCannotMean) {
  auto index = Index::create({.dimension = 2}).value();
  const std::vector<float> query{1, 0};
  const SlotBitmap filter(10, true);
  const auto any = [](std::int64_t) { return true; };

  EXPECT_EQ(code_of(index->search(query, {.k = limits::search_k_max + 1})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search(query, {.filter = &filter, .predicate = any})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search_many(std::vector<float>{1, 0, 1}, {}, 1)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search_many(std::vector<float>{1, 0, NAN, 1}, {}, 2)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search_range(query, {.radius = NAN})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search_range(query, {.radius = 1, .limit = 0})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(index->search_range(query, {.radius = 1, .limit = SIZE_MAX})), ErrorCode::invalid_argument);
}

TEST(Index, SearchesEndAtTheirDeadlineAndWhenCancelled) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 2, .flat_max = graph ? 0u : 10u}).value();
    const std::vector<float> query{1, 0};
    ASSERT_TRUE(index->put(1, query).ok());
    Cancellation cancelled;
    cancelled.cancel();

    const Context late = Context().deadline_in_ms(-1);
    EXPECT_EQ(code_of(index->search(query, {}, late)), ErrorCode::deadline_exceeded);
    EXPECT_EQ(code_of(index->search_many(query, {}, 2, late)), ErrorCode::deadline_exceeded);
    EXPECT_EQ(code_of(index->search_range(query, {.radius = 1}, late)), ErrorCode::deadline_exceeded);
    EXPECT_EQ(code_of(index->search(query, {}, Context().cancelled_by(cancelled))), ErrorCode::cancelled);
    EXPECT_EQ(code_of(index->maintain(late)), ErrorCode::deadline_exceeded);
  }
}

TEST(Index, AnyKAndAnyEffortGetAnAnswer) {
  const Rows rows = normal_rows(400, 8, 2);
  const SlotBitmap all(400, true);
  for (const bool graph : {false, true}) {
    const IndexOptions options{.dimension = 8, .distance = Distance::euclidean, .flat_max = graph ? 0u : 1000u};
    auto index = Index::create(options).value();
    Oracle oracle(options);
    ASSERT_TRUE(index->put_many(ids_from(0, 400), rows.values, 1).ok());
    oracle.put_all(ids_from(0, 400), rows);
    for (const std::size_t ef : {std::size_t{0}, std::size_t{1}, std::size_t{400}, SIZE_MAX / 4, SIZE_MAX})
      for (const std::size_t k :
           {std::size_t{0}, std::size_t{1}, std::size_t{399}, std::size_t{400}, limits::search_k_max}) {
        const auto found = index->search(rows[5], {.k = k, .ef = ef}).value().neighbours;

        EXPECT_EQ(found.size(), std::min<std::size_t>(k, 400)) << "k " << k << " ef " << ef;
        EXPECT_TRUE(sound(found, oracle, rows[5]));
        EXPECT_EQ(index->search(rows[5], {.k = k, .ef = ef, .filter = &all}).value().neighbours.size(), found.size());
      }
    EXPECT_EQ(index->search_range(rows[5], {.radius = 1e9f, .ef = SIZE_MAX}).value().neighbours.size(), 400u);
  }
}

// An inner product too small for a float is 0 or -0, which are the same distance.
TEST(Index, EquallyFarAnswersComeInTheOrderOfTheirIds) {
  const auto index = Index::create({.dimension = 2, .distance = Distance::inner_product}).value();
  const float tiny = 1e-30F;
  const std::vector<std::vector<float>> vectors{{0, 1}, {-tiny, 1}, {tiny, 1}, {0, 2}, {tiny, 3}};
  for (std::size_t i = 0; i < vectors.size(); ++i)
    ASSERT_TRUE(index->put(static_cast<std::int64_t>(10 - i), vectors[i]).ok());

  const auto found = index->search(std::vector<float>{tiny, 0}, {.k = 5}).value();

  std::vector<std::int64_t> ids;
  for (const Neighbour& one : found.neighbours) ids.push_back(one.id);
  EXPECT_EQ(ids, (std::vector<std::int64_t>{6, 7, 8, 9, 10}));
}

// More of them than are sorted at once, and more than are sorted by kernels.
TEST(Index, ManyEquallyFarAnswersComeInTheOrderOfTheirIds) {
  constexpr std::size_t count = 1500;
  for (const std::size_t flat_max : {std::size_t{0}, count}) {
    const auto index = Index::create({.dimension = 2, .distance = Distance::inner_product, .flat_max = flat_max}).value();
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<float> vector{0, static_cast<float>(i % 100)};
      ASSERT_TRUE(index->put(static_cast<std::int64_t>(count - i), vector).ok());
    }
    for (const std::size_t k : {std::size_t{60}, std::size_t{1000}, count}) {
      const auto found = index->search(std::vector<float>{1, 0}, {.k = k, .exact = true}).value().neighbours;

      ASSERT_EQ(found.size(), k);
      for (std::size_t i = 0; i < k; ++i) ASSERT_EQ(found[i].id, static_cast<std::int64_t>(i + 1)) << "of " << k;
    }
  }
}

TEST(Index, FromFlatToGraphAtFlatMax) {
  auto index = Index::create({.dimension = 4, .distance = Distance::euclidean, .flat_max = 50}).value();
  const Rows rows = normal_rows(120, 4, 4);
  // Replacing and erasing is not growing.
  for (std::int64_t round = 0; round < 3; ++round)
    for (std::int64_t id = 0; id < 50; ++id) ASSERT_TRUE(index->put(id, rows[static_cast<std::size_t>(id + round)]).ok());
  EXPECT_EQ(index->stats().layers, 0u);
  EXPECT_EQ(index->search(rows[1]).value().plan, Plan::scan);

  ASSERT_TRUE(index->put(50, rows[110]).ok());

  EXPECT_GE(index->stats().layers, 1u);
  EXPECT_EQ(index->search(rows[1]).value().plan, Plan::graph);
  EXPECT_EQ(index->search(rows[110], {.k = 1}).value().neighbours.at(0).id, 50);
  EXPECT_EQ(index->search(rows[22], {.k = 1}).value().neighbours.at(0).id, 20) << "of the last round";
  EXPECT_EQ(index->search(rows[3], {.k = 100}).value().neighbours.size(), 51u);
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_TRUE(index->promote().ok()) << "again changes nothing";
  EXPECT_EQ(index->size(), 51u);
}

TEST(Index, PromotionHappensInApplyAndPutManyToo) {
  const Rows rows = normal_rows(60, 4, 4);
  auto many = Index::create({.dimension = 4, .flat_max = 50}).value();
  auto applied = Index::create({.dimension = 4, .flat_max = 50}).value();
  std::vector<Change> changes;
  for (std::size_t i = 0; i < 60; ++i) changes.push_back({static_cast<std::int64_t>(i), rows[i]});

  ASSERT_TRUE(many->put_many(ids_from(0, 60), rows.values, 2).ok());
  ASSERT_TRUE(applied->apply(changes, 3, 2).ok());

  for (const auto* index : {many.get(), applied.get()}) {
    EXPECT_GE(index->stats().layers, 1u);
    EXPECT_EQ(index->search(rows[9], {.k = 1}).value().neighbours.at(0).id, 9);
    EXPECT_TRUE(healthy(*index));
  }
}

// --- every distance, kept in 32 and 16 bits

class IndexOfEveryKind : public testing::TestWithParam<std::tuple<Distance, Elements>> {
 protected:
  static constexpr std::size_t dimension = 24;
  static constexpr std::size_t count = fewer_when_sanitized(2400);

  static IndexOptions options(std::size_t flat_max) {
    return {.dimension = dimension,
            .distance = std::get<0>(GetParam()),
            .ef_construction = 60,
            .elements = std::get<1>(GetParam()),
            .flat_max = flat_max};
  }
};

std::string name_of(const testing::TestParamInfo<std::tuple<Distance, Elements>>& kind) {
  const std::vector<std::string> names{"Cosine", "Euclidean", "InnerProduct", "Manhattan"};
  return names[static_cast<std::size_t>(std::get<0>(kind.param))] +
         (std::get<1>(kind.param) == Elements::f32 ? "F32" : "F16");
}

INSTANTIATE_TEST_SUITE_P(All, IndexOfEveryKind,
                         testing::Combine(testing::Values(Distance::cosine, Distance::euclidean, Distance::inner_product,
                                                          Distance::manhattan),
                                          testing::Values(Elements::f32, Elements::f16)),
                         name_of);

// Flat to graph half way; vectors replaced and erased in both halves.
TEST_P(IndexOfEveryKind, AnswersAsBruteForceDoes) {
  auto index = Index::create(options(count / 2)).value();
  Oracle oracle(options(0));
  const Rows rows = normal_rows(count, dimension, 11);
  const Rows others = normal_rows(count, dimension, 14);
  const Rows queries = normal_rows(20, dimension, 12);
  std::mt19937 random(13);
  const auto change = [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const auto id = static_cast<std::int64_t>(i * 7);
      ASSERT_TRUE(index->put(id, rows[i]).ok());
      oracle.put(id, rows[i]);
      const auto other = static_cast<std::int64_t>(random() % (i + 1) * 7);
      if (i % 5 == 0) {
        ASSERT_EQ(index->erase(other).value(), oracle.erase(other));
      } else if (i % 5 == 1) {
        ASSERT_TRUE(index->put(other, others[i]).ok());
        oracle.put(other, others[i]);
      }
    }
  };

  change(0, count / 2);
  ASSERT_EQ(index->stats().layers, 0u);
  for (std::size_t i = 0; i < queries.count(); ++i)
    EXPECT_TRUE(same(index->search(queries[i]).value().neighbours, oracle.nearest(queries[i], 10)));

  change(count / 2, count);
  ASSERT_GE(index->stats().layers, 1u);
  ASSERT_EQ(index->size(), oracle.size());
  for (std::size_t i = 0; i < queries.count(); ++i) {
    const auto found = index->search(queries[i], {.k = 20}).value();
    EXPECT_EQ(found.plan, Plan::graph);
    EXPECT_EQ(found.neighbours.size(), 20u);
    EXPECT_TRUE(sound(found.neighbours, oracle, queries[i]));
    const auto exact = index->search(queries[i], {.k = 20, .exact = true}).value();
    EXPECT_EQ(exact.plan, Plan::scan);
    EXPECT_EQ(exact.distances, oracle.size());
    EXPECT_TRUE(same(exact.neighbours, oracle.nearest(queries[i], 20)));
  }
  // The edges follow another metric than inner products: that takes more effort.
  const std::size_t ef = index->options().distance == Distance::inner_product ? 900 : 300;
  EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = ef}), 0.99);
  EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 100, .ef = ef + 100}), 0.99);
  for (const auto& [id, vector] : oracle.vectors()) ASSERT_EQ(index->find(id), vector) << id;
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
}

// The codes are made to fit what is there when the graph begins.
TEST_P(IndexOfEveryKind, IsAGraphFromTheFirstVectorOn) {
  const Rows rows = normal_rows(count / 3, dimension, 21);
  const Rows queries = normal_rows(20, dimension, 22);
  auto index = Index::create(options(0)).value();
  Oracle oracle(options(0));
  for (std::size_t i = 0; i < rows.count(); ++i) {
    ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());
    oracle.put(static_cast<std::int64_t>(i), rows[i]);
    ASSERT_GE(index->stats().layers, 1u);
  }

  EXPECT_GE(mean_recall(*index, oracle, queries, {.k = 10, .ef = 300}), 0.97);
  EXPECT_TRUE(healthy(*index));
}

TEST_P(IndexOfEveryKind, RangesHoldAllThatIsInside) {
  const Rows rows = normal_rows(count / 2, dimension, 31);
  const Rows queries = normal_rows(4, dimension, 32);
  for (const bool graph : {false, true}) {
    auto index = Index::create(options(graph ? 0u : count)).value();
    Oracle oracle(options(0));
    ASSERT_TRUE(index->put_many(ids_from(0, rows.count()), rows.values, 1).ok());
    oracle.put_all(ids_from(0, rows.count()), rows);
    double sum = 0;
    double searches = 0;
    for (std::size_t i = 0; i < queries.count(); ++i) {
      const std::vector<Neighbour> all = oracle.ranked(queries[i]);
      for (const std::size_t wanted : {std::size_t{1}, std::size_t{10}, all.size() / 4, all.size()}) {
        const float radius = all[wanted - 1].distance;
        const std::span<const Neighbour> inside(all.data(), wanted);
        const auto exact = index->search_range(queries[i], {.radius = radius, .exact = true}).value();
        EXPECT_TRUE(same(exact.neighbours, inside));
        EXPECT_FALSE(exact.limited);

        const auto found = index->search_range(queries[i], {.radius = radius, .ef = 200}).value();
        EXPECT_TRUE(sound(found.neighbours, oracle, queries[i]));
        EXPECT_TRUE(found.neighbours.empty() || found.neighbours.back().distance <= radius);
        EXPECT_FALSE(found.limited);
        sum += recall(found.neighbours, inside);
        ++searches;

        if (wanted < 2) continue;
        const auto limited = index->search_range(queries[i], {.radius = radius, .limit = wanted - 1, .exact = true}).value();
        EXPECT_TRUE(limited.limited);
        EXPECT_TRUE(same(limited.neighbours, inside.first(wanted - 1)));
        const auto barely = index->search_range(queries[i], {.radius = radius, .limit = wanted, .exact = true}).value();
        EXPECT_FALSE(barely.limited);
        EXPECT_TRUE(same(barely.neighbours, inside));
      }
      const float below = std::nextafter(all[0].distance, -std::numeric_limits<float>::infinity());
      EXPECT_TRUE(index->search_range(queries[i], {.radius = below}).value().neighbours.empty());
      EXPECT_TRUE(index->search_range(queries[i], {.radius = below, .exact = true}).value().neighbours.empty());
      EXPECT_EQ(index->search_range(queries[i], {.radius = INFINITY}).value().neighbours.size(), all.size());
    }
    EXPECT_GE(sum / searches, graph ? 0.98 : 1.0);
  }
}

TEST(Index, RangeSearchesKeepToTheirFilter) {
  const Rows rows = normal_rows(600, 8, 41);
  for (const bool graph : {false, true}) {
    const IndexOptions options{.dimension = 8, .distance = Distance::euclidean, .flat_max = graph ? 0u : 1000u};
    auto index = Index::create(options).value();
    Oracle oracle(options);
    ASSERT_TRUE(index->put_many(ids_from(0, 600), rows.values, 1).ok());
    oracle.put_all(ids_from(0, 600), rows);
    SlotBitmap filter;
    const auto passes = [](std::int64_t id) { return id % 3 == 0; };
    for (std::int64_t id = 0; id < 600; id += 3) filter.insert(*index->slot_of(id));

    const auto all = oracle.ranked(rows[5], passes);
    const auto found = index->search_range(rows[5], {.radius = all[49].distance, .filter = &filter, .exact = true}).value();

    EXPECT_TRUE(same(found.neighbours, std::span(all).first(50)));
    const auto estimated = index->search_range(rows[5], {.radius = all[49].distance, .filter = &filter}).value();
    EXPECT_TRUE(sound(estimated.neighbours, oracle, rows[5], passes));
    EXPECT_GE(estimated.neighbours.size(), 49u);
  }
}

TEST(Index, SearchManyIsSearchForEachQuery) {
  auto index = Index::create({.dimension = 8, .flat_max = 100}).value();
  const Rows rows = normal_rows(1000, 8, 51);
  const Rows queries = normal_rows(64, 8, 52);
  for (const std::size_t size : {std::size_t{80}, std::size_t{1000}}) {
    ASSERT_TRUE(index->put_many(ids_from(0, size), std::span(rows.values).first(size * 8), 1).ok());
    for (const std::size_t threads : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
      const auto many = index->search_many(queries.values, {.k = 7}, threads).value();

      ASSERT_EQ(many.size(), 64u);
      for (std::size_t i = 0; i < queries.count(); ++i)
        EXPECT_TRUE(same(many[i].neighbours, index->search(queries[i], {.k = 7}).value().neighbours));
    }
  }
}

TEST(Index, ReadsWholeCacheLinesOfAVectorByDefault) {
  for (const auto& [dimension, bits, lines] :
       {std::tuple{std::size_t{384}, 2U, std::size_t{3}}, std::tuple{std::size_t{768}, 2U, std::size_t{4}},
        std::tuple{std::size_t{1536}, 1U, std::size_t{4}}}) {
    const std::size_t components = code_dimension_for(Distance::cosine, dimension, bits);
    const Codec codec({.dimension = dimension, .bits = bits, .code_dimension = components}, std::vector<float>(dimension),
                      0);

    EXPECT_EQ(Graph::hot_bytes(codec.narrow_bytes(), IndexOptions{}.max_connections), lines * 64) << dimension;
  }
}

// What is in memory whatever becomes of the full vectors: codes, edges, layers and ids.
TEST(Index, TakesFewBytesOfMemoryForEachVector) {
  constexpr std::size_t count = 1000;
  struct Limit {
    std::size_t dimension;
    unsigned code_bits;  // what embeddings of this dimension get
    std::size_t bytes_max;
  };
  for (const Limit& limit : {Limit{384, 2, 220}, Limit{768, 2, 300}, Limit{1024, 1, 300}, Limit{1536, 1, 300},
                             Limit{3072, 1, 500}, Limit{4096, 1, 500}}) {
    auto index =
        Index::create({.dimension = limit.dimension, .ef_construction = 16, .code_bits = limit.code_bits, .flat_max = 100})
            .value();
    const Rows rows = normal_rows(2 * count, limit.dimension, 62);
    const std::span<const float> all = rows.values;
    ASSERT_TRUE(index->put_many(ids_from(0, count), all.first(all.size() / 2), 2).ok());
    const std::size_t of_half = index->stats().memory_bytes;
    ASSERT_TRUE(index->put_many(ids_from(count, count), all.last(all.size() / 2), 2).ok());

    EXPECT_LE(index->stats().memory_bytes - of_half, count * limit.bytes_max) << limit.dimension << " dimensions";
  }
}

// They used to stay for as long as the index did, and were not counted.
TEST(Index, WithAGraphGivesTheStatesOfItsFlatTimeBackWhenNobodyReadsThem) {
  constexpr std::size_t count = 1000;
  const Rows rows = normal_rows(count + 1, 4, 63);
  for (const bool one_more : {false, true}) {
    auto index = Index::create({.dimension = 4, .ef_construction = 16, .flat_max = count}).value();
    ASSERT_TRUE(index->put_many(ids_from(0, count), std::span(rows.values).first(count * 4), 1).ok());
    const RecordArray& states = IndexTestAccess::state(*index).flat_states;
    std::size_t read_memory = 0;
    {
      const ReaderEpochs::Pin reader(IndexTestAccess::state(*index).epochs);
      ASSERT_TRUE(index->promote().ok());
      ASSERT_TRUE(index->maintain().ok());
      ASSERT_EQ(states.bytes(), count * 8);
      read_memory = index->stats().memory_bytes;
    }

    if (one_more)
      ASSERT_TRUE(index->put_many(ids_from(count, 1), rows[count], 1).ok());
    else
      ASSERT_TRUE(index->maintain().ok());

    EXPECT_EQ(states.bytes(), 0u);
    if (!one_more) {
      EXPECT_EQ(read_memory - index->stats().memory_bytes, count * 8);
    }
  }
}

TEST(Index, WhoseFlatTimeNobodyReadsGivesItsStatesBackAtOnce) {
  auto index = Index::create({.dimension = 4, .ef_construction = 16, .flat_max = 100}).value();

  ASSERT_TRUE(index->put_many(ids_from(0, 200), normal_rows(200, 4, 63).values, 1).ok());

  EXPECT_GE(index->stats().layers, 1u);
  EXPECT_EQ(IndexTestAccess::state(*index).flat_states.bytes(), 0u);
}

TEST(Index, FilesOfADirectoryHoldWhatMemoryWould) {
  const auto directory = std::filesystem::path(testing::TempDir());
  const Rows rows = normal_rows(500, 8, 61);
  auto mapped = Index::create({.dimension = 8, .flat_max = 100, .directory = directory}).value();
  auto in_memory = Index::create({.dimension = 8, .flat_max = 100}).value();
  for (Index* index : {mapped.get(), in_memory.get()})
    for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());

  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_TRUE(same(mapped->search(rows[i]).value().neighbours, in_memory->search(rows[i]).value().neighbours));
  EXPECT_TRUE(mapped->stats().full_mapped);
  EXPECT_FALSE(in_memory->stats().full_mapped);
  EXPECT_TRUE(healthy(*mapped));

  auto nowhere = Index::create({.dimension = 8, .directory = directory / "is" / "not" / "there"}).value();
  EXPECT_EQ(code_of(nowhere->put(1, rows[0])), ErrorCode::failed_precondition);
  EXPECT_EQ(nowhere->size(), 0u);
}

// --- a search sees the state at its beginning: a predicate makes changes while it goes on

TEST(IndexSnapshot, AFlatSearchDoesNotSeeWhatCameAndWentMeanwhile) {
  auto index = Index::create({.dimension = 1, .distance = Distance::euclidean}).value();
  for (std::int64_t id = 0; id < 10; ++id) ASSERT_TRUE(index->put(id, std::vector<float>{static_cast<float>(id)}).ok());
  ASSERT_TRUE(index->erase(9).value());
  ASSERT_TRUE(index->maintain().ok());
  ASSERT_EQ(index->stats().free_slots, 1u) << "what is put next is met later by the scan";
  bool changed = false;
  const auto meddle = [&](std::int64_t) {
    if (std::exchange(changed, true)) return true;
    EXPECT_TRUE(index->put(100, std::vector<float>{0}).ok());
    EXPECT_TRUE(index->erase(100).value());
    EXPECT_TRUE(index->erase(3).value());
    EXPECT_TRUE(index->put(4, std::vector<float>{50}).ok());
    return true;
  };

  const auto found = index->search(std::vector<float>{0}, {.k = 100, .predicate = meddle}).value();

  EXPECT_EQ(ids_of(found.neighbours), (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(found.neighbours.at(4).distance, 4.0f) << "where it was before";
  EXPECT_EQ(ids_of(index->search(std::vector<float>{0}, {.k = 100}).value().neighbours), (Ids{0, 1, 2, 5, 6, 7, 8, 4}));
}

TEST(IndexSnapshot, AnIdReplacedTwiceMeanwhileIsFoundOnceWhereItWas) {
  for (const bool graph : {false, true}) {
    auto index = Index::create({.dimension = 1, .distance = Distance::euclidean, .flat_max = graph ? 0u : 100u}).value();
    for (std::int64_t id = 0; id < 40; ++id) ASSERT_TRUE(index->put(id, std::vector<float>{static_cast<float>(id)}).ok());
    for (std::int64_t id = 30; id < 40; ++id) ASSERT_TRUE(index->erase(id).value());
    ASSERT_TRUE(index->maintain().ok());
    bool changed = false;
    const auto meddle = [&](std::int64_t) {
      if (std::exchange(changed, true)) return true;
      for (std::int64_t id = 0; id < 30; id += 7)
        for (float round = 0; round < 3; ++round)
          EXPECT_TRUE(index->put(id, std::vector<float>{static_cast<float>(id) + 0.25f + round / 8}).ok());
      EXPECT_TRUE(index->maintain().ok());
      return true;
    };

    const auto found = index->search(std::vector<float>{0}, {.k = 30, .predicate = meddle}).value();

    EXPECT_EQ(ids_of(found.neighbours), ids_from(0, 30)) << (graph ? "graph" : "flat");
    for (const Neighbour& one : found.neighbours) EXPECT_EQ(one.distance, static_cast<float>(one.id));
    EXPECT_TRUE(no_slot_is_lost(*index));
    EXPECT_TRUE(healthy(*index));
  }
}

TEST(IndexSnapshot, PromotionMeanwhileDoesNotHideWhatWasErasedAfterwards) {
  auto index = Index::create({.dimension = 1, .distance = Distance::euclidean}).value();
  for (std::int64_t id = 0; id < 10; ++id) ASSERT_TRUE(index->put(id, std::vector<float>{static_cast<float>(id)}).ok());
  bool changed = false;
  const auto meddle = [&](std::int64_t) {
    if (std::exchange(changed, true)) return true;
    EXPECT_TRUE(index->erase(5).value());
    EXPECT_TRUE(index->put(6, std::vector<float>{60}).ok());
    EXPECT_TRUE(index->promote().ok());
    EXPECT_TRUE(index->maintain().ok());
    EXPECT_TRUE(index->put(5, std::vector<float>{5.5}).ok());
    return true;
  };

  const auto found = index->search(std::vector<float>{0}, {.k = 100, .predicate = meddle}).value();

  EXPECT_EQ(ids_of(found.neighbours), ids_from(0, 10));
  EXPECT_EQ(found.neighbours.at(6).distance, 6.0f);
  EXPECT_TRUE(no_slot_is_lost(*index));
  EXPECT_TRUE(healthy(*index));
}

}  // namespace
}  // namespace loam::vector
