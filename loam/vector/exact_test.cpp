// Compiled with -ffp-contract=off, like what it tests.
#include "loam/vector/exact.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

// The definition: term i is added to lane i mod 8, in order of i, and the lanes are added pairwise. Stored answers depend on
// it, so this is never changed to agree with the code.
template <class Term>
double defined_sum(const float* a, const float* b, std::size_t dimension, Term term) {
  std::array<double, 8> lanes{};
  for (std::size_t i = 0; i < dimension; ++i) lanes[i % 8] += term(static_cast<double>(a[i]), static_cast<double>(b[i]));
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

double defined_dot(const float* a, const float* b, std::size_t dimension) {
  return defined_sum(a, b, dimension, [](double x, double y) { return x * y; });
}

double defined_distance(Distance distance, const float* a, const float* b, std::size_t dimension) {
  switch (distance) {
    case Distance::cosine: {
      const double squares = defined_dot(a, a, dimension) * defined_dot(b, b, dimension);
      return squares == 0 ? 1 : 1 - defined_dot(a, b, dimension) / std::sqrt(squares);
    }
    case Distance::euclidean:
      return std::sqrt(defined_sum(a, b, dimension, [](double x, double y) { return (x - y) * (x - y); }));
    case Distance::inner_product: return 0.0 - defined_dot(a, b, dimension);
    case Distance::manhattan: return defined_sum(a, b, dimension, [](double x, double y) { return std::abs(x - y); });
  }
  return 0;
}

constexpr Distance all_distances[] = {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan};

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all;
  for (std::size_t dimension = 1; dimension <= 40; ++dimension) all.push_back(dimension);
  all.insert(all.end(), {63, 100, 127, 384, 385, 391, 1536, 4099});
  return all;
}

// Magnitudes that differ widely, so that another order of additions or another rounding shows; zeros and denormals among
// them.
float drawn(std::mt19937& random) {
  std::normal_distribution<float> normal;
  switch (random() % 8) {
    case 0: return 0.0f * (random() % 2 == 0 ? 1.0f : -1.0f);
    case 1: return normal(random) * 1e-39f;
    default: return std::ldexp(normal(random), static_cast<int>(random() % 40) - 20);
  }
}

// Row 0 is the query. `offset` floats in front, so that the rows are not aligned.
struct Rows {
  Rows(std::size_t dimension, std::size_t count, std::size_t offset) : memory(offset + (count + 1) * dimension) {
    std::mt19937 random(static_cast<unsigned>(dimension * 8 + offset));
    for (float& value : memory) value = drawn(random);
    query = memory.data() + offset;
    for (std::size_t i = 1; i <= count; ++i) rows.push_back(query + i * dimension);
  }
  std::vector<float> memory;
  const float* query;
  std::vector<const float*> rows;
};

constexpr std::size_t row_count = 7;  // some together, and some that are left over

TEST(ExactDistance, HasTheBitsOfItsDefinitionOnEveryInstructionSet) {
  on_every_target([] {
    for (const std::size_t dimension : dimensions()) {
      for (const std::size_t offset : {0u, 1u, 3u}) {
        const Rows data(dimension, row_count, offset);
        for (const Distance distance : all_distances) {
          const ExactQuery query(distance, {data.query, dimension});
          std::array<double, row_count> together;
          exact_distances(query, data.rows.data(), row_count, together.data());
          for (std::size_t i = 0; i < row_count; ++i) {
            const double expected = defined_distance(distance, data.query, data.rows[i], dimension);
            ASSERT_EQ(bits(together[i]), bits(expected))
                << "dimension " << dimension << " offset " << offset << " row " << i;
            ASSERT_EQ(bits(exact_distance(distance, data.query, data.rows[i], dimension)), bits(expected));
          }
        }
        ASSERT_EQ(bits(squared_norm(data.query, dimension)), bits(defined_dot(data.query, data.query, dimension)));
      }
    }
  });
}

