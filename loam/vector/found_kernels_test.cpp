#include "loam/vector/found_kernels.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Picked {
  std::vector<Found> near;
  std::vector<Found> beyond;
  friend bool operator==(const Picked&, const Picked&) = default;
};

Picked pick(const std::vector<Node>& nodes, const std::vector<float>& distances, float near_to, float below) {
  Picked picked{std::vector<Found>(nodes.size() + found_room), std::vector<Found>(nodes.size() + found_room)};
  const FoundCounts counts = found_kernels().pick({nodes.data(), distances.data(), nodes.size(), near_to, below},
                                                  picked.near.data(), picked.beyond.data());
  picked.near.resize(counts.near);
  picked.beyond.resize(counts.beyond);
  return picked;
}

TEST(FoundKernels, PickWhatIsNearerThanTheBoundInItsOrder) {
  std::mt19937 random(1);
  on_every_target([&] {
    for (std::size_t count = 0; count <= met_max; ++count) {
      std::vector<Node> nodes;
      std::vector<float> distances;
      Picked wanted;
      const float below = count % 5 == 0 ? infinity : static_cast<float>(random() % 20) - 10;
      const float near_to = count % 7 == 0 ? infinity : static_cast<float>(random() % 20) - 10;
      for (std::size_t i = 0; i < count; ++i) {
        nodes.push_back(static_cast<Node>(random() % no_node));
        distances.push_back(static_cast<float>(random() % 40) / 2 - 10);
        if (!(distances[i] < below)) continue;
        (distances[i] <= near_to ? wanted.near : wanted.beyond).emplace_back(distances[i], nodes[i], true);
      }
      EXPECT_EQ(pick(nodes, distances, near_to, below), wanted) << count;
    }
  });
}

TEST(FoundKernels, PickNothingThatIsNoDistance) {
  on_every_target([] {
    const std::vector<float> distances{std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, -0.0f,
                                       std::numeric_limits<float>::denorm_min()};
    const Picked picked = pick({0, 1, 2, 3, no_node - 1}, distances, infinity, infinity);

    EXPECT_EQ(picked.near, (std::vector<Found>{Found(-infinity, 2, true), Found(-0.0f, 3, true),
                                               Found(distances[4], no_node - 1, true)}));
    EXPECT_TRUE(picked.beyond.empty());
  });
}

TEST(FoundKernels, MergeAsSortingDoes) {
  std::mt19937 random(2);
  const auto some = [&](Node node) { return Found(static_cast<float>(random() % 100) - 50, node, random() % 2 == 0); };
  on_every_target([&] {
    for (int round = 0; round < 2000; ++round) {
      const std::size_t size = random() % (round % 10 == 0 ? 2000 : 70);
      const std::size_t count = 1 + random() % (round % 3 == 0 ? met_max : 6);
      std::vector<Found> sorted;
      for (std::size_t i = 0; i < size; ++i) sorted.push_back(some(static_cast<Node>(i)));
      std::sort(sorted.begin(), sorted.end());
      std::vector<Found> fresh;
      for (std::size_t i = 0; i < count; ++i) fresh.push_back(some(static_cast<Node>(size + i)));
      std::vector<Found> wanted = sorted;
      wanted.insert(wanted.end(), fresh.begin(), fresh.end());
      std::sort(wanted.begin(), wanted.end());
      const Found nearest = *std::min_element(fresh.begin(), fresh.end());
      const Found behind(1, no_node, false);
      std::vector<Found> items(size + count + found_room + 1, behind);
      std::copy(sorted.begin(), sorted.end(), items.begin());

      const std::size_t place = found_kernels().merge(items.data(), size, fresh.data(), count);

      ASSERT_EQ(items.back(), behind) << "written past the room";
      items.resize(size + count);
      ASSERT_EQ(items, wanted) << count << " into " << size;
      ASSERT_EQ(items[place], nearest);
    }
  });
}

}  // namespace
}  // namespace loam::vector
