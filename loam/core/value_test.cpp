#include "loam/core/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace loam {
namespace {

TEST(Value, TellsItsKind) {
  EXPECT_EQ(Value().kind(), ValueKind::null);
  EXPECT_EQ(Value(true).kind(), ValueKind::boolean);
  EXPECT_EQ(Value(7).kind(), ValueKind::int64);
  EXPECT_EQ(Value(0.5).kind(), ValueKind::float64);
  EXPECT_EQ(Value("text").kind(), ValueKind::string);
  EXPECT_EQ(Value(Bytes{"b"}).kind(), ValueKind::bytes);
  EXPECT_EQ(Value(Vector{1, 2}).kind(), ValueKind::vector);
}

TEST(Value, KindsWithTheSameContentDiffer) {
  EXPECT_NE(Value("1"), Value(Decimal{"1"}));
  EXPECT_NE(Value("x"), Value(Bytes{"x"}));
  EXPECT_NE(Value(1), Value(1.0));
  EXPECT_EQ(Value(-0.0), Value(0.0));
}

TEST(Value, DisplaysForPeople) {
  EXPECT_EQ(Value().to_display(), "");
  EXPECT_EQ(Value(0.1).to_display(), "0.1");
  EXPECT_EQ(Value(Bytes{std::string("\x00\xff", 2)}).to_display(), "00ff");
  EXPECT_EQ(Value(Vector{1, 2.5f}).to_display(), "[1,2.5]");
  EXPECT_EQ(Value(Timestamp{0}).to_display(), "1970-01-01T00:00:00.000000Z");
}

TEST(Value, VectorsRoundTripThroughBytes) {
  Vector values{0.0f, -0.0f, 1.5f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()};

  Vector decoded = decode_vector(encode_vector(values.data(), values.size())).value();

  ASSERT_EQ(decoded, values);
  EXPECT_TRUE(std::signbit(decoded[1]));
}

TEST(Value, ACutVectorIsCorruption) { EXPECT_EQ(decode_vector("abc").error().code(), ErrorCode::data_corruption); }

TEST(Value, DecimalsAreDigitsWithAnOptionalPoint) {
  for (const char* good : {"0", "-1", "12.50", "-0.001"}) EXPECT_TRUE(is_decimal(good)) << good;
  for (const char* bad : {"", "-", ".5", "5.", "1e5", "+1", "1.2.3", " 1", "0x1", "NaN"})
    EXPECT_FALSE(is_decimal(bad)) << bad;
}

}  // namespace
}  // namespace loam
