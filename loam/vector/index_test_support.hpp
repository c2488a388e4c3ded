#pragma once

/// Vectors, the answers that are right, and what every index must keep to. Only for tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loam/vector/exact.hpp"
#include "loam/vector/half.hpp"
#include "loam/vector/index.hpp"

namespace loam::vector {

/// Sanitizers cost a multiple: they get a part of the data.
constexpr std::size_t fewer_when_sanitized(std::size_t count) {
#if defined(__SANITIZE_THREAD__)
  return count / 6;
#elif defined(__SANITIZE_ADDRESS__)
  return count / 2;
#else
  return count;
#endif
}

/// `count` x `dimension` floats, row-major.
struct Rows {
  std::size_t dimension = 0;
  std::vector<float> values;

  std::size_t count() const { return values.size() / dimension; }
  std::span<const float> operator[](std::size_t i) const { return {values.data() + i * dimension, dimension}; }
  std::span<float> operator[](std::size_t i) { return {values.data() + i * dimension, dimension}; }
};

inline Rows normal_rows(std::size_t count, std::size_t dimension, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Rows rows{dimension, std::vector<float>(count * dimension)};
  for (float& value : rows.values) value = normal(random);
  return rows;
}

/// Normal clusters around `centres`, one after the other.
inline Rows clustered_rows(std::size_t count, const Rows& centres, float spread, unsigned seed) {
  Rows rows = normal_rows(count, centres.dimension, seed, spread);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < centres.dimension; ++j) rows[i][j] += centres[i * centres.count() / count][j];
  return rows;
}

/// The same rows in another order.
inline Rows shuffled(const Rows& rows, unsigned seed) {
  std::vector<std::size_t> order(rows.count());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  Rows mixed{rows.dimension, {}};
  for (const std::size_t i : order) mixed.values.insert(mixed.values.end(), rows[i].begin(), rows[i].end());
  return mixed;
}

inline std::vector<std::int64_t> ids_from(std::int64_t first, std::size_t count) {
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = first + static_cast<std::int64_t>(i);
  return ids;
}

inline std::vector<std::int64_t> ids_of(std::span<const Neighbour> neighbours) {
  std::vector<std::int64_t> ids;
  for (const Neighbour& neighbour : neighbours) ids.push_back(neighbour.id);
  return ids;
}

inline bool nearer(const Neighbour& a, const Neighbour& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

/// What an index should hold, and its exact answers.
class Oracle {
 public:
  explicit Oracle(const IndexOptions& options) : options_(options) {}

  void put(std::int64_t id, std::span<const float> vector) { vectors_[id] = kept(vector); }
  void put_all(std::span<const std::int64_t> ids, const Rows& rows) {
    for (std::size_t i = 0; i < ids.size(); ++i) put(ids[i], rows[i]);
  }
  bool erase(std::int64_t id) { return vectors_.erase(id) > 0; }
  void clear() { vectors_.clear(); }

  std::size_t size() const { return vectors_.size(); }
  const std::map<std::int64_t, std::vector<float>>& vectors() const { return vectors_; }

  float distance(std::span<const float> query, std::int64_t id) const {
    const std::vector<float> asked = ready(query);
    const std::vector<float>& row = vectors_.at(id);
    return narrow(options_.distance, exact_distance(options_.distance, asked.data(), row.data(), asked.size()));
  }

  /// All of them by (distance, id).
  std::vector<Neighbour> ranked(std::span<const float> query, const std::function<bool(std::int64_t)>& passes = {}) const {
    const std::vector<float> asked = ready(query);
    const ExactQuery exact(options_.distance, asked);
    std::vector<Neighbour> all;
    for (const auto& [id, vector] : vectors_) {
      if (passes && !passes(id)) continue;
      const float* row = vector.data();
      double distance = 0;
      exact_distances(exact, &row, 1, &distance);
      all.push_back({id, narrow(options_.distance, distance)});
    }
    std::sort(all.begin(), all.end(), nearer);
    return all;
  }
  std::vector<Neighbour> nearest(std::span<const float> query, std::size_t k,
                                 const std::function<bool(std::int64_t)>& passes = {}) const {
    std::vector<Neighbour> all = ranked(query, passes);
    if (all.size() > k) all.resize(k);
    return all;
  }

 private:
  std::vector<float> ready(std::span<const float> vector) const {
    std::vector<float> copy(vector.begin(), vector.end());
    if (options_.distance == Distance::cosine) normalize(copy);
    return copy;
  }
  std::vector<float> kept(std::span<const float> vector) const {
    std::vector<float> copy = ready(vector);
    if (options_.elements == Elements::f32) return copy;
    std::vector<Half> halves(copy.size());
    to_half(copy.data(), copy.size(), halves.data());
    to_float(halves.data(), halves.size(), copy.data());
    return copy;
  }

  const IndexOptions options_;
  std::map<std::int64_t, std::vector<float>> vectors_;
};

/// The same ids and the same bits of the distances.
inline testing::AssertionResult same(std::span<const Neighbour> found, std::span<const Neighbour> wanted) {
  if (found.size() != wanted.size())
    return testing::AssertionFailure() << found.size() << " neighbours instead of " << wanted.size();
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i].id != wanted[i].id || found[i].distance != wanted[i].distance)
      return testing::AssertionFailure() << "at " << i << ": id " << found[i].id << " at " << found[i].distance
                                         << " instead of " << wanted[i].id << " at " << wanted[i].distance;
  return testing::AssertionSuccess();
}

