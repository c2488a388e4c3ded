/// Indexes that are damaged on purpose: an auditor that finds nothing would pass every other test.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loam/vector/index_access_test_support.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

// What is not 0.
std::string counted(const Audit& audit) {
  std::string text;
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(audit.unreachable, "unreachable");
  add(audit.without_in_edge, "without in-edge");
  add(audit.dangling_edges, "dangling edges");
  add(audit.wrong_ids, "wrong ids");
  add(audit.wrong_codes, "wrong codes");
  return text;
}

// It counts this and nothing else, is not healthy, and says `words`.
testing::AssertionResult finds(const Index& index, const std::string& counts, const std::string& words) {
  const Audit audit = index.verify().value();
  const bool said = std::find(audit.findings.begin(), audit.findings.end(), words) != audit.findings.end();
  if (!audit.healthy() && counted(audit) == counts && said) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not \"" << words << "\" and " << counts << ", but "
                                     << (audit.healthy() ? "healthy" : counted(audit)) << ": "
                                     << testing::PrintToString(audit.findings);
}

std::string named(const char* before, std::size_t number, const char* after = "") {
  return before + std::to_string(number) + after;
}

// --- edges and codes

class AuditOfAGraph : public testing::Test {
 protected:
  static constexpr std::size_t count = 300;  // 11 of the slots are in the layer above

  AuditOfAGraph() {
    EXPECT_TRUE(index_->put_many(ids_from(0, count), normal_rows(count, 8, 1).values, 1).ok());
    EXPECT_EQ(index_->stats().layers, 2u);
    EXPECT_TRUE(healthy(*index_));
  }

  Layer& lowest() { return graph_of(*index_).lowest(); }
  Layer& above() { return *graph_of(*index_).upper().at(0); }
  static Node end_of(const Layer& layer) { return layer.lowest() ? static_cast<Node>(count) : layer.node_end(); }

  // The slot of one more, which hangs on that of `id`.
  Slot put_equal_to(std::int64_t id) {
    const Slot member = index_->put(count, index_->find(id).value()).value();
    EXPECT_EQ(index_->stats().duplicates, 1u);
    EXPECT_TRUE(healthy(*index_));
    return member;
  }

  // Without them all others are still in the tree.
  static std::vector<Node> leaves_of(const Layer& layer) {
    std::vector<Node> leaves;
    for (Node node = 0; node < end_of(layer); ++node)
      if (node != layer.root() && layer.block(node).state().protected_edges() == 1) leaves.push_back(node);
    return leaves;
  }

  static void cut_edges_to(Layer& layer, Node gone) {
    for (Node node = 0; node < end_of(layer); ++node) {
      Edges edges;
      Adjacency block = layer.block(node);
      const NodeState state = block.read(edges);
      if (edges.remove(gone)) block.write(state, edges);
    }
  }

  // In the place of an edge that is not of the tree, so that all others stay reachable.
  static void put_edge_to(Layer& layer, Node to) {
    for (Node node = 0; node < end_of(layer); ++node) {
      Edges edges;
      Adjacency block = layer.block(node);
      const NodeState state = block.read(edges);
      if (node == to || edges.degree <= edges.protected_edges) continue;
      edges.nodes[edges.degree - 1] = to;
      return block.write(state, edges);
    }
    ADD_FAILURE() << "there are none but tree edges";
  }

  static void set_only_edge(Layer& layer, Node node, Node to) {
    Edges edges;
    edges.insert_at(0, to);
    edges.protected_edges = 1;
    Adjacency block = layer.block(node);
    block.write(block.state(), edges);
  }

  const std::unique_ptr<Index> index_ =
      Index::create({.dimension = 8, .distance = Distance::euclidean, .flat_max = 0}).value();
};

TEST_F(AuditOfAGraph, FindsAVectorWithoutInEdge) {
  const Node leaf = leaves_of(lowest()).at(0);

  cut_edges_to(lowest(), leaf);

  const char* counts = "1 unreachable, 1 without in-edge";
  EXPECT_TRUE(finds(*index_, counts, named("slot ", leaf, " cannot be reached")));
  EXPECT_TRUE(finds(*index_, counts, named("no edge leads to slot ", leaf)));
}

TEST_F(AuditOfAGraph, FindsThatVectorsThatLeadToEachOtherAloneAreUnreachable) {
  const std::vector<Node> leaves = leaves_of(lowest());
  ASSERT_GE(leaves.size(), 2u);

  for (const std::size_t i : {0u, 1u}) cut_edges_to(lowest(), leaves[i]);
  for (const std::size_t i : {0u, 1u}) set_only_edge(lowest(), leaves[i], leaves[1 - i]);

  EXPECT_TRUE(finds(*index_, "2 unreachable", named("slot ", leaves[0], " cannot be reached")));
}

