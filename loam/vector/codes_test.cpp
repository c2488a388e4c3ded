#include "loam/vector/codes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "loam/vector/exact.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/kernels.hpp"

namespace loam::vector {
namespace {

struct Pair {
  std::vector<float> query;
  std::vector<float> row;
};

// Every component of the row loses `loss` of a code, and the query lies along those losses: the bound is met with equality,
// nearly.
Pair aligned(std::size_t dimension, float loss, float query_length) {
  Pair pair{std::vector<float>(dimension, query_length), std::vector<float>(dimension, 10 + loss)};
  pair.row[0] = 127;  // makes the scale 1
  pair.query[0] = 0;
  return pair;
}

// What the codes say of a pair must not contradict its exact distances.
void expect_bounds_hold(const Pair& pair) {
  const std::size_t dimension = pair.query.size();
  const std::size_t padded = (dimension + code_padding - 1) / code_padding * code_padding;
  std::vector<std::int8_t> codes(padded, 99);
  const RowBounds bounds = encode_row(pair.row, codes);
  const CodedQuery query(pair.query, padded);
  const std::int8_t* row = codes.data();
  std::int32_t dot = 0;
  dot_codes(query.codes(), &row, 1, padded, &dot);

  EXPECT_GE(bounds.length, std::sqrt(squared_norm(pair.row.data(), dimension)));
  const double exact_dot = -exact_distance(Distance::inner_product, pair.query.data(), pair.row.data(), dimension);
  EXPECT_FALSE(query.dot_upper_bound(bounds, dot) < exact_dot);
  const double exact_l2 = exact_distance(Distance::euclidean, pair.query.data(), pair.row.data(), dimension);
  EXPECT_FALSE(query.farther_than(exact_l2, bounds, dot));
}

TEST(VectorCodes, BoundsHoldWhereTheyAreTight) {
  for (const std::size_t dimension : {64u, 65u, 384u, 1536u, 65536u})
    for (const float loss : {0.0f, 0.1f, 0.49f, -0.49f})
      for (const float length : {1.0f, -1.0f, 1e-3f, 1e6f}) expect_bounds_hold(aligned(dimension, loss, length));
}

TEST(VectorCodes, TightBoundsAreNotLoose) {
  const Pair pair = aligned(384, 0.49f, 1);
  std::vector<std::int8_t> codes(384);
  const RowBounds bounds = encode_row(pair.row, codes);
  const CodedQuery query(pair.query, 384);
  const std::int8_t* row = codes.data();
  std::int32_t dot = 0;
  dot_codes(query.codes(), &row, 1, 384, &dot);
  const double exact = -exact_distance(Distance::inner_product, pair.query.data(), pair.row.data(), 384);
  EXPECT_LT(query.dot_upper_bound(bounds, dot), exact * 1.001);
}

TEST(VectorCodes, BoundsHoldForRandomPairsOfAllSizes) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t dimension = 64 + random() % 200;
    Pair pair{std::vector<float>(dimension), std::vector<float>(dimension)};
    const auto draw = [&](std::vector<float>& values) {
      const float scale = std::ldexp(1.0f, static_cast<int>(random() % 240) - 130);
      for (float& value : values) value = random() % 3 == 0 ? 0 : normal(random) * scale;
      if (random() % 4 == 0) values[random() % dimension] = 1000 * scale;
    };
    draw(pair.query);
    draw(pair.row);
    if (random() % 3 == 0) {  // near neighbours
      pair.query = pair.row;
      pair.query[0] = std::nextafter(pair.query[0], 1e30f);
    }
    expect_bounds_hold(pair);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(VectorCodes, ZeroAndDenormalVectorsHaveBoundsToo) {
  for (const float value : {0.0f, 1e-45f, -1e-40f, 1e-38f})
    for (const float other : {0.0f, 1e-45f, 1.0f, 3e38f})
      expect_bounds_hold({std::vector<float>(70, value), std::vector<float>(70, other)});
}

// The rows that look far in codes are the near ones: a scan that believed the codes would drop them.
TEST(VectorCodes, ASearchIsNotMisledByLosses) {
  constexpr std::size_t dimension = 128;
  constexpr std::int64_t decoys = 2000;
  for (const Distance distance : {Distance::inner_product, Distance::cosine, Distance::euclidean}) {
    FlatIndex index(dimension, distance);
    for (std::int64_t id = 0; id < decoys; ++id) ASSERT_TRUE(index.put(id, aligned(dimension, -0.48f, 1).row).ok());
    const auto near = aligned(dimension, 0.48f, 1).row;  // nearer in truth, in codes the same as the decoys
    auto nearer = near;
    for (std::size_t i = 1; i < dimension; ++i) nearer[i] = 9.505f;  // in codes as 10, like the others
    ASSERT_TRUE(index.put(decoys, near).ok());
    ASSERT_TRUE(index.put(decoys + 1, nearer).ok());
    const bool small_wins = distance == Distance::euclidean;
    std::vector<float> query(dimension, small_wins ? 9.0f : 1.0f);
    query[0] = small_wins ? 127.0f : 0.0f;

    const auto found = index.search(query, {.k = 1});

    EXPECT_EQ(found.value().neighbours[0].id, small_wins ? decoys + 1 : decoys);
  }
}

}  // namespace
}  // namespace loam::vector
