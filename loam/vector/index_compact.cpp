#include <algorithm>
#include <functional>
#include <thread>

#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

/// Vectors that are moved while changes wait; between two such steps they go on.
constexpr std::size_t moves_at_once = 256;

}  // namespace

// Until nobody reads who began before the call. A search is short.
void Index::State::wait_for_readers() {
  const std::uint64_t epoch = epochs.advance();
  while (epochs.settled() < epoch) std::this_thread::yield();
}

// The gate is held alone. A moved vector is live in both slots for a moment; searches that run then drop the second one.
Result<std::size_t> Index::State::move_some(Slot limit) {
  {
    // The lowest is taken first.
    const std::lock_guard lock(slots_mutex);
    std::sort(free_slots.begin(), free_slots.end(), std::greater<>());
  }
  moving.store(true);
  wait_for_readers();
  std::vector<Slot> moved;
  Result<void> done;
  for (Slot slot = slot_end.load(); slot > limit && moved.size() < moves_at_once && done.ok();) {
    --slot;
    if (!live.get(slot)) continue;
    done = move_down(slot, limit);
    if (done.ok()) moved.push_back(slot);
  }
  // Searches that began while the copy was missing end before the original goes.
  wait_for_readers();
  for (const Slot slot : moved) bury(slot, 0);
  {
    const std::lock_guard lock(retired_mutex);
    const std::uint64_t epoch = epochs.advance();
    for (const Slot slot : moved) dead.push_back({slot, epoch});
    waiting.fetch_add(moved.size(), std::memory_order_relaxed);
  }
  wait_for_readers();
  moving.store(false);
  LOAM_TRY(done);
  return moved.size();
}

Result<void> Index::State::move_down(Slot slot, Slot limit) {
  const std::int64_t id = full.id(slot);
  std::vector<float> vector(options.dimension);
  full.read(slot, vector.data());
  LOAM_TRY(const Slot lower, take_slot());
  LOAM_ASSERT(lower < limit, "compaction has no place to move to");
  full.write(lower, id, vector.data());
  full.set_born(lower, full.born(slot));
  const std::uint64_t stamp = state_of(slot).stamp();
  if (Graph* now = graph.load(std::memory_order_acquire)) {
    now->encode(lower, vector.data());
    const ReaderEpochs::Pin pin(epochs);
    now->link(lower, scratch_of(pin), {.chain_below = limit});
  } else {
    flat_state(lower).store(0, std::memory_order_release);
  }
  const std::lock_guard lock(commit_mutex);
  change_state(lower, [&](NodeState state) { return state.with_live(true).with_stamp(stamp); });
  live.set(lower);
  ids.replace(id, lower, id_of());
  return {};
}

// The gate is held alone. Gives back what lies behind the last slot in use.
void Index::State::cut_slots() {
  Slot end = slot_end.load();
  {
    const std::lock_guard lock(slots_mutex);
    std::sort(free_slots.begin(), free_slots.end());
    while (!free_slots.empty() && end > 0 && free_slots.back() == end - 1) {
      free_slots.pop_back();
      --end;
    }
    std::reverse(free_slots.begin(), free_slots.end());
    free_slots.shrink_to_fit();
    if (end == slot_end.load()) return;
    slot_end.store(end);
  }
  wait_for_readers();
  const std::lock_guard lock(slots_mutex);
  full.records().cut(end);
  if (Graph* now = graph.load(std::memory_order_acquire))
    now->cut(end);
  else
    flat_states.cut(end);
}

Result<void> Index::compact(const Context& context) {
  State& state = *state_;
  for (;;) {
    LOAM_TRY(context.check("compacting a vector index"));
    const std::unique_lock alone(state.gate);
    state.wait_for_readers();
    LOAM_TRY(state.maintain_all(context));
    std::size_t free = 0;
    {
      const std::lock_guard lock(state.slots_mutex);
      free = state.free_slots.size();
    }
    const Slot limit = state.slot_end.load() - static_cast<Slot>(free);
    LOAM_TRY(const std::size_t moved, state.move_some(limit));
    if (moved > 0) continue;
    LOAM_TRY(state.maintain_all(context));
    state.cut_slots();
    return {};
  }
}

}  // namespace loam::vector