TEST_F(AuditOfAGraph, FindsThatNothingIsReachedWithoutARoot) {
  lowest().set_root(no_node);

  EXPECT_TRUE(finds(*index_, "300 unreachable", "slot 0 cannot be reached"));
}

TEST_F(AuditOfAGraph, FindsAnUpperNodeThatNoEdgeLeadsTo) {
  cut_edges_to(above(), leaves_of(above()).at(0));

  EXPECT_TRUE(finds(*index_, "1 unreachable", "1 nodes of an upper layer cannot be reached"));
}

TEST_F(AuditOfAGraph, FindsAnEdgeToASlotThatNeverWas) {
  put_edge_to(lowest(), count);

  EXPECT_TRUE(finds(*index_, "1 dangling edges", named("an edge leads to slot ", count)));
}

TEST_F(AuditOfAGraph, FindsAnEdgeToAnUpperNodeThatNeverWas) {
  const Node end = above().node_end();

  put_edge_to(above(), end);

  EXPECT_TRUE(finds(*index_, "1 dangling edges", named("an edge leads to upper node ", end)));
}

TEST_F(AuditOfAGraph, FindsAnEdgeToAFreeUpperNode) {
  const Slot slot = above().slot(leaves_of(above()).at(0));
  const Node node = above().find(slot);
  ASSERT_TRUE(index_->erase(IndexTestAccess::state(*index_).full.id(slot)).value());
  ASSERT_TRUE(index_->maintain().ok());
  ASSERT_EQ(above().free_nodes(), std::vector<Node>{node});
  ASSERT_TRUE(healthy(*index_));

  put_edge_to(above(), node);

  EXPECT_TRUE(finds(*index_, "1 dangling edges", named("an edge leads to upper node ", node, ", which is free")));
}

TEST_F(AuditOfAGraph, FindsAnEdgeToAFreeSlot) {
  const Slot slot = index_->slot_of(7).value();
  ASSERT_TRUE(index_->erase(7).value());
  ASSERT_TRUE(index_->maintain().ok());
  ASSERT_EQ(index_->stats().free_slots, 1u);
  ASSERT_TRUE(healthy(*index_));

  put_edge_to(lowest(), slot);

  EXPECT_TRUE(finds(*index_, "1 dangling edges", named("an edge leads to slot ", slot, ", which is free")));
}

TEST_F(AuditOfAGraph, FindsAVectorThatFellOutOfItsChain) {
  const Slot head = index_->slot_of(7).value();
  const Slot member = put_equal_to(7);

  Edges edges;
  Adjacency block = lowest().block(head);
  const NodeState state = block.read(edges);
  block.write(state.with_chained(false), edges);

  EXPECT_TRUE(finds(*index_, "1 unreachable, 1 without in-edge", named("slot ", member, " cannot be reached")));
}

TEST_F(AuditOfAGraph, FindsAChainWithoutEnd) {
  const Slot head = index_->slot_of(7).value();
  const Slot member = put_equal_to(7);

  Edges links;
  Adjacency block = lowest().block(member);
  const NodeState state = block.read(links);
  links.nodes[0] = member;
  block.write(state, links);

  EXPECT_TRUE(finds(*index_, "1 dangling edges", named("the chain of slot ", head, " does not end")));
}

TEST_F(AuditOfAGraph, FindsAnyWrongByteOfACodeOfAnUpperNode) {
  const Slot slot = above().slot(0);
  auto* const code = const_cast<std::uint8_t*>(above().narrow(0));

  for (std::size_t i = 0; i < graph_of(*index_).narrow_record(slot).size(); ++i) {
    code[i] ^= 1;
    EXPECT_TRUE(finds(*index_, "1 wrong codes", named("an upper node of slot ", slot, " has another code than it"))) << i;
    code[i] ^= 1;
  }

  EXPECT_TRUE(healthy(*index_));
}

TEST_F(AuditOfAGraph, FindsAnyWrongByteOfACode) {
  const Slot slot = 5;
  ASSERT_EQ(above().find(slot), no_node) << "no other code to compare it with";
  const Graph& graph = graph_of(*index_);
  auto* const narrow = const_cast<std::uint8_t*>(graph.narrow(slot));
  auto* const wide = const_cast<std::uint8_t*>(graph.wide(slot));

  for (std::size_t i = 0; i < graph.codec().narrow_bytes(); ++i) {
    narrow[i] ^= 1;
    EXPECT_TRUE(finds(*index_, "1 wrong codes", "the code of slot 5 is not of its vector")) << i;
    narrow[i] ^= 1;
  }
  for (std::size_t i = 0; i < graph.codec().wide_bytes(); ++i) {
    wide[i] ^= 1;
    EXPECT_TRUE(finds(*index_, "1 wrong codes", "the 8-bit code of slot 5 is not of its vector")) << i;
    wide[i] ^= 1;
  }

  EXPECT_TRUE(healthy(*index_));
}

