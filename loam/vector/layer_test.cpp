#include "loam/vector/layer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace loam::vector {
namespace {

constexpr std::size_t narrow_bytes = 12;

std::vector<std::uint8_t> narrow_of(Slot slot) {
  return std::vector<std::uint8_t>(narrow_bytes, static_cast<std::uint8_t>(slot));
}

TEST(Layer, OfTheSlotsHasASlotForEachNode) {
  RecordArray records(16 + Adjacency::bytes(32));
  ASSERT_TRUE(records.reserve(9).ok());
  Layer layer(records, 16, 32);

  EXPECT_TRUE(layer.lowest());
  EXPECT_EQ(layer.slot(7), 7u);
  EXPECT_EQ(layer.below(7), 7u);
  Edges edges;
  edges.nodes[edges.degree++] = 3;
  layer.block(7).write(NodeState(), edges);
  Edges read;
  layer.block(7).read(read);
  EXPECT_EQ(read.degree, 1u);
  layer.block(6).read(read);
  EXPECT_EQ(read.degree, 0u);
  EXPECT_EQ(*records.at(7), std::byte{0}) << "what lies before the block";
  EXPECT_EQ(reinterpret_cast<const std::byte*>(layer.narrow(7)), records.at(7));
}

TEST(Layer, NumbersItsNodesAndUsesThemAgain) {
  Layer layer(narrow_bytes, 16);
  EXPECT_EQ(layer.node_end(), 0u);
  EXPECT_EQ(layer.find(5), no_node);
  for (Slot slot = 0; slot < 1000; ++slot) EXPECT_EQ(layer.add(slot * 32, slot + 1, narrow_of(slot)), slot);

  EXPECT_EQ(layer.size(), 1000u);
  EXPECT_EQ(layer.node_end(), 1000u);
  EXPECT_EQ(layer.find(32 * 77), 77u);
  EXPECT_EQ(layer.slot(77), 32u * 77);
  EXPECT_EQ(layer.below(77), 78u);
  EXPECT_EQ(std::vector<std::uint8_t>(layer.narrow(77), layer.narrow(77) + narrow_bytes), narrow_of(77));
  EXPECT_GT(layer.bytes(), 1000 * (narrow_bytes + Adjacency::bytes(16)));

  Edges edges;
  edges.nodes[edges.degree++] = 1;
  layer.block(77).write(NodeState().with_closing(true), edges);
  layer.forget(32 * 77);
  EXPECT_EQ(layer.find(32 * 77), no_node);
  EXPECT_EQ(layer.slot(77), 32u * 77) << "who stands on it can still read it";
  EXPECT_EQ(layer.add(5, 6, narrow_of(5)), 1000u) << "it is not free before nobody reads it";
  layer.free(77);
  EXPECT_EQ(layer.add(9, 8, narrow_of(9)), 77u);
  EXPECT_EQ(layer.slot(77), 9u);
  EXPECT_EQ(*layer.narrow(77), 9u);
  EXPECT_EQ(layer.block(77).state().word(), 0u) << "nothing is left of the former one";
  EXPECT_EQ(layer.size(), 1001u);
}

TEST(Layer, HasOneFirstRoot) {
  Layer layer(narrow_bytes, 16);
  EXPECT_EQ(layer.root(), no_node);
  std::atomic<int> first = 0;
  std::vector<std::thread> threads;
  for (Node node = 0; node < 8; ++node) threads.emplace_back([&, node] { first += layer.become_first_root(node) ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(first.load(), 1);
  EXPECT_LT(layer.root(), 8u);
  layer.set_root(no_node);
  EXPECT_TRUE(layer.become_first_root(3));
  EXPECT_EQ(layer.root(), 3u);
}

TEST(Layer, EveryThreadGetsNodesOfItsOwn) {
  Layer layer(narrow_bytes, 8);
  std::vector<std::vector<Node>> nodes(4);
  std::vector<std::thread> threads;
  for (std::size_t who = 0; who < 4; ++who)
    threads.emplace_back([&, who] {
      for (Slot i = 0; i < 500; ++i) {
        const Slot slot = static_cast<Slot>(who) * 1000 + i;
        nodes[who].push_back(layer.add(slot, slot, narrow_of(slot)));
        if (i % 3 != 0) continue;
        layer.forget(slot);
        layer.free(nodes[who].back());
        nodes[who].pop_back();
      }
    });
  for (std::thread& thread : threads) thread.join();

  std::set<Node> all;
  for (std::size_t who = 0; who < 4; ++who)
    for (const Node node : nodes[who]) {
      EXPECT_TRUE(all.insert(node).second) << node;
      EXPECT_EQ(layer.find(layer.slot(node)), node);
      EXPECT_EQ(layer.slot(node) / 1000, who);
    }
  EXPECT_EQ(layer.size(), all.size());
}

TEST(SpinLock, LetsOneInAtATime) {
  SpinLock lock;
  int count = 0;
  std::vector<std::thread> threads;
  for (int who = 0; who < 4; ++who)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const std::lock_guard inside(lock);
        ++count;
      }
    });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(count, 20'000);
}

}  // namespace
}  // namespace loam::vector
