#include <algorithm>

#include "loam/vector/graph.hpp"

namespace loam::vector {
namespace {

/// How far around an erased vector its in-neighbours are looked for, how many replacements each of them is offered, and how
/// many it takes though other edges shield them.
constexpr std::size_t repair_ef = 96;
constexpr std::size_t replacements_max = 12;
constexpr std::size_t replacements_min = 2;

}  // namespace

Graph::Unlinked Graph::unlink(Slot slot, Scratch& scratch, Slot& anchor) {
  anchor = no_node;
  {
    const std::lock_guard chains(chain_mutex_);
    const NodeState state = this->state(slot);
    if (state.protected_edges() == chain_mark) {
      leave_chain(slot, anchor);
      return Unlinked::chain_member;
    }
    if (state.chained()) {
      kept_.insert(slot);
      return Unlinked::kept_for_chain;
    }
  }
  // From the top, so that no node leads down to one that has gone.
  for (std::size_t level = level_of(slot); level > 0; --level) {
    Layer& layer = *upper_[level - 1];
    const Node node = layer.find(slot);
    if (node == no_node) continue;
    unlink_from(layer, node, scratch);
    layer.forget(slot);
    const std::lock_guard lock(upper_mutex_);
    upper_gone_.push_back({level - 1, node});
  }
  // It may have become the head of a chain in the meantime.
  return unlink_from(lowest_, slot, scratch) ? Unlinked::yes : unlink(slot, scratch, anchor);
}

Node Graph::chain_next(Slot member) const {
  Edges links;
  lowest_.block(member).read(links);
  return links.nodes[0];
}

// Under chain_mutex_. The member keeps its own links, for readers that stand on it.
void Graph::leave_chain(Slot member, Slot& anchor) {
  Edges links;
  lowest_.block(member).read(links);
  const Node next = links.nodes[0];
  const Node before = links.nodes[1];
  ChangeMarks::set(lowest_.changes().of(member));  // though nothing of it is written
  if (next != no_node) {
    const std::lock_guard lock(lowest_.lock(next));
    write_chain_links(next, chain_next(next), before);
  }
  const std::lock_guard lock(lowest_.lock(before));
  Adjacency block = lowest_.block(before);
  Edges edges;
  const NodeState state = block.read(edges);
  if (state.protected_edges() == chain_mark) {
    write_chain_links(before, next, edges.nodes[1]);
  } else {
    block.write(state.with_chained(next != no_node), edges, next);
    if (next == no_node) anchors_.clear(before);
    if (next == no_node && kept_.erase(before) > 0) anchor = before;
  }
  chained_.fetch_sub(1, std::memory_order_relaxed);
}

// The search starts at the node itself: who points to it is nearly always among those it is near to. The few that are missed
// are found by the sweep.
bool Graph::unlink_from(Layer& layer, Node node, Scratch& scratch) {
  const Slot slot = layer.slot(node);
  std::vector<Node>& pointing = scratch.nodes;
  pointing.clear();
  scratch.entries.assign(1, node);
  scratch.pool.clear(repair_ef, 2 * repair_ef);
  std::size_t ignored = 0;
  const auto note = [&](Node other, const Edges& edges) {
    if (other != node && edges.contains(node)) pointing.push_back(other);
  };
  beam(layer, WideScorer{*this, wide(slot)}, [](Node) { return true; }, scratch, ignored, note);
  std::vector<Candidate>& near = scratch.replacements;
  near.clear();
  for (const Found found : scratch.pool.items())
    if (found.node() != node && near.size() < 2 * replacements_max && !layer.block(found.node()).state().closing())
      near.push_back({found.distance(), found.node(), layer.slot(found.node())});

  Edges edges;
  layer.block(node).read(edges);
  if (!leave_tree(layer, node)) return false;
  for (const Node other : pointing) replace_edge(layer, other, node, scratch);
  for (unsigned i = 0; i < edges.degree; ++i) lead_to(layer, edges.nodes[i], near);
  return true;
}

// What an erased node led to gets a new edge from the nearest to it of `near`.
void Graph::lead_to(Layer& layer, Node node, std::span<const Candidate> near) {
  const Slot slot = layer.slot(node);
  if (near.empty() || layer.block(node).state().closing()) return;
  const std::uint8_t* records[2 * replacements_max];
  float distances[2 * replacements_max];
  for (std::size_t i = 0; i < near.size(); ++i) records[i] = wide(near[i].slot);
  codec_->between(wide(slot), records, near.size(), distances);
  std::size_t nearest = near.size();
  for (std::size_t i = 0; i < near.size(); ++i) {
    if (near[i].node == node || layer.block(near[i].node).state().closing()) continue;
    if (nearest == near.size() || distances[i] < distances[nearest]) nearest = i;
  }
  if (nearest < near.size()) add_edge(layer, near[nearest].node, node, slot);
}

// The nearest child takes the place of the node, and the others hang below it: what hung together, such as a clump of nearly
// equal vectors, goes on doing so. False when a chain has begun at the node in the meantime: it stays.
bool Graph::leave_tree(Layer& layer, Node node) {
  const std::lock_guard tree(tree_mutex_);
  Edges edges;
  {
    const std::lock_guard lock(layer.lock(node));
    Adjacency block = layer.block(node);
    if (block.state().chained()) return false;
    // Only here, where nobody else is leaving: who is closing has no place in the tree any more when the lock is free again.
    block.set_state(block.state().with_closing(true));
    block.read(edges);
  }
  const bool is_root = layer.root() == node;
  if (!is_root && edges.protected_edges == 0) return true;  // it was never linked
  const Node parent = is_root ? no_node : edges.nodes[0];
  const std::span<Node> children = std::span(edges.nodes, edges.protected_edges).subspan(is_root ? 0 : 1);
  if (children.empty()) {
    is_root ? layer.set_root(no_node) : replace_child(layer, parent, node, no_node);
    return true;
  }
  nearest_first(layer, node, children);
  const Node heir = children.front();
  if (is_root) {
    become_root(layer, heir, node);
  } else {
    replace_child(layer, parent, node, heir);
    adopt(layer, heir, node, parent);
  }
  hang_below(layer, heir, node, children.subspan(1));
  return true;
}

void Graph::nearest_first(const Layer& layer, Node node, std::span<Node> children) const {
  const std::uint8_t* records[edges_max];
  float distances[edges_max];
  for (std::size_t i = 0; i < children.size(); ++i) records[i] = wide(layer.slot(children[i]));
  codec_->between(wide(layer.slot(node)), records, children.size(), distances);
  const auto nearest = std::min_element(distances, distances + children.size()) - distances;
  std::swap(children.front(), children[static_cast<std::size_t>(nearest)]);
}

// The children of `former` go to the first places from `top` down that have room; a leaf has. Under tree_mutex_.
void Graph::hang_below(Layer& layer, Node top, Node former, std::span<const Node> children) {
  std::vector<Node> places{top};
  for (std::size_t at = 0; at < places.size(); ++at) {
    const Node place = places[at];
    while (!children.empty() && add_child(layer, place, children.front(), layer.capacity())) {
      adopt(layer, children.front(), former, place);
      children = children.subspan(1);
    }
    if (children.empty()) return;
    Edges theirs;
    layer.block(place).read(theirs);
    for (unsigned i = place == layer.root() ? 0 : 1; i < theirs.protected_edges; ++i) places.push_back(theirs.nodes[i]);
  }
  LOAM_ASSERT(false, "the spanning tree of a layer has no room");
}

void Graph::become_root(Layer& layer, Node heir, Node former) {
  const std::lock_guard lock(layer.lock(heir));
  Adjacency block = layer.block(heir);
  Edges edges;
  const NodeState state = block.read(edges);
  edges.remove(former);
  block.write(state, edges, state.chained() ? block.chain() : no_node);
  layer.set_root(heir);
}

// `heir`, unless it is no_node, gets the tree edge that led to `child`.
void Graph::replace_child(Layer& layer, Node parent, Node child, Node heir) {
  const std::lock_guard lock(layer.lock(parent));
  Adjacency block = layer.block(parent);
  Edges edges;
  const NodeState state = block.read(edges);
  edges.remove(child);
  if (heir != no_node) {
    edges.remove(heir);
    edges.insert_at(edges.protected_edges, heir);
    ++edges.protected_edges;
  }
  block.write(state, edges, state.chained() ? block.chain() : no_node);
}

// The other direction of a new tree edge.
void Graph::adopt(Layer& layer, Node child, Node former, Node parent) {
  const std::lock_guard lock(layer.lock(child));
  Adjacency block = layer.block(child);
  Edges edges;
  const NodeState state = block.read(edges);
  const Node chain = state.chained() ? block.chain() : no_node;
  LOAM_ASSERT(edges.degree > 0 && edges.nodes[0] == former, "a child does not know its parent");
  edges.remove(former);
  edges.remove(parent);
  edges.insert_at(0, parent);
  ++edges.protected_edges;
  block.write(state, edges, chain);
}

// scratch.replacements holds what lies near the node that has gone: what none of the other edges shields takes its place, or
// the least shielded.
void Graph::replace_edge(Layer& layer, Node node, Node gone, Scratch& scratch) {
  const std::lock_guard lock(layer.lock(node));
  Adjacency block = layer.block(node);
  Edges edges;
  const NodeState state = block.read(edges);
  if (state.closing()) return;
  const Node chain = state.chained() ? block.chain() : no_node;
  edges.remove(gone);  // a tree edge is gone already
  if (edges.degree == room(layer, state)) return;
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  for (unsigned i = 0; i < edges.degree; ++i) candidates.push_back({0, edges.nodes[i], layer.slot(edges.nodes[i])});
  std::size_t offered = 0;
  for (const Candidate& near : scratch.replacements) {
    if (offered == replacements_max) break;
    if (near.node == node || edges.contains(near.node) || layer.block(near.node).state().closing()) continue;
    candidates.push_back(near);
    ++offered;
  }
  measure(layer.slot(node), candidates, scratch);
  prune(candidates, {.least = replacements_min, .most = room(layer, state) - edges.degree},
        std::span(edges.nodes, edges.degree), scratch);
  for (const Candidate& candidate : candidates) edges.nodes[edges.degree++] = candidate.node;
  block.write(state, edges, chain);
}

void Graph::remove_edges(Layer& layer, const SlotBitmap& gone, Node first, Node last) {
  Edges edges;
  for (Node node = first; node < last; ++node) {
    Adjacency block = layer.block(node);
    if (block.state().protected_edges() == chain_mark) continue;
    block.read(edges);
    bool found = false;
    for (unsigned i = 0; i < edges.degree; ++i) found |= gone.contains(edges.nodes[i]);
    if (!found) continue;
    const std::lock_guard lock(layer.lock(node));
    const NodeState state = block.read(edges);
    const Node chain = state.chained() ? block.chain() : no_node;
    for (unsigned i = edges.degree; i > 0; --i)
      if (gone.contains(edges.nodes[i - 1])) edges.remove(edges.nodes[i - 1]);
    block.write(state, edges, chain);
  }
}

Graph::Gone Graph::begin_sweep(std::span<const Slot> slots, bool all) {
  Gone gone;
  gone.slots = SlotBitmap(0);
  for (const Slot slot : slots) gone.slots.insert(slot);
  const std::lock_guard lock(upper_mutex_);
  const auto first = std::partition(upper_gone_.begin(), upper_gone_.end(), [&](const UpperNode& one) {
    return !all && !gone.slots.contains(upper_[one.layer]->slot(one.node));
  });
  gone.upper.assign(first, upper_gone_.end());
  upper_gone_.erase(first, upper_gone_.end());
  return gone;
}

bool Graph::upper_waits() {
  const std::lock_guard lock(upper_mutex_);
  return !upper_gone_.empty();
}

void Graph::sweep(const Gone& gone, Node first, Node last) { remove_edges(lowest_, gone.slots, first, last); }

void Graph::sweep_upper(const Gone& gone) {
  for (std::size_t i = 0; i < upper_.size(); ++i) {
    SlotBitmap nodes;
    for (const UpperNode& one : gone.upper)
      if (one.layer == i) nodes.insert(one.node);
    if (nodes.cardinality() > 0) remove_edges(*upper_[i], nodes, 0, upper_[i]->node_end());
  }
}

void Graph::free_upper(const Gone& gone) {
  for (const UpperNode& one : gone.upper) upper_[one.layer]->free(one.node);
}

}  // namespace loam::vector
