#include "loam/core/id.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace loam {
namespace {

TEST(Uuid, IsOfVersionSevenAndKeepsItsMillisecond) {
  ManualClock clock({1'700'000'000'123'456});

  Uuid id = make_uuid(clock);

  EXPECT_EQ(id.bytes[6] >> 4, 7);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
}

TEST(Uuid, OfARealClockTellsItsTime) {
  Timestamp before = system_clock().now();

  Timestamp made = time_of(make_uuid());

  EXPECT_GE(made.micros, before.micros - 1000);
}

TEST(Uuid, IncreasesStrictlyEvenWhenTheClockIsSetBack) {
  ManualClock clock(system_clock().now());
  Uuid last = make_uuid(clock);
  for (int i = 0; i < 10'000; ++i) {
    clock.advance_micros(-1000);
    Uuid next = make_uuid(clock);
    ASSERT_LT(last, next);
    last = next;
  }
}

TEST(Uuid, IsUniqueAcrossThreads) {
  std::vector<std::vector<Uuid>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(make_uuid());
    });
  for (auto& thread : threads) thread.join();

  std::set<Uuid> all;
  for (auto& mine : made) all.insert(mine.begin(), mine.end());

  EXPECT_EQ(all.size(), 20'000u);
}

TEST(Uuid, TextRoundTrips) {
  Uuid id = make_uuid();

  EXPECT_EQ(parse_uuid(to_string(id)).value(), id);
  EXPECT_EQ(to_string(parse_uuid("0193A5B2-7C1E-7D3F-8A90-1B2C3D4E5F60").value()), "0193a5b2-7c1e-7d3f-8a90-1b2c3d4e5f60");
}

TEST(Uuid, RefusesWhatIsNotOne) {
  for (const char* text : {"", "0193a5b2", "0193a5b2-7c1e-7d3f-8a90-1b2c3d4e5f6g", "0193a5b2x7c1e-7d3f-8a90-1b2c3d4e5f60",
                           "0193a5b2-7c1e-7d3f-8a90-1b2c3d4e5f600"})
    EXPECT_EQ(parse_uuid(text).error().code(), ErrorCode::invalid_argument) << text;
}

}  // namespace
}  // namespace loam
