#include "loam/vector/slot_bitmap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

using Members = std::set<Slot>;

Members members_of(const SlotBitmap& bitmap) {
  std::vector<Slot> slots;
  bitmap.for_each([&](Slot slot) { slots.push_back(slot); });
  EXPECT_TRUE(std::is_sorted(slots.begin(), slots.end()));
  EXPECT_EQ(bitmap.cardinality(), slots.size());
  return Members(slots.begin(), slots.end());
}

SlotBitmap bitmap_of(std::size_t slot_end, const Members& members) {
  SlotBitmap bitmap(slot_end);
  for (const Slot slot : members) bitmap.insert(slot);
  return bitmap;
}

// About one of `sparsity` slots, and the last one often.
Members some_of(std::size_t slot_end, std::size_t sparsity, std::mt19937& random) {
  Members members;
  for (std::size_t slot = 0; slot < slot_end; ++slot)
    if (random() % sparsity == 0) members.insert(static_cast<Slot>(slot));
  if (slot_end > 0 && random() % 2 == 0) members.insert(static_cast<Slot>(slot_end - 1));
  return members;
}

Members all_below(std::size_t slot_end) {
  Members members;
  for (std::size_t slot = 0; slot < slot_end; ++slot) members.insert(static_cast<Slot>(slot));
  return members;
}

template <class Algorithm>
Members combined(const Members& a, const Members& b, Algorithm algorithm) {
  Members out;
  algorithm(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

constexpr std::size_t lengths[] = {0, 1, 63, 64, 65, 127, 128, 200, 511, 512, 513, 1000, 4097};

TEST(SlotBitmap, IsEmptyUnlessToldOtherwise) {
  for (const std::size_t length : lengths) {
    EXPECT_EQ(members_of(SlotBitmap(length)), Members{});
    EXPECT_EQ(members_of(SlotBitmap(length, true)), all_below(length));
  }
  EXPECT_EQ(members_of(SlotBitmap()), Members{});
  EXPECT_FALSE(SlotBitmap().contains(0));
}

TEST(SlotBitmap, BehavesLikeASetUnderInsertAndErase) {
  std::mt19937 random(11);
  SlotBitmap bitmap(100);
  Members expected;
  for (int step = 0; step < 20'000; ++step) {
    const auto slot = static_cast<Slot>(random() % 700);
    if (random() % 2 == 0) {
      bitmap.insert(slot);
      expected.insert(slot);
    } else {
      bitmap.erase(slot);
      expected.erase(slot);
    }
    ASSERT_EQ(bitmap.cardinality(), expected.size());
  }
  EXPECT_EQ(members_of(bitmap), expected);
  for (Slot slot = 0; slot < 2000; ++slot) EXPECT_EQ(bitmap.contains(slot), expected.count(slot) == 1) << slot;
}

TEST(SlotBitmap, EraseBeyondTheEndDoesNothing) {
  SlotBitmap bitmap(64, true);

  bitmap.erase(64);
  bitmap.erase(UINT32_MAX);

  EXPECT_EQ(members_of(bitmap), all_below(64));
}

TEST(SlotBitmap, SetAlgebraIsThatOfSetsOnEveryInstructionSet) {
  on_every_target([] {
    std::mt19937 random(12);
    for (const std::size_t first : lengths) {
      for (const std::size_t second : lengths) {
        const Members a = some_of(first, 3, random);
        const Members b = some_of(second, 2, random);
        SlotBitmap both = bitmap_of(first, a);
        SlotBitmap either = both;
        SlotBitmap rest = both;
        const SlotBitmap other = bitmap_of(second, b);

        both.intersect(other);
        either.unite(other);
        rest.subtract(other);

        const auto intersection = [](auto... range) { std::set_intersection(range...); };
        const auto set_union = [](auto... range) { std::set_union(range...); };
        const auto difference = [](auto... range) { std::set_difference(range...); };
        ASSERT_EQ(members_of(both), combined(a, b, intersection)) << first << " and " << second;
        ASSERT_EQ(members_of(either), combined(a, b, set_union)) << first << " or " << second;
        ASSERT_EQ(members_of(rest), combined(a, b, difference)) << first << " without " << second;
        ASSERT_EQ(both.slot_end(), std::min(SlotBitmap(first).slot_end(), other.slot_end()));
        ASSERT_EQ(either.slot_end(), std::max(SlotBitmap(first).slot_end(), other.slot_end()));
        ASSERT_EQ(rest.slot_end(), SlotBitmap(first).slot_end());
      }
    }
  });
}

TEST(SlotBitmap, InvertsWithinTheGivenEnd) {
  on_every_target([] {
    std::mt19937 random(13);
    for (const std::size_t length : lengths) {
      for (const std::size_t slot_end : lengths) {
        const Members before = some_of(length, 2, random);
        SlotBitmap bitmap = bitmap_of(length, before);

        bitmap.invert(slot_end);

        const auto difference = [](auto... range) { std::set_difference(range...); };
        ASSERT_EQ(members_of(bitmap), combined(all_below(slot_end), before, difference)) << length << " in " << slot_end;
      }
    }
  });
}

TEST(SlotBitmap, CombinesWithItself) {
  std::mt19937 random(14);
  const Members members = some_of(1000, 2, random);
  SlotBitmap bitmap = bitmap_of(1000, members);

  bitmap.unite(bitmap);
  bitmap.intersect(bitmap);
  EXPECT_EQ(members_of(bitmap), members);

  bitmap.subtract(bitmap);
  EXPECT_EQ(members_of(bitmap), Members{});
}

}  // namespace
}  // namespace loam::vector
