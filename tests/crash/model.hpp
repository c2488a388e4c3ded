#pragma once

/// What a store must hold, told by the oracle and the plan alone, and the comparison with what it does hold.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/family.hpp"
#include "tests/crash/oracle.hpp"
#include "tests/crash/plan.hpp"

namespace loam::crash {

/// The items of one lane, by family, and how often it has counted.
struct LaneState {
  std::vector<Items> items;
  std::int64_t counted = 0;
  friend bool operator==(const LaneState&, const LaneState&) = default;
};

struct Model {
  std::uint64_t seed = 0;
  std::vector<LaneState> lanes;
  std::vector<std::uint64_t> next_op;  ///< by lane

  Model(std::uint64_t seed_, std::size_t lane_count, std::size_t families)
      : seed(seed_), lanes(lane_count, LaneState{std::vector<Items>(families), 0}), next_op(lane_count, 0) {}
};

struct Counts {
  std::uint64_t acked = 0;
  std::uint64_t in_flight = 0;          ///< operations that the kill met
  std::uint64_t in_flight_present = 0;  ///< of them, found in the store
  std::uint64_t unknown = 0;            ///< calls that returned outcome unknown
  std::uint64_t rows_checked = 0;
};

/// What a store holds, read through the ports.
struct Found {
  std::vector<Items> items;  ///< by family
  std::int64_t counter = 0;
};

/// Reads everything and lets the store check itself, every item found by every index. Problems are appended.
Result<Found> read_store(Store& store, std::vector<std::unique_ptr<CrashFamily>>& families,
                         std::vector<std::string>& problems, Counts& counts);

/// Compares after a round: all that was acknowledged, the operation in flight wholly or not at all, and nothing else.
/// Advances the model to what was found, so that the next round goes on from there.
void compare_round(Model& model, const Oracle& oracle, const Found& found, std::vector<std::string>& problems,
                   Counts& counts);

/// Compares with a store that must be exactly the model (after a restore).
void compare_exactly(const Model& model, const Found& found, std::vector<std::string>& problems);

/// Compares with a backup taken during the round: each lane as it was after some number of its operations of this round.
/// `before` is the model from before the round.
void compare_some_moment(const Model& before, const Oracle& oracle, const Found& found, std::vector<std::string>& problems);

}  // namespace loam::crash
