#pragma once

/// The graph: a layer of all vectors, sparser layers above it to enter by, and the codes that distances are taken from.
/// Internal.
///
/// Edges are chosen as in HNSW (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
/// hierarchical navigable small world graphs", 2018), as are layers: among the candidates of a search, near to far, one is
/// taken unless a taken one shields it: is nearer to it than the vector is. Where these are few, as in a clump of vectors,
/// the least shielded join them. A full block gives up an edge that is shielded before one that leads elsewhere. Erased
/// vectors are repaired around as in IP-DiskANN (Xu et al., 2025): the neighbours that pointed to one get replacements out
/// of its neighbourhood, those it pointed to another way in.
///
/// Invariants of every layer, whatever runs at the same time:
///   G1  Every linked node but the root has a parent; parents lead to the root. Both directions of such a tree edge are in
///   the
///       blocks, pruning leaves them alone, and so every linked node reaches every other.
///   G2  A closing node has no tree edges, and no edge to it is added by an operation that began after it closed.
///   G3  A vector equal to a linked one is no node but a member of that one's chain.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "loam/vector/beam.hpp"
#include "loam/vector/bit_array.hpp"
#include "loam/vector/codec.hpp"
#include "loam/vector/frontier.hpp"
#include "loam/vector/full_vectors.hpp"
#include "loam/vector/layer.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/record_array.hpp"

namespace loam::vector {

/// Nodes whose neighbours a search scores together.
inline constexpr unsigned expanded_at_once = 3;

/// Candidates that are measured against each other for the edges of a node.
inline constexpr std::size_t prune_candidates_max = 128;

/// As IndexOptions, which has the defaults.
struct GraphOptions {
  unsigned max_connections;
  std::size_t ef_construction;
  std::size_t nb_layers;
  std::filesystem::path directory;
};

struct Candidate {
  float distance;
  Node node;
  Slot slot;
};

/// Of a candidate while edges are chosen.
enum class Standing : std::uint8_t { open, shielded, kept };

/// What one operation works with. *needs external synchronization*
struct Scratch {
  CodeQuery query;
  VisitedSet visited;
  Pool pool;
  Frontier frontier;
  std::vector<Node> entries;
  std::vector<Candidate> candidates;
  std::vector<Candidate> others;
  std::vector<Candidate> replacements;
  std::vector<float> distances;
  std::vector<const std::uint8_t*> records;
  std::vector<Standing> standing;
  std::vector<std::uint32_t> shields;
  std::vector<std::pair<float, std::uint32_t>> shielded;
  std::vector<Node> nodes;
};

struct LinkOptions {
  Slot chain_below = no_node;  ///< of equal vectors only those in slots below are chained to
  std::size_t ef = 0;          ///< candidates looked for in the lowest layer; 0: ef_construction
};

/// Functions that take a Scratch are *thread-safe*, each call with its own, while its caller is pinned (reader_epochs.hpp).
class Graph {
 public:
  Graph(const GraphOptions& options, std::unique_ptr<const Codec> codec, const FullVectors& full);

  /// What a search reads of a vector: its narrow code, with the factors, and its edges.
  static constexpr std::size_t hot_bytes(std::size_t narrow_bytes, unsigned max_connections) noexcept {
    return Layer::edges_at(narrow_bytes) + Adjacency::bytes(max_connections);
  }

  /// Memory for a slot; needs external synchronization. resource_exhausted.
  Result<void> reserve(Slot slot);
  /// Both codes of a slot that nobody sees yet.
  void encode(Slot slot, const float* vector);

  /// Puts an encoded slot into the graph.
  void link(Slot slot, Scratch& scratch, LinkOptions options = {});
  enum class Unlinked : std::uint8_t {
    yes,
    kept_for_chain,  ///< equal vectors hang on it: it stays until it comes back as the anchor of another call
    chain_member,    ///< it was one; no edge ever led to it
  };
  /// Takes an erased slot out and repairs its neighbourhood. `anchor` is set to a slot that was kept for its chain, when
  /// that has become empty: it is to be unlinked now.
  Unlinked unlink(Slot slot, Scratch& scratch, Slot& anchor);

