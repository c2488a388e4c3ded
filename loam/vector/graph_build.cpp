#include "loam/vector/graph_build.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string_view>

#include "loam/core/assert.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
/// One of so many is linked before the others, and all that are in upper layers.
constexpr std::uint32_t first_ones_stride = 8;
/// Candidates they look for, or two fifths of ef_construction: more of so few make no better graph. With 40, walks ended in
/// the wrong one of many clumps.
constexpr std::size_t first_ones_ef = 64;
/// Candidates of which a node chooses the edges it keeps.
constexpr std::size_t settle_max = 96;
static_assert(settle_max >= edges_max && settle_max <= prune_candidates_max);

constexpr std::string_view operation = "linking vectors";

// The more vectors there are, the smaller is the part of them that a leaf brings together. With the default ef_construction,
// 160, there are 24 divisions and lists of 64 up to 100,000 vectors, of which they then have 95 to 98 of 100 right, and 38
// divisions and lists of 93 for 1,000,000.
std::size_t effort(double of_ef, std::size_t ef_construction, std::size_t count, double exponent) {
  const double times = std::pow(std::max(1.0, static_cast<double>(count) / 1e5), exponent);
  return static_cast<std::size_t>(of_ef * static_cast<double>(ef_construction) * times);
}
std::size_t division_count(std::size_t ef_construction, std::size_t count) {
  return std::clamp<std::size_t>(effort(0.15, ef_construction, count, 1.0 / 5), 8, 128);
}
std::size_t candidate_count(std::size_t ef_construction, std::size_t count) {
  return std::clamp<std::size_t>(effort(0.4, ef_construction, count, 1.0 / 6), 40, settle_max);
}

// One of each so many that follow one another, by lot: sources may come in turns.
bool is_first_one(std::uint32_t place) {
  const std::uint32_t group = place / first_ones_stride;
  return group * first_ones_stride + (group * 0x9E3779B1u >> 16) % first_ones_stride == place;
}

}  // namespace

GraphBuild::GraphBuild(Graph& graph, std::uint64_t seed, std::size_t threads, const Context& context)
    : graph_(graph), seed_(seed), threads_(threads), context_(context), workers_(threads) {
  LOAM_ASSERT(threads > 0, "somebody has to do it");
}

// Calls body(i, worker).
template <class Body>
Result<void> GraphBuild::for_all(std::size_t count, std::size_t block_size, Body body) {
  return parallel_for({.count = count, .block_size = block_size, .threads = threads_, .operation = operation}, context_,
                      [&](const ParallelBlock& block) -> Result<void> {
                        for (std::size_t i = block.first; i < block.last; ++i) body(i, workers_[block.worker]);
                        return {};
                      });
}

