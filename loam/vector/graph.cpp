#include "loam/vector/graph.hpp"

#include <algorithm>
#include <cstring>

namespace loam::vector {
namespace {

/// Large enough for huge pages.
constexpr unsigned hot_chunk_shift = 16;

/// A slot is in the next layer with this probability, as one over a power of two.
constexpr unsigned layer_shift = 5;
/// Candidates kept in the upper layers, and how many of them a layer is entered by.
constexpr std::size_t upper_ef = 2;
constexpr std::size_t entry_count = 2;

bool nearer(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
}

}  // namespace

Graph::Graph(const GraphOptions& options, std::unique_ptr<const Codec> codec, const FullVectors& full)
    : options_(options),
      codec_(std::move(codec)),
      full_(full),
      narrow_bytes_(codec_->narrow_bytes()),
      hot_(hot_bytes(narrow_bytes_, options.max_connections), {.shift = hot_chunk_shift}),
      wide_(codec_->wide_bytes(), {.directory = options.directory,
                                   .shift = options.directory.empty() ? hot_chunk_shift : RecordArray::chunk_shift}),
      lowest_(hot_, Layer::edges_at(narrow_bytes_), options.max_connections) {
  for (std::size_t i = 1; i < options.nb_layers; ++i)
    upper_.push_back(std::make_unique<Layer>(narrow_bytes_, std::max(options.max_connections / 2, 8U)));
}

Result<void> Graph::reserve(Slot slot) {
  LOAM_TRY(hot_.reserve(slot));
  LOAM_TRY(anchors_.reserve(slot));
  LOAM_TRY(wide_.reserve(slot));
  return {};
}

void Graph::encode(Slot slot, const float* vector) {
  {
    // A sweep may be looking at the block of a slot that was used before.
    const std::lock_guard lock(lowest_.lock(slot));
    lowest_.block(slot).reset();
  }
  ChangeMarks::set(wide_changes_.of(slot));
  codec_->encode(vector, reinterpret_cast<std::uint8_t*>(hot_.at(slot)), reinterpret_cast<std::uint8_t*>(wide_.at(slot)));
}

std::size_t Graph::memory_bytes() const {
  std::size_t bytes = sizeof(*this) + hot_.bytes() + anchors_.bytes();
  for (const auto& layer : upper_) bytes += layer->bytes();
  return bytes;
}

// By a hash of the slot, so that nothing needs to be stored (the finalizer of MurmurHash3, Appleby, 2011).
std::size_t Graph::level_of(Slot slot) const noexcept {
  std::uint32_t hash = slot + 0x9E3779B9u;
  hash = (hash ^ (hash >> 16)) * 0x85EBCA6Bu;
  hash = (hash ^ (hash >> 13)) * 0xC2B2AE35u;
  hash ^= hash >> 16;
  std::size_t level = 0;
  for (; level < upper_.size() && (hash & ((1u << layer_shift) - 1)) == 0; ++level) hash >>= layer_shift;
  return level;
}

template <class Scorer>
void Graph::descend_to(std::size_t layer, const Scorer& scorer, Scratch& scratch) const {
  scratch.entries.clear();
  std::size_t ignored = 0;
  for (std::size_t at = upper_.size(); at > layer; --at) {
    const Layer& here = *upper_[at - 1];
    if (scratch.entries.empty()) {
      const Node root = here.root();
      if (root == no_node) continue;
      scratch.entries.push_back(root);
    }
    scratch.pool.clear(upper_ef, 4 * upper_ef);
    beam(here, scorer, [](Node) { return true; }, scratch, ignored);
    scratch.entries.clear();
    for (const Found found : scratch.pool.items().first(std::min(entry_count, scratch.pool.items().size())))
      scratch.entries.push_back(here.below(found.node()));
  }
  if (scratch.entries.empty()) {
    const Node root = layer == 0 ? lowest_.root() : upper_[layer - 1]->root();
    if (root != no_node) scratch.entries.push_back(root);
  }
}

void Graph::descend(Scratch& scratch) const { descend_to(0, NarrowScorer{*this, scratch.query}, scratch); }

// False when the layer is empty.
template <class Scorer>
bool Graph::search_for_edges(const Layer& layer, Slot slot, std::size_t wanted, const Scorer& scorer,
                             Scratch& scratch) const {
  scratch.candidates.clear();
  if (scratch.entries.empty()) return false;
  std::size_t ignored = 0;
  // Nodes that are leaving stay where they are until they are swept, and may be all that is near: then it looks farther.
  for (std::size_t ef = wanted; scratch.candidates.size() < wanted / 2; ef *= 2) {
    scratch.pool.clear(ef, 2 * ef);
    beam(layer, scorer, [](Node) { return true; }, scratch, ignored);
    scratch.candidates.clear();
    for (const Found found : scratch.pool.items()) {
      const Slot other = layer.slot(found.node());
      if (other == slot || layer.block(found.node()).state().closing()) continue;
      scratch.candidates.push_back({found.distance(), found.node(), other});
      if (scratch.candidates.size() == wanted) break;
    }
    if (scratch.pool.items().size() < ef) break;  // that was everything
  }
  return !scratch.candidates.empty();
}

// Calls body(scorer) with what orders others by their distance to the vector of the slot.
template <class Body>
void Graph::with_scorer(Slot slot, Scratch& scratch, Body body) const {
  if (!codec_->estimates_topology()) return body(WideScorer{*this, wide(slot)});
  std::vector<float>& vector = scratch.distances;
  vector.resize(codec_->options().dimension);
  full_.read(slot, vector.data());
  codec_->prepare(vector.data(), scratch.query);
  body(NarrowScorer{*this, scratch.query});
}

void Graph::link(Slot slot, Scratch& scratch, LinkOptions options) {
  if (options.ef == 0) options.ef = options_.ef_construction;
  with_scorer(slot, scratch, [&](const auto& scorer) { link_with(slot, options, scorer, scratch); });
}

// The nearest nodes of the lowest layer, measured, in scratch.candidates.
void Graph::find_candidates(Slot slot, Scratch& scratch) const {
  with_scorer(slot, scratch, [&](const auto& scorer) {
    descend_to(0, scorer, scratch);
    search_for_edges(lowest_, slot, options_.ef_construction, scorer, scratch);
  });
  measure(slot, scratch.candidates, scratch);
}

template <class Scorer>
void Graph::link_with(Slot slot, const LinkOptions& options, const Scorer& scorer, Scratch& scratch) {
  for (;;) {
    descend_to(0, scorer, scratch);
    if (search_for_edges(lowest_, slot, options.ef, scorer, scratch)) break;
    if (lowest_.become_first_root(slot)) break;
    // Somebody else became the first: there is something to search now. Or all that is left is closing.
    std::this_thread::yield();
  }
  if (!scratch.candidates.empty()) {
    measure(slot, scratch.candidates, scratch);
    if (chain_to_equal(slot, options.chain_below, scratch)) return;
    connect(lowest_, slot, slot, scratch);
  }
  const std::size_t upper_ef = std::max<std::size_t>(options_.ef_construction / 2, 16);
  Node below = slot;
  for (std::size_t level = 1; level <= level_of(slot); ++level) {
    Layer& layer = *upper_[level - 1];
    descend_to(level, scorer, scratch);
    const bool found = search_for_edges(layer, slot, upper_ef, scorer, scratch);
    const Node node = layer.add(slot, below, narrow_record(slot));
    if (node == no_node) return;  // without memory the slot is missing from this layer, and is found all the same
    below = node;
    if (!found) {
      if (layer.become_first_root(node)) continue;
      descend_to(level, scorer, scratch);
      if (!search_for_edges(layer, slot, upper_ef, scorer, scratch)) {
        layer.forget(slot);
        layer.free(node);
        return;
      }
    }
    measure(slot, scratch.candidates, scratch);
    connect(layer, node, slot, scratch);
  }
}

// Distances as the topology wants them, nearest first.
void Graph::measure(Slot slot, std::vector<Candidate>& candidates, Scratch& scratch) const {
  scratch.records.clear();
  for (const Candidate& candidate : candidates) scratch.records.push_back(wide(candidate.slot));
  scratch.distances.resize(candidates.size());
  codec_->between(wide(slot), scratch.records.data(), candidates.size(), scratch.distances.data());
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].distance = scratch.distances[i];
  std::sort(candidates.begin(), candidates.end(), nearer);
  if (candidates.size() > prune_candidates_max) candidates.resize(prune_candidates_max);
}