  struct UpperNode {
    std::size_t layer;
    Node node;
  };
  /// Slots, and nodes above them, that were unlinked: none of their in-edges is needed any more.
  struct Gone {
    SlotBitmap slots;
    std::vector<UpperNode> upper;
  };
  /// Every operation that was running when one of `slots` was unlinked has ended. `all`: none is running now, so that the
  /// upper nodes of other slots can go, too.
  Gone begin_sweep(std::span<const Slot> slots, bool all);
  /// Removes edges to what has gone from the nodes [first, last) of the lowest layer.
  void sweep(const Gone& gone, Node first, Node last);
  void sweep_upper(const Gone& gone);
  /// Are there nodes above the slots that no sweep has begun for?
  bool upper_waits();
  /// Nobody can be reading them any more.
  void free_upper(const Gone& gone);

  /// Gives the memory of the slots from `end` on back. Nobody may be reading them.
  void cut(Slot end) {
    hot_.cut(end);
    wide_.cut(end);
  }

  NodeState state(Slot slot) const noexcept { return lowest_.block(slot).state(); }
  /// Flags and stamp of a slot, by a function of the former ones.
  template <class Change>
  void change_state(Slot slot, Change change) {
    const std::lock_guard lock(lowest_.lock(slot));
    const Adjacency block = lowest_.block(slot);
    Adjacency(block).set_state(change(block.state()));
  }

  const Codec& codec() const noexcept { return *codec_; }
  const std::uint8_t* narrow(Slot slot) const noexcept { return reinterpret_cast<const std::uint8_t*>(hot_.at(slot)); }
  /// With the factors.
  std::span<const std::uint8_t> narrow_record(Slot slot) const noexcept { return {narrow(slot), narrow_bytes_}; }
  const std::uint8_t* wide(Slot slot) const noexcept { return reinterpret_cast<const std::uint8_t*>(wide_.at(slot)); }
  const Layer& lowest() const noexcept { return lowest_; }
  Layer& lowest() noexcept { return lowest_; }
  /// Of the wide codes.
  ChangeMarks& wide_changes() noexcept { return wide_changes_; }
  const std::vector<std::unique_ptr<Layer>>& upper() const noexcept { return upper_; }
  const GraphOptions& options() const noexcept { return options_; }

  /// The query must be prepared in `scratch`: nodes of the lowest layer to start from.
  void descend(Scratch& scratch) const;

  /// Best-first search of the lowest layer from scratch.entries with narrow codes; `admit(slot)` says what counts as an
  /// answer.
  template <class Admit>
  void search(Scratch& scratch, const Reach& reach, Admit admit, std::size_t& estimates) const;

  /// Calls body(member) for the chain of a slot.
  template <class Body>
  void for_chain(Slot slot, Body body) const {
    for (Node member = lowest_.block(slot).chain(); member != no_node;) {
      if (!body(static_cast<Slot>(member))) return;
      Edges links;
      lowest_.block(member).read(links);
      member = links.degree == 0 ? no_node : links.nodes[0];
    }
  }

  static constexpr unsigned chain_mark =
      63;  // protected_edges of a chain member; its two edges are the next one and the one before

  /// Do equal vectors hang on it?
  bool anchors(Slot slot) const noexcept { return chained_.load(std::memory_order_relaxed) > 0 && anchors_.get(slot); }
  [[gnu::always_inline]] void prefetch_anchors(Slot slot) const noexcept {
    if (chained_count() > 0) anchors_.prefetch(slot);
  }
  std::size_t chained_count() const noexcept { return chained_.load(std::memory_order_relaxed); }
  std::size_t memory_bytes() const;
  std::size_t wide_bytes() const { return wide_.bytes(); }

  [[gnu::always_inline]] void prefetch_narrow(Slot slot) const noexcept { codec_->prefetch_narrow(narrow(slot)); }
  /// The beginning: the kernels do the rest.
  [[gnu::always_inline]] void prefetch_wide(Slot slot) const noexcept { __builtin_prefetch(wide(slot)); }

 private:
  friend class GraphBuild;
  friend class GraphPieces;
  struct NarrowScorer;
  struct WideScorer;