Result<void> GraphBuild::link(std::span<const Slot> slots) {
  LOAM_TRY(tell_equal_ones_apart(slots));
  LOAM_TRY(link_first_ones());
  {
    const std::size_t ef = graph_.options().ef_construction;
    NearLists near(graph_.codec(), wide_, candidate_count(ef, nodes_.size()));
    LOAM_TRY(near.find({.divisions = division_count(ef, nodes_.size()), .seed = seed_, .threads = threads_}, context_));
    LOAM_TRY(choose_edges(near));
    LOAM_TRY(grow_tree(near));
  }
  LOAM_TRY(add_edges_back());
  return hang_chains();
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
    if (is_first_one(place) || graph_.level_of(node(place)) > 0) places.push_back(place);
  const std::size_t ef_construction = graph_.options().ef_construction;
  const std::size_t ef = std::min(ef_construction, std::max(first_ones_ef, ef_construction * 2 / 5));
  return for_all(places.size(), 1, [&](std::size_t i, Worker& worker) {
    graph_.link(node(places[i]), worker.scratch, {.ef = ef});
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
  for (const Found one : near.of(place)) {
    const Node other = node(NearLists::number_of(one, place));
    candidates.push_back({one.distance(), other, other});
  }
}

// Node by node, each hangs on a near one that is in the tree. Where that leads hardly farther, as from one cluster to
// another, searches find some to go on from: more each time, since each pass looks at all that wait.
Result<void> GraphBuild::grow_tree(const NearLists& near) {
  Worker& worker = workers_[0];
  std::vector<Place> waiting;
  for (Place place = 0; place < nodes_.size(); ++place)
    if (in_tree_[place] == 0) waiting.push_back(place);
  std::size_t searches = 1;
  while (!waiting.empty()) {
    LOAM_TRY(context_.check(operation));
    const std::size_t before = waiting.size();
    std::erase_if(waiting, [&](Place place) {
      list_candidates(near, place, worker.scratch.candidates);
      return attach(place, worker.scratch);
    });
    if ((before - waiting.size()) * 8 >= before) continue;
    for (std::size_t i = 0; i < searches && !waiting.empty(); ++i, waiting.pop_back()) {
      LOAM_TRY(context_.check(operation));
      attach_by_search(waiting.back(), worker);
    }
    searches *= 2;
  }
  return {};
}

// To the nearest of scratch.candidates that has room for a child, or below the nearest. False when none is in the tree.
bool GraphBuild::attach(Place place, Scratch& scratch) {
  const Layer& layer = graph_.lowest();
  std::vector<Candidate>& candidates = scratch.candidates;
  std::erase_if(candidates, [&](const Candidate& one) { return in_tree_[place_of_[one.node]] == 0; });
  if (candidates.empty()) return false;
  const Node nearest = candidates.front().node;
  std::erase_if(candidates, [&](const Candidate& one) {
    return layer.block(one.node).state().protected_edges() >= layer.capacity() / 2;
  });
  if (candidates.empty()) {
    attach_below(nearest, place);
    return true;
  }
  Edges edges;
  layer.block(node(place)).read(edges);
  const Node parent = graph_.attach_near(graph_.lowest(), node(place), edges, candidates);
  LOAM_ASSERT(parent != no_node, "nobody else takes the room for a child");
  in_tree_[place] = 1;
  return true;
}

void GraphBuild::attach_below(Node top, Place place) {
  Layer& layer = graph_.lowest();
  Edges edges;
  layer.block(node(place)).read(edges);
  const Node parent = graph_.room_below(layer, top, place);
  const Candidate candidate{0, parent, parent};
  const bool attached = graph_.attach_near(layer, node(place), edges, {&candidate, 1}) != no_node;
  LOAM_ASSERT(attached, "nobody else takes the room for a child");
  in_tree_[place] = 1;
}

// Some of what it finds become further edges: where that is another cluster, they lead there.
void GraphBuild::attach_by_search(Place place, Worker& worker) {
  Scratch& scratch = worker.scratch;
  graph_.find_candidates(node(place), scratch);
  const std::vector<Candidate> found = scratch.candidates;
  take_edges(place, worker);
  scratch.candidates = found;
  if (!attach(place, scratch)) attach_below(graph_.lowest().root(), place);
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
// No lock is taken: each node is settled by one thread, and nobody else uses the graph.
void GraphBuild::settle(Node of, std::span<const Node> further, Worker& worker) {
  Layer& layer = graph_.lowest();
  Adjacency block = layer.block(of);
  Edges edges;
  const NodeState state = block.read(edges);
  std::vector<Option>& options = worker.options;
  options.clear();
  for (unsigned i = 0; i < edges.degree; ++i) options.push_back({0, edges.nodes[i], i < edges.protected_edges});
  for (const Node to : further)
    if (to != of && !edges.contains(to)) options.push_back({0, to, false});
  if (options.size() > layer.capacity()) give_up_shielded(of, layer.capacity(), worker);
  edges.degree = edges.protected_edges;
  for (const Option& option : options)
    if (!option.in_tree) edges.nodes[edges.degree++] = option.node;
  block.write(state, edges);
}

void GraphBuild::give_up_shielded(Node of, std::size_t wanted, Worker& worker) {
  std::vector<Option>& options = worker.options;
  worker.records.clear();
  for (const Option& option : options) {
    graph_.prefetch_wide(option.node);
    worker.records.push_back(graph_.wide(option.node));
  }
  worker.distances.resize(options.size());
  graph_.codec().between(graph_.wide(of), worker.records.data(), options.size(), worker.distances.data());
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
    const std::size_t given_up = Graph::to_give_up(
        count, [&](std::size_t i) { return !options[i].in_tree && options[i].node != no_node; },
        [&](std::size_t i) { return Graph::shield_ratio(distance_to(i, shields[i]), options[i].distance); });
    options[given_up].node = no_node;
    for (std::size_t i = given_up + 1; i < count; ++i)
      if (shields[i] == given_up && options[i].node != no_node) find_shield(i);
  }
  std::erase_if(options, [](const Option& option) { return option.node == no_node; });
}

Result<void> GraphBuild::hang_chains() {
  for (const auto& [head, member] : chained_) {
    if (graph_.push_chain(head, member)) {
      graph_.chained_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    LOAM_TRY(context_.check(operation));
    graph_.link(member, workers_[0].scratch);
  }
  return {};
}

}  // namespace loam::vector
