#include "loam/vector/adjacency.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace loam::vector {
namespace {

/// A block with memory of its own.
class Block {
 public:
  explicit Block(unsigned capacity) : capacity_(capacity), words_(Adjacency::bytes(capacity) / 8 + 1, guard) {
    std::fill(words_.begin(), words_.end() - 1, 0);
  }
  Adjacency view() { return {reinterpret_cast<std::byte*>(words_.data()), capacity_, mark_}; }
  bool written() const { return mark_.load(); }
  bool nothing_behind_it_changed() const { return words_.back() == guard; }

 private:
  static constexpr std::uint64_t guard = 0xA5A5A5A5A5A5A5A5u;
  unsigned capacity_;
  std::vector<std::uint64_t> words_;
  ChangeMarks::Mark mark_ = false;
};

Edges edges_of(const std::vector<Node>& nodes, unsigned protected_edges) {
  Edges edges;
  for (const Node node : nodes) edges.nodes[edges.degree++] = node;
  edges.protected_edges = protected_edges;
  return edges;
}

std::vector<Node> nodes_of(const Edges& edges) { return {edges.nodes, edges.nodes + edges.degree}; }

TEST(NodeState, ItsPartsDoNotTouchEachOther) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t stamp = random() & stamp_max;
    const unsigned degree = random() % 49;
    const unsigned protected_edges = random() % 64;
    const bool live = random() % 2 == 0;
    const bool closing = random() % 2 == 0;
    const bool chained = random() % 2 == 0;

    const NodeState state = NodeState(random())
                                .with_chained(chained)
                                .with_stamp(stamp)
                                .with_live(live)
                                .with_edges(degree, protected_edges)
                                .with_closing(closing);

    EXPECT_EQ(state.stamp(), stamp);
    EXPECT_EQ(state.degree(), degree);
    EXPECT_EQ(state.protected_edges(), protected_edges);
    EXPECT_EQ(state.live(), live);
    EXPECT_EQ(state.closing(), closing);
    EXPECT_EQ(state.chained(), chained);
    EXPECT_EQ(state.next_write().word() >> 9, state.word() >> 9) << "a write number does not run over";
    EXPECT_NE(state.next_write().being_written(), state.being_written());
  }
}

TEST(Edges, InsertAndRemoveKeepTheOrder) {
  Edges edges = edges_of({10, 11, 12, 13}, 2);

  EXPECT_TRUE(edges.remove(12));
  EXPECT_EQ(edges.protected_edges, 2u);
  EXPECT_TRUE(edges.remove(10));
  EXPECT_EQ(edges.protected_edges, 1u) << "one of the first";
  EXPECT_FALSE(edges.remove(10));
  edges.insert_at(0, 20);
  edges.insert_at(3, 21);
  edges.insert_at(1, 22);

  EXPECT_EQ(nodes_of(edges), (std::vector<Node>{20, 22, 11, 13, 21}));
  EXPECT_EQ(edges.protected_edges, 1u) << "inserting leaves it to the caller";
  EXPECT_TRUE(edges.contains(13));
  EXPECT_FALSE(edges.contains(12));
}

TEST(Adjacency, OfEveryCapacityReadsWhatWasWritten) {
  std::mt19937 random(2);
  for (unsigned capacity = 1; capacity <= edges_max; ++capacity) {
    Block block(capacity);
    for (unsigned degree = 0; degree <= capacity; ++degree) {
      std::vector<Node> nodes(degree);
      for (Node& node : nodes) node = random() % 3 == 0 ? no_node - 1 : random() % no_node;
      const unsigned protected_edges = degree == 0 ? 0 : random() % (degree + 1);
      // The last place is the head of the chain, when there is room for it.
      const bool chained = degree < capacity && random() % 2 == 0;
      const Node chain = random() % no_node;
      const NodeState state = NodeState().with_live(true).with_chained(chained).with_stamp(degree * 1000);

      block.view().write(state, edges_of(nodes, protected_edges), chain);

      Edges read;
      const NodeState now = block.view().read(read);
      ASSERT_EQ(nodes_of(read), nodes) << "capacity " << capacity;
      ASSERT_EQ(read.protected_edges, protected_edges);
      ASSERT_EQ(block.view().chain(), chained ? chain : no_node) << "capacity " << capacity << ", degree " << degree;
      ASSERT_TRUE(now.live());
      ASSERT_EQ(now.stamp(), degree * 1000u);
      ASSERT_FALSE(now.being_written());
      ASSERT_TRUE(block.nothing_behind_it_changed());
    }
    EXPECT_TRUE(block.written());
  }
}

TEST(Adjacency, AStateAloneLeavesTheEdgesAlone) {
  Block block(32);
  block.view().write(NodeState(), edges_of({1, 2, 3}, 1));

  block.view().set_state(block.view().state().with_live(true).with_stamp(stamp_max).with_closing(true));

  Edges read;
  const NodeState state = block.view().read(read);
  EXPECT_EQ(nodes_of(read), (std::vector<Node>{1, 2, 3}));
  EXPECT_EQ(read.protected_edges, 1u);
  EXPECT_TRUE(state.live());
  EXPECT_TRUE(state.closing());
  EXPECT_EQ(state.stamp(), stamp_max);
  block.view().reset();
  EXPECT_EQ(block.view().state().word(), 0u);
}

// Every list is an arithmetic progression: a torn one is none.
TEST(Adjacency, ReadersSeeWholeListsWhileWritersReplaceThem) {
  constexpr unsigned capacity = 32;
  Block block(capacity);
  std::mutex writers;
  std::atomic<bool> stop = false;
  const auto write = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 20'000; ++i) {
      Edges edges;
      edges.degree = random() % capacity;
      const Node first = random() % 100'000;
      const Node step = 1 + random() % 1000;
      for (unsigned at = 0; at < edges.degree; ++at) edges.nodes[at] = first + at * step;
      edges.protected_edges = edges.degree / 2;
      const bool chained = edges.degree > 0 && random() % 2 == 0;
      const std::lock_guard lock(writers);
      Adjacency view = block.view();
      view.write(view.state().with_chained(chained), edges, chained ? first + step : no_node);
      if (i % 3 == 0) view.set_state(view.state().with_stamp(static_cast<std::uint64_t>(i)));
    }
  };
  const auto read = [&] {
    Edges edges;
    while (!stop.load()) {
      const NodeState state = block.view().read(edges);
      ASSERT_EQ(state.degree(), edges.degree);
      ASSERT_EQ(edges.protected_edges, edges.degree / 2);
      for (unsigned at = 2; at < edges.degree; ++at)
        ASSERT_EQ(edges.nodes[at] - edges.nodes[at - 1], edges.nodes[1] - edges.nodes[0]);
      const Node chain = block.view().chain();
      ASSERT_TRUE(chain == no_node || chain < 101'000);
    }
  };
  std::thread readers[] = {std::thread(read), std::thread(read)};
  std::thread both[] = {std::thread(write, 1), std::thread(write, 2)};
  for (std::thread& writer : both) writer.join();
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(block.nothing_behind_it_changed());
}

}  // namespace
}  // namespace loam::vector
