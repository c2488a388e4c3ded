#include "loam/vector/beam.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace loam::vector {
namespace {

// --- visited nodes

TEST(VisitedSet, TakesEveryNodeOnceUntilItIsCleared) {
  VisitedSet visited;
  for (int round = 0; round < 3; ++round) {
    visited.clear();
    for (const Node node : {Node{0}, Node{1}, no_node - 1, Node{4096}}) {
      EXPECT_TRUE(visited.insert(node));
      EXPECT_FALSE(visited.insert(node));
    }
    EXPECT_EQ(visited.count(), 4u);
  }
}

TEST(VisitedSet, SaysWhichOfSeveralAreNew) {
  VisitedSet visited;
  const std::vector<Node> first{5, 70, 5, 1000};
  const std::vector<Node> second{1000, 6, 70, 71};

  const auto fresh = visited.insert(first);
  EXPECT_EQ(std::vector<Node>(fresh.begin(), fresh.end()), (std::vector<Node>{5, 70, 1000})) << "each once";
  const auto more = visited.insert(second);
  EXPECT_EQ(std::vector<Node>(more.begin(), more.end()), (std::vector<Node>{6, 71}));
  EXPECT_EQ(visited.count(), 5u);
  EXPECT_TRUE(visited.insert(std::span<const Node>()).empty());
}

// Few are forgotten one by one, many by wiping everything.
TEST(VisitedSet, RemembersNothingOfFormerRounds) {
  VisitedSet visited;
  for (Node round = 0; round < 1000; ++round) {
    visited.clear();
    for (Node i = 0; i < 20; ++i) ASSERT_TRUE(visited.insert(i * 77 + round % 5)) << "in round " << round;
    ASSERT_EQ(visited.count(), 20u);
  }
}

TEST(VisitedSet, GrowsInAnyRound) {
  for (const int rounds : {0, 1, 100, 400}) {
    VisitedSet visited;
    for (int i = 0; i < rounds; ++i) {
      visited.clear();
      for (Node node = 0; node < 50; ++node) visited.insert(node * 3);
    }
    visited.clear();
    for (Node node = 0; node < 40'000; ++node) ASSERT_TRUE(visited.insert(node * 5));
    for (Node node = 0; node < 40'000; ++node) ASSERT_FALSE(visited.insert(node * 5));
    ASSERT_EQ(visited.count(), 40'000u);
    visited.clear();
    EXPECT_TRUE(visited.insert(5));
  }
}

RC_GTEST_PROP(VisitedSet, IsASet, ()) {
  VisitedSet visited;
  for (int round = *rc::gen::inRange(0, 20); round >= 0; --round) {
    std::set<Node> oracle;
    visited.clear();
    for (int i = *rc::gen::inRange(0, 200); i > 0; --i) {
      const auto node = static_cast<Node>(*rc::gen::inRange(0, 1 << 24)) % (i % 2 == 0 ? 64u : no_node);
      RC_ASSERT(visited.insert(node) == oracle.insert(node).second);
    }
    RC_ASSERT(visited.count() == oracle.size());
  }
}

// --- the pool

TEST(Found, HoldsWhatItWasGiven) {
  for (const float distance : {0.0f, -0.0f, 1.5f, -1.5f, 1e-38f, -3e38f, 3e38f, std::numeric_limits<float>::infinity()}) {
    for (const Node node : {Node{0}, Node{1}, no_node - 1}) {
      Found found(distance, node, node == 1);
      EXPECT_EQ(found.distance(), distance);
      EXPECT_EQ(found.node(), node);
      EXPECT_EQ(found.eligible(), node == 1);
      EXPECT_FALSE(found.expanded());
      found.set_expanded();
      EXPECT_TRUE(found.expanded());
      EXPECT_EQ(found.distance(), distance);
      EXPECT_EQ(found.node(), node);
    }
  }
}

TEST(Found, IsOrderedByDistanceThenNode) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<Found> ascending;
  for (const float distance : {-infinity, -2.0f, -1.0f, 0.0f, 1e-30f, 1.0f, 2.0f, infinity})
    for (const Node node : {Node{0}, Node{9}}) ascending.emplace_back(distance, node, node == 0);

  EXPECT_TRUE(std::is_sorted(ascending.begin(), ascending.end()));
  EXPECT_FALSE(ascending[3] < ascending[2]);
}

void offer(Pool& pool, const std::vector<Found>& found) {
  std::vector<Node> nodes;
  std::vector<float> distances;
  std::set<Node> eligible;
  for (const Found one : found) {
    nodes.push_back(one.node());
    distances.push_back(one.distance());
    if (one.eligible()) eligible.insert(one.node());
  }
  pool.offer(nodes.data(), distances.data(), found.size(), [&](Node node) { return eligible.contains(node); });
}

/// Distances from `nearest` on, up to 50 farther, no two of them equal.
Found some_distance_away(std::mt19937& random, Node node, bool eligible, float nearest = 0) {
  return {nearest + static_cast<float>(random() % 50) + static_cast<float>(node) / 8192, node, eligible};
}

/// The rules of the pool, by the book: of what was offered, what is within reach, until `most` of it count, and of the
/// others those that lie between and may be expanded. Farther ones than `bound` would not be kept, nor those beyond
/// `expanded_to` expanded.
struct ByTheBook {
  ByTheBook(std::vector<Found> offered, const Reach& reach) {
    std::sort(offered.begin(), offered.end());
    std::vector<float> counted;
    for (const Found found : offered)
      if (found.eligible()) counted.push_back(found.distance());
    if (counted.size() >= reach.least) {
      const float nearest = std::max(0.0f, counted[reach.k - 1] - reach.floor);
      bound = std::max(reach.floor + reach.stretch_kept * nearest, counted[reach.least - 1]);
      expanded_to = std::max(reach.floor + reach.stretch * nearest, counted[reach.least - 1]);
    }
    for (const Found found : offered) {
      if (eligible == reach.most || found.distance() > bound) break;
      eligible += found.eligible() ? 1 : 0;
      if (found.distance() <= expanded_to)
        items.push_back(found);
      else if (found.eligible())
        beyond.push_back(found);
    }
    if (eligible == reach.most && beyond.empty()) bound = items.back().distance();
  }

  std::vector<Found> items;
  std::vector<Found> beyond;
  std::size_t eligible = 0;
  float bound = std::numeric_limits<float>::infinity();
  float expanded_to = bound;
};

std::vector<Found> as_vector(std::span<const Found> found) { return {found.begin(), found.end()}; }

/// Twelve times up to 19 nodes, most of which count. After each time items and bound are as the book says, which only ever
/// falls; in the end what is beyond, too. Says what the book says in the end.
ByTheBook offer_at_random(Pool& pool, const Reach& reach, std::mt19937& random, float nearest = 0) {
  std::vector<Found> all;
  ByTheBook wanted(all, reach);
  float bound = wanted.bound;
  for (int step = 0; step < 12; ++step) {
    std::vector<Found> fresh;
    for (std::size_t i = random() % 20; i > 0; --i)
      fresh.push_back(some_distance_away(random, static_cast<Node>(all.size() + i), random() % 3 != 0, nearest));
    all.insert(all.end(), fresh.begin(), fresh.end());
    offer(pool, fresh);

    wanted = ByTheBook(all, reach);
    bound = std::min(bound, wanted.bound);
    EXPECT_EQ(as_vector(pool.items()), wanted.items);
    EXPECT_EQ(pool.bound(), bound);
  }
  std::vector<Found> beyond = as_vector(pool.beyond());
  std::sort(beyond.begin(), beyond.end());
  EXPECT_EQ(beyond, wanted.beyond);
  return wanted;
}

TEST(Pool, KeepsTheNearestOfWhatItIsOffered) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const std::size_t ef = 1 + random() % 40;
    Pool pool;
    pool.clear(ef, 100'000);

    offer_at_random(pool, {.least = ef, .most = ef}, random);
  }
}

// What stands out ends a search early, what lies close together lets it go on.
TEST(Pool, KeepsWhatIsWithinReachOfTheKthNearest) {
  std::mt19937 random(3);
  std::size_t more_than_least = 0;
  std::size_t with_beyond = 0;
  for (int round = 0; round < 500; ++round) {
    const std::size_t least = 1 + random() % 20;
    const float stretch = 1 + static_cast<float>(random() % 10) / 20;
    const Reach reach{.k = 1 + random() % least,
                      .least = least,
                      .most = least * (1 + random() % 4),
                      .stretch = stretch,
                      .stretch_kept = stretch * stretch,
                      .floor = random() % 2 == 0 ? 0.0f : -40.0f};
    Pool pool;
    pool.clear(reach);

    // Estimates of inner products are below zero.
    const ByTheBook wanted = offer_at_random(pool, reach, random, round % 2 == 0 ? 0.0f : reach.floor - 10);

    more_than_least += wanted.eligible > least ? 1 : 0;
    with_beyond += wanted.beyond.empty() ? 0 : 1;
  }
  EXPECT_GT(more_than_least, 50u);
  EXPECT_GT(with_beyond, 50u);
}

TEST(Pool, ExpandsWhatIsWithinReachAlone) {
  Pool pool;
  pool.clear({.k = 2, .least = 3, .most = 100, .stretch = 1.5f, .stretch_kept = 4});
  std::vector<Found> offered;
  for (Node node = 0; node < 8; ++node) offered.emplace_back(static_cast<float>(10 + node), node, true);
  offered.emplace_back(16.5f, Node{8}, true);
  offered.emplace_back(44.0f, Node{9}, true);
  offered.emplace_back(44.5f, Node{10}, true);
  offer(pool, offered);

  std::vector<Node> expanded;
  while (const Found* nearest = pool.next()) expanded.push_back(nearest->node());

  EXPECT_EQ(expanded, (std::vector<Node>{0, 1, 2, 3, 4, 5, 6, 8})) << "the second is at 11, so it reaches to 16.5";
  EXPECT_EQ(pool.beyond().size(), 2u) << "and keeps to 44";
  EXPECT_EQ(pool.bound(), 44.0f);

  offer(pool, {Found(1.0f, Node{20}, true), Found(2.0f, Node{21}, true)});

  EXPECT_EQ(pool.items().size(), 3u) << "now it keeps to 8, and the three nearest wherever they are";
  EXPECT_TRUE(pool.beyond().empty());
  EXPECT_EQ(pool.bound(), 10.0f);
  EXPECT_EQ(pool.next()->node(), Node{20});
}

TEST(Pool, TakesNothingThatIsNotNearerThanItsBoundOrNowhere) {
  Pool pool;
  pool.clear(2, 100);
  const float infinity = std::numeric_limits<float>::infinity();
  offer(pool, {Found(infinity, 1, true), Found(std::numeric_limits<float>::quiet_NaN(), 2, true), Found(1, 3, true)});
  ASSERT_EQ(pool.items().size(), 1u);

  offer(pool, {Found(2, 4, true)});
  offer(pool, {Found(2, 5, true), Found(3, 6, true)});

  ASSERT_EQ(pool.items().size(), 2u);
  EXPECT_EQ(pool.items()[1].node(), 4u) << "the first of two that are equally far";
}

// Many that are about equally far would otherwise be kept without end.
TEST(Pool, KeepsTheNearestOfTooManyBeyondWhatItExpands) {
  std::mt19937 random(4);
  const Reach reach{.k = 1, .least = 1, .most = 1000, .stretch = 1.1f, .stretch_kept = 100, .items_max = 50};
  Pool pool;
  pool.clear(reach);
  std::vector<float> distances;
  for (Node first = 0; first < 5000; first += 50) {
    std::vector<Found> fresh;
    for (Node node = first; node < first + 50; ++node) {
      fresh.emplace_back(node == 0 ? 1.0f : some_distance_away(random, node, true).distance() + 2, node, true);
      if (node > 0) distances.push_back(fresh.back().distance());
    }
    offer(pool, fresh);
  }
  std::sort(distances.begin(), distances.end());

  const std::size_t kept = pool.beyond().size();

  EXPECT_EQ(pool.items().size(), 1u);
  EXPECT_GE(kept, 50u);
  EXPECT_LE(kept, 2 * 50u + met_max);
  std::vector<float> beyond;
  for (const Found found : pool.beyond()) beyond.push_back(found.distance());
  std::sort(beyond.begin(), beyond.end());
  distances.resize(kept);
  EXPECT_EQ(beyond, distances) << "the nearest";
}

// What next() returns is the nearest that is not expanded, whatever is merged between.
TEST(Pool, ExpandsEverythingItKeepsOnceNearestFirst) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    Pool pool;
    pool.clear(1 + random() % 30, 1000);
    std::set<Node> expanded;
    Node node = 0;
    for (int step = 0; step < 60; ++step) {
      std::vector<Found> fresh;
      for (std::size_t i = random() % 6; i > 0; --i) {
        fresh.push_back(some_distance_away(random, node, random() % 2 == 0));
        ++node;
      }
      offer(pool, fresh);
      const Found* peeked = pool.peek();
      const Node expected = peeked == nullptr ? no_node : peeked->node();
      for (const Found found : pool.items()) {
        if (found.expanded()) continue;
        EXPECT_EQ(found.node(), expected);
        break;
      }
      const Found* nearest = pool.next();
      ASSERT_EQ(nearest == nullptr ? no_node : nearest->node(), expected);
      if (nearest != nullptr) {
        EXPECT_TRUE(expanded.insert(nearest->node()).second) << "twice";
      }
    }
    while (const Found* nearest = pool.next()) EXPECT_TRUE(expanded.insert(nearest->node()).second) << "twice";
    for (const Found found : pool.items()) EXPECT_TRUE(expanded.contains(found.node()));
  }
}

TEST(Pool, NeverHoldsMoreThanItIsAllowed) {
  Pool pool;
  pool.clear(4, 8);
  for (Node node = 0; node < 100; ++node) offer(pool, {Found(static_cast<float>(100 - node), node, false)});
  EXPECT_EQ(pool.items().size(), 8u);
  EXPECT_EQ(pool.items().front().node(), 99u);
  EXPECT_EQ(pool.bound(), pool.items().back().distance());

  pool.clear(4, 8);
  EXPECT_TRUE(pool.items().empty());
  EXPECT_EQ(pool.next(), nullptr);
  EXPECT_EQ(pool.peek(), nullptr);
}

TEST(Pool, HoldsTheNearestOfManyOfWhichFewCount) {
  Pool pool;
  pool.clear(4, 8);
  for (Node node = 0; node < 100; ++node) offer(pool, {Found(static_cast<float>(100 - node), node, node % 6 == 0)});

  std::vector<Node> held;
  for (const Found found : pool.items()) held.push_back(found.node());

  EXPECT_EQ(held, (std::vector<Node>{99, 98, 97, 96, 95, 94, 93, 92}));
  EXPECT_TRUE(pool.beyond().empty());
}

}  // namespace
}  // namespace loam::vector
