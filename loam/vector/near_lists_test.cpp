#include "loam/vector/near_lists.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "loam/vector/coded_rows_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t length = 24;

std::vector<std::uint32_t> numbers(const NearLists& lists, std::uint32_t of) {
  std::vector<std::uint32_t> found;
  for (const Found one : lists.of(of)) found.push_back(NearLists::number_of(one, of));
  return found;
}

// Ascending, each once, without itself, at the distance that the codes have.
testing::AssertionResult sound(const NearLists& lists, const CodedRows& rows) {
  for (std::uint32_t i = 0; i < rows.wide.size(); i += 7) {
    const std::vector<float> distances = rows.distances_from(i);
    const std::vector<std::uint32_t> found = numbers(lists, i);
    if (std::set(found.begin(), found.end()).size() != found.size()) return testing::AssertionFailure() << i << " twice";
    if (!std::is_sorted(lists.of(i).begin(), lists.of(i).end())) return testing::AssertionFailure() << i << " not sorted";
    for (const Found one : lists.of(i)) {
      if (one.node() == 0) return testing::AssertionFailure() << i << " in its own list";
      if (one.distance() != distances.at(NearLists::number_of(one, i)))
        return testing::AssertionFailure() << i << ": another distance";
    }
  }
  return testing::AssertionSuccess();
}

double recall_at_10(const NearLists& lists, const CodedRows& rows) {
  double sum = 0;
  std::size_t asked = 0;
  for (std::uint32_t i = 0; i < rows.wide.size(); i += 50, ++asked) {
    std::vector<float> distances = rows.distances_from(i);
    distances[i] = std::numeric_limits<float>::max();
    std::nth_element(distances.begin(), distances.begin() + 9, distances.end());
    const auto near =
        std::count_if(lists.of(i).begin(), lists.of(i).end(), [&](Found one) { return one.distance() <= distances[9]; });
    sum += std::min(1.0, static_cast<double>(near) / 10);
  }
  return sum / static_cast<double>(asked);
}

TEST(NearLists, OfFewVectorsAreExact) {
  for (const Distance distance : {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan}) {
    const CodedRows rows(normal_rows(leaf_max, 12, 1), distance);
    NearLists lists(rows.codec, rows.wide, length);

    ASSERT_TRUE(lists.find({.divisions = 3, .threads = 2}).ok());

    EXPECT_TRUE(sound(lists, rows));
    for (std::uint32_t i = 0; i < leaf_max; ++i) ASSERT_EQ(lists.of(i).size(), length);
    EXPECT_EQ(recall_at_10(lists, rows), 1);
  }
}

TEST(NearLists, FindMoreWithEveryDivision) {
  const CodedRows rows(normal_rows(6000, 16, 2));
  double former = 0;
  for (const std::size_t divisions : {1, 4, 24}) {
    NearLists lists(rows.codec, rows.wide, length);

    ASSERT_TRUE(lists.find({.divisions = divisions, .threads = 2}).ok());

    EXPECT_TRUE(sound(lists, rows));
    EXPECT_GT(recall_at_10(lists, rows), former);
    former = recall_at_10(lists, rows);
  }
  EXPECT_GT(former, 0.95);
}

TEST(NearLists, AreTheSameWhateverTheThreads) {
  const CodedRows rows(normal_rows(3000, 8, 3));
  NearLists one(rows.codec, rows.wide, length);
  NearLists three(rows.codec, rows.wide, length);

  ASSERT_TRUE(one.find({.divisions = 4}).ok());
  ASSERT_TRUE(three.find({.divisions = 4, .threads = 3}).ok());

  for (std::uint32_t i = 0; i < rows.wide.size(); ++i) ASSERT_EQ(numbers(one, i), numbers(three, i));
}

// Were the lowest numbers first among equally far ones, all would list the same few, and no edge would lead to any other.
TEST(NearLists, OfEquallyFarVectorsDiffer) {
  const CodedRows rows(Rows{4, std::vector<float>(4 * 300, 1.0F)});
  NearLists lists(rows.codec, rows.wide, length);

  ASSERT_TRUE(lists.find({.divisions = 2, .threads = 2}).ok());

  std::vector<std::size_t> times_listed(300);
  for (std::uint32_t i = 0; i < 300; ++i)
    for (const std::uint32_t number : numbers(lists, i)) ++times_listed[number];
  EXPECT_EQ(*std::min_element(times_listed.begin(), times_listed.end()), length);
  EXPECT_EQ(*std::max_element(times_listed.begin(), times_listed.end()), length);
}

TEST(NearLists, OfOneVectorAndOfNoneAreEmpty) {
  const CodedRows rows(normal_rows(1, 4, 4));
  NearLists one(rows.codec, rows.wide, length);
  NearLists none(rows.codec, {}, length);

  EXPECT_TRUE(one.find({.divisions = 2, .threads = 2}).ok());
  EXPECT_TRUE(none.find({.divisions = 2, .threads = 2}).ok());

  EXPECT_TRUE(one.of(0).empty());
}

TEST(NearLists, EndWhenTheContextDoes) {
  const CodedRows rows(normal_rows(2000, 4, 5));
  NearLists lists(rows.codec, rows.wide, length);
  Cancellation cancelled;
  cancelled.cancel();

  const auto found = lists.find({.divisions = 2, .threads = 2}, Context().cancelled_by(cancelled));

  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace loam::vector
