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
  std::vector<Node> wanted;
  for (float distance = 1e-30F; distance < 1e37F; distance *= 3) {
    frontier.push(waiting(distance, static_cast<Node>(wanted.size())));
    wanted.push_back(static_cast<Node>(wanted.size()));
  }
  for (const float distance : {std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity()}) {
    frontier.push(waiting(distance, static_cast<Node>(wanted.size())));
    wanted.push_back(static_cast<Node>(wanted.size()));
  }

  EXPECT_EQ(take_all(frontier), wanted);
}

TEST(Frontier, KeepsTheOrderOfWhatIsNearBesideWhatIsFar) {
  Frontier frontier;
  frontier.clear(0);
  for (const Node node : {Node{2}, Node{4}, Node{1}, Node{3}}) frontier.push(waiting(static_cast<float>(node), node));
  frontier.push(waiting(1e9F, 9));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{1, 2, 3, 4, 9}));
}

TEST(Frontier, HasRoomForWhatIsNearAgainWhenTheFarIsGone) {
  Frontier frontier;
  frontier.clear(0);
  frontier.push(waiting(1e9F, 9));
  frontier.push(waiting(2e9F, 8));
  frontier.pop();
  frontier.pop();
  for (const Node node : {Node{3}, Node{1}, Node{5}}) frontier.push(waiting(static_cast<float>(node), node));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{1, 3, 5}));
}

// Vectors that come later may be longer than those that said where the floor is, and estimates err.
TEST(Frontier, KeepsTheOrderOfWhatIsNearerThanItsFloor) {
  Frontier frontier;
  frontier.clear(0);
  frontier.push(waiting(1, 4));
  frontier.push(waiting(-1, 2));
  frontier.push(waiting(-std::numeric_limits<float>::infinity(), 0));
  frontier.push(waiting(-2, 1));
  frontier.push(waiting(-0.5F, 3));

  EXPECT_EQ(take_all(frontier), (std::vector<Node>{0, 1, 2, 3, 4}));
}

// One vector a thousand times as long as all others puts the floor of inner products far below them.
TEST(Frontier, KeepsTheOrderOfWhatLiesFarAboveItsFloor) {
  Frontier frontier;
  frontier.clear(-16000);
  std::mt19937 random(5);
  std::vector<float> wanted;
  for (Node node = 0; node < 2000; ++node) {
    wanted.push_back(static_cast<float>(random() % 3200) / 100 - 16);
    frontier.push(waiting(wanted.back(), node));
  }
  std::sort(wanted.begin(), wanted.end());

  std::vector<float> taken;
  for (; !frontier.empty(); frontier.pop()) taken.push_back(frontier.nearest().distance());

  EXPECT_EQ(taken, wanted);
}

TEST(Frontier, HandsOutEvenWhatIsNowhere) {
  Frontier frontier;
  frontier.clear(-1);
  for (Node node = 0; node < 10; ++node)
    frontier.push(waiting(node % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(node), node));

  std::vector<Node> taken = take_all(frontier);
  std::sort(taken.begin(), taken.end());

  EXPECT_EQ(taken, (std::vector<Node>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
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

RC_GTEST_PROP(Frontier, AlwaysHandsOutTheNearest, ()) {
  const float floor = *rc::gen::element(0.0F, -1.0F, -500.0F, 3.0F);
  std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
  const int octaves = *rc::gen::inRange(1, 60);
  Frontier frontier;
  frontier.clear(floor);
  std::multiset<Found> oracle;
  for (Node step = 0; step < 400; ++step) {
    if (oracle.empty() || random() % 3 != 0) {
      const float exponent = static_cast<float>(random() % 1000) / 1000 - 0.5F;
      const Found found = waiting(std::exp2(exponent * static_cast<float>(octaves)), step);
      frontier.push(found);
      oracle.insert(found);
      continue;
    }
    RC_ASSERT(frontier.nearest() == *oracle.begin());
    oracle.erase(oracle.begin());
    frontier.pop();
  }
  RC_ASSERT(frontier.empty() == oracle.empty());
}

}  // namespace
}  // namespace loam::vector
