#pragma once

/// The edges of one node: a fixed block that readers copy without a lock. Internal.
///
///   8 bytes   header, one atomic word
///   3 x R     node numbers of 24 bits, packed, rounded up to 8 bytes
///
/// The header holds the state of the vector and a sequence number (Lameter, "Effective synchronization on Linux/NUMA
/// systems", 2005): it is odd while the edges are being written, and a reader whose copy saw it change copies again. Edge 0
/// is the parent in the spanning tree of the layer, edges 1 to protected_edges - 1 are the children; both directions of
/// every tree edge are therefore in the graph, which makes it strongly connected. Pruning never touches them.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>

#include "loam/core/assert.hpp"
#include "loam/vector/change_marks.hpp"

namespace loam::vector {

/// Number of a node in its layer; in the lowest layer it is the slot.
using Node = std::uint32_t;

inline constexpr Node no_node = (1u << 24) - 1;
inline constexpr std::size_t edges_max = 48;

/// The header, unpacked by masks so that one load gives a consistent state.
class NodeState {
 public:
  explicit NodeState(std::uint64_t word = 0) : word_(word) {}
  std::uint64_t word() const noexcept { return word_; }

  /// While live: the sequence of the change that brought the vector; then of the one that took it away. 40 bits.
  std::uint64_t stamp() const noexcept { return word_ >> 24; }
  unsigned protected_edges() const noexcept { return static_cast<unsigned>(word_ >> 18) & 63; }
  unsigned degree() const noexcept { return static_cast<unsigned>(word_ >> 12) & 63; }
  bool live() const noexcept { return (word_ & live_bit) != 0; }
  /// On its way out of the graph: takes no edges any more.
  bool closing() const noexcept { return (word_ & closing_bit) != 0; }
  /// Vectors equal to this one hang on it; the last place of the edges is the first of them.
  bool chained() const noexcept { return (word_ & chained_bit) != 0; }
  bool being_written() const noexcept { return (word_ & 1) != 0; }

  NodeState with_stamp(std::uint64_t stamp) const noexcept { return NodeState((word_ & 0xFFFFFFu) | (stamp << 24)); }
  NodeState with_edges(unsigned degree, unsigned protected_edges) const noexcept {
    return NodeState((word_ & ~std::uint64_t{0xFFF000}) | (std::uint64_t{protected_edges} << 18) |
                     (std::uint64_t{degree} << 12));
  }
  NodeState with_live(bool on) const noexcept { return with(live_bit, on); }
  NodeState with_closing(bool on) const noexcept { return with(closing_bit, on); }
  NodeState with_chained(bool on) const noexcept { return with(chained_bit, on); }
  NodeState next_write() const noexcept { return NodeState((word_ & ~write_mask) | ((word_ + 1) & write_mask)); }

 private:
  static constexpr std::uint64_t write_mask = 0x1FF;
  static constexpr std::uint64_t live_bit = 1u << 9;
  static constexpr std::uint64_t closing_bit = 1u << 10;
  static constexpr std::uint64_t chained_bit = 1u << 11;
  NodeState with(std::uint64_t bit, bool on) const noexcept { return NodeState(on ? word_ | bit : word_ & ~bit); }

  std::uint64_t word_;
};

inline constexpr std::uint64_t stamp_max = (std::uint64_t{1} << 40) - 1;

/// A private copy of a node's edges.
struct Edges {
  unsigned degree = 0;
  unsigned protected_edges = 0;
  Node nodes[edges_max + 16];  // room for reading and writing whole words

  bool contains(Node node) const noexcept {
    bool found = false;
    for (unsigned i = 0; i < degree; ++i) found |= nodes[i] == node;
    return found;
  }
  /// False when it was not there. Keeps the order.
  bool remove(Node node) noexcept {
    for (unsigned i = 0; i < degree; ++i) {
      if (nodes[i] != node) continue;
      std::memmove(nodes + i, nodes + i + 1, (degree - i - 1) * sizeof(Node));
      --degree;
      if (i < protected_edges) --protected_edges;
      return true;
    }
    return false;
  }
  void insert_at(unsigned position, Node node) noexcept {
    std::memmove(nodes + position + 1, nodes + position, (degree - position) * sizeof(Node));
    nodes[position] = node;
    ++degree;
  }
};

/// A view of a block in memory. Every change of it happens under the node's lock, and sets `mark`; reading does not.
class Adjacency {
 public:
  Adjacency(std::byte* block, unsigned capacity, ChangeMarks::Mark& mark)
      : block_(block), capacity_(capacity), mark_(&mark) {}

  static constexpr std::size_t bytes(unsigned capacity) noexcept { return 8 + (capacity * 3 + 7) / 8 * 8; }

  NodeState state() const noexcept { return NodeState(header().load(std::memory_order_acquire)); }

  /// Copies the edges; waits while a writer is in the middle of its few stores.
  NodeState read(Edges& out) const noexcept {
    for (unsigned tries = 0;; ++tries) {
      const NodeState before = state();
      if (!before.being_written()) {
        unpack(before.degree(), out);
        if (same_write(before)) {
          out.degree = before.degree();
          out.protected_edges = before.protected_edges();
          return before;
        }
      }
      if (tries > 64) std::this_thread::yield();
    }
  }

