// A whole index, built and searched by each instruction set: not only the answers, but every step to them is the same.

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "loam/vector/index.hpp"
#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 100;  // no power of two and no multiple of a SIMD vector

// Around a few centres, as embeddings are.
std::vector<std::vector<float>> clustered_rows(std::size_t count) {
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> centres(20, std::vector<float>(dimension));
  for (auto& centre : centres)
    for (float& value : centre) value = normal(random);
  std::vector<std::vector<float>> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back(centres[random() % centres.size()]);
    for (float& value : rows.back()) value += 0.5f * normal(random);
  }
  return rows;
}

// Neighbours with all bits of their distances, and what it took to find them.
std::string rendered(const SearchResult& found) {
  std::string text = std::to_string(found.estimates) + " estimates, " + std::to_string(found.distances) + " distances:";
  for (const Neighbour& neighbour : found.neighbours)
    text += ' ' + std::to_string(neighbour.id) + '@' + std::to_string(std::bit_cast<std::uint32_t>(neighbour.distance));
  return text + '\n';
}

std::string story(const IndexOptions& options, const std::vector<std::vector<float>>& rows) {
  const auto index = Index::create(options).value();
  const std::size_t stored = rows.size() - 30;
  for (std::size_t i = 0; i < stored; ++i) index->put(static_cast<std::int64_t>(i), rows[i]).value();
  index->promote().value();
  for (std::size_t i = 0; i < stored; i += 9) index->erase(static_cast<std::int64_t>(i)).value();
  index->maintain().value();
  std::string text;
  for (std::size_t i = stored; i < rows.size(); ++i) {
    const SearchResult found = index->search(rows[i], {.k = 10}).value();
    EXPECT_EQ(found.plan, Plan::graph);
    text += rendered(found);
    text += rendered(index->search(rows[i], {.k = 10, .exact = true}).value());
  }
  return text;
}

TEST(Index, IsBuiltAndSearchedAlikeByEveryInstructionSet) {
  const auto rows = clustered_rows(600);
  const std::pair<Distance, Elements> kinds[] = {{Distance::cosine, Elements::f32},
                                                 {Distance::euclidean, Elements::f16},
                                                 {Distance::inner_product, Elements::f32},
                                                 {Distance::manhattan, Elements::f16}};
  for (const auto& [distance, elements] : kinds) {
    const IndexOptions options{.dimension = dimension, .distance = distance, .elements = elements, .flat_max = 100};
    std::string expected;
    on_every_target([&] {
      const std::string got = story(options, rows);
      if (expected.empty()) expected = got;
      EXPECT_EQ(got, expected) << "distance " << static_cast<int>(distance);
    });
  }
}

}  // namespace
}  // namespace loam::vector
