// The examples of docs/vector-index.md; a test compiles and runs them.
#include <cstdio>
#include <random>
#include <vector>

#include "loam/vector/index.hpp"

namespace {

using loam::Result;
using loam::vector::Change;
using loam::vector::Index;
using loam::vector::SlotBitmap;

constexpr std::size_t dimension = 64;

std::vector<float> random_rows(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dimension);
  for (float& value : rows) value = normal(random);
  return rows;
}

Result<void> build_and_search(std::span<const std::int64_t> ids, std::span<const float> rows) {
  // [search]
  LOAM_TRY(auto index, Index::create({.dimension = dimension}));
  LOAM_TRY(index->put_many(ids, rows, 2));  // in parallel; a graph from 4,096 vectors on

  const auto query = rows.first(dimension);
  LOAM_TRY(const auto found, index->search(query, {.k = 3, .ef = 100}));
  for (const auto& hit : found.neighbours)
    std::printf("%ld %.3f\n", static_cast<long>(hit.id), static_cast<double>(hit.distance));
  // [/search]

  // [filter]
  SlotBitmap even;  // slots, not ids: an index of metadata keeps such bitmaps
  for (const auto id : ids)
    if (id % 2 == 0) even.insert(*index->slot_of(id));
  LOAM_TRY(const auto filtered, index->search(query, {.k = 3, .filter = &even}));
  // [/filter]
  std::printf("%zu of %zu\n", filtered.neighbours.size(), even.cardinality());

  // [change]
  LOAM_TRY(index->put(7, query));  // inserts or replaces; the next search sees it
  LOAM_TRY(index->erase(8));       // and this one is gone
  const std::vector<Change> changes{{.id = 9, .vector = query}, {.id = 10, .vector = std::nullopt}};
  LOAM_TRY(index->apply(changes, index->sequence() + 1));  // both or neither, for searches too
  LOAM_TRY(const auto near, index->search_range(query, {.radius = 0.2F}));
  // [/change]
  std::printf("%zu near\n", near.neighbours.size());

  // [upkeep]
  LOAM_TRY(index->compact());  // memory of erased vectors back to the system; slots change
  LOAM_TRY(const auto audit, index->verify());
  const auto stats = index->stats();
  std::printf("%zu vectors, %s\n", stats.vectors, audit.healthy() ? "healthy" : audit.findings.front().c_str());
  // [/upkeep]
  return {};
}

}  // namespace

int main() {
  constexpr std::size_t count = 5000;
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i);
  const auto done = build_and_search(ids, random_rows(count));
  if (done.ok()) return 0;
  std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return 1;
}
