#include "loam/vector/graph_build.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
/// One of so many is linked before the others, and all that are in upper layers.
constexpr std::size_t first_ones = 8;
/// Candidates of which a node chooses the edges it keeps.
constexpr std::size_t settle_max = 96;

// With the default, 160, lists have 97 to 99 of 100 nearest neighbours (100,000 embeddings of text).
std::size_t division_count(std::size_t ef_construction) { return std::clamp<std::size_t>(ef_construction * 3 / 20, 8, 128); }
std::size_t candidate_count(std::size_t ef_construction) {
  return std::clamp<std::size_t>(ef_construction * 2 / 5, 40, settle_max);
}

}  // namespace

GraphBuild::GraphBuild(Graph& graph, std::uint64_t seed, std::size_t threads, const Context& context)
    : graph_(graph), seed_(seed), threads_(threads), context_(context), workers_(threads) {}

// Calls body(i, worker).
template <class Body>
Result<void> GraphBuild::for_all(std::size_t count, std::size_t block_size, Body body) {
  return parallel_for({.count = count, .block_size = block_size, .threads = threads_, .operation = "linking vectors"},
                      context_, [&](const ParallelBlock& block) -> Result<void> {
                        for (std::size_t i = block.first; i < block.last; ++i) body(i, workers_[block.worker]);
                        return {};
                      });
}

Result<void> GraphBuild::link(std::span<const Slot> slots) {
  LOAM_TRY(tell_equal_ones_apart(slots));
  LOAM_TRY(link_first_ones());
  {
    const std::size_t effort = graph_.options().ef_construction;
    NearLists near(graph_.codec(), wide_, candidate_count(effort));
    LOAM_TRY(near.find(division_count(effort), seed_, threads_, context_));
    LOAM_TRY(choose_edges(near));
    LOAM_TRY(grow_tree(near));
  }
  LOAM_TRY(add_edges_back());
  hang_chains();
  return {};
}

// The lowest slot of equal vectors becomes the node. Equal ones have equal codes; their hashes bring them together.
Result<void> GraphBuild::tell_equal_ones_apart(std::span<const Slot> slots) {
  const std::size_t bytes = graph_.codec().wide_bytes();
  std::vector<std::pair<std::uint64_t, Slot>> sorted(slots.size());
  LOAM_TRY(for_all(slots.size(), 256, [&](std::size_t i, Worker&) {
    const std::string_view code(reinterpret_cast<const char*>(graph_.wide(slots[i])), bytes);
    sorted[i] = {std::hash<std::string_view>()(code), slots[i]};
  }));
  const FullVectors& full = graph_.full_;
  const auto order = [&](Slot a, Slot b) { return std::memcmp(full.raw(a), full.raw(b), full.vector_bytes()); };
  std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const int by_value = order(a.second, b.second);
    return by_value != 0 ? by_value < 0 : a.second < b.second;
  });
  Slot head = no_node;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Slot slot = sorted[i].second;
    if (i > 0 && sorted[i].first == sorted[i - 1].first && order(head, slot) == 0) {
      chained_.emplace_back(head, slot);
      continue;
    }
    head = slot;
    nodes_.push_back(slot);
  }
  std::sort(nodes_.begin(), nodes_.end());
  for (const Slot slot : nodes_) wide_.push_back(graph_.wide(slot));
  place_of_.resize(nodes_.empty() ? 0 : nodes_.back() + 1u);
  for (Place place = 0; place < nodes_.size(); ++place) place_of_[node(place)] = place;
  in_tree_.assign(nodes_.size(), false);
  return {};
}

// By searches, one after the other: among so few, edges reach far, also out of clumps that have more vectors than a list.
// With a 16th, one of 2,000 vectors in 200 tight clusters did not find itself.
Result<void> GraphBuild::link_first_ones() {
  std::vector<Place> places;
  for (Place place = 0; place < nodes_.size(); ++place)
    if (place % first_ones == 0 || graph_.level_of(node(place)) > 0) places.push_back(place);
  return for_all(places.size(), 1, [&](std::size_t i, Worker& worker) {
    graph_.link(node(places[i]), worker.scratch);
    in_tree_[places[i]] = 1;
  });
}