TEST(ExactDistance, OfHalvesIsThatOfTheFloatsTheyStandFor) {
  on_every_target([] {
    std::mt19937 random(3);
    for (const std::size_t dimension : dimensions()) {
      for (const std::size_t offset : {0u, 1u, 3u}) {
        const Rows data(dimension, row_count, 0);
        std::vector<Half> halves(offset + row_count * dimension);
        std::vector<float> floats(halves.size());
        for (Half& half : halves) half.bits = static_cast<std::uint16_t>(random() % 0x7c00 | (random() % 2) << 15);
        to_float(halves.data(), halves.size(), floats.data());
        std::array<const Half*, row_count> half_rows;
        std::array<const float*, row_count> float_rows;
        for (std::size_t i = 0; i < row_count; ++i) {
          half_rows[i] = halves.data() + offset + i * dimension;
          float_rows[i] = floats.data() + offset + i * dimension;
        }
        for (const Distance distance : all_distances) {
          const ExactQuery query(distance, {data.query, dimension});
          std::array<double, row_count> from_halves, from_floats;
          exact_distances(query, half_rows.data(), row_count, from_halves.data());
          exact_distances(query, float_rows.data(), row_count, from_floats.data());
          for (std::size_t i = 0; i < row_count; ++i)
            ASSERT_EQ(bits(from_halves[i]), bits(from_floats[i])) << "dimension " << dimension << " row " << i;
        }
      }
    }
  });
}

TEST(ExactDistance, OfNoRowsWritesNothing) {
  const std::vector<float> query{1, 2, 3};
  double untouched = 5;

  exact_distances(ExactQuery(Distance::euclidean, query), static_cast<const float* const*>(nullptr), 0, &untouched);

  EXPECT_EQ(untouched, 5);
}

TEST(ExactDistance, OfZeroVectorsIsDefined) {
  on_every_target([] {
    const std::vector<float> zero(13), one(13, 1.0f);
    EXPECT_EQ(exact_distance(Distance::cosine, zero.data(), one.data(), 13), 1);
    EXPECT_EQ(exact_distance(Distance::cosine, one.data(), zero.data(), 13), 1);
    EXPECT_EQ(exact_distance(Distance::euclidean, zero.data(), zero.data(), 13), 0);
    EXPECT_FALSE(std::signbit(exact_distance(Distance::inner_product, zero.data(), one.data(), 13)));
  });
}

TEST(ExactDistance, OfTheGreatestFloatsIsFinite) {
  on_every_target([] {
    const std::size_t dimension = 65'536;
    const std::vector<float> high(dimension, std::numeric_limits<float>::max());
    const std::vector<float> low(dimension, -std::numeric_limits<float>::max());
    for (const Distance distance : all_distances)
      EXPECT_TRUE(std::isfinite(exact_distance(distance, high.data(), low.data(), dimension)));
    EXPECT_EQ(exact_distance(Distance::cosine, high.data(), high.data(), dimension), 0);
  });
}

TEST(ExactDistance, NarrowNeverLeavesItsRange) {
  EXPECT_EQ(narrow(Distance::cosine, -1e-17), 0.0f);
  EXPECT_EQ(narrow(Distance::cosine, 2.0000001), 2.0f);
  EXPECT_EQ(narrow(Distance::euclidean, 1e300), std::numeric_limits<float>::max());
  EXPECT_EQ(narrow(Distance::inner_product, -1e300), -std::numeric_limits<float>::max());
}

TEST(Normalize, GivesLengthOneAndTheSameBitsEverywhere) {
  const Rows data(385, 1, 0);
  std::vector<float> expected(data.rows[0], data.rows[0] + 385);
  normalize(expected);
  EXPECT_NEAR(squared_norm(expected.data(), 385), 1.0, 1e-6);
  on_every_target([&] {
    std::vector<float> values(data.rows[0], data.rows[0] + 385);
    normalize(values);
    EXPECT_EQ(values, expected);
  });
}

TEST(Normalize, LeavesAZeroVector) {
  std::vector<float> zero(9);

  normalize(zero);

  EXPECT_EQ(zero, std::vector<float>(9));
}

}  // namespace
}  // namespace loam::vector
