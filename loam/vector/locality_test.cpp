#include "loam/vector/locality.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 12;

bool is_permutation_of_all(std::vector<std::uint32_t> order, std::size_t count) {
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0u);
  return order == all;
}

// Rows of one cluster lie together: far fewer neighbours in the order are of different clusters than by chance.
TEST(Locality, BringsWhatIsNearTogether) {
  constexpr std::size_t count = 8000;
  constexpr std::size_t clusters = 20;
  const Rows rows = clustered_rows(count, normal_rows(clusters, dimension, 1, 10), 0.5f, 2);
  std::vector<std::uint32_t> chance(count);
  std::iota(chance.begin(), chance.end(), 0u);
  std::shuffle(chance.begin(), chance.end(), std::mt19937(3));
  Rows mixed{dimension, {}};
  for (const std::uint32_t row : chance) mixed.values.insert(mixed.values.end(), rows[row].begin(), rows[row].end());

  for (const Distance distance : {Distance::euclidean, Distance::cosine, Distance::inner_product, Distance::manhattan}) {
    const std::vector<std::uint32_t> order = order_by_locality(mixed.values, dimension, distance, 7, 2).value();

    ASSERT_TRUE(is_permutation_of_all(order, count));
    std::size_t changes = 0;
    const auto cluster = [&](std::uint32_t row) { return chance[row] * clusters / count; };
    for (std::size_t i = 1; i < count; ++i) changes += cluster(order[i]) != cluster(order[i - 1]) ? 1 : 0;
    EXPECT_LT(changes, count / 10);
    EXPECT_EQ(order_by_locality(mixed.values, dimension, distance, 7, 1).value(), order) << "whatever the threads";
  }
}

TEST(Locality, OfAFewIsTheirOrder) {
  const Rows rows = normal_rows(locality_min - 1, dimension, 1);

  const std::vector<std::uint32_t> order = order_by_locality(rows.values, dimension, Distance::euclidean, 1, 2).value();

  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_TRUE(order_by_locality({}, dimension, Distance::euclidean, 1, 2).value().empty());
}

TEST(Locality, OfEqualOrExtremeRowsIsAnOrder) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0f, 1.0f, 3e38f, 1e-38f, infinity, std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<float> rows(5000 * dimension, value);
    for (const Distance distance : {Distance::euclidean, Distance::cosine})
      EXPECT_TRUE(is_permutation_of_all(order_by_locality(rows, dimension, distance, 1, 2).value(), 5000)) << value;
  }
}

TEST(Locality, EndsWhenItIsCancelled) {
  const Rows rows = normal_rows(5000, dimension, 1);

  const auto order = order_by_locality(rows.values, dimension, Distance::cosine, 1, 2, Context().deadline_in_ms(-1));

  ASSERT_FALSE(order.ok());
  EXPECT_EQ(order.error().code(), ErrorCode::deadline_exceeded);
}

}  // namespace
}  // namespace loam::vector
