#include "loam/vector/index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace loam::vector {
namespace {

std::vector<float> random_rows(std::size_t count, std::size_t dimension, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dimension);
  for (float& value : rows) value = normal(random);
  return rows;
}

TEST(Index, AnswersExactlyWhileItIsFlatAndNearlySoAsAGraph) {
  constexpr std::size_t dimension = 32;
  constexpr std::size_t count = 3000;
  const auto rows = random_rows(count + 1, dimension, 1);
  const std::span<const float> query(rows.data() + count * dimension, dimension);
  auto index = Index::create({.dimension = dimension, .distance = Distance::euclidean}).value();
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i) * 3 - 50;

  ASSERT_TRUE(index->put_many(ids, std::span(rows).first(count * dimension), 2).ok());
  const auto flat = index->search(query, {.k = 10}).value();
  ASSERT_TRUE(index->promote(2).ok());
  const auto graph = index->search(query, {.k = 10, .ef = 400}).value();

  EXPECT_EQ(flat.plan, Plan::scan);
  EXPECT_EQ(graph.plan, Plan::graph);
  ASSERT_EQ(flat.neighbours.size(), 10u);
  ASSERT_EQ(graph.neighbours.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(flat.neighbours[i].id, graph.neighbours[i].id) << i;
  EXPECT_TRUE(index->verify().value().healthy());
}

}  // namespace
}  // namespace loam::vector
