#include <algorithm>
#include <cmath>
#include <new>
#include <string>

#include "loam/vector/code_probe.hpp"
#include "loam/vector/graph_build.hpp"
#include "loam/vector/index_state.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

/// What one change does for those before it: bounded, so that no change pays for many.
constexpr unsigned unlinked_per_change = 2;
constexpr Node swept_per_change = 512;
/// A sweep begins when this part of the slots waits for it.
constexpr std::size_t sweep_part = 64;
constexpr std::size_t sweep_min = 64;

}  // namespace

// False when nothing could be done: nobody is dead, or somebody still reads who began before.
bool Index::State::unlink_one() {
  Slot slot = no_node;
  {
    const std::lock_guard lock(retired_mutex);
    if (dead.empty() || dead.front().epoch > epochs.settled()) return false;
    slot = dead.front().slot;
    dead.pop_front();
  }
  Graph* now = graph.load(std::memory_order_acquire);
  if (now == nullptr) {
    give_back(slot);
    waiting.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  Slot anchor = no_node;
  Graph::Unlinked outcome;
  {
    const ReaderEpochs::Pin pin(epochs);
    outcome = now->unlink(slot, scratch_of(pin), anchor);
  }
  const std::lock_guard lock(retired_mutex);
  switch (outcome) {
    case Graph::Unlinked::yes: unlinked.push_back({slot, epochs.advance()}); break;
    case Graph::Unlinked::chain_member: swept.push_back({{slot}, {}, epochs.advance()}); break;
    case Graph::Unlinked::kept_for_chain: waiting.fetch_sub(1, std::memory_order_relaxed); break;
  }
  if (anchor != no_node) {
    dead.push_back({anchor, epochs.advance()});
    waiting.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

// False when there is nothing to sweep yet. Only one thread sweeps; others pass by.
bool Index::State::sweep_some(Node count, Sweep when) {
  const std::unique_lock sweep(sweep_mutex, std::try_to_lock);
  Graph* now = graph.load(std::memory_order_acquire);
  if (!sweep.owns_lock() || now == nullptr) return false;
  if (!sweeping) {
    const std::lock_guard lock(retired_mutex);
    const std::size_t enough = std::max(sweep_min, slot_end.load(std::memory_order_relaxed) / sweep_part);
    // Not of those that somebody may still add edges to; among several who write there are always a few.
    const std::uint64_t settled = when == Sweep::now ? ReaderEpochs::nobody : epochs.settled();
    const auto last =
        std::partition_point(unlinked.begin(), unlinked.end(), [&](const Retired& one) { return one.epoch <= settled; });
    const auto ready = static_cast<std::size_t>(last - unlinked.begin());
    if (ready == 0 && (when != Sweep::now || !now->upper_waits())) return false;
    if (when == Sweep::when_many && ready < enough) return false;
    for (; !unlinked.empty() && sweep_slots.size() < ready; unlinked.pop_front())
      sweep_slots.push_back(unlinked.front().slot);
    sweep_gone = now->begin_sweep(sweep_slots, when == Sweep::now);
    sweep_next = 0;
    sweeping = true;
  }
  // Slots that are taken from now on have no edge to what has gone.
  const Node end = slot_end.load(std::memory_order_acquire);
  const Node last = count < end - std::min(sweep_next, end) ? sweep_next + count : end;
  if (sweep_next < last) now->sweep(sweep_gone, sweep_next, last);
  sweep_next = last;
  if (sweep_next < end) return true;
  now->sweep_upper(sweep_gone);
  const std::lock_guard lock(retired_mutex);
  swept.push_back({std::move(sweep_slots), std::move(sweep_gone), epochs.advance()});
  sweep_slots.clear();
  sweep_gone = {};
  sweeping = false;
  return true;
}

bool Index::State::free_some() {
  Swept done;
  {
    const std::lock_guard lock(retired_mutex);
    if (swept.empty() || swept.front().epoch > epochs.settled()) return false;
    done = std::move(swept.front());
    swept.pop_front();
  }
  if (Graph* now = graph.load(std::memory_order_acquire)) now->free_upper(done.gone);
  {
    const std::lock_guard lock(slots_mutex);
    free_slots.insert(free_slots.end(), done.slots.begin(), done.slots.end());
  }
  waiting.fetch_sub(done.slots.size(), std::memory_order_relaxed);
  return true;
}

void Index::State::maintain_some() {
  free_flat_states();
  if (waiting.load(std::memory_order_relaxed) == 0) return;
  for (unsigned i = 0; i < unlinked_per_change; ++i)
    if (!unlink_one()) break;
  sweep_some(swept_per_change, Sweep::when_many);
  free_some();
}

// As much as so many changes would do one by one, or what waits would grow without end.
void Index::State::maintain_after(std::size_t changes, std::size_t threads) {
  free_flat_states();
  if (waiting.load(std::memory_order_relaxed) == 0) return;
  std::atomic<std::size_t> next = 0;
  run_on_workers(threads - 1, [&] {
    while (next.fetch_add(1) < changes * unlinked_per_change && unlink_one()) continue;
  });
  while (sweep_some(1u << 16, Sweep::when_many)) continue;
  while (free_some()) continue;
}

// Until nothing waits, or only for those who read.
Result<void> Index::State::maintain_all(const Context& context) {
  bool more = true;
  const auto all = [&](auto step) -> Result<void> {
    for (; step(); more = true) LOAM_TRY(context.check("maintaining a vector index"));
    return {};
  };
  while (more) {
    more = false;
    LOAM_TRY(all([&] { return unlink_one(); }));
    LOAM_TRY(all([&] { return sweep_some(1u << 16, Sweep::even_if_few); }));
    LOAM_TRY(all([&] { return free_some(); }));
  }
  free_flat_states();
  return {};
}

// Of a graph nobody reads them who began after it was there.
void Index::State::free_flat_states() {
  const std::uint64_t epoch = flat_states_epoch.load(std::memory_order_relaxed);
  if (epoch == 0 || epoch > epochs.settled()) return;
  const std::lock_guard lock(slots_mutex);
  if (flat_states_epoch.exchange(0) != 0) flat_states.cut(0);
}

GraphOptions Index::State::graph_options() const {
  return {.max_connections = static_cast<unsigned>(options.max_connections),
          .ef_construction = options.ef_construction,
          .nb_layers = options.nb_layers,
          .directory = options.directory};
}

void Index::State::promote_if_large(std::size_t threads, const Context& context) {
  if (!flat() || slot_end.load(std::memory_order_relaxed) <= options.flat_max) return;
  const std::unique_lock alone(gate);
  std::size_t count = 0;
  {
    const std::lock_guard lock(commit_mutex);
    count = ids.size();
  }
  if (!flat() || count <= options.flat_max) return;
  static_cast<void>(promote_locked(threads, context));
}

// The gate is held alone. Readers go on with the flat scan until the graph is whole.
Result<void> Index::State::promote_locked(std::size_t threads, const Context& context) {
  threads = std::clamp<std::size_t>(threads, 1, worker_count_max);
  std::vector<Slot> slots;
  const Slot end = slot_end.load();
  for (Slot slot = 0; slot < end; ++slot)
    if (live.get(slot)) slots.push_back(slot);
  if (slots.empty()) return {};
  LOAM_TRY(std::unique_ptr<const Codec> codec, train(slots));
  auto fresh = std::make_unique<Graph>(graph_options(), std::move(codec), full);
  for (Slot slot = 0; slot < end; slot += 64) LOAM_TRY(fresh->reserve(slot));
  if (end > 0) LOAM_TRY(fresh->reserve(end - 1));
  const auto encode_some = [&](const ParallelBlock& block) -> Result<void> {
    std::vector<float> vector(options.dimension);
    for (std::size_t i = block.first; i < block.last; ++i) {
      full.read(slots[i], vector.data());
      fresh->encode(slots[i], vector.data());
    }
    return {};
  };
  LOAM_TRY(parallel_for({.count = slots.size(), .block_size = 256, .threads = threads, .operation = "encoding vectors"},
                        context, encode_some));
  try {
    LOAM_TRY(GraphBuild(*fresh, options.seed, threads, context).link(slots));
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::resource_exhausted, "the graph of " + std::to_string(slots.size()) +
                                                    " vectors takes up to 800 bytes of memory for each while it is made; "
                                                    "until there are as many, searches compare all vectors");
  }
  // Dead ones too: a search that goes on began when they were live.
  for (Slot slot = 0; slot < end; ++slot) {
    const NodeState flat_one(flat_state(slot).load());
    fresh->change_state(slot, [&](NodeState now) { return now.with_live(flat_one.live()).with_stamp(flat_one.stamp()); });
  }
  // Those that are dead were never linked: they are free as soon as nobody scans them.
  {
    const std::lock_guard lock(retired_mutex);
    for (const Retired& one : dead) swept.push_back({{one.slot}, {}, one.epoch});
    dead.clear();
  }
  graph_owner = std::move(fresh);
  graph.store(graph_owner.get(), std::memory_order_release);
  flat_states_epoch.store(epochs.advance());
  free_flat_states();
  return {};
}

Result<std::unique_ptr<const Codec>> Index::State::train(std::span<const Slot> slots) const {
  constexpr std::size_t vectors_max = 16'384;
  constexpr std::size_t floats_max = std::size_t{1} << 23;
  const std::size_t dimension = options.dimension;
  const std::size_t count = std::min({slots.size(), vectors_max, std::max<std::size_t>(1, floats_max / dimension)});
  std::vector<float> sample(count * dimension);
  for (std::size_t i = 0; i < count; ++i) full.read(slots[i * slots.size() / count], sample.data() + i * dimension);
  CodeFrame frame = measure_frame(options.distance, sample, dimension);
  // Of few vectors the mean says nothing, nor how far others lie from it: then the grid is around zero.
  constexpr std::size_t few = 16;
  if (options.distance == Distance::manhattan && count < few) {
    std::fill(frame.centre.begin(), frame.centre.end(), 0.0F);
    frame.length_max = 0;
    for (const float value : sample) frame.length_max = std::max(frame.length_max, std::abs(value));
  }
  CodecOptions wanted;
  wanted.dimension = dimension;
  wanted.distance = options.distance;
  wanted.code_dimension = options.code_dimension;
  wanted.seed = options.seed;
  if (options.code_bits != 0) {
    wanted.bits = options.code_bits;
    if (options.code_dimension == 0)
      wanted.code_dimension = code_dimension_for(options.distance, dimension, options.code_bits);
  } else {
    const CodeChoice choice = choose_code(wanted, frame, sample);
    wanted.bits = choice.bits;
    wanted.code_dimension = choice.code_dimension;
  }
  return std::unique_ptr<const Codec>(std::make_unique<Codec>(wanted, std::move(frame.centre), frame.length_max));
}

}  // namespace loam::vector
