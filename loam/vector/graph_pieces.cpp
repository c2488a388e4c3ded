#include "loam/vector/graph_pieces.hpp"

#include <cstring>
#include <string>

namespace loam::vector {
namespace {

/// Begins the record of a slot and of an upper node; their edges follow, 24 bits each.
struct NodeRecord {
  std::uint8_t role;
  std::uint8_t degree;
  std::uint8_t protected_edges;
  std::uint8_t zero;
  std::uint32_t chain;  // of a node the first member, of a member the next one; no_node: none
};
static_assert(sizeof(NodeRecord) == 8);

/// Ends the record of an upper node.
struct UpperLinks {
  std::uint32_t slot;
  std::uint32_t below;
};
static_assert(sizeof(UpperLinks) == 8);

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <class T>
void store(std::byte* to, const T& value) {
  std::memcpy(to, &value, sizeof(T));
}

Error wrong(std::size_t layer, Node node, const char* what) {
  return data_corruption((layer == 0 ? "slot " : "node ") + std::to_string(node) +
                         (layer == 0 ? "" : " of layer " + std::to_string(layer)) + " " + what);
}

}  // namespace

std::size_t GraphPieces::slot_bytes() const noexcept {
  return sizeof(NodeRecord) + edge_bytes(graph_.lowest_) + graph_.codec().narrow_bytes();
}

std::size_t GraphPieces::upper_bytes(std::size_t layer) const noexcept {
  return sizeof(NodeRecord) + edge_bytes(at(layer)) + sizeof(UpperLinks);
}

PieceLayer GraphPieces::layer(std::size_t layer, Slot slot_end) const noexcept {
  const Layer& from = at(layer);
  return {from.root(), layer == 0 ? slot_end : from.node_end(), from.capacity(), 0};
}

void GraphPieces::write_edges(const Edges& edges, std::byte* out) const {
  for (unsigned i = 0; i < edges.degree; ++i) std::memcpy(out + std::size_t{i} * 3, &edges.nodes[i], 3);
}

void GraphPieces::write_slots(Slot first, std::size_t count, const SlotBitmap& unused, std::byte* out) const {
  const Layer& lowest = graph_.lowest_;
  const std::size_t bytes = slot_bytes();
  for (std::size_t i = 0; i < count; ++i, out += bytes) {
    const Slot slot = first + static_cast<Slot>(i);
    if (unused.contains(slot)) continue;
    Edges edges;
    const NodeState state = lowest.block(slot).read(edges);
    NodeRecord record{static_cast<std::uint8_t>(Role::node), 0, 0, 0, no_node};
    if (state.protected_edges() == Graph::chain_mark) {
      record.role = static_cast<std::uint8_t>(Role::member);
      record.chain = edges.nodes[0];
    } else {
      if (edges.degree == 0 && !state.chained() && lowest.root() != slot) continue;  // it was erased before it was linked
      record.degree = static_cast<std::uint8_t>(edges.degree);
      record.protected_edges = static_cast<std::uint8_t>(edges.protected_edges);
      record.chain = lowest.block(slot).chain();
      write_edges(edges, out + sizeof(record));
    }
    store(out, record);
    std::memcpy(out + sizeof(record) + edge_bytes(lowest), graph_.narrow(slot), graph_.codec().narrow_bytes());
  }
}

void GraphPieces::write_wide(Slot first, std::size_t count, const SlotBitmap& unused, std::byte* out) const {
  const std::size_t bytes = wide_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    const Slot slot = first + static_cast<Slot>(i);
    if (!unused.contains(slot)) std::memcpy(out + i * bytes, graph_.wide(slot), bytes);
  }
}

void GraphPieces::write_upper(std::size_t layer, Node first, std::size_t count, std::byte* out) const {
  const Layer& from = at(layer);
  const std::size_t bytes = upper_bytes(layer);
  for (std::size_t i = 0; i < count; ++i, out += bytes) {
    const Node node = first + static_cast<Node>(i);
    const Slot slot = from.slot(node);
    if (slot == no_node || from.find(slot) != node) continue;  // it waits to be used again
    Edges edges;
    from.block(node).read(edges);
    store(out, NodeRecord{static_cast<std::uint8_t>(Role::node), static_cast<std::uint8_t>(edges.degree),
                          static_cast<std::uint8_t>(edges.protected_edges), 0, no_node});
    write_edges(edges, out + sizeof(NodeRecord));
    store(out + sizeof(NodeRecord) + edge_bytes(from), UpperLinks{slot, from.below(node)});
  }
}

