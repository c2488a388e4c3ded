#pragma once

/// Many vectors into an empty graph at once. Internal.
///
/// Candidates for edges come from near_lists.hpp instead of a search for each vector (Rubel et al., "PiPNN: Ultra-Scalable
/// Graph-Based Nearest Neighbor Indexing", 2026); edges are chosen by the rules of graph.hpp. An eighth of the
/// vectors, and what is in the upper layers, is linked one by one before the others.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/graph.hpp"
#include "loam/vector/near_lists.hpp"

namespace loam::vector {

/// Of a graph that nobody else uses. *needs external synchronization*
class GraphBuild {
 public:
  GraphBuild(Graph& graph, std::uint64_t seed, std::size_t threads, const Context& context);

  /// Links `slots`, which are encoded; the graph is empty. Effort follows from ef_construction. While it runs it takes 600
  /// to 800 bytes of memory for each vector, and 24 for each that chooses one that very many choose. Fails only as the
  /// context does: then the graph is good for nothing. Once.
  Result<void> link(std::span<const Slot> slots);

 private:
  /// Number of a vector among those that become nodes.
  using Place = std::uint32_t;
  /// An edge that a node has or may have.
  struct Option {
    float distance;
    Node node;  ///< no_node: given up
    bool in_tree;
    friend bool operator<(const Option& a, const Option& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
    }
  };
  /// What one thread works with.
  struct Worker {
    Scratch scratch;
    std::vector<Node> further;
    std::vector<Option> options;
    std::vector<const std::uint8_t*> records;
    std::vector<float> distances;
    std::vector<std::size_t> shields;
  };

  template <class Body>
  Result<void> for_all(std::size_t count, std::size_t block_size, Body body);
  Node node(Place place) const noexcept { return nodes_[place]; }

  Result<void> tell_equal_ones_apart(std::span<const Slot> slots);
  Result<void> link_first_ones();
  Result<void> choose_edges(const NearLists& near);
  void take_edges(Place place, Worker& worker);
  Result<void> grow_tree(const NearLists& near);
  bool attach(Place place, Scratch& scratch);
  void attach_below(Node top, Place place);
  void attach_by_search(Place place, Worker& worker);
  Result<void> add_edges_back();
  void settle(Node of, std::span<const Node> further, Worker& worker);
  void give_up_shielded(Node of, std::size_t wanted, Worker& worker);
  Result<void> hang_chains();
  void list_candidates(const NearLists& near, Place place, std::vector<Candidate>& candidates) const;

  Graph& graph_;
  const std::uint64_t seed_;
  const std::size_t threads_;
  const Context& context_;
  std::vector<Worker> workers_;
  std::vector<Slot> nodes_;                     // by place, ascending
  std::vector<Place> place_of_;                 // by node
  std::vector<const std::uint8_t*> wide_;       // by place
  std::vector<std::uint8_t> in_tree_;           // by place
  std::vector<std::pair<Slot, Slot>> chained_;  // a node and one that is equal to it
};

}  // namespace loam::vector