  std::size_t level_of(Slot slot) const noexcept;
  /// A node chooses so many edges though some are shielded, when there are candidates.
  static constexpr std::size_t edges_chosen_least(unsigned capacity) noexcept { return capacity * 3 / 8; }
  /// How far a shield lies from a neighbour, for the neighbour's own distance: below 1 it is shielded, and the less the more
  /// so. Two at no distance from each other shield each other, wherever they are.
  static float shield_ratio(float shield_distance, float distance) noexcept {
    return shield_distance > 0 ? shield_distance / distance : 0;
  }
  template <class MayGo, class Ratio>
  static std::size_t to_give_up(std::size_t count, MayGo may_go, Ratio ratio);
  Node room_below(const Layer& layer, Node top, std::uint32_t lot) const;
  struct Unobserved {
    void operator()(Node, const Edges&) const noexcept {}
  };
  /// `expanded(node, edges)` sees each node that is expanded.
  template <class Scorer, class Admit, class Expanded = Unobserved>
  void beam(const Layer& layer, const Scorer& scorer, const Admit& admit, Scratch& scratch, std::size_t& estimates,
            const Expanded& expanded = {}) const;
  template <class Scorer>
  void descend_to(std::size_t layer, const Scorer& scorer, Scratch& scratch) const;
  template <class Scorer>
  void link_with(Slot slot, const LinkOptions& options, const Scorer& scorer, Scratch& scratch);
  template <class Body>
  void with_scorer(Slot slot, Scratch& scratch, Body body) const;
  void find_candidates(Slot slot, Scratch& scratch) const;
  template <class Scorer>
  bool search_for_edges(const Layer& layer, Slot slot, std::size_t wanted, const Scorer& scorer, Scratch& scratch) const;

  bool chain_to_equal(Slot slot, Slot chain_below, Scratch& scratch);
  bool push_chain(Slot head, Slot member);
  void write_chain_links(Slot member, Node next, Node before);
  Node chain_next(Slot member) const;
  void leave_chain(Slot member, Slot& anchor);
  void connect(Layer& layer, Node node, Slot slot, Scratch& scratch);
  void measure(Slot slot, std::vector<Candidate>& candidates, Scratch& scratch) const;
  struct EdgeCount {
    std::size_t least;  ///< when there are so many candidates
    std::size_t most;
  };
  void prune(std::vector<Candidate>& candidates, EdgeCount wanted, std::span<const Node> kept, Scratch& scratch) const;
  void choose_least_shielded(const std::vector<Candidate>& candidates, std::size_t wanted, Scratch& scratch) const;
  bool add_child(Layer& layer, Node parent, Node child, unsigned protected_max);
  void add_edge(Layer& layer, Node node, Node to, Slot to_slot);
  void give_up_one(const Layer& layer, Node node, Edges& edges) const;
  unsigned edge_to_give_up(const Layer& layer, Slot slot, const Edges& edges, Slot to) const;
  Node attach_near(Layer& layer, Node node, const Edges& edges, std::span<const Candidate> near);
  static void write_under(Layer& layer, Node node, Node parent, Edges edges);
  void attach_somewhere(Layer& layer, Node node, const Edges& edges);
  bool unlink_from(Layer& layer, Node node, Scratch& scratch);
  bool leave_tree(Layer& layer, Node node);
  void nearest_first(const Layer& layer, Node node, std::span<Node> children) const;
  void hang_below(Layer& layer, Node top, Node former, std::span<const Node> children);
  static void become_root(Layer& layer, Node heir, Node former);
  static void replace_child(Layer& layer, Node parent, Node child, Node heir);
  static void adopt(Layer& layer, Node child, Node former, Node parent);
  void replace_edge(Layer& layer, Node node, Node gone, Scratch& scratch);
  void lead_to(Layer& layer, Node node, std::span<const Candidate> near);
  static void remove_edges(Layer& layer, const SlotBitmap& gone, Node first, Node last);
  unsigned room(const Layer& layer, NodeState state) const noexcept {
    return layer.capacity() - (state.chained() ? 1u : 0u);
  }

