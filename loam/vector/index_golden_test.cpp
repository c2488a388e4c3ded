/// Files that earlier releases wrote (testdata/index-1: format 1), and the seeds of the fuzz target. Both are written by the
/// tests that are disabled; format 1 never again once it has been released.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "loam/vector/directory_pieces.hpp"
#include "loam/vector/pieces_test_support.hpp"

namespace loam::vector {
namespace {

const std::filesystem::path golden = std::filesystem::path(LOAM_SOURCE_DIR) / "loam/vector/testdata/index-1";
constexpr std::size_t golden_count = 300;
const IndexOptions golden_options{.dimension = 8, .max_connections = 8, .nb_layers = 3, .code_bits = 4};

MemoryPieces read_golden() {
  const auto directory = DirectoryPieces::open(golden).value();
  MemoryPieces pieces;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    const std::string name = entry.path().filename();
    pieces.pieces[name] = directory->read(name, head_bytes_max).value().value();
  }
  return pieces;
}

TEST(IndexGolden, Format1IsReadForEver) {
  MemoryPieces pieces = read_golden();

  auto [index, report] = Index::load(pieces, {.dimension = 8, .distance = Distance::cosine}).value();

  EXPECT_TRUE(report.healthy()) << testing::PrintToString(report.findings);
  EXPECT_FALSE(report.rebuilt);
  EXPECT_EQ(report.checkpoint, 1u);
  EXPECT_EQ(report.sequence, 39u);
  EXPECT_EQ(index->size(), 279u);
  EXPECT_GT(index->stats().duplicates, 20u);
  EXPECT_EQ(index->stats().layers, 2u);
  EXPECT_EQ(index->stats().code_bits, 4u);
  EXPECT_TRUE(index->verify().value().healthy());
  // Made from the same numbers today.
  const auto today = varied_index(golden_options, golden_count);
  for (std::int64_t id = 1000; id < 1300; ++id) ASSERT_EQ(index->find(id), today->find(id)) << id;
  const std::vector<float> queries = normal_rows(20, 8, 99);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto query = std::span(queries).subspan(i * 8, 8);
    const auto exact = index->search(query, {.k = 8, .exact = true}).value().neighbours;
    const auto walked = index->search(query, {.k = 8, .ef = 200}).value().neighbours;
    ASSERT_EQ(exact.size(), 8u);
    for (std::size_t j = 0; j < 8; ++j) EXPECT_EQ(walked.at(j).id, exact[j].id);
  }
}

// Otherwise codes from files do not fit those of new vectors: piece_codec_version has to change.
TEST(IndexGolden, CodesAreThoseOfFormat1) {
  MemoryPieces pieces = read_golden();
  const MemoryPieces::Bytes wide = pieces.piece("wide-0");
  pieces.pieces.erase(pieces.name_of("wide-0"));
  auto [index, report] = Index::load(pieces, {}).value();
  ASSERT_FALSE(report.rebuilt);
  MemoryPieces again;

  index->save(again).value();

  const std::size_t header = 4096;
  EXPECT_TRUE(std::equal(wide.begin() + header, wide.end(), again.piece("wide-0").begin() + header));
}

TEST(IndexGolden, DISABLED_IsWritten) {
  std::filesystem::create_directories(golden);
  const auto pieces = DirectoryPieces::open(golden).value();
  const auto index = varied_index(golden_options, golden_count);
  pieces->remove_others(index->save(*pieces).value()).value();
}

TEST(IndexGolden, DISABLED_SeedsOfTheFuzzTargetAreWritten) {
  const std::filesystem::path seeds = std::filesystem::path(LOAM_SOURCE_DIR) / "tests/fuzz/corpus/vector_index";
  std::filesystem::create_directories(seeds);
  const IndexOptions graphs[] = {
      {.dimension = 3, .distance = Distance::euclidean, .max_connections = 8, .ef_construction = 16},
      {.dimension = 4, .distance = Distance::cosine, .max_connections = 8, .ef_construction = 16, .code_bits = 1},
      {.dimension = 5, .distance = Distance::inner_product, .max_connections = 8, .ef_construction = 16, .code_bits = 2},
      {.dimension = 2, .distance = Distance::manhattan, .max_connections = 8, .ef_construction = 16, .code_bits = 4},
      {.dimension = 2, .distance = Distance::manhattan, .max_connections = 8, .ef_construction = 16, .code_bits = 8},
      {.dimension = 6, .max_connections = 8, .ef_construction = 16, .nb_layers = 1, .elements = Elements::f16},
  };
  int number = 0;
  const auto write = [&](Index& index) {
    MemoryPieces pieces;
    index.save(pieces).value();
    const MemoryPieces::Bytes bytes = fuzz_input(pieces);
    std::ofstream(seeds / ("seed_" + std::to_string(number++)), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  for (const IndexOptions& options : graphs) {
    const auto index = varied_index(options, 40);
    write(*index);
  }
  const auto flat = Index::create({.dimension = 3}).value();
  for (int i = 0; i < 5; ++i) flat->put(i, normal_rows(1, 3, static_cast<unsigned>(i))).value();
  write(*flat);
}

}  // namespace
}  // namespace loam::vector
