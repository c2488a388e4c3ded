#include "tests/crash/model.hpp"

#include <algorithm>

namespace loam::crash {
namespace {

constexpr std::size_t differences_shown = 4;

void apply(LaneState& state, const Op& op) {
  for (const FamilyWrites& family : op.kept)
    for (const ItemWrite& write : family.writes)
      if (write.content)
        state.items[family.family][write.item] = *write.content;
      else
        state.items[family.family].erase(write.item);
  if (op.counts) ++state.counted;
}

Items items_of_lane(const Items& all, std::size_t lane) {
  Items mine;
  std::string prefix = lane_prefix(lane);
  for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at) mine.insert(*at);
  return mine;
}

std::vector<Items> found_of_lane(const Found& found, std::size_t lane) {
  std::vector<Items> mine;
  for (const Items& family : found.items) mine.push_back(items_of_lane(family, lane));
  return mine;
}

std::string shortened(const std::string& content) { return content.substr(0, content.find(' ')); }

/// The first few items that differ.
std::string difference(const std::vector<Items>& expected, const std::vector<Items>& found) {
  std::string text;
  std::size_t shown = 0;
  auto add = [&](std::size_t family, const std::string& item, const std::string& what) {
    if (shown++ < differences_shown) text += "\n      family " + std::to_string(family) + " " + item + ": " + what;
  };
  for (std::size_t family = 0; family < expected.size(); ++family) {
    for (const auto& [item, content] : expected[family]) {
      auto at = found[family].find(item);
      if (at == found[family].end())
        add(family, item, "missing, should be " + shortened(content));
      else if (at->second != content)
        add(family, item, "is " + shortened(at->second) + ", should be " + shortened(content));
    }
    for (const auto& [item, content] : found[family])
      if (!expected[family].contains(item)) add(family, item, "should not be there: " + shortened(content));
  }
  return text;
}

void find_strangers(const Found& found, std::size_t lanes, std::vector<std::string>& problems) {
  for (const Items& family : found.items)
    for (const auto& [item, content] : family) {
      bool known = false;
      for (std::size_t lane = 0; lane < lanes && !known; ++lane) known = item.starts_with(lane_prefix(lane));
      if (!known) problems.push_back("an item that nobody wrote: " + item);
    }
}

/// Plays one lane's operations of the round on `state`. Returns the operation in flight, if any.
std::optional<Op> play_round(LaneState& state, std::uint64_t& next_op, std::size_t lane, std::uint64_t seed,
                             std::size_t families, const Oracle& oracle, Counts& counts,
                             std::vector<std::string>& problems) {
  for (std::uint64_t i = 0; i < ops_max; ++i) {
    OpState outcome = oracle.state(lane, i);
    if (outcome == OpState::none) return std::nullopt;
    Op op = plan_op(seed, lane, next_op++, families);
    switch (outcome) {
      case OpState::acked:
        ++counts.acked;
        if (op.kind == OpKind::rolled_back) problems.push_back("a function that failed was acknowledged");
        apply(state, op);
        break;
      case OpState::failed:
        if (op.kind != OpKind::rolled_back)
          problems.push_back("lane " + std::to_string(lane) + " failed: " + oracle.text(lane));
        break;
      case OpState::unknown: ++counts.unknown; return op;
      default: ++counts.in_flight; return op;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<Found> read_store(Store& store, std::vector<std::unique_ptr<CrashFamily>>& families,
                         std::vector<std::string>& problems, Counts& counts) {
  LOAM_TRY(auto report, store.check());
  counts.rows_checked += static_cast<std::uint64_t>(report.rows_checked);
  for (const std::string& problem : report.problems) problems.push_back("check(): " + problem);
  Found found;
  for (auto& family : families) {
    LOAM_TRY(family->prepare(store));
    LOAM_TRY(auto items, family->read_all(store));
    LOAM_TRY(auto of_indexes, family->index_problems(store, items));
    for (const std::string& problem : of_indexes) problems.push_back(std::string(family->name()) + ": " + problem);
    found.items.push_back(std::move(items));
  }
  LOAM_TRY(found.counter, read_counter(store));
  return found;
}

void compare_round(Model& model, const Oracle& oracle, const Found& found, std::vector<std::string>& problems,
                   Counts& counts) {
  std::int64_t counted = 0;
  for (std::size_t lane = 0; lane < model.lanes.size(); ++lane) {
    LaneState& state = model.lanes[lane];
    auto in_flight = play_round(state, model.next_op[lane], lane, model.seed, state.items.size(), oracle, counts, problems);
    auto mine = found_of_lane(found, lane);
    if (mine != state.items && in_flight) {
      LaneState with = state;
      apply(with, *in_flight);
      if (mine == with.items) {
        state = std::move(with);
        ++counts.in_flight_present;
      }
    }
    if (mine != state.items)
      problems.push_back("lane " + std::to_string(lane) + " does not hold what was acknowledged before operation " +
                         std::to_string(model.next_op[lane]) + (in_flight ? ", with or without the one in flight" : "") +
                         ":" + difference(state.items, mine));
    counted += state.counted;
  }
  find_strangers(found, model.lanes.size(), problems);
  if (counted != found.counter)
    problems.push_back("the shared counter is " + std::to_string(found.counter) + " after " + std::to_string(counted) +
                       " increments");
}

void compare_exactly(const Model& model, const Found& found, std::vector<std::string>& problems) {
  std::int64_t counted = 0;
  for (std::size_t lane = 0; lane < model.lanes.size(); ++lane) {
    auto mine = found_of_lane(found, lane);
    if (mine != model.lanes[lane].items)
      problems.push_back("lane " + std::to_string(lane) + " differs:" + difference(model.lanes[lane].items, mine));
    counted += model.lanes[lane].counted;
  }
  find_strangers(found, model.lanes.size(), problems);
  if (counted != found.counter) problems.push_back("the shared counter is " + std::to_string(found.counter));
}

void compare_some_moment(const Model& before, const Oracle& oracle, const Found& found, std::vector<std::string>& problems) {
  for (std::size_t lane = 0; lane < before.lanes.size(); ++lane) {
    LaneState state = before.lanes[lane];
    auto mine = found_of_lane(found, lane);
    bool met = mine == state.items;
    for (std::uint64_t i = 0; !met && i < ops_max && oracle.state(lane, i) != OpState::none; ++i) {
      if (oracle.state(lane, i) == OpState::failed) continue;
      apply(state, plan_op(before.seed, lane, before.next_op[lane] + i, state.items.size()));
      met = mine == state.items;
    }
    if (!met) problems.push_back("lane " + std::to_string(lane) + " of the backup is as it was at no moment");
  }
  find_strangers(found, before.lanes.size(), problems);
}

}  // namespace loam::crash