  const GraphOptions options_;
  const std::unique_ptr<const Codec> codec_;
  const FullVectors& full_;
  const std::size_t narrow_bytes_;
  RecordArray hot_;
  BitArray anchors_;
  RecordArray wide_;
  ChangeMarks wide_changes_;
  Layer lowest_;
  std::vector<std::unique_ptr<Layer>> upper_;  // [0] is the one above the lowest
  std::mutex tree_mutex_;                      // one node at a time leaves the spanning trees
  std::mutex chain_mutex_;                     // chains are rare: one change at a time
  std::unordered_set<Slot> kept_;              // erased, and in the graph only for the chains that hang on them
  std::atomic<std::size_t> chained_ = 0;
  std::mutex upper_mutex_;
  std::vector<UpperNode> upper_gone_;  // unlinked, not swept
};

struct Graph::NarrowScorer {
  const Graph& graph;
  const CodeQuery& query;
  [[gnu::always_inline]] void prefetch(const Layer& layer, Node node) const noexcept {
    graph.codec_->prefetch_narrow(layer.narrow(node));
  }
  void operator()(const Layer& layer, const Node* nodes, std::size_t count, float* out) const {
    const std::uint8_t* records[64 + edges_max];
    for (std::size_t i = 0; i < count; ++i) records[i] = layer.narrow(nodes[i]);
    graph.codec_->estimate(query, records, count, out);
  }
};

struct Graph::WideScorer {
  const Graph& graph;
  const std::uint8_t* record;
  [[gnu::always_inline]] void prefetch(const Layer& layer, Node node) const noexcept {
    graph.prefetch_wide(layer.slot(node));
  }
  void operator()(const Layer& layer, const Node* nodes, std::size_t count, float* out) const {
    const std::uint8_t* records[64 + edges_max];
    for (std::size_t i = 0; i < count; ++i) records[i] = graph.wide(layer.slot(nodes[i]));
    graph.codec_->between(record, records, count, out);
  }
};

// Which of `count` edges, nearest first, is given up: the most shielded of those that may_go(i), and where none is shielded
// the farthest. `count` when none may go.
template <class MayGo, class Ratio>
std::size_t Graph::to_give_up(std::size_t count, MayGo may_go, Ratio ratio) {
  std::size_t given_up = count;
  float least = 1;
  for (std::size_t i = 1; i < count; ++i) {
    if (!may_go(i)) continue;
    const float shielded = ratio(i);
    if (shielded >= least) continue;
    least = shielded;
    given_up = i;
  }
  for (std::size_t i = count; i > 0 && given_up == count; --i)
    if (may_go(i - 1)) given_up = i - 1;
  return given_up;
}

// The distances of all new neighbours of a node are taken at once: their codes arrive from memory together.
template <class Scorer, class Admit, class Expanded>
void Graph::beam(const Layer& layer, const Scorer& scorer, const Admit& admit, Scratch& scratch, std::size_t& estimates,
                 const Expanded& expanded) const {
  VisitedSet& visited = scratch.visited;
  Pool& pool = scratch.pool;
  visited.clear();
  constexpr std::size_t room_max = 64 + edges_max;
  static_assert(room_max <= met_max);
  Node nodes[room_max];
  float distances[room_max];
  const auto offer = [&](std::size_t count) {
    if (count == 0) return;
    scorer(layer, nodes, count, distances);
    estimates += count;
    pool.offer(nodes, distances, count, admit);
  };

  std::size_t count = 0;
  for (const Node entry : scratch.entries) {
    if (!visited.insert(entry)) continue;
    nodes[count] = entry;
    scorer.prefetch(layer, entry);
    if (++count == 64) {
      offer(count);
      count = 0;
    }
  }
  offer(count);

  // Several nodes are expanded at once: while the codes of one's neighbours are under way, those of the next are asked for.
  // More at once would expand nodes that better ones are about to push out.
  Edges edges;
  for (;;) {
    count = 0;
    for (unsigned step = 0; step < expanded_at_once && count < 48; ++step) {
      const Found* nearest = pool.next();
      if (nearest == nullptr) break;
      const Node node = nearest->node();
      if (const Found* after = pool.peek()) layer.block(after->node()).prefetch();
      layer.block(node).read(edges);
      expanded(node, edges);
      for (const Node neighbour : visited.insert({edges.nodes, edges.degree})) {
        nodes[count] = neighbour;
        if (count < rows_ahead) scorer.prefetch(layer, neighbour);
        ++count;
      }
    }
    if (count == 0 && pool.peek() == nullptr) return;
    offer(count);
  }
}

template <class Admit>
void Graph::search(Scratch& scratch, const Reach& reach, Admit admit, std::size_t& estimates) const {
  scratch.pool.clear(reach);
  beam(lowest_, NarrowScorer{*this, scratch.query}, admit, scratch, estimates);
}

}  // namespace loam::vector
