#pragma once

/// The way into an index, to look at its parts or to damage them. Only for tests.

#include "loam/vector/index_state.hpp"

namespace loam::vector {

struct IndexTestAccess {
  using State = Index::State;
  static State& state(Index& index) { return *index.state_; }
};

/// There must be one.
inline Graph& graph_of(Index& index) { return *IndexTestAccess::state(index).graph.load(); }

}  // namespace loam::vector