// The edges of one record: in range, each once, and not to itself.
Result<void> GraphPieces::read_edges(const Layer& layer, Node node, Node node_end, const std::byte* record, Edges& edges) {
  const std::size_t number = &layer == &graph_.lowest_ ? 0 : 1;
  const auto header = load<NodeRecord>(record);
  const unsigned room = layer.capacity() - (header.chain != no_node ? 1 : 0);
  if (header.degree > room) return wrong(number, node, "has more edges than there is room for");
  if (header.protected_edges > header.degree) return wrong(number, node, "has more tree edges than edges");
  edges.degree = header.degree;
  edges.protected_edges = header.protected_edges;
  if (met_.size() < node_end) met_.assign(node_end, no_node);
  for (unsigned i = 0; i < edges.degree; ++i) {
    Node to = 0;
    std::memcpy(&to, record + sizeof(NodeRecord) + std::size_t{i} * 3, 3);
    if (to >= node_end) return wrong(number, node, "has an edge to a number that there is not");
    if (to == node || met_[to] == node) return wrong(number, node, "has an edge twice, or to itself");
    met_[to] = node;
    edges.nodes[i] = to;
  }
  return {};
}

Result<void> GraphPieces::read_slots(Slot first, std::size_t count, Slot slot_end, std::span<const std::byte> records) {
  Layer& lowest = graph_.lowest_;
  if (first == 0) met_.clear();
  roles_.resize(std::size_t{first} + count);
  const std::size_t bytes = slot_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    const Slot slot = first + static_cast<Slot>(i);
    const std::byte* record = records.data() + i * bytes;
    LOAM_TRY(graph_.reserve(slot));
    const auto header = load<NodeRecord>(record);
    if (header.role > static_cast<std::uint8_t>(Role::member) || header.zero != 0)
      return wrong(0, slot, "has a record of no known kind");
    roles_[slot] = static_cast<Role>(header.role);
    if (roles_[slot] == Role::unused) continue;
    if (header.chain != no_node && header.chain >= slot_end) return wrong(0, slot, "has a chain that leads nowhere");
    const auto* code = reinterpret_cast<const std::uint8_t*>(record + sizeof(NodeRecord) + edge_bytes(lowest));
    if (!graph_.codec().plausible_narrow(code)) return wrong(0, slot, "has an impossible code");
    std::memcpy(const_cast<std::uint8_t*>(graph_.narrow(slot)), code, graph_.codec().narrow_bytes());
    Adjacency block = lowest.block(slot);
    if (roles_[slot] == Role::member) {
      if (header.degree != 0 || header.protected_edges != 0) return wrong(0, slot, "is in a chain and has edges");
      graph_.write_chain_links(slot, header.chain, no_node);
      continue;
    }
    Edges edges;
    LOAM_TRY(read_edges(lowest, slot, slot_end, record, edges));
    block.write(NodeState().with_chained(header.chain != no_node), edges, header.chain);
    if (header.chain != no_node) graph_.anchors_.set(slot);
  }
  return {};
}

Result<void> GraphPieces::check_wide(Slot first, std::size_t count) const {
  for (std::size_t i = 0; i < count; ++i) {
    const Slot slot = first + static_cast<Slot>(i);
    if (role(slot) != Role::unused && !graph_.codec().plausible_wide(graph_.wide(slot)))
      return wrong(0, slot, "has an impossible wide code");
  }
  return {};
}

void GraphPieces::encode_wide(Slot slot, const float* vector) {
  std::vector<std::uint8_t> narrow(graph_.codec().narrow_bytes());
  graph_.codec().encode(vector, narrow.data(), const_cast<std::uint8_t*>(graph_.wide(slot)));
  ChangeMarks::set(graph_.wide_changes_.of(slot));
}

Result<void> GraphPieces::read_upper(std::size_t layer, Node first, std::size_t count, Node node_end,
                                     std::span<const std::byte> records) {
  Layer& to = at(layer);
  if (first == 0) met_.clear();
  upper_roles_.resize(layer);
  std::vector<Role>& roles = upper_roles_[layer - 1];
  roles.resize(std::size_t{first} + count);
  const std::size_t bytes = upper_bytes(layer);
  for (std::size_t i = 0; i < count; ++i) {
    const Node node = first + static_cast<Node>(i);
    const std::byte* record = records.data() + i * bytes;
    const auto header = load<NodeRecord>(record);
    const bool used = header.role == static_cast<std::uint8_t>(Role::node);
    if ((!used && header.role != static_cast<std::uint8_t>(Role::unused)) || header.zero != 0)
      return wrong(layer, node, "has a record of no known kind");
    if (!used) {
      LOAM_TRY(to.restore(node, no_node, no_node, {}));
      continue;
    }
    roles[node] = Role::node;
    const auto links = load<UpperLinks>(record + sizeof(NodeRecord) + edge_bytes(to));
    if (header.chain != no_node) return wrong(layer, node, "has a chain");
    if (links.slot >= roles_.size() || role(links.slot) != Role::node || to.find(links.slot) != no_node)
      return wrong(layer, node, "is of no slot, or of one that has another node");
    LOAM_TRY(to.restore(node, links.slot, links.below, graph_.narrow_record(links.slot)));
    Edges edges;
    LOAM_TRY(read_edges(to, node, node_end, record, edges));
    to.block(node).write(NodeState(), edges);
  }
  return {};
}

