#pragma once

/// What an index held when it was saved, and whether what was loaded is that. For tests.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loam/vector/exact.hpp"
#include "loam/vector/index.hpp"

namespace loam::vector {

struct Contents {
  static constexpr std::int64_t id_end = 30'000;  ///< tests have ids from 0 to below this

  explicit Contents(const Index& index) : sequence(index.sequence()) {
    for (std::int64_t id = 0; id < id_end; ++id)
      if (auto vector = index.find(id)) vectors.emplace(id, *std::move(vector));
    EXPECT_EQ(vectors.size(), index.size()) << "there are other ids";
  }

  std::uint64_t sequence;
  std::map<std::int64_t, std::vector<float>> vectors;
};

/// Every answer is about vectors that were saved, at their exact distances. Of euclidean distances: a vector finds itself.
inline testing::AssertionResult answers_soundly(const Index& index, const Contents& saved, std::int64_t id) {
  constexpr std::size_t ef = 200;
  const Distance distance = index.options().distance;
  const std::vector<float>& query = saved.vectors.at(id);
  for (const bool exact : {false, true}) {
    const auto hits = index.search(query, {.k = 3, .ef = ef, .exact = exact}).value().neighbours;
    const bool sees_all = exact || index.size() <= ef;
    if (hits.empty() || (sees_all && hits[0].distance != 0))
      return testing::AssertionFailure() << "a search does not find the vector of id " << id;
    for (const Neighbour& hit : hits) {
      const auto found = saved.vectors.find(hit.id);
      if (found == saved.vectors.end()) return testing::AssertionFailure() << "a search finds id " << hit.id;
      const double wanted = exact_distance(distance, query.data(), found->second.data(), query.size());
      if (hit.distance != narrow(distance, wanted))
        return testing::AssertionFailure() << "a search finds id " << hit.id << " at " << hit.distance;
    }
  }
  return testing::AssertionSuccess();
}

/// Nothing that was not saved, everything but as many vectors as are `lost`, right answers, and a graph in order.
inline testing::AssertionResult is_sound(const Index& index, const Contents& saved, std::size_t lost = 0) {
  if (const Audit audit = index.verify().value(); !audit.healthy())
    return testing::AssertionFailure() << testing::PrintToString(audit.findings);
  if (index.sequence() != saved.sequence)
    return testing::AssertionFailure() << "change " << index.sequence() << " instead of " << saved.sequence;
  if (index.size() + lost != saved.vectors.size())
    return testing::AssertionFailure() << index.size() << " vectors of " << saved.vectors.size() << ", and " << lost
                                       << " are said to be lost";
  constexpr std::size_t searched = 128;
  const std::size_t step = saved.vectors.size() / searched + 1;
  std::size_t found = 0;
  for (const auto& [id, vector] : saved.vectors) {
    const auto kept = index.find(id);
    if (!kept) continue;
    if (*kept != vector) return testing::AssertionFailure() << "id " << id << " has another vector";
    if (found++ % step != 0) continue;
    if (auto answered = answers_soundly(index, saved, id); !answered) return answered;
  }
  if (found != index.size()) return testing::AssertionFailure() << index.size() - found << " ids that were not saved";
  return testing::AssertionSuccess();
}

}  // namespace loam::vector