// Leaves those of `candidates` that become edges, nearest first; all of them are in scratch.others then. The nodes `kept`
// are edges already, and are candidates, too: they shield others like a chosen one and are not among the result.
void Graph::prune(std::vector<Candidate>& candidates, EdgeCount wanted, std::span<const Node> kept, Scratch& scratch) const {
  std::vector<Standing>& standing = scratch.standing;
  standing.clear();
  for (const Candidate& candidate : candidates)
    standing.push_back(std::find(kept.begin(), kept.end(), candidate.node) != kept.end() ? Standing::kept : Standing::open);
  std::vector<std::uint32_t>& shields = scratch.shields;
  shields.clear();
  std::vector<Candidate>& result = scratch.others;
  result.clear();
  std::uint32_t open[prune_candidates_max];
  const std::uint8_t* records[prune_candidates_max];
  float distances[prune_candidates_max];
  for (std::size_t i = 0; i < candidates.size() && result.size() < wanted.most; ++i) {
    if (standing[i] == Standing::shielded) continue;
    if (standing[i] == Standing::open) result.push_back(candidates[i]);
    shields.push_back(static_cast<std::uint32_t>(i));
    std::size_t count = 0;
    for (std::size_t j = i + 1; j < candidates.size(); ++j) {
      if (standing[j] != Standing::open) continue;
      open[count] = static_cast<std::uint32_t>(j);
      records[count++] = wide(candidates[j].slot);
    }
    codec_->between(wide(candidates[i].slot), records, count, distances);
    for (std::size_t j = 0; j < count; ++j)
      if (shield_ratio(distances[j], candidates[open[j]].distance) < 1) standing[open[j]] = Standing::shielded;
  }
  const std::size_t least = std::min(wanted.least, wanted.most);
  if (result.size() < least) choose_least_shielded(candidates, least, scratch);
  candidates.swap(result);
}

