#include "loam/vector/layer.hpp"

#include <algorithm>

namespace loam::vector {

void Layer::fill(Node node, Slot slot, Node below, std::span<const std::uint8_t> narrow) noexcept {
  std::ranges::copy(narrow, reinterpret_cast<std::uint8_t*>(records_->at(node)));
  links(node)[0].store(slot, std::memory_order_release);
  links(node)[1].store(below, std::memory_order_release);
}

Node Layer::add(Slot slot, Node below, std::span<const std::uint8_t> narrow) {
  std::lock_guard lock(mutex_);
  Node node = node_end_.load(std::memory_order_relaxed);
  if (!free_.empty()) {
    node = free_.back();
    free_.pop_back();
  } else {
    if (!own_->reserve(node).ok()) return no_node;
    node_end_.store(node + 1, std::memory_order_release);
  }
  {
    // A sweep may be looking at the block of a node that was used before.
    const std::lock_guard used(this->lock(node));
    block(node).reset();
  }
  fill(node, slot, below, narrow);
  nodes_.insert_or_assign(slot, node);
  return node;
}

Result<void> Layer::restore(Node node, Slot slot, Node below, std::span<const std::uint8_t> narrow) {
  const std::lock_guard lock(mutex_);
  LOAM_TRY(own_->reserve(node));
  node_end_.store(node + 1, std::memory_order_release);
  fill(node, slot, below, narrow);
  if (slot == no_node)
    free_.push_back(node);
  else
    nodes_.insert_or_assign(slot, node);
  return {};
}

Node Layer::find(Slot slot) const {
  std::lock_guard lock(mutex_);
  const auto found = nodes_.find(slot);
  return found == nodes_.end() ? no_node : found->second;
}

void Layer::forget(Slot slot) {
  std::lock_guard lock(mutex_);
  nodes_.erase(slot);
}

void Layer::free(Node node) {
  std::lock_guard lock(mutex_);
  free_.push_back(node);
}

std::size_t Layer::size() const {
  std::lock_guard lock(mutex_);
  return nodes_.size();
}

std::vector<Node> Layer::free_nodes() const {
  std::lock_guard lock(mutex_);
  return free_;
}

std::size_t Layer::bytes() const {
  std::lock_guard lock(mutex_);
  const std::size_t map_entry = sizeof(std::pair<const Slot, Node>) + 3 * sizeof(void*);
  return sizeof(*this) + (own_ ? own_->bytes() : 0) + nodes_.size() * map_entry + free_.capacity() * sizeof(Node);
}

}  // namespace loam::vector
