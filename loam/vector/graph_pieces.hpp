#pragma once

/// A graph as records of pieces, and back. What comes from pieces is checked until nothing that the graph does with it can
/// fail: numbers in range, and the invariants of graph.hpp. Internal.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/graph.hpp"
#include "loam/vector/piece_format.hpp"
#include "loam/vector/slot_bitmap.hpp"

namespace loam::vector {

/// While nobody changes the graph; loading: while nobody uses it.
class GraphPieces {
 public:
  explicit GraphPieces(Graph& graph) : graph_(graph) {}

  /// Bytes of one record.
  std::size_t slot_bytes() const noexcept;
  std::size_t wide_bytes() const noexcept { return graph_.codec().wide_bytes(); }
  std::size_t upper_bytes(std::size_t layer) const noexcept;

  /// `layer` 0 is the lowest.
  PieceLayer layer(std::size_t layer, Slot slot_end) const noexcept;
  ChangeMarks& changes(std::size_t layer) noexcept { return at(layer).changes(); }

  // --- saving: the records [first, first + count)
  /// Nobody may use a slot of `unused`; others that are linked nowhere are found here.
  void write_slots(Slot first, std::size_t count, const SlotBitmap& unused, std::byte* out) const;
  void write_wide(Slot first, std::size_t count, const SlotBitmap& unused, std::byte* out) const;
  void write_upper(std::size_t layer, Node first, std::size_t count, std::byte* out) const;

  // --- loading: data_corruption says what is wrong with a record
  /// In ascending order, beginning with 0, as upper nodes are.
  Result<void> read_slots(Slot first, std::size_t count, Slot slot_end, std::span<const std::byte> records);
  /// Of wide_records(), which are read before the slots and checked after them.
  Result<void> check_wide(Slot first, std::size_t count) const;
  RecordArray& wide_records() noexcept { return graph_.wide_; }
  /// A damaged one from the vector itself.
  void encode_wide(Slot slot, const float* vector);
  Result<void> read_upper(std::size_t layer, Node first, std::size_t count, Node node_end,
                          std::span<const std::byte> records);
  /// The whole of it: trees, chains, and the ways down from the upper layers.
  Result<void> finish(std::span<const PieceLayer> layers);
  /// What has been loaded is as it was saved.
  void forget_changes();

  enum class Role : std::uint8_t { unused = 0, node = 1, member = 2 };
  Role role(Slot slot) const noexcept { return roles_[slot]; }
  /// An erased one that stays until nothing hangs on it any more.
  void keep_for_chain(Slot slot) { graph_.kept_.insert(slot); }

 private:
  Layer& at(std::size_t layer) const noexcept { return layer == 0 ? graph_.lowest_ : *graph_.upper_[layer - 1]; }
  static std::size_t edge_bytes(const Layer& layer) noexcept { return (std::size_t{layer.capacity()} * 3 + 7) / 8 * 8; }
  void write_edges(const Edges& edges, std::byte* out) const;
  Result<void> read_edges(const Layer& layer, Node node, Node node_end, const std::byte* record, Edges& edges);
  Result<void> check_layer(std::size_t layer, const PieceLayer& wanted, const std::vector<Role>& roles) const;
  Result<void> check_chains();
  Result<void> check_ways_down(std::size_t layer) const;

  Graph& graph_;
  std::vector<Role> roles_;                     // of slots
  std::vector<std::vector<Role>> upper_roles_;  // of nodes of upper layers
  std::vector<std::uint32_t> met_;              // by which record a number was last met as an edge
};

}  // namespace loam::vector