// Each node's own choice; what others choose comes later.
Result<void> GraphBuild::choose_edges(const NearLists& near) {
  return for_all(nodes_.size(), 64, [&](std::size_t i, Worker& worker) {
    const auto place = static_cast<Place>(i);
    list_candidates(near, place, worker.scratch.candidates);
    for (const Candidate& one : worker.scratch.candidates) graph_.prefetch_wide(one.slot);
    take_edges(place, worker);
  });
}

// Those of scratch.candidates that become edges.
void GraphBuild::take_edges(Place place, Worker& worker) {
  const unsigned capacity = graph_.lowest().capacity();
  graph_.prune(worker.scratch.candidates, {.least = Graph::edges_chosen_least(capacity), .most = capacity}, {},
               worker.scratch);
  worker.further.clear();
  for (const Candidate& one : worker.scratch.candidates) worker.further.push_back(one.node);
  settle(node(place), worker.further, worker);
}

void GraphBuild::list_candidates(const NearLists& near, Place place, std::vector<Candidate>& candidates) const {
  candidates.clear();
  for (const Near& one : near.of(place)) {
    const Node other = node(place + one.ahead);
    candidates.push_back({one.distance, other, other});
  }
}

// Node by node, each hangs on a near one that is in the tree. Where that leads no farther, as from one cluster to another,
// a search finds one to go on from.
Result<void> GraphBuild::grow_tree(const NearLists& near) {
  Scratch& scratch = workers_[0].scratch;
  std::vector<Place> waiting;
  for (Place place = 0; place < nodes_.size(); ++place)
    if (in_tree_[place] == 0) waiting.push_back(place);
  while (!waiting.empty()) {
    LOAM_TRY(context_.check("linking vectors"));
    const std::size_t before = waiting.size();
    std::erase_if(waiting, [&](Place place) {
      list_candidates(near, place, scratch.candidates);
      return attach(place, scratch);
    });
    if (waiting.size() < before) continue;
    attach_by_search(waiting.back(), workers_[0]);
    waiting.pop_back();
  }
  return {};
}

// To one of scratch.candidates, nearest first. False when none is in the tree with room for a child.
bool GraphBuild::attach(Place place, Scratch& scratch) {
  std::erase_if(scratch.candidates, [&](const Candidate& one) { return in_tree_[place_of_[one.node]] == 0; });
  Edges edges;
  graph_.lowest().block(node(place)).read(edges);
  if (graph_.attach_near(graph_.lowest(), node(place), edges, scratch.candidates) == no_node) return false;
  in_tree_[place] = 1;
  return true;
}

// Some of what it finds become further edges: they lead from one cluster to another.
void GraphBuild::attach_by_search(Place place, Worker& worker) {
  Scratch& scratch = worker.scratch;
  Layer& layer = graph_.lowest();
  graph_.find_candidates(node(place), scratch);
  const std::vector<Candidate> found = scratch.candidates;
  take_edges(place, worker);
  scratch.candidates = found;
  if (attach(place, scratch)) return;
  Edges edges;
  layer.block(node(place)).read(edges);
  graph_.attach_somewhere(layer, node(place), edges);
  in_tree_[place] = 1;
}

// Those who chose a node, in the order of their places, whatever the threads did.
Result<void> GraphBuild::add_edges_back() {
  const auto for_chosen = [&](Place place, const auto& body) {
    Edges edges;
    graph_.lowest().block(node(place)).read(edges);
    for (unsigned i = edges.protected_edges; i < edges.degree; ++i) body(place_of_[edges.nodes[i]]);
  };
  std::vector<std::atomic<std::uint32_t>> counts(nodes_.size());
  LOAM_TRY(for_all(nodes_.size(), 256, [&](std::size_t i, Worker&) {
    for_chosen(static_cast<Place>(i), [&](Place to) { counts[to].fetch_add(1, std::memory_order_relaxed); });
  }));
  std::vector<std::size_t> begins(nodes_.size() + 1);
  for (std::size_t i = 0; i < nodes_.size(); ++i) begins[i + 1] = begins[i] + counts[i].load(std::memory_order_relaxed);
  std::vector<Node> choosers(begins.back());
  LOAM_TRY(for_all(nodes_.size(), 256, [&](std::size_t i, Worker&) {
    for_chosen(static_cast<Place>(i), [&](Place to) {
      choosers[begins[to + 1u] - counts[to].fetch_sub(1, std::memory_order_relaxed)] = node(static_cast<Place>(i));
    });
  }));
  return for_all(nodes_.size(), 64, [&](std::size_t i, Worker& worker) {
    const std::span<Node> mine = std::span(choosers).subspan(begins[i], begins[i + 1] - begins[i]);
    std::sort(mine.begin(), mine.end());
    settle(node(static_cast<Place>(i)), mine, worker);
  });
}

