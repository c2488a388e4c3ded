#include "loam/vector/index.hpp"

#include <algorithm>
#include <random>
#include <string>

#include "loam/core/limits.hpp"
#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

Result<void> in_range(const char* name, std::size_t value, std::size_t least, std::size_t most) {
  if (value >= least && value <= most) return {};
  return invalid_argument(std::string(name) + " is " + std::to_string(value) + ", it must be " + std::to_string(least) +
                          " to " + std::to_string(most));
}

// Not to be guessed, so that nobody can choose ids that fall together.
std::uint64_t hash_seed() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

}  // namespace

Result<void> check_options(const IndexOptions& options) {
  LOAM_TRY(in_range("dimension", options.dimension, 1, limits::dimension_max));
  LOAM_TRY(in_range("max_connections", options.max_connections, 8, edges_max));
  LOAM_TRY(in_range("ef_construction", options.ef_construction, 16, 2000));
  LOAM_TRY(in_range("ef_search", options.ef_search, 1, limits::search_k_max));
  LOAM_TRY(in_range("nb_layers", options.nb_layers, 1, 16));
  if (options.code_dimension != 0) LOAM_TRY(in_range("code_dimension", options.code_dimension, 1, options.dimension));
  if (options.code_bits != 0) {
    if (options.distance == Distance::manhattan && options.code_bits != 4 && options.code_bits != 8)
      return invalid_argument("code_bits is " + std::to_string(options.code_bits) + ", manhattan has codes of 4 or 8 bits");
    if (options.distance != Distance::manhattan) LOAM_TRY(in_range("code_bits", options.code_bits, 1, 4));
  }
  return {};
}

Index::State::State(IndexOptions given)
    : options(std::move(given)),
      full(options.dimension, options.elements, options.directory),
      flat_states(8),
      ids(hash_seed()) {}

Result<std::unique_ptr<Index>> Index::create(IndexOptions options) {
  LOAM_TRY(check_options(options));
  return std::unique_ptr<Index>(new Index(std::make_unique<State>(std::move(options))));
}

Index::Index(std::unique_ptr<State> state) : state_(std::move(state)) {}
Index::~Index() = default;

std::optional<Slot> Index::slot_of(std::int64_t id) const {
  const std::lock_guard lock(state_->commit_mutex);
  return state_->ids.find(id, state_->id_of());
}

std::optional<std::vector<float>> Index::find(std::int64_t id) const {
  const ReaderEpochs::Pin pin(state_->epochs);
  const auto slot = slot_of(id);
  if (!slot) return std::nullopt;
  std::vector<float> vector(state_->options.dimension);
  state_->full.read(*slot, vector.data());
  return vector;
}

std::size_t Index::size() const noexcept {
  const std::lock_guard lock(state_->commit_mutex);
  return state_->ids.size();
}

std::uint64_t Index::sequence() const noexcept { return state_->sequence.load(std::memory_order_acquire); }
const IndexOptions& Index::options() const noexcept { return state_->options; }

Result<void> Index::maintain(const Context& context) {
  LOAM_TRY(context.check("maintaining a vector index"));
  const std::shared_lock gate(state_->gate);
  return state_->maintain_all(context);
}

Result<void> Index::promote(std::size_t threads, const Context& context) {
  const std::unique_lock alone(state_->gate);
  if (!state_->flat()) return {};
  return state_->promote_locked(threads, context);
}

IndexStats Index::stats() const {
  const State& state = *state_;
  IndexStats stats;
  stats.vectors = size();
  stats.slots = state.slot_end.load();
  stats.waiting_slots = state.waiting.load();
  {
    const std::lock_guard lock(state_->slots_mutex);
    stats.free_slots = state.free_slots.size();
    stats.memory_bytes += state.free_slots.capacity() * sizeof(Slot);
  }
  {
    const std::lock_guard lock(state.commit_mutex);
    stats.memory_bytes += state.ids.bytes();
  }
  stats.memory_bytes += sizeof(State) + state.live.bytes() + state.flat_states.bytes();
  stats.full_bytes = state.full.bytes();
  stats.full_mapped = state.full.mapped();
  const ReaderEpochs::Pin pin(state.epochs);
  if (const Graph* graph = state.graph.load(std::memory_order_acquire)) {
    stats.memory_bytes += graph->memory_bytes();
    stats.full_bytes += graph->wide_bytes();
    stats.duplicates = graph->chained_count();
    stats.layers = 1;
    for (const auto& layer : graph->upper()) stats.layers += layer->root() != no_node ? 1 : 0;
    stats.code_bits = graph->codec().options().bits;
  }
  stats.sequence = sequence();
  return stats;
}

}  // namespace loam::vector