// Fills prune()'s result up.
void Graph::choose_least_shielded(const std::vector<Candidate>& candidates, std::size_t wanted, Scratch& scratch) const {
  std::vector<std::pair<float, std::uint32_t>>& shielded = scratch.shielded;  // the least first
  shielded.clear();
  const std::uint8_t* records[prune_candidates_max];
  float distances[prune_candidates_max];
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    if (scratch.standing[i] != Standing::shielded) continue;
    std::size_t count = 0;
    for (const std::uint32_t shield : scratch.shields)
      if (shield < i) records[count++] = wide(candidates[shield].slot);
    codec_->between(wide(candidates[i].slot), records, count, distances);
    shielded.emplace_back(-shield_ratio(*std::min_element(distances, distances + count), candidates[i].distance), i);
  }
  const std::size_t count = std::min(shielded.size(), wanted - scratch.others.size());
  const auto end = shielded.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(shielded.begin(), end, shielded.end());
  for (auto one = shielded.begin(); one != end; ++one) scratch.others.push_back(candidates[one->second]);
  std::sort(scratch.others.begin(), scratch.others.end(), nearer);
}

// scratch.candidates are measured.
void Graph::connect(Layer& layer, Node node, Slot slot, Scratch& scratch) {
  prune(scratch.candidates, {.least = edges_chosen_least(layer.capacity()), .most = layer.capacity()}, {}, scratch);
  const std::vector<Candidate>& chosen = scratch.candidates;
  Edges edges;
  for (const Candidate& candidate : chosen) edges.nodes[edges.degree++] = candidate.node;

  const Node parent = attach_near(layer, node, edges, scratch.others);
  // All of them are closing or full of children: any place in the tree will do.
  if (parent == no_node) attach_somewhere(layer, node, edges);
  for (const Candidate& candidate : chosen)
    if (candidate.node != parent) add_edge(layer, candidate.node, node, slot);
}