// Invariant G1 of one layer.
Result<void> GraphPieces::check_layer(std::size_t number, const PieceLayer& wanted, const std::vector<Role>& roles) const {
  Layer& layer = at(number);
  std::size_t linked = 0;
  for (const Role role : roles) linked += role == Role::node ? 1 : 0;
  if ((linked == 0) != (wanted.root == no_node)) return wrong(number, wanted.root, "cannot be the root");
  if (linked == 0) return {};
  if (wanted.root >= roles.size() || roles[wanted.root] != Role::node)
    return wrong(number, wanted.root, "cannot be the root");
  Edges edges;
  Edges theirs;
  for (Node node = 0; node < roles.size(); ++node) {
    if (roles[node] != Role::node) continue;
    layer.block(node).read(edges);
    for (unsigned i = 0; i < edges.degree; ++i)
      if (roles[edges.nodes[i]] != Role::node) return wrong(number, node, "has an edge to what is no node");
    if (node != wanted.root && edges.protected_edges == 0) return wrong(number, node, "has no parent");
  }
  // From the root down: every child names its parent, so that none is met twice unless there is a cycle.
  std::vector<Node> todo{wanted.root};
  std::size_t reached = 0;
  while (!todo.empty()) {
    const Node node = todo.back();
    todo.pop_back();
    if (++reached > linked) return wrong(number, node, "is below itself in the tree");
    layer.block(node).read(edges);
    for (unsigned i = node == wanted.root ? 0 : 1; i < edges.protected_edges; ++i) {
      const Node child = edges.nodes[i];
      layer.block(child).read(theirs);
      if (child == wanted.root || theirs.nodes[0] != node) return wrong(number, child, "has another parent");
      todo.push_back(child);
    }
  }
  if (reached != linked) return wrong(number, wanted.root, "is not the root of all nodes");
  layer.set_root(wanted.root);
  return {};
}

// Each member is in one chain, which begins at a node and ends.
Result<void> GraphPieces::check_chains() {
  std::size_t members = 0;
  for (const Role role : roles_) members += role == Role::member ? 1 : 0;
  std::vector<bool> met(roles_.size());
  std::size_t in_chains = 0;
  for (Slot slot = 0; slot < roles_.size(); ++slot) {
    if (roles_[slot] != Role::node) continue;
    Slot before = slot;
    for (Node member = graph_.lowest_.block(slot).chain(); member != no_node;) {
      if (roles_[member] != Role::member || met[member]) return wrong(0, slot, "has a chain that is none");
      met[member] = true;
      ++in_chains;
      const Node next = graph_.chain_next(member);
      graph_.write_chain_links(member, next, before);
      before = member;
      member = next;
    }
  }
  if (in_chains != members) return data_corruption("there are equal vectors in no chain");
  graph_.chained_.store(members);
  return {};
}

// A node leads to the one of the same slot in the layer below; and no slot is in more layers than it can be.
Result<void> GraphPieces::check_ways_down(std::size_t number) const {
  const Layer& layer = at(number);
  const Layer& under = at(number - 1);
  const std::vector<Role>& roles = upper_roles_[number - 1];
  for (Node node = 0; node < roles.size(); ++node) {
    if (roles[node] != Role::node) continue;
    const Slot slot = layer.slot(node);
    const Node below = layer.below(node);
    const bool right = number == 1 ? below == slot : under.find(slot) == below && below != no_node;
    if (!right || graph_.level_of(slot) < number) return wrong(number, node, "does not lead down");
  }
  return {};
}

void GraphPieces::forget_changes() {
  for (std::size_t i = 0; i <= graph_.upper_.size(); ++i)
    for (std::size_t group = 0; group < pieces_for(i == 0 ? roles_.size() : upper_roles_[i - 1].size()); ++group)
      at(i).changes().clear(group);
}

Result<void> GraphPieces::finish(std::span<const PieceLayer> layers) {
  upper_roles_.resize(layers.size() - 1);
  LOAM_TRY(check_layer(0, layers[0], roles_));
  LOAM_TRY(check_chains());
  for (std::size_t i = 1; i < layers.size(); ++i) {
    LOAM_TRY(check_layer(i, layers[i], upper_roles_[i - 1]));
    LOAM_TRY(check_ways_down(i));
  }
  return {};
}

}  // namespace loam::vector
