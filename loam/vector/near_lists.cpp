#include "loam/vector/near_lists.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "loam/core/assert.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
/// Lists are asked for so many members ahead.
constexpr std::size_t lists_ahead = 2;

}  // namespace

NearLists::NearLists(const Codec& codec, std::span<const std::uint8_t* const> wide, std::size_t length)
    : codec_(codec), wide_(wide), length_(length), lists_(wide.size() * length), counts_(wide.size()) {
  LOAM_DCHECK(wide.size() <= Found::node_mask, "more vectors than nodes have numbers");
}

Result<void> NearLists::find(const NearSearch& search, const Context& context) {
  std::vector<Worker> workers(search.threads);
  std::vector<std::uint32_t> ranks(wide_.size());
  for (std::size_t i = 0; i < search.divisions; ++i) {
    LOAM_TRY(const Leaves leaves, divide_into_leaves(codec_, wide_, search.seed + i, search.threads, context));
    for (std::size_t at = 0; at < leaves.members.size(); ++at) ranks[leaves.members[at]] = static_cast<std::uint32_t>(at);
    const auto compare_some = [&](const ParallelBlock& block) -> Result<void> {
      for (std::size_t leaf = block.first; leaf < block.last; ++leaf)
        compare(leaves.leaf(leaf), ranks, workers[block.worker]);
      return {};
    };
    LOAM_TRY(parallel_for({.count = leaves.count(), .threads = search.threads, .operation = "comparing vectors"}, context,
                          compare_some));
    if (leaves.count() == 1) break;  // all have been compared with all
  }
  return {};
}

// `ranks` say where each vector is among the members of all leaves, this one's follow one another: so it shows which of
// those that are in a list already are in this leaf, too.
void NearLists::compare(std::span<const std::uint32_t> members, std::span<const std::uint32_t> ranks, Worker& worker) {
  const std::size_t count = members.size();
  copy_records(members, worker);
  compare_records(worker);
  worker.fresh.resize(count + found_room);
  worker.merged.resize(length_ + met_max + found_room);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + lists_ahead < count) prefetch_bytes(lists_.data() + members[i + lists_ahead] * length_, length_ * sizeof(Found));
    const std::uint32_t number = members[i];
    float* const row = worker.distances.data() + i * count;
    const std::span<const Found> known = of(number);
    const float bound = known.size() == length_ ? known.back().distance() : infinite;
    row[i] = infinite;
    for (const Found one : known)
      if (const std::uint32_t at = ranks[number_of(one, number)] - ranks[members[0]]; at < count) row[at] = infinite;
    merge(number, worker, nearer_than(bound, {row, count}, members, number, worker));
  }
}

// The members that lie nearer to number `of` than `bound`, in worker.fresh.
std::span<Found> NearLists::nearer_than(float bound, std::span<const float> distances,
                                        std::span<const std::uint32_t> members, std::uint32_t of, Worker& worker) const {
  std::size_t found = 0;
  for (std::size_t first = 0; first < distances.size(); first += met_max) {
    const Met met{.nodes = members.data() + first,
                  .distances = distances.data() + first,
                  .count = std::min(met_max, distances.size() - first),
                  .near_to = infinite,
                  .below = bound};
    // Nothing is beyond infinity; what plain code writes there nevertheless has room in `merged`, which is not in use.
    found += kernels_.pick(met, worker.fresh.data() + found, worker.merged.data()).near;
  }
  const std::span<Found> fresh = std::span(worker.fresh).first(found);
  for (Found& one : fresh) one = Found(one.distance(), ahead_of(of, one.node()), true);
  return fresh;
}

// Next to each other.
void NearLists::copy_records(std::span<const std::uint32_t> members, Worker& worker) const {
  const std::size_t bytes = codec_.wide_bytes();
  worker.copies.resize(members.size() * bytes);
  worker.records.clear();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + compared_together < members.size()) prefetch_bytes(wide_[members[i + compared_together]], bytes);
    std::byte* const copy = worker.copies.data() + i * bytes;
    std::memcpy(copy, wide_[members[i]], bytes);
    worker.records.push_back(reinterpret_cast<const std::uint8_t*>(copy));
  }
}

// The distance of records i and j goes to place i * count + j, and to j * count + i.
void NearLists::compare_records(Worker& worker) const {
  const std::span<const std::uint8_t* const> records = worker.records;
  const std::size_t count = records.size();
  worker.distances.resize(count * count);
  worker.strip.resize(compared_together * count);
  for (std::size_t first = 0; first < count; first += compared_together) {
    const std::size_t rows = std::min(compared_together, count - first);
    const std::size_t others = count - first;
    const float* const strip = worker.strip.data();
    codec_.between_all(records.subspan(first, rows), records.subspan(first), worker.strip.data());
    for (std::size_t i = 0; i < rows; ++i)
      std::copy_n(strip + i * others, others, worker.distances.data() + (first + i) * count + first);
    for (std::size_t j = rows; j < others; ++j)
      for (std::size_t i = 0; i < rows; ++i) worker.distances[(first + j) * count + first + i] = strip[i * others + j];
  }
}

// None of `fresh` is in the list.
void NearLists::merge(std::uint32_t number, Worker& worker, std::span<Found> fresh) {
  if (fresh.empty()) return;
  Found* const merged = worker.merged.data();
  Found* const list = lists_.data() + number * length_;
  std::size_t size = counts_[number];
  std::copy_n(list, size, merged);
  for (std::size_t first = 0; first < fresh.size(); first += met_max) {
    const std::size_t some = std::min(met_max, fresh.size() - first);
    kernels_.merge(merged, size, fresh.data() + first, some);
    size = std::min(size + some, length_);
  }
  std::copy_n(merged, size, list);
  counts_[number] = static_cast<std::uint32_t>(size);
}

}  // namespace loam::vector
