#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include "loam/vector/exact.hpp"
#include "loam/vector/index_state.hpp"
#include "loam/vector/locality.hpp"
#include "loam/vector/values.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {

Result<Slot> Index::State::take_slot() {
  const std::lock_guard lock(slots_mutex);
  if (!free_slots.empty()) {
    const Slot slot = free_slots.back();
    free_slots.pop_back();
    return slot;
  }
  const Slot slot = slot_end.load(std::memory_order_relaxed);
  if (slot >= slot_count_max)
    return Error(ErrorCode::resource_exhausted,
                 "an index holds at most " + std::to_string(slot_count_max) + " vectors; spread them over several");
  LOAM_TRY(full.reserve(slot));
  LOAM_TRY(live.reserve(slot));
  if (Graph* now = graph.load(std::memory_order_acquire))
    LOAM_TRY(now->reserve(slot));
  else
    LOAM_TRY(flat_states.reserve(slot));
  slot_end.store(slot + 1, std::memory_order_release);
  return slot;
}

void Index::State::give_back(Slot slot) {
  const std::lock_guard lock(slots_mutex);
  free_slots.push_back(slot);
}

std::vector<float> Index::State::ready(std::span<const float> vector) const {
  std::vector<float> copy(vector.begin(), vector.end());
  if (options.distance == Distance::cosine) normalize(copy);
  // Vectors that differ only in the sign of zeros are equal, and equal ones have the same bytes.
  for (float& value : copy) value += 0.0F;
  return copy;
}

Scratch& Index::State::scratch_of(const ReaderEpochs::Pin& pin) const {
  std::unique_ptr<Scratch>& scratch = scratches[pin.cell()];
  if (!scratch) scratch = std::make_unique<Scratch>();
  return *scratch;
}

// A slot with the vector and its codes, linked nowhere. The gate is held.
Result<Slot> Index::State::prepare(std::int64_t id, std::span<const float> vector) {
  LOAM_TRY(check_values(vector, options.dimension, "the vector"));
  const std::vector<float> kept = ready(vector);
  LOAM_TRY(full.check(kept.data()));
  LOAM_TRY(const Slot slot, take_slot());
  full.write(slot, id, kept.data());
  if (Graph* now = graph.load(std::memory_order_acquire)) {
    // The codes are of what is kept: with f16 elements not quite of what was given.
    std::vector<float> stored(options.dimension);
    full.read(slot, stored.data());
    now->encode(slot, stored.data());
  } else {
    flat_state(slot).store(0, std::memory_order_release);
  }
  return slot;
}

void Index::State::link(Graph& now, Slot slot) {
  const ReaderEpochs::Pin pin(epochs);
  now.link(slot, scratch_of(pin));
}

Result<std::size_t> Index::State::commit(std::span<Write> writes, std::uint64_t wanted) {
  std::vector<Slot> gone;
  std::size_t there = 0;
  {
    const std::lock_guard lock(commit_mutex);
    const std::uint64_t now = sequence.load(std::memory_order_relaxed);
    if (wanted != 0 && wanted <= now)
      return failed_precondition("the index has reached change " + std::to_string(now) + ", so change " +
                                 std::to_string(wanted) + " cannot follow");
    const std::uint64_t stamp = wanted != 0 ? wanted : now + 1;
    if (stamp > stamp_max) return Error(ErrorCode::resource_exhausted, "change numbers end at " + std::to_string(stamp_max));
    for (Write& write : writes) {
      auto former = ids.find(write.id, id_of());
      there += former ? 1 : 0;
      if (former && write.slot != no_node && full.equal(*former, write.slot)) {
        // An id keeps the slot of a vector that it has: else each would leave the head of a chain behind.
        gone.push_back(std::exchange(write.slot, *former));
        continue;
      }
      if (write.slot == no_node)
        ids.erase(write.id, id_of());
      else if (former)
        ids.replace(write.id, write.slot, id_of());
      else
        ids.insert(write.id, write.slot, id_of());
      if (former) {
        bury(*former, stamp);
        gone.push_back(*former);
      }
      if (write.slot == no_node) continue;
      full.set_born(write.slot, stamp);
      change_state(write.slot, [&](NodeState state) { return state.with_live(true).with_stamp(stamp); });
      live.set(write.slot);
    }
    sequence.store(stamp, std::memory_order_release);
  }
  if (gone.empty()) return there;
  const std::lock_guard lock(retired_mutex);
  const std::uint64_t epoch = epochs.advance();
  for (const Slot slot : gone) dead.push_back({slot, epoch});
  waiting.fetch_add(gone.size(), std::memory_order_relaxed);
  return there;
}

void Index::State::bury(Slot slot, std::uint64_t stamp) {
  change_state(slot, [&](NodeState state) { return state.with_live(false).with_stamp(stamp); });
  live.clear(slot);
}

// Of a change that is not to be: what is linked has to leave again.
void Index::State::abandon(Slot slot) {
  const std::lock_guard lock(retired_mutex);
  dead.push_back({slot, epochs.advance()});
  waiting.fetch_add(1, std::memory_order_relaxed);
}

// Takes all slots and writes all vectors, in parallel, near ones near each other; on failure nothing is left of it. The
// writes have the order of the slots.
Result<void> Index::State::prepare_all(std::span<const std::int64_t> wanted, std::span<const float> rows,
                                       std::size_t threads, const Context& context, std::vector<Write>& writes) {
  LOAM_TRY(const std::vector<std::uint32_t> order,
           order_by_locality(rows, options.dimension, options.distance, options.seed, threads, context));
  writes.assign(wanted.size(), Write{0, no_node});
  const auto prepare_some = [&](const ParallelBlock& block) -> Result<void> {
    for (std::size_t i = block.first; i < block.last; ++i) {
      writes[i].id = wanted[order[i]];
      LOAM_TRY(writes[i].slot, prepare(writes[i].id, rows.subspan(order[i] * options.dimension, options.dimension)));
    }
    return {};
  };
  Result<void> done = parallel_for(
      {.count = wanted.size(), .block_size = 64, .threads = threads, .operation = "adding vectors"}, context, prepare_some);
  if (done.ok()) return done;
  for (const Write& write : writes)
    if (write.slot != no_node) give_back(write.slot);
  return done;
}

