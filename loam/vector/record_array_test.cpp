#include "loam/vector/record_array.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "loam/vector/bit_array.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t record_bytes = 24;

void fill(RecordArray& records, std::size_t number, unsigned char byte) {
  std::memset(records.at(number), byte, record_bytes);
}

bool is_filled(const RecordArray& records, std::size_t number, unsigned char byte) {
  return std::all_of(records.at(number), records.at(number) + record_bytes,
                     [&](std::byte one) { return one == std::byte{byte}; });
}

TEST(RecordArray, NewRecordsAreZeroAndStayWhereTheyAre) {
  RecordArray records(record_bytes);
  ASSERT_TRUE(records.reserve(0).ok());
  std::byte* const first = records.at(0);
  EXPECT_TRUE(is_filled(records, 0, 0));
  fill(records, 0, 7);

  for (std::size_t number = 0; number < 20'000; ++number) ASSERT_TRUE(records.reserve(number).ok());

  EXPECT_EQ(records.at(0), first);
  EXPECT_TRUE(is_filled(records, 0, 7));
  EXPECT_TRUE(is_filled(records, 1, 0));
  EXPECT_TRUE(is_filled(records, 19'999, 0));
  EXPECT_EQ(records.at(1) - records.at(0), static_cast<std::ptrdiff_t>(record_bytes));
}

TEST(RecordArray, ChunksNeedNotComeInOrder) {
  RecordArray records(record_bytes, {.shift = 4});
  ASSERT_TRUE(records.reserve(900).ok());
  ASSERT_TRUE(records.reserve(17).ok());

  EXPECT_TRUE(records.has(900));
  EXPECT_TRUE(records.has(16)) << "of the same chunk";
  EXPECT_FALSE(records.has(0));
  EXPECT_FALSE(records.has(500));
  ASSERT_TRUE(records.reserve(slot_count_max).ok()) << "the greatest number there can be";
  fill(records, slot_count_max, 1);
  EXPECT_TRUE(is_filled(records, slot_count_max, 1));
}

TEST(RecordArray, CountsWhatHasBeenUsed) {
  RecordArray records(record_bytes, {.shift = 4});
  EXPECT_EQ(records.bytes(), 0u);
  for (std::size_t number = 0; number < 40; ++number) ASSERT_TRUE(records.reserve(number).ok());
  EXPECT_EQ(records.bytes(), 40 * record_bytes);
  ASSERT_TRUE(records.reserve(3).ok());
  EXPECT_EQ(records.bytes(), 40 * record_bytes) << "it was there";
}

TEST(RecordArray, WhatWasCutOffIsZeroWhenItComesBack) {
  RecordArray records(record_bytes, {.shift = 4});
  for (const std::size_t end : {std::size_t{0}, std::size_t{1}, std::size_t{16}, std::size_t{17}, std::size_t{31},
                                std::size_t{32}, std::size_t{99}, std::size_t{100}, std::size_t{500}}) {
    for (std::size_t number = 0; number < 100; ++number) {
      ASSERT_TRUE(records.reserve(number).ok());
      fill(records, number, 9);
    }

    records.cut(end);

    EXPECT_EQ(records.bytes(), std::min<std::size_t>(end, 100) * record_bytes);
    for (std::size_t number = 0; number < 100; ++number) {
      ASSERT_TRUE(records.reserve(number).ok());
      ASSERT_TRUE(is_filled(records, number, number < end ? 9 : 0)) << number << " of " << end;
    }
  }
}

TEST(RecordArray, AReleasedChunkIsGoneAndTheOthersStay) {
  RecordArray records(record_bytes, {.shift = 4});
  for (std::size_t number = 0; number < 48; ++number) {
    ASSERT_TRUE(records.reserve(number).ok());
    fill(records, number, 5);
  }

  records.release(1);
  records.release(1);
  records.release(60);

  EXPECT_FALSE(records.has(20));
  EXPECT_TRUE(is_filled(records, 15, 5));
  EXPECT_TRUE(is_filled(records, 32, 5));
  EXPECT_EQ(records.bytes(), 32 * record_bytes);
  ASSERT_TRUE(records.reserve(20).ok());
  EXPECT_TRUE(is_filled(records, 20, 0));
}

TEST(RecordArray, FilesOfADirectoryHoldThem) {
  RecordArray records(record_bytes, {.directory = testing::TempDir(), .shift = 4});
  ASSERT_TRUE(records.reserve(30).ok());
  fill(records, 30, 3);

  EXPECT_TRUE(records.mapped());
  EXPECT_TRUE(is_filled(records, 30, 3));
  EXPECT_FALSE(RecordArray(record_bytes, {.directory = "/is/not/there"}).reserve(0).ok());
}

TEST(RecordArray, RecordsAreReadWhileOthersAreMade) {
  RecordArray records(record_bytes, {.shift = 4});
  std::atomic<std::size_t> end = 0;
  std::thread writer([&] {
    for (std::size_t number = 0; number < 4000; ++number) {
      ASSERT_TRUE(records.reserve(number).ok());
      fill(records, number, static_cast<unsigned char>(number));
      end.store(number + 1, std::memory_order_release);
    }
  });
  for (std::size_t last = 0; last < 4000;) {
    last = end.load(std::memory_order_acquire);
    for (std::size_t number = last > 20 ? last - 20 : 0; number < last; ++number)
      ASSERT_TRUE(is_filled(records, number, static_cast<unsigned char>(number)));
  }
  writer.join();
}

TEST(BitArray, KeepsBitsOfManyThreads) {
  BitArray bits;
  for (Slot slot = 0; slot < 10'000; ++slot) ASSERT_TRUE(bits.reserve(slot).ok());
  std::vector<std::thread> threads;
  for (Slot who = 0; who < 4; ++who)
    threads.emplace_back([&bits, who] {
      for (int round = 0; round < 2; ++round)
        for (Slot slot = who; slot < 10'000; slot += 4) slot % 3 == 0 && round == 1 ? bits.clear(slot) : bits.set(slot);
    });
  for (std::thread& thread : threads) thread.join();

  for (Slot slot = 0; slot < 10'000; ++slot) ASSERT_EQ(bits.get(slot), slot % 3 != 0) << slot;
  EXPECT_EQ(bits.word(1) & 0xFF, 0xDBu) << "of 64 to 71, 66 and 69 are thirds";
}

// What is reserved while others read is theirs only later: nothing they look at may be written.
TEST(BitArray, IsReadWhileItGrows) {
  BitArray bits;
  ASSERT_TRUE(bits.reserve(0).ok());
  bits.set(0);
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop.load()) ASSERT_TRUE(bits.get(0));
  });
  for (Slot slot = 1; slot < 5000; ++slot) ASSERT_TRUE(bits.reserve(slot).ok());
  stop.store(true);
  reader.join();
}

}  // namespace
}  // namespace loam::vector