// The nearest with room for a child becomes the parent, chosen or not: of a clump of nearly equal vectors one shields all
// others, and those for which it has no room would hang on something far away, where a search of the clump does not come.
// No node when none has room. The node must not be found by others before it has a parent.
Node Graph::attach_near(Layer& layer, Node node, const Edges& edges, std::span<const Candidate> near) {
  for (const Candidate& candidate : near) {
    write_under(layer, node, candidate.node, edges);
    if (add_child(layer, candidate.node, node, layer.capacity() / 2)) return candidate.node;
  }
  return no_node;
}

// The first edges of a node: the parent's and, without the last where there is no room, `edges`.
void Graph::write_under(Layer& layer, Node node, Node parent, Edges edges) {
  edges.remove(parent);
  if (edges.degree == layer.capacity()) --edges.degree;
  edges.insert_at(0, parent);
  edges.protected_edges = 1;
  const std::lock_guard lock(layer.lock(node));
  Adjacency block = layer.block(node);
  block.write(block.state(), edges);
}

void Graph::attach_somewhere(Layer& layer, Node node, const Edges& edges) {
  const std::lock_guard tree(tree_mutex_);
  while (layer.root() == no_node) {
    // The last one has just left: there is nobody to be connected to.
    {
      const std::lock_guard lock(layer.lock(node));
      Adjacency block = layer.block(node);
      block.write(block.state(), Edges{});
    }
    if (layer.become_first_root(node)) return;
  }
  // Again when somebody else has taken the room meanwhile.
  for (std::uint32_t lot = node;; ++lot) {
    const Node place = room_below(layer, layer.root(), lot);
    write_under(layer, node, place, edges);
    if (add_child(layer, place, node, layer.capacity() / 2)) return;
  }
}

// Down the tree to the first node with room for a child, which a leaf has. By lot, since many may come by the same way: in
// their order, each would look at all that those before it have filled.
Node Graph::room_below(const Layer& layer, Node top, std::uint32_t lot) const {
  for (;; ++lot) {
    Edges edges;
    layer.block(top).read(edges);
    if (edges.protected_edges < layer.capacity() / 2) return top;
    const unsigned first = top == layer.root() ? 0 : 1;
    top = edges.nodes[first + (lot * 0x9E3779B1u >> 16) % (edges.protected_edges - first)];
  }
}

// False when the parent takes none: it is closing, or protected_max edges of it are tree edges.
bool Graph::add_child(Layer& layer, Node parent, Node child, unsigned protected_max) {
  const std::lock_guard lock(layer.lock(parent));
  Adjacency block = layer.block(parent);
  Edges edges;
  const NodeState state = block.read(edges);
  if (state.closing() || edges.protected_edges >= std::min(protected_max, room(layer, state))) return false;
  const Node chain = state.chained() ? block.chain() : no_node;
  edges.remove(child);
  if (edges.degree == room(layer, state)) give_up_one(layer, parent, edges);
  edges.insert_at(edges.protected_edges, child);
  ++edges.protected_edges;
  block.write(state, edges, chain);
  return true;
}

// The edge back. A block with room takes it though it may be shielded: more ways lead to the new node.
void Graph::add_edge(Layer& layer, Node node, Node to, Slot to_slot) {
  const std::lock_guard lock(layer.lock(node));
  Adjacency block = layer.block(node);
  Edges edges;
  const NodeState state = block.read(edges);
  if (state.closing() || edges.contains(to)) return;
  const Node chain = state.chained() ? block.chain() : no_node;
  if (edges.degree < room(layer, state)) {
    edges.nodes[edges.degree++] = to;
    block.write(state, edges, chain);
    return;
  }
  const unsigned place = edge_to_give_up(layer, layer.slot(node), edges, to_slot);
  if (place == edges.degree) return;
  edges.nodes[place] = to;
  block.write(state, edges, chain);
}