// Cancelled in the middle, the rest stays unlinked: the caller abandons all of them. Slots that follow one another are
// mostly near each other: a few of everywhere come first, so that the graph reaches all of it, and each thread is at work
// in a part of its own.
Result<void> Index::State::link_all(Graph& now, std::span<const Slot> slots, std::size_t threads, const Context& context) {
  constexpr std::size_t block_size = 64;
  constexpr std::size_t stride = 16;
  const std::size_t block_count = (slots.size() + block_size - 1) / block_size;
  const std::size_t blocks_each = (block_count + threads - 1) / threads;
  const ParallelOptions parallel{.count = blocks_each * threads, .threads = threads, .operation = "linking vectors"};
  const auto link_part = [&](bool first_ones) {
    return parallel_for(parallel, context, [&](const ParallelBlock& block) -> Result<void> {
      const std::size_t first = (block.first % threads * blocks_each + block.first / threads) * block_size;
      for (std::size_t i = first; i < std::min(first + block_size, slots.size()); ++i)
        if ((i % stride == 0) == first_ones) link(now, slots[i]);
      return {};
    });
  };
  LOAM_TRY(link_part(true));
  return link_part(false);
}

Result<Slot> Index::put(std::int64_t id, std::span<const float> vector) {
  State& state = *state_;
  State::Write write{id, no_node};
  {
    const std::shared_lock gate(state.gate);
    LOAM_TRY(const Slot slot, state.prepare(id, vector));
    if (Graph* graph = state.graph.load(std::memory_order_acquire)) state.link(*graph, slot);
    write.slot = slot;
    if (auto done = state.commit({&write, 1}, 0); !done.ok()) {
      state.abandon(slot);
      return done.error();
    }
    state.maintain_some();
  }
  state.promote_if_large();
  return write.slot;
}

Result<bool> Index::erase(std::int64_t id) {
  State& state = *state_;
  const std::shared_lock gate(state.gate);
  if (!slot_of(id)) return false;
  State::Write write{id, no_node};
  LOAM_TRY(const std::size_t erased, state.commit({&write, 1}, 0));
  state.maintain_some();
  return erased > 0;
}

Result<void> Index::apply(std::span<const Change> changes, std::uint64_t sequence, std::size_t threads) {
  State& state = *state_;
  // Seen before any work is done; what others reach meanwhile is seen at the end.
  if (sequence <= state.sequence.load(std::memory_order_acquire))
    return failed_precondition("the index has reached change " + std::to_string(this->sequence()) + ", so change " +
                               std::to_string(sequence) + " cannot follow");
  std::vector<std::int64_t> ids;
  std::vector<float> rows;
  // Of several changes of one id the last one counts.
  std::unordered_map<std::int64_t, std::size_t> last;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].vector) LOAM_TRY(check_values(*changes[i].vector, state.options.dimension, "the vector"));
    last[changes[i].id] = i;
  }
  std::vector<State::Write> writes;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (last[changes[i].id] != i) continue;
    if (!changes[i].vector) {
      writes.push_back({changes[i].id, no_node});
      continue;
    }
    ids.push_back(changes[i].id);
    rows.insert(rows.end(), changes[i].vector->begin(), changes[i].vector->end());
  }
  {
    const std::shared_lock gate(state.gate);
    LOAM_TRY(state.add_all(ids, rows, threads, {}, writes, sequence));
  }
  state.promote_if_large(threads);
  return {};
}

Result<void> Index::put_many(std::span<const std::int64_t> ids, std::span<const float> rows, std::size_t threads,
                             const Context& context) {
  State& state = *state_;
  if (rows.size() != ids.size() * state.options.dimension)
    return invalid_argument("put_many of " + std::to_string(ids.size()) + " ids needs " +
                            std::to_string(ids.size() * state.options.dimension) + " floats, it was given " +
                            std::to_string(rows.size()));
  std::vector<std::int64_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    return invalid_argument("put_many was given id " + std::to_string(*twice) + " twice");
  {
    const std::shared_lock gate(state.gate);
    std::vector<State::Write> writes;
    LOAM_TRY(state.add_all(ids, rows, threads, context, writes, 0));
  }
  state.promote_if_large(threads, context);
  return {};
}

// Appends to `writes` and commits all of them.
Result<void> Index::State::add_all(std::span<const std::int64_t> added, std::span<const float> rows, std::size_t threads,
                                   const Context& context, std::vector<Write>& writes, std::uint64_t wanted) {
  threads = std::clamp<std::size_t>(threads, 1, worker_count_max);
  std::vector<Write> prepared;
  LOAM_TRY(prepare_all(added, rows, threads, context, prepared));
  std::vector<Slot> slots;
  for (const Write& write : prepared) slots.push_back(write.slot);
  writes.insert(writes.end(), prepared.begin(), prepared.end());
  Result<void> done;
  if (Graph* now = graph.load(std::memory_order_acquire)) done = link_all(*now, slots, threads, context);
  if (done.ok()) {
    if (auto committed = commit(writes, wanted); !committed.ok()) done = committed.error();
  }
  if (!done.ok()) {
    for (const Slot slot : slots) abandon(slot);
    return done;
  }
  maintain_after(writes.size(), threads);
  return {};
}

}  // namespace loam::vector
