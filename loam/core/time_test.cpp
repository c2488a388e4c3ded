#include "loam/core/time.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Time, RendersMicrosecondsInUtc) {
  EXPECT_EQ(to_string(Timestamp{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_string(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(to_string(Timestamp{1'795'243'500'123'456}), "2026-11-21T06:45:00.123456Z");
}

TEST(Time, ReadsOffsetsFractionsAndDates) {
  EXPECT_EQ(parse_timestamp("1970-01-01").value().micros, 0);
  EXPECT_EQ(parse_timestamp("1970-01-01T02:00:00+02:00").value().micros, 0);
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00.5Z").value().micros, 500'000);
  EXPECT_EQ(parse_timestamp("1970-01-01 00:00:00.123456789Z").value().micros, 123'456);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.999999Z").value().micros, -1);
}

TEST(Time, RoundTripsAcrossTheCalendar) {
  for (std::int64_t day = -700'000; day < 2'900'000; day += 997) {
    Timestamp time{day * 86'400'000'000 + 12'345'678'901};
    ASSERT_EQ(parse_timestamp(to_string(time)).value(), time) << to_string(time);
  }
}

TEST(Time, RefusesWhatIsNotATime) {
  for (const char* text :
       {"", "yesterday", "2026-13-01", "2026-02-30", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Zx", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+24:00"})
    EXPECT_EQ(parse_timestamp(text).error().code(), ErrorCode::invalid_argument) << text;
}

}  // namespace
}  // namespace loam
