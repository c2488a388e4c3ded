#include <algorithm>
#include <span>
#include <string>
#include <unordered_map>

#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t findings_max = 20;

void note(Audit& audit, std::size_t& count, const std::string& text) {
  ++count;
  if (audit.findings.size() < findings_max) audit.findings.push_back(text);
}

/// Which nodes of a layer a walk along all edges meets, and how many edges lead to each.
struct Walk {
  explicit Walk(const Layer& layer, Node end) : met(end), in_degree(end) {
    if (layer.root() == no_node || layer.root() >= end) return;
    std::vector<Node> todo{layer.root()};
    met[layer.root()] = true;
    Edges edges;
    while (!todo.empty()) {
      const Node node = todo.back();
      todo.pop_back();
      layer.block(node).read(edges);
      for (unsigned i = 0; i < edges.degree; ++i) {
        const Node to = edges.nodes[i];
        if (to >= end) {
          beyond.push_back(to);
          continue;
        }
        ++in_degree[to];
        if (met[to]) continue;
        met[to] = true;
        todo.push_back(to);
      }
    }
  }

  void count_edges_of(const Layer& layer, Node node) {
    Edges edges;
    layer.block(node).read(edges);
    for (unsigned i = 0; i < edges.degree; ++i)
      if (edges.nodes[i] < in_degree.size()) ++in_degree[edges.nodes[i]];
  }

  std::vector<bool> met;
  std::vector<std::uint32_t> in_degree;
  std::vector<Node> beyond;  // edges to numbers that were never used
};

// Codes have the same bytes whenever they are made of the same vector.
void check_codes(const Graph& graph, const FullVectors& full, const BitArray& live, Slot end, Audit& audit) {
  const Codec& codec = graph.codec();
  std::vector<float> vector(full.dimension());
  std::vector<std::uint8_t> narrow(codec.narrow_bytes());
  std::vector<std::uint8_t> wide(codec.wide_bytes());
  for (Slot slot = 0; slot < end; ++slot) {
    if (!live.get(slot)) continue;
    full.read(slot, vector.data());
    codec.encode(vector.data(), narrow.data(), wide.data());
    if (!std::equal(narrow.begin(), narrow.end(), graph.narrow(slot)))
      note(audit, audit.wrong_codes, "the code of slot " + std::to_string(slot) + " is not of its vector");
    if (!std::equal(wide.begin(), wide.end(), graph.wide(slot)))
      note(audit, audit.wrong_codes, "the 8-bit code of slot " + std::to_string(slot) + " is not of its vector");
  }
}

void check_code_of_anchor(const Graph& graph, Slot anchor, Slot member, Audit& audit) {
  const std::span<const std::uint8_t> code = graph.narrow_record(anchor);
  if (!std::equal(code.begin(), code.end(), graph.narrow(member)))
    note(audit, audit.wrong_codes,
         "the code of slot " + std::to_string(anchor) + " is not that of slot " + std::to_string(member) + " in its chain");
}

// Changes are kept out by the gate; the lock is for those who read ids.
void check_ids(auto& state, const std::vector<bool>& free, Slot end, Audit& audit) {
  const std::lock_guard lock(state.commit_mutex);
  std::size_t mapped = 0;
  for (Slot slot = 0; slot < end; ++slot) {
    if (!state.live.get(slot)) continue;
    ++audit.live;
    const std::int64_t id = state.full.id(slot);
    if (const auto back = state.ids.find(id, state.id_of()); !back || *back != slot)
      note(audit, audit.wrong_ids,
           "slot " + std::to_string(slot) + " holds id " + std::to_string(id) + ", whose slot is another");
    else
      ++mapped;
    if (free[slot] || !state.state_of(slot).live())
      note(audit, audit.wrong_ids, "slot " + std::to_string(slot) + " is live and free");
  }
  if (mapped != state.ids.size())
    note(audit, audit.wrong_ids,
         std::to_string(state.ids.size()) + " ids are known, " + std::to_string(mapped) + " have a slot");
}

}  // namespace

Result<Audit> Index::verify() const {
  State& state = *state_;
  const std::unique_lock alone(state.gate);
  Audit audit;
  const Slot end = state.slot_end.load();
  std::vector<bool> free(end);
  {
    const std::lock_guard lock(state.slots_mutex);
    for (const Slot slot : state.free_slots) {
      if (slot >= end || free[slot])
        note(audit, audit.wrong_ids, "slot " + std::to_string(slot) + " is free twice or does not exist");
      else
        free[slot] = true;
    }
  }
  check_ids(state, free, end, audit);
  const Graph* graph = state.graph.load();
  if (graph == nullptr) return audit;

  check_codes(*graph, state.full, state.live, end, audit);

  Walk walk(graph->lowest(), end);
  for (const Node to : walk.beyond) note(audit, audit.dangling_edges, "an edge leads to slot " + std::to_string(to));
  std::vector<bool> in_chain(end);
  for (Slot slot = 0; slot < end; ++slot)
    if (bool anchor_checked = false; walk.met[slot] && graph->state(slot).chained())
      graph->for_chain(slot, [&](Slot member) {
        if (member >= end || in_chain[member]) {
          note(audit, audit.dangling_edges, "the chain of slot " + std::to_string(slot) + " does not end");
          return false;
        }
        in_chain[member] = true;
        // One that was erased stays for its chain, which is found by its code. Its vector may be lost.
        if (!state.live.get(slot) && !anchor_checked && state.live.get(member)) {
          check_code_of_anchor(*graph, slot, member, audit);
          anchor_checked = true;
        }
        return true;
      });
  // Those that cannot be reached may lead to each other.
  for (Slot slot = 0; slot < end; ++slot)
    if (state.live.get(slot) && !walk.met[slot] && !in_chain[slot]) walk.count_edges_of(graph->lowest(), slot);
  for (Slot slot = 0; slot < end; ++slot) {
    if (free[slot] && (walk.in_degree[slot] > 0 || in_chain[slot]))
      note(audit, audit.dangling_edges, "an edge leads to slot " + std::to_string(slot) + ", which is free");
    if (!state.live.get(slot) || in_chain[slot]) continue;
    if (!walk.met[slot]) note(audit, audit.unreachable, "slot " + std::to_string(slot) + " cannot be reached");
    if (walk.in_degree[slot] == 0 && audit.live > 1 && graph->lowest().root() != slot)
      note(audit, audit.without_in_edge, "no edge leads to slot " + std::to_string(slot));
  }
  for (const auto& layer : graph->upper()) {
    const Walk above(*layer, layer->node_end());
    for (const Node to : above.beyond)
      note(audit, audit.dangling_edges, "an edge leads to upper node " + std::to_string(to));
    for (const Node node : layer->free_nodes())
      if (above.in_degree[node] > 0)
        note(audit, audit.dangling_edges, "an edge leads to upper node " + std::to_string(node) + ", which is free");
    std::size_t met = 0;
    for (Node node = 0; node < layer->node_end(); ++node) {
      const Slot slot = layer->slot(node);
      if (!above.met[node] || layer->find(slot) != node) continue;
      ++met;
      const std::span<const std::uint8_t> record = graph->narrow_record(slot);
      if (!std::equal(record.begin(), record.end(), layer->narrow(node)))
        note(audit, audit.wrong_codes, "an upper node of slot " + std::to_string(slot) + " has another code than it");
    }
    if (met != layer->size())
      note(audit, audit.unreachable, std::to_string(layer->size() - met) + " nodes of an upper layer cannot be reached");
  }
  return audit;
}

}  // namespace loam::vector