  /// The first of the chain, which is kept in the last place.
  Node chain() const noexcept {
    for (;;) {
      const NodeState before = state();
      if (!before.being_written()) {
        if (!before.chained()) return no_node;
        const Node first = packed(capacity_ - 1);
        if (same_write(before)) return first;
      }
      std::this_thread::yield();
    }
  }

  /// Under the node's lock: replaces edges and flags as one step for readers. `chain` is written when state.chained().
  void write(NodeState state, const Edges& edges, Node chain = no_node) noexcept {
    ChangeMarks::set(*mark_);
    const NodeState now(header().load(std::memory_order_relaxed));
    const NodeState odd = now.next_write();
    header().store(odd.word(), std::memory_order_relaxed);
    pack(edges, state.chained(), chain);
    const NodeState done = NodeState((state.word() & ~std::uint64_t{0x1FF}) | (odd.next_write().word() & 0x1FF))
                               .with_edges(edges.degree, edges.protected_edges);
    header().store(done.word(), std::memory_order_release);
  }

  /// Under the node's lock: flags and stamp alone; no reader has to copy again.
  void set_state(NodeState state) noexcept {
    ChangeMarks::set(*mark_);
    const std::uint64_t now = header().load(std::memory_order_relaxed);
    header().store((state.word() & ~std::uint64_t{0x1FF}) | (now & 0x1FF), std::memory_order_release);
  }

  /// Before anybody can see it.
  void reset() noexcept {
    ChangeMarks::set(*mark_);
    header().store(0, std::memory_order_release);
  }

  void prefetch() const noexcept {
    __builtin_prefetch(block_);
    __builtin_prefetch(block_ + 64);
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

  Word& header() const noexcept { return *reinterpret_cast<Word*>(block_); }
  Word& word(std::size_t i) const noexcept { return *reinterpret_cast<Word*>(block_ + 8 + 8 * i); }
  std::size_t word_count() const noexcept { return (capacity_ * 3 + 7) / 8; }

  // Flags and stamps may change without the edges being written.
  bool same_write(NodeState before) const noexcept {
    const NodeState now(header().load(std::memory_order_relaxed));
    constexpr std::uint64_t of_edges = 0xFFF000 | 0x1FF;
    return (now.word() & of_edges) == (before.word() & of_edges);
  }

  // Three words hold eight nodes. Loads acquire, so that the header is read again after them.
  void unpack(unsigned degree, Edges& out) const noexcept {
    const unsigned groups = (degree + 7) / 8;
    const std::size_t words = word_count();
    for (unsigned group = 0; group < groups; ++group) {
      std::uint64_t w[3];
      for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t at = group * 3 + i;
        w[i] = at < words ? word(at).load(std::memory_order_acquire) : 0;
      }
      Node* nodes = out.nodes + group * 8;
      constexpr std::uint64_t mask = 0xFFFFFF;
      nodes[0] = static_cast<Node>(w[0] & mask);
      nodes[1] = static_cast<Node>((w[0] >> 24) & mask);
      nodes[2] = static_cast<Node>(((w[0] >> 48) | (w[1] << 16)) & mask);
      nodes[3] = static_cast<Node>((w[1] >> 8) & mask);
      nodes[4] = static_cast<Node>((w[1] >> 32) & mask);
      nodes[5] = static_cast<Node>(((w[1] >> 56) | (w[2] << 8)) & mask);
      nodes[6] = static_cast<Node>((w[2] >> 16) & mask);
      nodes[7] = static_cast<Node>(w[2] >> 40);
    }
  }

  Node packed(unsigned i) const noexcept {
    const std::size_t bit = std::size_t{i} * 24;
    const std::uint64_t low = word(bit / 64).load(std::memory_order_acquire) >> (bit % 64);
    if (bit % 64 <= 40) return static_cast<Node>(low & 0xFFFFFF);
    const std::uint64_t high = word(bit / 64 + 1).load(std::memory_order_acquire) << (64 - bit % 64);
    return static_cast<Node>((low | high) & 0xFFFFFF);
  }

  // Stores release, so that who sees one of them sees the odd header too.
  void pack(const Edges& edges, bool chained, Node chain) noexcept {
    LOAM_DCHECK(edges.degree + (chained ? 1u : 0u) <= capacity_, "a block is too small for its edges");
    std::uint64_t w[(edges_max * 3 + 7) / 8 + 2] = {};
    const auto put = [&](std::size_t i, Node node) {
      const std::size_t bit = i * 24;
      w[bit / 64] |= std::uint64_t{node} << (bit % 64);
      if (bit % 64 > 40) w[bit / 64 + 1] |= std::uint64_t{node} >> (64 - bit % 64);
    };
    for (std::size_t i = 0; i < edges.degree; ++i) put(i, edges.nodes[i]);
    if (chained) put(capacity_ - 1, chain);
    for (std::size_t i = 0; i < word_count(); ++i) word(i).store(w[i], std::memory_order_release);
  }

  std::byte* block_;
  unsigned capacity_;
  ChangeMarks::Mark* mark_;
};

}  // namespace loam::vector
