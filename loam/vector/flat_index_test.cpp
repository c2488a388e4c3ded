#include "loam/vector/flat_index.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loam/vector/id_map.hpp"

namespace loam::vector {
namespace {

std::vector<std::int64_t> ids_of(const Result<FlatSearchResult>& found) {
  std::vector<std::int64_t> ids;
  for (const Neighbour& neighbour : found.value().neighbours) ids.push_back(neighbour.id);
  return ids;
}

using Ids = std::vector<std::int64_t>;

TEST(FlatIndex, FindsNearestFirst) {
  FlatIndex index(2, Distance::euclidean);
  ASSERT_TRUE(index.put(1, std::vector<float>{0, 0}).ok());
  ASSERT_TRUE(index.put(2, std::vector<float>{3, 4}).ok());
  ASSERT_TRUE(index.put(3, std::vector<float>{1, 0}).ok());

  const auto found = index.search(std::vector<float>{0, 0}, {.k = 3});

  EXPECT_EQ(ids_of(found), (Ids{1, 3, 2}));
  EXPECT_EQ(found.value().neighbours[2].distance, 5.0f);
  EXPECT_EQ(found.value().distances_computed, 3);
}

TEST(FlatIndex, EachMetricGivesItsOwnDistance) {
  const std::vector<float> row{3, -4};
  const std::vector<float> query{2, 0};
  const std::map<Distance, float> expected{{Distance::cosine, 0.4f},
                                           {Distance::euclidean, std::sqrt(17.0f)},
                                           {Distance::inner_product, -6.0f},
                                           {Distance::manhattan, 5.0f}};
  for (const auto& [metric, distance] : expected) {
    FlatIndex index(2, metric);
    ASSERT_TRUE(index.put(9, row).ok());
    EXPECT_FLOAT_EQ(index.search(query, {}).value().neighbours[0].distance, distance);
  }
}

TEST(FlatIndex, CosineOfEqualAndOppositeVectorsIsExact) {
  FlatIndex index(3, Distance::cosine);
  ASSERT_TRUE(index.put(1, std::vector<float>{0.1f, 0.2f, 0.3f}).ok());
  ASSERT_TRUE(index.put(2, std::vector<float>{-0.1f, -0.2f, -0.3f}).ok());
  ASSERT_TRUE(index.put(3, std::vector<float>{0, 0, 0}).ok());

  const auto found = index.search(std::vector<float>{0.1f, 0.2f, 0.3f}, {}).value().neighbours;

  EXPECT_EQ(found[0].distance, 0.0f);
  EXPECT_EQ(found[1].id, 3) << "a zero vector is at distance 1";
  EXPECT_EQ(found[1].distance, 1.0f);
  EXPECT_EQ(found[2].distance, 2.0f);
}

TEST(FlatIndex, ZeroQueryIsAtDistanceOneFromEverythingInOrderOfId) {
  FlatIndex index(70, Distance::cosine);
  std::vector<float> row(70, 1.0f);
  for (std::int64_t id = 30; id > 0; --id) ASSERT_TRUE(index.put(id, row).ok());
  ASSERT_TRUE(index.put(0, std::vector<float>(70)).ok());

  const auto found = index.search(std::vector<float>(70), {.k = 4});

  EXPECT_EQ(ids_of(found), (Ids{0, 1, 2, 3}));
  for (const Neighbour& neighbour : found.value().neighbours) EXPECT_EQ(neighbour.distance, 1.0f);
}

TEST(FlatIndex, EmptyIndexAndKZeroGiveNothing) {
  FlatIndex index(2, Distance::cosine);
  EXPECT_TRUE(ids_of(index.search(std::vector<float>{1, 0}, {})).empty());
  ASSERT_TRUE(index.put(1, std::vector<float>{1, 0}).ok());
  EXPECT_TRUE(ids_of(index.search(std::vector<float>{1, 0}, {.k = 0})).empty());
  EXPECT_TRUE(ids_of(index.search(std::vector<float>{1, 0}, {.only_ids = std::span<const std::int64_t>{}})).empty());
}

TEST(FlatIndex, KAboveTheSizeGivesAll) {
  FlatIndex index(1, Distance::manhattan);
  for (std::int64_t id = 0; id < 5; ++id) ASSERT_TRUE(index.put(id, std::vector<float>{static_cast<float>(id)}).ok());
  EXPECT_EQ(ids_of(index.search(std::vector<float>{4}, {.k = std::numeric_limits<std::size_t>::max()})),
            (Ids{4, 3, 2, 1, 0}));
}

TEST(FlatIndex, PutReplacesAndEraseFreesTheSlot) {
  FlatIndex index(2, Distance::euclidean);
  ASSERT_TRUE(index.put(1, std::vector<float>{1, 1}).ok());
  ASSERT_TRUE(index.put(2, std::vector<float>{2, 2}).ok());
  ASSERT_TRUE(index.put(1, std::vector<float>{9, 9}).ok());
  EXPECT_EQ(index.size(), 2u);
  EXPECT_EQ(index.find(1)[0], 9.0f);

  const float* place = index.find(2);
  EXPECT_TRUE(index.erase(2));
  EXPECT_FALSE(index.erase(2));
  EXPECT_EQ(index.find(2), nullptr);
  EXPECT_EQ(ids_of(index.search(std::vector<float>{2, 2}, {})), (Ids{1}));

  ASSERT_TRUE(index.put(3, std::vector<float>{5, 5}).ok());
  EXPECT_EQ(index.find(3), place) << "the slot is used again";
}

TEST(FlatIndex, RowsNeverMove) {
  FlatIndex index(384, Distance::inner_product);
  std::vector<float> row(384, 0.5f);
  ASSERT_TRUE(index.put(0, row).ok());
  const float* place = index.find(0);
  for (std::int64_t id = 1; id < 2000; ++id) ASSERT_TRUE(index.put(id, row).ok());
  EXPECT_EQ(index.find(0), place);
  EXPECT_GT(index.bytes(), 2000u * 384 * 5);
  EXPECT_LT(index.bytes(), 2300u * (384 * 5 + 100));
  index.clear();
  EXPECT_EQ(index.size(), 0u);
  EXPECT_LT(index.bytes(), 1000u);
}

TEST(FlatIndex, RefusesWrongDimensionsAndNumbersThatAreNotFinite) {
  FlatIndex index(2, Distance::cosine);
  ASSERT_TRUE(index.put(1, std::vector<float>{1, 0}).ok());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();

  EXPECT_EQ(index.put(1, std::vector<float>{1, 2, 3}).error().message(), "the vector has 3 dimensions, the index has 2");
  EXPECT_EQ(index.put(1, std::vector<float>{1, nan}).error().message(), "the vector has NaN at position 1");
  EXPECT_EQ(index.put(2, std::vector<float>{-infinity, 1}).error().message(), "the vector has an infinity at position 0");
  EXPECT_EQ(index.search(std::vector<float>{1}, {}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(index.search(std::vector<float>{nan, 1}, {}).error().code(), ErrorCode::invalid_argument);

  EXPECT_EQ(index.size(), 1u);
  EXPECT_EQ(index.find(1)[0], 1.0f);
}

TEST(FlatIndex, DescendingFilterIsRefused) {
  FlatIndex index(1, Distance::cosine);
  ASSERT_TRUE(index.put(1, std::vector<float>{1}).ok());
  const Ids ids{2, 1};
  EXPECT_EQ(index.search(std::vector<float>{1}, {.only_ids = std::span(ids)}).error().code(), ErrorCode::invalid_argument);
}

TEST(FlatIndex, CancelledAndLateSearchesSaySo) {
  FlatIndex index(1, Distance::cosine);
  ASSERT_TRUE(index.put(1, std::vector<float>{1}).ok());
  Cancellation cancel;
  cancel.cancel();
  EXPECT_EQ(index.search(std::vector<float>{1}, {}, Context().cancelled_by(cancel)).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(index.search(std::vector<float>{1}, {}, Context().deadline_in_ms(-1)).error().code(),
            ErrorCode::deadline_exceeded);
}

TEST(IdMap, AgreesWithAStandardMapThroughRandomChanges) {
  std::mt19937 random(11);
  IdMap map;
  std::map<std::int64_t, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 200'000; ++step) {
    // A small range of ids, so that probe sequences meet and deletions close holes in their middle.
    const auto id = static_cast<std::int64_t>(random() % 3000) * (random() % 2 == 0 ? 1 : -4096);
    if (random() % 2 == 0) {
      if (model.emplace(id, step).second) map.insert(id, step);
    } else {
      const auto known = model.find(id);
      ASSERT_EQ(map.erase(id), known == model.end() ? std::nullopt : std::optional(known->second));
      if (known != model.end()) model.erase(known);
    }
  }
  ASSERT_EQ(map.size(), model.size());
  for (const auto& [id, slot] : model) ASSERT_EQ(map.find(id), std::optional(slot));
}

}  // namespace
}  // namespace loam::vector