/// Which part of the wanted ones was found; others at the distance of the last one count as well.
inline double recall(std::span<const Neighbour> found, std::span<const Neighbour> wanted) {
  if (wanted.empty()) return 1;
  const auto near = std::count_if(found.begin(), found.end(),
                                  [&](const Neighbour& one) { return one.distance <= wanted.back().distance; });
  return static_cast<double>(std::min<std::size_t>(static_cast<std::size_t>(near), wanted.size())) /
         static_cast<double>(wanted.size());
}

/// Ascending by (distance, id), every id once, there, allowed, and at its exact distance.
inline testing::AssertionResult sound(std::span<const Neighbour> found, const Oracle& oracle, std::span<const float> query,
                                      const std::function<bool(std::int64_t)>& passes = {}) {
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::int64_t id = found[i].id;
    if (!seen.insert(id).second) return testing::AssertionFailure() << "id " << id << " twice";
    if (!oracle.vectors().contains(id)) return testing::AssertionFailure() << "id " << id << " is not there";
    if (passes && !passes(id)) return testing::AssertionFailure() << "id " << id << " does not pass";
    if (const float distance = oracle.distance(query, id); distance != found[i].distance)
      return testing::AssertionFailure() << "id " << id << " at " << found[i].distance << " instead of " << distance;
    if (i > 0 && !nearer(found[i - 1], found[i])) return testing::AssertionFailure() << "out of order at " << i;
  }
  return testing::AssertionSuccess();
}

/// While others change it.
inline testing::AssertionResult healthy_now(const Index& index) {
  const auto audit = index.verify();
  if (!audit.ok()) return testing::AssertionFailure() << audit.error().message();
  if (audit.value().healthy()) return testing::AssertionSuccess();
  testing::AssertionResult failure = testing::AssertionFailure();
  failure << audit.value().unreachable << " unreachable, " << audit.value().without_in_edge << " without in-edge, "
          << audit.value().dangling_edges << " dangling edges, " << audit.value().wrong_ids << " wrong ids, "
          << audit.value().wrong_codes << " wrong codes";
  for (const std::string& finding : audit.value().findings) failure << "\n  " << finding;
  return failure;
}

inline testing::AssertionResult healthy(const Index& index) {
  if (const auto audit = index.verify(); audit.ok() && audit.value().live != index.size())
    return testing::AssertionFailure() << audit.value().live << " live slots for " << index.size() << " ids";
  return healthy_now(index);
}

/// After maintain() and without readers every slot is in use or free: none is lost. Erased heads of chains stay as long as
/// there are vectors equal to them.
inline testing::AssertionResult no_slot_is_lost(Index& index) {
  if (const auto done = index.maintain(); !done.ok()) return testing::AssertionFailure() << done.error().message();
  const IndexStats stats = index.stats();
  const std::size_t accounted = stats.vectors + stats.free_slots;
  if (stats.waiting_slots == 0 && stats.slots >= accounted && stats.slots <= accounted + stats.duplicates)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << stats.slots << " slots: " << stats.vectors << " vectors, " << stats.free_slots
                                     << " free, " << stats.waiting_slots << " waiting, " << stats.duplicates << " in chains";
}

/// Mean over the queries.
inline double mean_recall(const Index& index, const Oracle& oracle, const Rows& queries, const SearchOptions& options,
                          const std::function<bool(std::int64_t)>& passes = {}) {
  double sum = 0;
  for (std::size_t i = 0; i < queries.count(); ++i)
    sum += recall(index.search(queries[i], options).value().neighbours, oracle.nearest(queries[i], options.k, passes));
  return sum / static_cast<double>(queries.count());
}

}  // namespace loam::vector