// Makes room for an edge that must come in. The last one is no tree edge: of these there are fewer.
void Graph::give_up_one(const Layer& layer, Node node, Edges& edges) const {
  const Node last = edges.nodes[--edges.degree];
  const unsigned place = edge_to_give_up(layer, layer.slot(node), edges, layer.slot(last));
  if (place < edges.degree) edges.nodes[place] = last;
}

// The place of the edge that a new one replaces: the most shielded one, by whichever edge is nearer, so that what lies far
// from everything keeps the edges that lead to it; where none is shielded, the farthest. Tree edges stay. The degree when
// that is the new one itself.
unsigned Graph::edge_to_give_up(const Layer& layer, Slot slot, const Edges& edges, Slot to) const {
  struct Edge {
    float distance;
    unsigned place;
  };
  const std::uint8_t* records[edges_max + 1];
  float distances[edges_max + 1];
  for (unsigned i = 0; i < edges.degree; ++i) {
    const Slot other = layer.slot(edges.nodes[i]);
    if (i < rows_ahead) prefetch_wide(other);
    records[i] = wide(other);
  }
  records[edges.degree] = wide(to);
  const unsigned count = edges.degree + 1;
  codec_->between(wide(slot), records, count, distances);

  Edge sorted[edges_max + 1];
  const std::uint8_t* sorted_records[edges_max + 1];
  for (unsigned i = 0; i < count; ++i) sorted[i] = {distances[i], i};
  std::sort(sorted, sorted + count,
            [](Edge a, Edge b) { return a.distance != b.distance ? a.distance < b.distance : a.place < b.place; });
  for (unsigned i = 0; i < count; ++i) sorted_records[i] = records[sorted[i].place];
  const auto in_tree = [&](std::size_t i) { return sorted[i].place < edges.protected_edges; };
  const std::size_t given_up = to_give_up(
      count, [&](std::size_t i) { return !in_tree(i); },
      [&](std::size_t i) {
        codec_->between(sorted_records[i], sorted_records, i, distances);
        return shield_ratio(*std::min_element(distances, distances + i), sorted[i].distance);
      });
  return given_up == count ? edges.degree : sorted[given_up].place;
}

// Equal vectors have equal codes.
bool Graph::chain_to_equal(Slot slot, Slot chain_below, Scratch& scratch) {
  for (const Candidate& candidate : scratch.candidates) {
    if (candidate.slot >= chain_below) continue;
    if (std::memcmp(wide(slot), wide(candidate.slot), codec_->wide_bytes()) != 0) continue;
    if (!full_.equal(slot, candidate.slot)) continue;
    const std::lock_guard chains(chain_mutex_);
    if (!push_chain(candidate.slot, slot)) continue;
    chained_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

// Under chain_mutex_. False when the head takes none: it is closing, or full of tree edges.
bool Graph::push_chain(Slot head, Slot member) {
  const Node first = lowest_.block(head).chain();
  {
    const std::lock_guard lock(lowest_.lock(member));
    write_chain_links(member, first, head);
  }
  {
    const std::lock_guard lock(lowest_.lock(head));
    Adjacency block = lowest_.block(head);
    Edges edges;
    const NodeState state = block.read(edges);
    if (state.closing() || edges.protected_edges == lowest_.capacity()) return false;
    if (edges.degree == lowest_.capacity()) give_up_one(lowest_, head, edges);
    block.write(state.with_chained(true), edges, member);
    anchors_.set(head);
  }
  if (first != no_node) {
    const std::lock_guard lock(lowest_.lock(first));
    write_chain_links(first, chain_next(first), member);
  }
  return true;
}

// Under the member's lock: its two edges, the next one and the one before.
void Graph::write_chain_links(Slot member, Node next, Node before) {
  Edges links;
  links.degree = 2;
  links.protected_edges = chain_mark;
  links.nodes[0] = next;
  links.nodes[1] = before;
  Adjacency block = lowest_.block(member);
  block.write(block.state(), links);
}

}  // namespace loam::vector
