#include "loam/vector/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace loam::vector {
namespace {

constexpr std::uint16_t finite_end = 0x7c00;  // of the magnitudes; the infinity

// As the format is defined: (1 + mantissa / 1024) 2^(exponent - 15), and mantissa 2^-24 where the exponent is 0.
double decoded(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

std::uint16_t rounded(float value) {
  Half half;
  EXPECT_TRUE(to_half(&value, 1, &half)) << value;
  return half.bits;
}

bool fits(float value) {
  Half half;
  return to_half(&value, 1, &half);
}

TEST(Half, EveryFiniteOneComesBackExactly) {
  for (std::uint32_t magnitude = 0; magnitude < finite_end; ++magnitude) {
    for (const std::uint32_t sign : {0u, 0x8000u}) {
      const auto bits = static_cast<std::uint16_t>(magnitude | sign);
      const float value = to_float(Half{bits});
      ASSERT_EQ(value, decoded(bits)) << bits;
      ASSERT_EQ(std::signbit(value), sign != 0) << bits;
      ASSERT_EQ(rounded(value), bits);
    }
  }
}

// With the test above it is shown for every float: rounding never decreases, and this is where it steps.
TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits + 1 < finite_end; ++bits) {
    const auto lower = static_cast<std::uint16_t>(bits);
    const auto upper = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((decoded(lower) + decoded(upper)) / 2);
    ASSERT_EQ(rounded(middle), bits % 2 == 0 ? lower : upper) << bits;
    ASSERT_EQ(rounded(std::nextafter(middle, 0.0f)), lower) << bits;
    ASSERT_EQ(rounded(std::nextafter(middle, 1e9f)), upper) << bits;
    ASSERT_EQ(rounded(-std::nextafter(middle, 0.0f)), lower | 0x8000u) << bits;
  }
}

TEST(Half, TheSmallestFloatsBecomeZero) {
  EXPECT_EQ(rounded(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(rounded(-std::numeric_limits<float>::denorm_min()), 0x8000);
  EXPECT_EQ(rounded(std::numeric_limits<float>::min()), 0);
}

TEST(Half, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(fits(65504.0f));
  EXPECT_EQ(rounded(std::nextafter(half_end, 0.0f)), finite_end - 1);
  EXPECT_EQ(rounded(-std::nextafter(half_end, 0.0f)), (finite_end - 1) | 0x8000u);
  for (const float value : {half_end, 1e30f, std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_FALSE(fits(value)) << value;
    EXPECT_FALSE(fits(-value)) << value;
  }
}

TEST(Half, RefusesARowForOneComponent) {
  for (std::size_t bad = 0; bad < 37; ++bad) {
    std::vector<float> row(37, 1.5f);
    std::vector<Half> halves(37);
    EXPECT_TRUE(to_half(row.data(), row.size(), halves.data()));
    row[bad] = 70'000;
    EXPECT_FALSE(to_half(row.data(), row.size(), halves.data()));
  }
}

TEST(Half, ConvertsRowsAsSingleNumbers) {
  for (std::size_t count = 0; count < 70; ++count) {
    std::vector<float> row(count), back(count);
    for (std::size_t i = 0; i < count; ++i)
      row[i] = (static_cast<float>(i) - 20.3f) * 1e-6f * std::exp2(static_cast<float>(i % 25));
    std::vector<Half> halves(count);

    ASSERT_TRUE(to_half(row.data(), count, halves.data()));
    to_float(halves.data(), count, back.data());

    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(halves[i].bits, rounded(row[i]));
      ASSERT_EQ(back[i], to_float(halves[i]));
    }
  }
}

}  // namespace
}  // namespace loam::vector
