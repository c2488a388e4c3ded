#include "loam/vector/compact_id_map.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace loam::vector {
namespace {

// What an index does: it knows the id of every slot, and gives slots out in any order.
class Ids {
 public:
  std::uint32_t add(std::int64_t id) {
    if (free_.empty()) {
      ids_.push_back(id);
      return static_cast<std::uint32_t>(ids_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    ids_[slot] = id;
    return slot;
  }
  void remove(std::uint32_t slot) {
    ids_[slot] = gone;
    free_.push_back(slot);
  }
  auto id_of() const {
    return [this](std::uint32_t slot) {
      EXPECT_LT(slot, ids_.size());
      EXPECT_NE(ids_[slot], gone) << "asked for the id of a slot that is not in the map";
      return ids_[slot];
    };
  }

 private:
  static constexpr std::int64_t gone = std::numeric_limits<std::int64_t>::min() + 1;
  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> free_;
};

struct Pattern {
  std::string name;
  std::function<std::int64_t(std::uint64_t)> id;
};

std::vector<Pattern> patterns() {
  return {{"sequential", [](std::uint64_t i) { return static_cast<std::int64_t>(i); }},
          {"negative", [](std::uint64_t i) { return -static_cast<std::int64_t>(i) - 1; }},
          {"equal low bits", [](std::uint64_t i) { return static_cast<std::int64_t>(i << 32); }},
          {"equal low bits, negative", [](std::uint64_t i) { return static_cast<std::int64_t>(~(i << 40)); }},
          {"ends", [](std::uint64_t i) {
             return i % 2 == 0 ? std::numeric_limits<std::int64_t>::max() - static_cast<std::int64_t>(i)
                               : std::numeric_limits<std::int64_t>::min() + 2 + static_cast<std::int64_t>(i);
           }}};
}

// The id a slot has for a map that is only filled.
auto same_as_slot() {
  return [](std::uint32_t slot) { return std::int64_t{slot}; };
}

TEST(CompactIdMap, IsEmptyAtFirst) {
  const CompactIdMap map;

  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.find(0, same_as_slot()), std::nullopt);
  map.for_each([](std::uint32_t) { FAIL(); });
}

TEST(CompactIdMap, FindsWhatWasInsertedAndNothingElse) {
  for (const Pattern& pattern : patterns()) {
    CompactIdMap map;
    Ids ids;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::int64_t id = pattern.id(i);
      map.insert(id, ids.add(id), ids.id_of());
    }
    for (std::uint64_t i = 0; i < 20'000; ++i)
      ASSERT_EQ(map.find(pattern.id(i), ids.id_of()), static_cast<std::uint32_t>(i)) << pattern.name << ' ' << i;
    for (std::uint64_t i = 20'000; i < 30'000; ++i)
      ASSERT_EQ(map.find(pattern.id(i), ids.id_of()), std::nullopt) << pattern.name << ' ' << i;
  }
}

// Grows, churns and shrinks, so that buckets are split and joined many times.
TEST(CompactIdMap, BehavesLikeAnUnorderedMap) {
  for (const Pattern& pattern : patterns()) {
    std::mt19937_64 random(5);
    CompactIdMap map(random());
    Ids ids;
    std::unordered_map<std::int64_t, std::uint32_t> expected;
    for (const unsigned inserts_of_100 : {80u, 50u, 20u, 70u, 5u}) {
      for (int step = 0; step < 20'000; ++step) {
        const std::int64_t id = pattern.id(random() % 15'000);
        const auto known = expected.find(id);
        ASSERT_EQ(map.find(id, ids.id_of()), known == expected.end() ? std::nullopt : std::optional(known->second));
        if (random() % 100 >= inserts_of_100) {
          const auto erased = map.erase(id, ids.id_of());
          ASSERT_EQ(erased.has_value(), known != expected.end()) << pattern.name;
          if (!erased) continue;
          ASSERT_EQ(*erased, known->second);
          ids.remove(*erased);
          expected.erase(known);
        } else if (known == expected.end()) {
          const std::uint32_t slot = ids.add(id);
          map.insert(id, slot, ids.id_of());
          expected[id] = slot;
        } else {
          const std::uint32_t slot = ids.add(id);
          ASSERT_EQ(map.replace(id, slot, ids.id_of()), known->second);
          ids.remove(known->second);
          known->second = slot;
        }
        ASSERT_EQ(map.size(), expected.size());
      }
      std::vector<std::uint32_t> slots, slots_expected;
      map.for_each([&](std::uint32_t slot) { slots.push_back(slot); });
      for (const auto& [id, slot] : expected) slots_expected.push_back(slot);
      std::sort(slots.begin(), slots.end());
      std::sort(slots_expected.begin(), slots_expected.end());
      ASSERT_EQ(slots, slots_expected) << pattern.name;
    }
  }
}

TEST(CompactIdMap, ReplacesNothingThatIsAbsent) {
  CompactIdMap map;
  map.insert(3, 3, same_as_slot());

  EXPECT_EQ(map.replace(4, 4, same_as_slot()), std::nullopt);
  EXPECT_EQ(map.erase(4, same_as_slot()), std::nullopt);
  EXPECT_EQ(map.size(), 1u);
}

TEST(CompactIdMap, KeepsTheGreatestSlot) {
  CompactIdMap map;
  const auto id_of = [](std::uint32_t) { return std::int64_t{77}; };

  map.insert(77, CompactIdMap::slot_end - 1, id_of);

  EXPECT_EQ(map.find(77, id_of), CompactIdMap::slot_end - 1);
}

// While it grows and while it shrinks.
TEST(CompactIdMap, TakesAtMostSixBytesForEachOfManyEntries) {
  constexpr std::uint32_t count = 300'000;
  CompactIdMap map;
  double most = 0;
  const auto measure = [&] {
    if (map.size() >= 1000) most = std::max(most, static_cast<double>(map.bytes()) / static_cast<double>(map.size()));
  };
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    map.insert(slot, slot, same_as_slot());
    if (slot % 5000 == 0) measure();
  }
  EXPECT_LE(most, 6.0);
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    map.erase(slot, same_as_slot());
    if (slot % 5000 == 0) measure();
  }
  EXPECT_LE(most, 7.0);
  EXPECT_LE(map.bytes(), 100u);
}

TEST(CompactIdMap, AsksFewWrongSlots) {
  constexpr std::uint32_t count = 100'000;
  CompactIdMap map;
  std::size_t asked = 0;
  const auto id_of = [&](std::uint32_t slot) {
    ++asked;
    return std::int64_t{slot};
  };
  for (std::uint32_t slot = 0; slot < count; ++slot) map.insert(slot, slot, id_of);
  EXPECT_LE(asked, count * 2) << "while it grew";

  asked = 0;
  for (std::uint32_t slot = 0; slot < count; ++slot) static_cast<void>(map.find(slot, id_of));
  EXPECT_LE(asked, count * 11 / 10) << "to find what is there";

  asked = 0;
  for (std::uint32_t slot = 0; slot < count; ++slot) static_cast<void>(map.find(-1 - std::int64_t{slot}, id_of));
  EXPECT_LE(asked, count * 2 / 10) << "to find nothing";
}

TEST(CompactIdMap, StartsAgainAfterClear) {
  CompactIdMap map;
  for (std::uint32_t slot = 0; slot < 1000; ++slot) map.insert(slot, slot, same_as_slot());

  map.clear();
  map.insert(5, 5, same_as_slot());

  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(map.find(5, same_as_slot()), 5u);
  EXPECT_EQ(map.find(6, same_as_slot()), std::nullopt);
}

}  // namespace
}  // namespace loam::vector