TEST_F(AuditOfAGraph, FindsACodeThatIsWrongInAllItsCopies) {
  const Slot slot = above().slot(0);

  const_cast<std::uint8_t*>(graph_of(*index_).narrow(slot))[0] ^= 1;
  const_cast<std::uint8_t*>(above().narrow(0))[0] ^= 1;

  EXPECT_TRUE(finds(*index_, "1 wrong codes", named("the code of slot ", slot, " is not of its vector")));
}

// It is in the graph for its chain alone, and its vector may be lost.
TEST_F(AuditOfAGraph, FindsAWrongCodeOfAnErasedOneWithAChain) {
  const Slot head = index_->slot_of(7).value();
  const Slot member = put_equal_to(7);
  ASSERT_TRUE(index_->erase(7).value());
  ASSERT_TRUE(healthy(*index_));

  const_cast<std::uint8_t*>(graph_of(*index_).narrow(head))[0] ^= 1;

  const std::string words = named("the code of slot ", head, " is not that of slot ");
  EXPECT_TRUE(finds(*index_, "1 wrong codes", words + std::to_string(member) + " in its chain"));
}

TEST_F(AuditOfAGraph, FindsAWrongCodeInTheChain) {
  const Slot member = put_equal_to(7);

  const_cast<std::uint8_t*>(graph_of(*index_).narrow(member))[0] ^= 1;

  EXPECT_TRUE(finds(*index_, "1 wrong codes", named("the code of slot ", member, " is not of its vector")));
}

// --- ids and slots, by flat_max

class AuditOfIds : public testing::TestWithParam<std::size_t> {
 protected:
  static constexpr std::size_t count = 50;

  AuditOfIds() {
    EXPECT_TRUE(index_->put_many(ids_from(0, count), normal_rows(count, 4, 2).values, 1).ok());
    EXPECT_EQ(index_->stats().layers > 0, GetParam() == 0);
    EXPECT_TRUE(healthy(*index_));
  }

  Slot slot_of(std::int64_t id) const { return index_->slot_of(id).value(); }

  const std::unique_ptr<Index> index_ =
      Index::create({.dimension = 4, .distance = Distance::euclidean, .flat_max = GetParam()}).value();
  IndexTestAccess::State& state_ = IndexTestAccess::state(*index_);
};

INSTANTIATE_TEST_SUITE_P(GraphAndFlat, AuditOfIds, testing::Values(0, 4096));

TEST_P(AuditOfIds, FindsAnIdWithTheSlotOfAnother) {
  const Slot slot = slot_of(3);

  ASSERT_EQ(state_.ids.replace(3, slot_of(4), state_.id_of()), slot);

  EXPECT_TRUE(finds(*index_, "2 wrong ids", named("slot ", slot, " holds id 3, whose slot is another")));
  EXPECT_TRUE(finds(*index_, "2 wrong ids", "50 ids are known, 49 have a slot"));
}

TEST_P(AuditOfIds, FindsAnIdThatIsNotKnown) {
  const Slot slot = slot_of(3);

  ASSERT_EQ(state_.ids.erase(3, state_.id_of()), slot);

  EXPECT_TRUE(finds(*index_, "1 wrong ids", named("slot ", slot, " holds id 3, whose slot is another")));
}

TEST_P(AuditOfIds, FindsAnIdThatNoSlotHolds) {
  state_.ids.insert(1000, slot_of(3), state_.id_of());

  EXPECT_TRUE(finds(*index_, "1 wrong ids", "51 ids are known, 50 have a slot"));
}

TEST_P(AuditOfIds, FindsALiveSlotWhoseStateIsNot) {
  const Slot slot = slot_of(3);

  state_.change_state(slot, [](NodeState state) { return state.with_live(false); });

  EXPECT_TRUE(finds(*index_, "1 wrong ids", named("slot ", slot, " is live and free")));
}

TEST_P(AuditOfIds, FindsASlotThatIsFreeTwice) {
  const Slot slot = slot_of(3);
  ASSERT_TRUE(index_->erase(3).value());
  ASSERT_TRUE(index_->maintain().ok());
  ASSERT_EQ(state_.free_slots, std::vector<Slot>{slot});
  ASSERT_TRUE(healthy(*index_));

  state_.free_slots.push_back(slot);

  EXPECT_TRUE(finds(*index_, "1 wrong ids", named("slot ", slot, " is free twice or does not exist")));
}

TEST_P(AuditOfIds, CountsAllAndNamesTheFirstTwenty) {
  for (std::int64_t id = 0; id < 30; ++id) ASSERT_TRUE(state_.ids.erase(id, state_.id_of()));

  const Audit audit = index_->verify().value();

  EXPECT_EQ(counted(audit), "30 wrong ids");
  EXPECT_EQ(audit.findings.size(), 20u);
}

}  // namespace
}  // namespace loam::vector
