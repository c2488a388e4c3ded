#include "loam/vector/frontier.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace loam::vector {
namespace {

Found waiting(float distance, Node node) { return {distance, node, true}; }

std::vector<Node> take_all(Frontier& frontier) {
  std::vector<Node> taken;
  for (; !frontier.empty(); frontier.pop()) taken.push_back(frontier.nearest().node());
  return taken;
}

TEST(Frontier, HandsOutTheNearestFirst) {
  Frontier frontier;
  frontier.clear(-1);

  for (const Node node : {Node{4}, Node{1}, Node{3}, Node{0}, Node{2}})
    frontier.push(waiting(-0.5F + 0.01F * static_cast<float>(node), node));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{0, 1, 2, 3, 4}));
}

TEST(Frontier, TakesNodesBetweenThoseItHandsOut) {
  Frontier frontier;
  frontier.clear(0);
  frontier.push(waiting(5, 5));
  frontier.push(waiting(7, 7));
  frontier.pop();
  frontier.push(waiting(6, 6));
  frontier.push(waiting(1, 1));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{1, 6, 7}));
}

TEST(Frontier, HandsOutEachOfManyThatAreEquallyFar) {
  Frontier frontier;
  frontier.clear(-1);
  for (Node node = 0; node < 10'000; ++node) frontier.push(waiting(0.25F, node));

  const std::vector<Node> taken = take_all(frontier);

  EXPECT_EQ(std::set<Node>(taken.begin(), taken.end()).size(), 10'000u);
  EXPECT_EQ(taken.size(), 10'000u);
}

// Buckets reach over sixteen octaves: what comes farther than all of them moves them.
TEST(Frontier, KeepsTheOrderOfWhatLiesManyOrdersOfMagnitudeFarther) {
  Frontier frontier;
  frontier.clear(0);
  Node node = 0;
  for (float distance = 1e-30F; distance < 1e37F; distance *= 3) frontier.push(waiting(distance, node++));
  frontier.push(waiting(std::numeric_limits<float>::max(), node++));

  std::vector<Node> taken = take_all(frontier);

  EXPECT_EQ(taken.back(), node - 1) << "the farthest";
  EXPECT_EQ(taken[taken.size() - 2], node - 2);
  std::sort(taken.begin(), taken.end());
  for (Node i = 0; i < node; ++i) ASSERT_EQ(taken[i], i) << "each once";
}

TEST(Frontier, TakesWhatIsNearerThanItsFloor) {
  Frontier frontier;
  frontier.clear(0);
  frontier.push(waiting(1, 1));
  frontier.push(waiting(-1, 0));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{0, 1})) << "estimates may lie a little below what is possible";
}

TEST(Frontier, ForgetsEverythingWhenItIsCleared) {
  Frontier frontier;
  frontier.clear(0);
  for (Node node = 0; node < 100'000; ++node) frontier.push(waiting(static_cast<float>(node), node));

  frontier.clear(-4);
  EXPECT_TRUE(frontier.empty());
  frontier.push(waiting(2, 2));
  frontier.push(waiting(-3, 3));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{3, 2}));
}

// Against the nearest of a set: what comes out is as near, but for a thousandth or what is nothing beside the farthest.
RC_GTEST_PROP(Frontier, NeverHandsOutWhatIsMuchFartherThanTheNearest, ()) {
  const float floor = *rc::gen::element(0.0F, -1.0F, -500.0F);
  std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
  const int octaves = *rc::gen::inRange(1, 40);
  Frontier frontier;
  frontier.clear(floor);
  std::multiset<float> oracle;
  float farthest = 0;
  for (Node step = 0; step < 400; ++step) {
    if (oracle.empty() || random() % 3 != 0) {
      const float away = std::exp2(static_cast<float>(random() % 1000) / 1000 * static_cast<float>(octaves) -
                                   static_cast<float>(octaves) / 2);
      const Found found = waiting(floor + away, step);
      farthest = std::max(farthest, found.distance() - floor);
      frontier.push(found);
      oracle.insert(found.distance());
      continue;
    }
    const float taken = frontier.nearest().distance();
    const float least = *oracle.begin();
    RC_ASSERT(taken - floor <= (least - floor) * (1 + 1.0F / 1000) || taken - floor <= farthest / 16000);
    oracle.erase(oracle.find(taken));
    frontier.pop();
  }
  RC_ASSERT(frontier.empty() == oracle.empty());
}

}  // namespace
}  // namespace loam::vector
