#pragma once

/// Best-first search of the lowest layer for the nearest slots that pass a filter. Internal.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "loam/vector/frontier.hpp"
#include "loam/vector/graph.hpp"

namespace loam::vector {

/// Graph::search() keeps what it may expand in one sorted list; this is made for walks past thousands of nodes that are no
/// answers, which wait in buckets. How many answers it keeps follows from how many of the nodes it meets are some: where few
/// are, it meets so many others that fewer are enough. `admit` says who is an answer, admit.beside_code() the same of what
/// was just compared; prefetch() and prefetch_beside_code() ask for what they read, which is as far away as a code. *needs
/// external synchronization*; its caller is pinned (reader_epochs.hpp).
class FilteredWalk {
 public:
  /// scratch.query is prepared. Keeps `ef_max` answers where everything is one, and never fewer than `ef_min`.
  FilteredWalk(const Graph& graph, Scratch& scratch, std::size_t ef_min, std::size_t ef_max)
      : graph_(graph), scratch_(scratch), ef_min_(ef_min), ef_max_(ef_max), ef_(ef_max) {
    scratch_.visited.clear();
    frontier_.clear(scratch_.query.floor);
  }
  FilteredWalk(const FilteredWalk&) = delete;
  FilteredWalk& operator=(const FilteredWalk&) = delete;
  /// Gives back what a large walk took.
  ~FilteredWalk() { frontier_.clear(0); }

  /// Where it begins; more entries may be given between walks.
  template <class Admit>
  void enter(std::span<const Node> entries, Admit admit) {
    std::size_t count = 0;
    for (const Node entry : entries) {
      if (!scratch_.visited.insert(entry)) continue;
      meet<false>(entry, count++, admit);
      if (count == nodes_max) {
        offer<false>(count, admit);
        count = 0;
      }
    }
    offer<false>(count, admit);
  }

  /// Through everything: true when the nearest answers are known, false when `estimates_max` is reached before. It can be
  /// called again to go on.
  template <class Admit>
  bool through_all(std::size_t estimates_max, Admit admit) {
    constexpr std::size_t expansions_between_looks = 8;
    std::size_t expansions = 0;
    const auto go_on = [&] {
      if (expansions++ % expansions_between_looks == 0) keep(ef_here());
      return estimates_ < estimates_max;
    };
    return walk<false>(admit, go_on);
  }

  /// From the answers known, along edges between answers alone: the `ef` nearest that are found in this way.
  template <class Admit>
  void among_answers(std::size_t ef, std::size_t estimates_max, Admit admit) {
    keep(ef);
    frontier_.clear(scratch_.query.floor);
    for (const Found found : found_) frontier_.push(found);
    walk<true>(admit, [&] { return estimates_ < estimates_max; });
  }

  /// The answers, in no order.
  std::span<const Found> found() const noexcept { return found_; }
  /// Share of the nodes met that were answers; never 0.
  double rate() const noexcept { return static_cast<double>(passed_ + 1) / static_cast<double>(estimates_ + 1); }
  std::size_t estimates() const noexcept { return estimates_; }

 private:
  static constexpr std::size_t nodes_max = expanded_at_once * edges_max;
  static constexpr double ef_exponent = .4;

  std::size_t ef_here() const {
    constexpr std::size_t too_few = 128;
    if (estimates_ < too_few) return ef_max_;
    return std::max(ef_min_, static_cast<std::size_t>(static_cast<double>(ef_max_) * std::pow(rate(), ef_exponent)));
  }

  // False when go_on() was. Several nodes are expanded at once, so that what one waits for in memory comes with that of the
  // others.
  template <bool answers_only, class Admit, class GoOn>
  bool walk(Admit admit, GoOn go_on) {
    const Layer& layer = graph_.lowest();
    Edges edges;
    for (;;) {
      Node nearest[expanded_at_once];
      unsigned taken = 0;
      for (; taken < expanded_at_once && goes_on(); ++taken) {
        if (!go_on()) break;
        nearest[taken] = take_nearest();
        layer.block(nearest[taken]).prefetch();
      }
      if (taken == 0) return !goes_on();
      std::size_t count = 0;
      for (unsigned i = 0; i < taken; ++i) {
        layer.block(nearest[i]).read(edges);
        for (const Node node : scratch_.visited.insert({edges.nodes, edges.degree}))
          meet<answers_only>(node, count++, admit);
      }
      offer<answers_only>(count, admit);
    }
  }

  // Might what was met and is not expanded yet lead to an answer that is missing, or to a nearer one?
  bool goes_on() const noexcept {
    return !frontier_.empty() && (found_.size() < ef_ || !(found_.front() < frontier_.nearest()));
  }
  Node take_nearest() {
    const Node node = frontier_.nearest().node();
    frontier_.pop();
    return node;
  }

  void keep(std::size_t ef) {
    ef_ = ef;
    for (; found_.size() > ef_; found_.pop_back()) std::pop_heap(found_.begin(), found_.end());
  }

  template <bool answers_only, class Admit>
  void meet(Node node, std::size_t at, Admit admit) {
    nodes_[at] = node;
    if (answers_only) return admit.prefetch(node);
    admit.prefetch_beside_code(node);
    if (at < rows_ahead) graph_.prefetch_narrow(node);
  }

  // Of the first so many that were met.
  template <bool answers_only, class Admit>
  void offer(std::size_t count, Admit admit) {
    if (answers_only) {
      const Node* const last = std::remove_if(nodes_, nodes_ + count, [&](Node node) { return !admit(node); });
      count = static_cast<std::size_t>(last - nodes_);
      for (std::size_t i = 0; i < std::min(count, rows_ahead); ++i) graph_.prefetch_narrow(nodes_[i]);
    }
    if (count == 0) return;
    const std::uint8_t* records[nodes_max];
    float distances[nodes_max];
    for (std::size_t i = 0; i < count; ++i) records[i] = graph_.narrow(nodes_[i]);
    graph_.codec().estimate(scratch_.query, records, count, distances);
    estimates_ += count;
    for (std::size_t i = 0; i < count; ++i) {
      const Found one(distances[i], nodes_[i], true);
      const bool near = found_.size() < ef_ || one < found_.front();
      if (near) frontier_.push(one);
      if (!answers_only && !admit.beside_code(nodes_[i])) continue;
      ++passed_;
      if (!near) continue;
      if (found_.size() == ef_) {
        std::pop_heap(found_.begin(), found_.end());
        found_.pop_back();
      }
      found_.push_back(one);
      std::push_heap(found_.begin(), found_.end());
    }
  }

  const Graph& graph_;
  Scratch& scratch_;
  const std::size_t ef_min_;
  const std::size_t ef_max_;
  std::size_t ef_;
  Frontier& frontier_ = scratch_.frontier;  // met, not expanded
  std::vector<Found> found_;                // a heap, farthest in front
  Node nodes_[nodes_max];
  std::size_t estimates_ = 0;
  std::size_t passed_ = 0;
};

}  // namespace loam::vector
