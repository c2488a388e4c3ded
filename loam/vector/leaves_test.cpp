#include "loam/vector/leaves.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "loam/vector/coded_rows_test_support.hpp"

namespace loam::vector {
namespace {

// Each vector is in one leaf, and none of them is too large.
testing::AssertionResult sound(const Leaves& leaves, std::size_t count) {
  std::vector<std::uint32_t> members = leaves.members;
  std::sort(members.begin(), members.end());
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0u);
  if (members != all) return testing::AssertionFailure() << "not every vector is in one leaf";
  for (std::size_t i = 0; i < leaves.count(); ++i)
    if (leaves.leaf(i).empty() || leaves.leaf(i).size() > leaf_max)
      return testing::AssertionFailure() << "a leaf of " << leaves.leaf(i).size();
  return testing::AssertionSuccess();
}

// Which part of the vectors is in a leaf with the one nearest to it.
double share_beside_nearest(const Leaves& leaves, const CodedRows& rows) {
  std::vector<std::size_t> leaf_of(rows.wide.size());
  for (std::size_t i = 0; i < leaves.count(); ++i)
    for (const std::uint32_t member : leaves.leaf(i)) leaf_of[member] = i;
  std::size_t beside = 0;
  constexpr std::size_t asked = 500;
  for (std::size_t i = 0; i < asked; ++i) {
    std::vector<float> distances = rows.distances_from(i);
    distances[i] = std::numeric_limits<float>::max();
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    beside += leaf_of[static_cast<std::size_t>(nearest)] == leaf_of[i] ? 1 : 0;
  }
  return static_cast<double>(beside) / asked;
}

TEST(Leaves, KeepNearVectorsTogether) {
  for (const Distance distance : {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan}) {
    const CodedRows rows(normal_rows(6000, 12, 1), distance);

    const Leaves leaves = divide_into_leaves(rows.codec, rows.wide, 7, 2).value();

    EXPECT_TRUE(sound(leaves, 6000));
    EXPECT_GT(share_beside_nearest(leaves, rows), 0.3) << "by chance it would be about one in 30";
  }
}

// Also when parts are so large that many threads divide one of them.
TEST(Leaves, AreTheSameWhateverTheThreadsAndOthersWithAnotherSeed) {
  const CodedRows rows(normal_rows(20'000, 4, 2));

  const Leaves leaves = divide_into_leaves(rows.codec, rows.wide, 7, 1).value();

  EXPECT_TRUE(sound(leaves, 20'000));
  EXPECT_EQ(divide_into_leaves(rows.codec, rows.wide, 7, 3).value().members, leaves.members);
  EXPECT_NE(divide_into_leaves(rows.codec, rows.wide, 8, 1).value().members, leaves.members);
}

TEST(Leaves, OfFewVectorsAreOne) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, leaf_max}) {
    const CodedRows rows(normal_rows(count, 4, 3));
    const Leaves leaves = divide_into_leaves(rows.codec, rows.wide, 1, 2).value();
    EXPECT_TRUE(sound(leaves, count));
    EXPECT_EQ(leaves.count(), 1u);
  }
  const CodedRows rows(normal_rows(1, 4, 3));
  EXPECT_EQ(divide_into_leaves(rows.codec, {}, 1, 2).value().count(), 0u);
}

// No distance tells them apart: they are divided by lot, and each time in another way.
TEST(Leaves, OfEquallyFarVectorsAreDividedByLot) {
  const CodedRows rows(Rows{4, std::vector<float>(4 * 2000, 1.0F)});

  const Leaves leaves = divide_into_leaves(rows.codec, rows.wide, 1, 2).value();

  EXPECT_TRUE(sound(leaves, 2000));
  EXPECT_FALSE(std::is_sorted(leaves.members.begin(), leaves.members.end()));
  EXPECT_NE(divide_into_leaves(rows.codec, rows.wide, 2, 2).value().members, leaves.members);
}

// A few in the middle are nearer to each of the others than these are to each other, and draw all of them.
TEST(Leaves, OfACoreAndItsShellAreSound) {
  Rows rows = normal_rows(3000, 64, 9);
  for (std::size_t i = 0; i < rows.count(); ++i) {
    normalize(rows[i]);
    if (i % 100 == 0)
      for (float& value : rows[i]) value *= 0.01F;
  }
  const CodedRows coded(rows);

  EXPECT_TRUE(sound(divide_into_leaves(coded.codec, coded.wide, 1, 2).value(), 3000));
}

TEST(Leaves, EndWhenTheContextDoes) {
  const CodedRows rows(normal_rows(2000, 4, 4));
  Cancellation cancelled;
  cancelled.cancel();

  const auto leaves = divide_into_leaves(rows.codec, rows.wide, 1, 2, Context().cancelled_by(cancelled));

  ASSERT_FALSE(leaves.ok());
  EXPECT_EQ(leaves.error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace loam::vector
