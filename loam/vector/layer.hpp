#pragma once

/// The nodes, edges and narrow codes of one layer. In the lowest one a node is a slot; the others number their own.
/// Internal.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "loam/vector/adjacency.hpp"
#include "loam/vector/change_marks.hpp"
#include "loam/vector/record_array.hpp"
#include "loam/vector/slot_bitmap.hpp"

namespace loam::vector {

/// Held for microseconds: as long as the edges of a block are compared with each other. A std::lock_guard works with it.
class SpinLock {
 public:
  void lock() noexcept {
    for (unsigned tries = 0; flag_.exchange(true, std::memory_order_acquire); ++tries) {
      while (flag_.load(std::memory_order_relaxed))
        if (++tries > 200) std::this_thread::yield();
    }
  }
  void unlock() noexcept { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_ = false;
};

/// block(), narrow(), slot(), below() and root() are *thread-safe*; blocks are written under lock().
class Layer {
 public:
  /// The lowest layer: its blocks lie in the records of the slots, which begin with the narrow code and its factors.
  Layer(RecordArray& slots, std::size_t block_offset, unsigned capacity)
      : records_(&slots), block_offset_(block_offset), capacity_(capacity), lowest_(true) {}
  /// Another one, with records of its own: narrow record, block, slot, node below. The code is there twice, so that a search
  /// waits for one place in memory where it would wait for two that it knows one after the other.
  Layer(std::size_t narrow_bytes, unsigned capacity)
      : own_(std::make_unique<RecordArray>(edges_at(narrow_bytes) + Adjacency::bytes(capacity) + 8,
                                           RecordArray::Options{.shift = 8})),
        records_(own_.get()),
        block_offset_(edges_at(narrow_bytes)),
        capacity_(capacity),
        lowest_(false) {}

  /// Where the edges begin in a record, after a narrow code with its factors of so many bytes.
  static constexpr std::size_t edges_at(std::size_t narrow_bytes) noexcept { return (narrow_bytes + 7) / 8 * 8; }

  [[gnu::always_inline]] Adjacency block(Node node) const noexcept {
    return {records_->at(node) + block_offset_, capacity_, changes_.of(node)};
  }
  const std::uint8_t* narrow(Node node) const noexcept { return reinterpret_cast<const std::uint8_t*>(records_->at(node)); }
  Slot slot(Node node) const noexcept { return lowest_ ? node : links(node)[0].load(std::memory_order_acquire); }
  Node below(Node node) const noexcept { return lowest_ ? node : links(node)[1].load(std::memory_order_acquire); }
  unsigned capacity() const noexcept { return capacity_; }
  /// Of the nodes' records.
  ChangeMarks& changes() noexcept { return changes_; }
  bool lowest() const noexcept { return lowest_; }

  Node root() const noexcept { return root_.load(std::memory_order_acquire); }
  void set_root(Node node) noexcept { root_.store(node, std::memory_order_release); }
  /// False when there is one.
  bool become_first_root(Node node) noexcept {
    Node nobody = no_node;
    return root_.compare_exchange_strong(nobody, node, std::memory_order_acq_rel);
  }
  SpinLock& lock(Node node) const noexcept { return locks_[(node * 0x9E3779B1u) >> 22]; }

  /// With the narrow record of the slot. Not for the lowest layer. no_node without memory.
  Node add(Slot slot, Node below, std::span<const std::uint8_t> narrow);
  /// no_node when the slot is not in this layer.
  Node find(Slot slot) const;
  /// The number may be used again from now on: nobody can be reading it.
  void free(Node node);
  /// A layer as it was saved, node by node from 0 on: the next one, used by nobody when `slot` is no_node. Before anybody
  /// reads it. resource_exhausted; the slot must not be in the layer.
  Result<void> restore(Node node, Slot slot, Node below, std::span<const std::uint8_t> narrow);
  /// The slot is not in this layer any more, though its node may still be read.
  void forget(Slot slot);

  /// Numbers below were used at some time.
  Node node_end() const noexcept { return node_end_.load(std::memory_order_acquire); }
  std::size_t size() const;
  /// Numbers that may be used again.
  std::vector<Node> free_nodes() const;
  std::size_t bytes() const;

 private:
  std::atomic<std::uint32_t>* links(Node node) const noexcept {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(records_->at(node) + block_offset_ + Adjacency::bytes(capacity_));
  }
  void fill(Node node, Slot slot, Node below, std::span<const std::uint8_t> narrow) noexcept;

  std::unique_ptr<RecordArray> own_;
  RecordArray* records_;
  std::size_t block_offset_;
  unsigned capacity_;
  bool lowest_;
  std::atomic<Node> root_ = no_node;
  ChangeMarks changes_;
  mutable std::array<SpinLock, 1024> locks_;

  mutable std::mutex mutex_;  // guards the next two and growth
  std::unordered_map<Slot, Node> nodes_;
  std::vector<Node> free_;
  std::atomic<Node> node_end_ = 0;
};

}  // namespace loam::vector
