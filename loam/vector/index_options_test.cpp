/// What the options change.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "loam/vector/index_access_test_support.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 8;
constexpr std::size_t count = 1200;

std::unique_ptr<Index> built(IndexOptions options) {
  options.dimension = dimension;
  options.distance = Distance::euclidean;
  options.ef_construction = 40;
  options.code_bits = 4;
  options.flat_max = 0;
  auto index = Index::create(options).value();
  EXPECT_TRUE(index->put_many(ids_from(0, count), normal_rows(count, dimension, 1).values, 1).ok());
  EXPECT_TRUE(healthy(*index));
  return index;
}

// Slots choose their layers: the second above the lowest begins with slot 996, the third with slot 29,897.
TEST(IndexOptions, NbLayersBoundsHowManyThereAre) {
  for (const auto& [nb_layers, layers] : {std::pair{1u, 1u}, {2u, 2u}, {3u, 3u}, {4u, 3u}})
    EXPECT_EQ(built({.nb_layers = nb_layers})->stats().layers, layers) << nb_layers;
}

TEST(IndexOptions, EfSearchIsTheEffortOfASearchThatNamesNone) {
  const Rows queries = normal_rows(20, dimension, 2);
  const auto estimates = [&](const Index& index, const SearchOptions& options) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < queries.count(); ++i) sum += index.search(queries[i], options).value().estimates;
    return sum;
  };

  const auto hasty = built({.ef_search = 16});
  const auto thorough = built({.ef_search = 128});

  EXPECT_EQ(estimates(*hasty, {}), estimates(*hasty, {.ef = 16}));
  EXPECT_EQ(estimates(*thorough, {}), estimates(*thorough, {.ef = 128}));
  EXPECT_GT(estimates(*thorough, {}), estimates(*thorough, {.ef = 16}));
  EXPECT_GT(estimates(*thorough, {}), estimates(*hasty, {}));
}

TEST(IndexOptions, MaxConnectionsBoundsTheDegreeAndCostsThreeBytesEach) {
  const auto largest_degree = [](Index& index) {
    unsigned largest = 0;
    for (Slot slot = 0; slot < count; ++slot) largest = std::max(largest, graph_of(index).state(slot).degree());
    return largest;
  };

  const auto few = built({.max_connections = 8});
  const auto many = built({.max_connections = 16});

  EXPECT_EQ(largest_degree(*few), 8u);
  EXPECT_EQ(largest_degree(*many), 16u);
  const auto more = static_cast<double>(many->stats().memory_bytes) - static_cast<double>(few->stats().memory_bytes);
  EXPECT_NEAR(more / count, 8 * 3, 4) << "the map of ids is not always as large";
}

}  // namespace
}  // namespace loam::vector
