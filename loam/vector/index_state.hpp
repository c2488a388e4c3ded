#pragma once

/// What an Index is made of. Internal.
///
/// A slot goes through these states; the function that makes each step is named.
///
///   free --take_slot--> pending --commit--> live --commit--> dead --unlink_one--> unlinked --sweep_some--> swept --> free
///                          `------abandon------------------>'
///
/// Readers see pending, dead and later ones nowhere. A slot is dead until nobody reads who began while it was live, unlinked
/// until a sweep has removed the last edges to it, swept until nobody reads who could have copied such an edge.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "loam/vector/bit_array.hpp"
#include "loam/vector/compact_id_map.hpp"
#include "loam/vector/full_vectors.hpp"
#include "loam/vector/graph.hpp"
#include "loam/vector/index.hpp"
#include "loam/vector/index_pieces.hpp"
#include "loam/vector/piece_format.hpp"
#include "loam/vector/reader_epochs.hpp"

namespace loam::vector {

/// invalid_argument naming what is out of range.
Result<void> check_options(const IndexOptions& options);

struct Index::State {
  explicit State(IndexOptions given);

  // --- writing (index_write.cpp)
  struct Write {
    std::int64_t id;
    Slot slot;  // no_node: erase
  };
  Result<Slot> take_slot();
  void give_back(Slot slot);
  Result<Slot> prepare(std::int64_t id, std::span<const float> vector);
  void link(Graph& graph, Slot slot);
  /// How many of the ids were there before; writes of a vector that its id has already get the slot of that one.
  /// failed_precondition when `sequence` (0: the next one) has been reached.
  Result<std::size_t> commit(std::span<Write> writes, std::uint64_t sequence);
  void abandon(Slot slot);
  void bury(Slot slot, std::uint64_t stamp);
  Result<void> prepare_all(std::span<const std::int64_t> ids, std::span<const float> rows, std::size_t threads,
                           const Context& context, std::vector<Write>& writes);
  Result<void> add_all(std::span<const std::int64_t> added, std::span<const float> rows, std::size_t threads,
                       const Context& context, std::vector<Write>& writes, std::uint64_t wanted);
  Result<void> link_all(Graph& graph, std::span<const Slot> slots, std::size_t threads, const Context& context);

  // --- saving (index_save.cpp)
  Result<SaveReport> save(PieceSink& sink, std::uint64_t since, const Context& context);
  SlotBitmap unused_slots();

  // --- compaction (index_compact.cpp)
  void wait_for_readers();
  Result<std::size_t> move_some(Slot limit);
  Result<void> move_down(Slot slot, Slot limit);
  void cut_slots();

  // --- upkeep (index_upkeep.cpp)
  void maintain_some();
  void maintain_after(std::size_t changes, std::size_t threads);
  Result<void> maintain_all(const Context& context = {});
  bool unlink_one();
  enum class Sweep : std::uint8_t {
    when_many,
    even_if_few,
    now,  ///< with the gate held alone: nobody adds edges, so that there is nobody to be waited for
  };
  bool sweep_some(Node count, Sweep when);
  bool free_some();
  void free_flat_states();
  Result<void> promote_locked(std::size_t threads, const Context& context);
  /// A failure is the next one's to make up for: the change that made the index large has been made.
  void promote_if_large(std::size_t threads = 1, const Context& context = {});
  Result<std::unique_ptr<const Codec>> train(std::span<const Slot> slots) const;
  GraphOptions graph_options() const;

  /// Under the pin or the gate.
  NodeState state_of(Slot slot) const noexcept {
    const Graph* now = graph.load(std::memory_order_acquire);
    return now != nullptr ? now->state(slot) : NodeState(flat_state(slot).load(std::memory_order_acquire));
  }
  /// Is a slot of this state in the index as it was after that change? Of one that is dead the state says only when it
  /// went: it may have come after that change, too.
  bool visible_at(std::uint64_t change, Slot slot, NodeState state) const noexcept {
    if (state.live()) return state.stamp() <= change;
    return state.stamp() > change && full.born(slot) <= change;
  }
  std::atomic<std::uint64_t>& flat_state(Slot slot) const noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(flat_states.at(slot));
  }
  template <class Change>
  void change_state(Slot slot, Change change) {
    if (Graph* now = graph.load(std::memory_order_acquire)) return now->change_state(slot, change);
    flat_state(slot).store(change(NodeState(flat_state(slot).load())).word(), std::memory_order_release);
  }
  Scratch& scratch_of(const ReaderEpochs::Pin& pin) const;
  bool flat() const noexcept { return graph.load(std::memory_order_acquire) == nullptr; }
  auto id_of() const {
    return [this](Slot slot) { return full.id(slot); };
  }
  std::vector<float> ready(std::span<const float> vector) const;

  const IndexOptions options;
  FullVectors full;
  BitArray live;
  RecordArray flat_states;                           // NodeState words, while there is no graph
  std::atomic<std::uint64_t> flat_states_epoch = 0;  // when they may be freed; 0: never, or they have been
  mutable ReaderEpochs epochs;
  mutable std::array<std::unique_ptr<Scratch>, ReaderEpochs::reader_count_max> scratches;  // of the holder of the pin
  std::atomic<std::uint64_t> sequence = 0;
  std::atomic<bool> moving = false;  // compaction: some vectors may be live in two slots

  std::shared_mutex gate;  // changes share it; promotion, compaction, verification and saving have it alone

  std::mutex slots_mutex;  // guards the next two and growth of all arrays
  std::vector<Slot> free_slots;
  std::atomic<Slot> slot_end = 0;

  mutable std::mutex commit_mutex;  // guards the map, and the order of sequences
  CompactIdMap ids;

  std::unique_ptr<Graph> graph_owner;
  std::atomic<Graph*> graph = nullptr;

  struct Retired {
    Slot slot;
    std::uint64_t epoch;
  };
  std::mutex retired_mutex;  // guards the next three
  std::deque<Retired> dead;
  std::deque<Retired> unlinked;
  struct Swept {
    std::vector<Slot> slots;
    Graph::Gone gone;
    std::uint64_t epoch;
  };
  std::deque<Swept> swept;
  std::atomic<std::size_t> waiting = 0;

  std::mutex sweep_mutex;  // guards the sweep that is going on
  bool sweeping = false;
  std::vector<Slot> sweep_slots;
  Graph::Gone sweep_gone;
  Node sweep_next = 0;

  SavedPieces saved;  // with the gate held alone
};

}  // namespace loam::vector