// Adds edges to `further` nodes. Where there is no room for all, the nearest settle_max are looked at, and the most shielded
// of them are given up one by one.
void GraphBuild::settle(Node node, std::span<const Node> further, Worker& worker) {
  Layer& layer = graph_.lowest();
  Adjacency block = layer.block(node);
  Edges edges;
  const NodeState state = block.read(edges);
  std::vector<Option>& options = worker.options;
  options.clear();
  for (unsigned i = 0; i < edges.degree; ++i) options.push_back({0, edges.nodes[i], i < edges.protected_edges});
  for (const Node to : further)
    if (to != node && !edges.contains(to)) options.push_back({0, to, false});
  if (options.size() > layer.capacity()) give_up_shielded(node, layer.capacity(), worker);
  edges.degree = edges.protected_edges;
  for (const Option& option : options)
    if (!option.in_tree) edges.nodes[edges.degree++] = option.node;
  block.write(state, edges);
}

void GraphBuild::give_up_shielded(Node node, std::size_t wanted, Worker& worker) {
  std::vector<Option>& options = worker.options;
  worker.records.clear();
  for (const Option& option : options) {
    graph_.prefetch_wide(option.node);
    worker.records.push_back(graph_.wide(option.node));
  }
  worker.distances.resize(options.size());
  graph_.codec().between(graph_.wide(node), worker.records.data(), options.size(), worker.distances.data());
  for (std::size_t i = 0; i < options.size(); ++i) options[i].distance = worker.distances[i];
  std::sort(options.begin(), options.end());
  if (options.size() > settle_max) {
    const auto far = options.begin() + settle_max;
    options.erase(std::remove_if(far, options.end(), [](const Option& option) { return !option.in_tree; }), options.end());
  }

  const std::size_t count = options.size();
  worker.records.clear();
  for (const Option& option : options) worker.records.push_back(graph_.wide(option.node));
  worker.distances.resize(count * count);
  graph_.codec().between_all(worker.records, worker.records, worker.distances.data());
  // Of those that are left, the one that lies nearest to each and nearer to the node than it.
  std::vector<std::size_t>& shields = worker.shields;
  shields.assign(count, count);
  const auto distance_to = [&](std::size_t i, std::size_t shield) {
    return shield == count ? infinite : worker.distances[i * count + shield];
  };
  const auto find_shield = [&](std::size_t i) {
    shields[i] = count;
    for (std::size_t j = 0; j < i; ++j)
      if (options[j].node != no_node && distance_to(i, j) < distance_to(i, shields[i])) shields[i] = j;
  };
  for (std::size_t i = 0; i < count; ++i) find_shield(i);
  for (std::size_t left = count; left > wanted; --left) {
    // Where none is shielded the farthest one goes.
    std::size_t given_up = count;
    float least = infinite;
    for (std::size_t i = count; i > 0; --i) {
      const Option& option = options[i - 1];
      if (option.in_tree || option.node == no_node) continue;
      const float ratio = std::min(1.0F, Graph::shield_ratio(distance_to(i - 1, shields[i - 1]), option.distance));
      if (ratio >= least) continue;
      least = ratio;
      given_up = i - 1;
    }
    options[given_up].node = no_node;
    for (std::size_t i = given_up + 1; i < count; ++i)
      if (shields[i] == given_up && options[i].node != no_node) find_shield(i);
  }
  std::erase_if(options, [](const Option& option) { return option.node == no_node; });
}

void GraphBuild::hang_chains() {
  for (const auto& [head, member] : chained_) {
    if (graph_.push_chain(head, member))
      graph_.chained_.fetch_add(1, std::memory_order_relaxed);
    else
      graph_.link(member, workers_[0].scratch);
  }
}

}  // namespace loam::vector
