#include "loam/vector/rotation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

std::vector<std::size_t> dimensions() {
  std::vector<std::size_t> all(70);
  std::iota(all.begin(), all.end(), 1);
  all.insert(all.end(), {127, 128, 129, 255, 384, 385, 513, 768, 1023, 1024, 1536, 4099});
  return all;
}

std::vector<float> normal_vector(std::size_t dimension, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(dimension);
  for (float& value : values) value = normal(random);
  return values;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

TEST(Rotation, KeepsLengthsAndInnerProducts) {
  for (const std::size_t dimension : dimensions()) {
    const Rotation rotation(dimension, 7);
    auto a = normal_vector(dimension, 1);
    auto b = normal_vector(dimension, 2);
    const double product = dot(a, b);
    const double square = dot(a, a);
    rotation.apply(a.data());
    rotation.apply(b.data());
    const double slack = 1e-5 * static_cast<double>(dimension);
    EXPECT_NEAR(dot(a, a), square, slack) << dimension;
    EXPECT_NEAR(dot(a, b), product, slack) << dimension;
  }
}

TEST(Rotation, HasTheSameBitsOnEveryInstructionSet) {
  for (const std::size_t dimension : dimensions()) {
    const auto original = normal_vector(dimension, 3);
    std::vector<float> first;
    on_every_target([&] {
      auto values = original;
      Rotation(dimension, 11).apply(values.data());
      if (first.empty()) first = values;
      ASSERT_EQ(std::memcmp(first.data(), values.data(), dimension * sizeof(float)), 0) << dimension;
    });
  }
}

TEST(Rotation, SpreadsASingleComponentOverAll) {
  for (const std::size_t dimension : {128u, 200u, 384u, 511u, 513u, 1536u}) {
    const Rotation rotation(dimension, 5);
    for (const std::size_t place : {std::size_t{0}, dimension / 2, dimension - 1}) {
      std::vector<float> values(dimension, 0.0F);
      values[place] = 1;
      rotation.apply(values.data());
      // Of d normal numbers with variance 1/d the greatest is near sqrt(2 ln d / d).
      const double d = static_cast<double>(dimension);
      const float greatest = std::abs(
          *std::max_element(values.begin(), values.end(), [](float a, float b) { return std::abs(a) < std::abs(b); }));
      EXPECT_LT(greatest, 2 * std::sqrt(2 * std::log(d) / d)) << dimension << " component " << place;
    }
  }
}

TEST(Rotation, MakesComponentsOfSimilarVectorsNormal) {
  // Without mixing, vectors that differ in one component only would keep differing in one.
  constexpr std::size_t dimension = 384;
  const Rotation rotation(dimension, 5);
  std::vector<float> values(dimension, 1.0F);
  rotation.apply(values.data());
  double fourth = 0;
  for (const float value : values) fourth += std::pow(static_cast<double>(value), 4);
  EXPECT_NEAR(fourth / dimension, 3.0, 1.2);
}

TEST(Rotation, DependsOnItsSeed) {
  auto a = normal_vector(64, 1);
  auto b = a;
  Rotation(64, 1).apply(a.data());
  Rotation(64, 2).apply(b.data());
  EXPECT_NE(a, b);
}

TEST(Rotation, StaysFiniteForGreatValues) {
  for (const std::size_t dimension : {3u, 384u, 4096u}) {
    std::vector<float> values(dimension, 1e36F);
    Rotation(dimension, 3).apply(values.data());
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << dimension;
  }
}

}  // namespace
}  // namespace loam::vector
