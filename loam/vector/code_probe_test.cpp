#include "loam/vector/code_probe.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace loam::vector {
namespace {

std::vector<float> normal_rows(std::size_t count, std::size_t dimension, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dimension);
  for (float& value : rows) value = normal(random);
  return rows;
}

// Groups of vectors that differ by `spread` times what the groups differ by.
std::vector<float> clustered_rows(std::size_t count, std::size_t dimension, std::size_t groups, float spread) {
  const auto centres = normal_rows(groups, dimension, 7);
  auto rows = normal_rows(count, dimension);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = centres[i / dimension % groups * dimension + i % dimension] + spread * rows[i];
  return rows;
}

CodeChoice choice(Distance distance, std::size_t dimension, const std::vector<float>& rows) {
  const CodeFrame frame = measure_frame(distance, rows, dimension);
  return choose_code({.dimension = dimension, .distance = distance}, frame, rows);
}

TEST(CodeProbe, TakesFewerBitsWhereThereAreMoreDimensions) {
  EXPECT_EQ(code_bits_for(Distance::cosine, 96), 4u);
  EXPECT_EQ(code_bits_for(Distance::cosine, 256), 3u);
  EXPECT_EQ(code_bits_for(Distance::cosine, 384), 2u);
  EXPECT_EQ(code_bits_for(Distance::cosine, 768), 2u);
  EXPECT_EQ(code_bits_for(Distance::cosine, 1024), 1u);
  EXPECT_EQ(code_bits_for(Distance::cosine, 1536), 1u);
  EXPECT_EQ(code_bits_for(Distance::manhattan, 1536), 4u);
}

TEST(CodeProbe, TakesAsManyComponentsAsFit) {
  EXPECT_EQ(code_dimension_for(Distance::cosine, 384, 2), 0u) << "all";
  EXPECT_EQ(code_dimension_for(Distance::cosine, 640, 2), 0u);
  EXPECT_EQ(code_dimension_for(Distance::cosine, 768, 2), 640u);
  EXPECT_EQ(code_dimension_for(Distance::cosine, 768, 3), 0u) << "who needs more bits needs all components";
  EXPECT_EQ(code_dimension_for(Distance::inner_product, 1024, 1), 0u);
  EXPECT_EQ(code_dimension_for(Distance::euclidean, 1536, 1), 1280u);
  EXPECT_EQ(code_dimension_for(Distance::cosine, 3072, 1), 2560u);
  EXPECT_EQ(code_dimension_for(Distance::cosine, 4096, 1), 2560u);
  EXPECT_EQ(code_dimension_for(Distance::manhattan, 4096, 4), 0u);
}

TEST(CodeProbe, KeepsTheBitsOfTheDimensionWhereTheyDo) {
  // Directions from the centre are what a code holds best: few of them, and weak noise around.
  const auto rows = clustered_rows(2064, 384, 200, 1.0F);
  const CodeChoice chosen = choice(Distance::euclidean, 384, rows);
  EXPECT_EQ(chosen.bits, 2u);
  EXPECT_GE(chosen.recall, 0.95);
}

TEST(CodeProbe, TakesMoreBitsForVectorsThatAreHardToTellApart) {
  // Of 1,000 neighbours in a group, distances are alike up to a few hundredths of the distance from the centre.
  const auto rows = clustered_rows(2064, 384, 2, 0.2F);
  const CodeChoice chosen = choice(Distance::euclidean, 384, rows);
  EXPECT_EQ(chosen.bits, 4u);
}

TEST(CodeProbe, WorksForEveryDistance) {
  for (const Distance distance : {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan}) {
    const auto rows = clustered_rows(1000, 100, 90, 0.5F);
    const CodeChoice chosen = choice(distance, 100, rows);
    EXPECT_GT(chosen.recall, 0.9) << static_cast<int>(distance);
    EXPECT_TRUE(chosen.bits == 4 || (distance == Distance::manhattan && chosen.bits == 8));
  }
}

TEST(CodeProbe, EqualVectorsAreAllFound) {
  const std::vector<float> rows(300 * 64, 0.5F);
  const CodeChoice chosen = choice(Distance::euclidean, 64, rows);
  EXPECT_EQ(chosen.recall, 1);
}

TEST(CodeProbe, TinySamplesKeepTheBitsOfTheDimension) {
  for (std::size_t count = 0; count < 6; ++count) {
    const CodeChoice chosen = choice(Distance::cosine, 384, normal_rows(count, 384));
    EXPECT_EQ(chosen.bits, 2u) << count;
    EXPECT_EQ(chosen.recall, 1) << count;
  }
}

}  // namespace
}  // namespace loam::vector
