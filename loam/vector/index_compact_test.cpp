#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "loam/vector/index.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 24;
constexpr std::size_t count = 6000;

std::vector<float> some_rows(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * dimension);
  for (float& value : rows) value = normal(random);
  return rows;
}

// Every `step`-th vector stays; each tenth row is a copy of the first one.
std::unique_ptr<Index> thinned(const std::vector<float>& rows, std::size_t step, std::size_t flat_max) {
  auto index = Index::create({.dimension = dimension, .distance = Distance::euclidean, .flat_max = flat_max}).value();
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i);
  EXPECT_TRUE(index->put_many(ids, rows, 2).ok());
  for (std::size_t i = 0; i < count; ++i) {
    if (i % step != 0) {
      EXPECT_TRUE(index->erase(ids[i]).value());
    }
  }
  return index;
}

std::span<const float> row(const std::vector<float>& rows, std::size_t i) {
  return std::span(rows).subspan(i * dimension, dimension);
}

class Compaction : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Compaction, GivesTheMemoryOfErasedVectorsBackAndLosesNone) {
  auto rows = some_rows(3);
  for (std::size_t i = 0; i < count; i += 10)
    std::copy_n(rows.begin(), dimension, rows.begin() + static_cast<long>(i * dimension));
  const auto index = thinned(rows, 4, GetParam());
  const IndexStats before = index->stats();
  const std::uint64_t sequence = index->sequence();

  ASSERT_TRUE(index->compact().ok());

  const IndexStats after = index->stats();
  EXPECT_EQ(after.vectors, count / 4);
  EXPECT_LE(after.slots, count / 4 + 8);
  EXPECT_EQ(after.waiting_slots, 0u);
  EXPECT_LT(after.memory_bytes, before.memory_bytes / 2);
  EXPECT_LT(after.full_bytes, before.full_bytes / 2);
  EXPECT_EQ(index->sequence(), sequence);
  const Audit audit = index->verify().value();
  EXPECT_TRUE(audit.healthy()) << (audit.findings.empty() ? "" : audit.findings.front());
  std::size_t missed = 0;
  for (std::size_t i = 0; i < count; i += 4) {
    const auto found = index->search(row(rows, i), {.k = 1, .ef = 64}).value();
    ASSERT_EQ(found.neighbours.size(), 1u);
    missed += found.neighbours[0].distance > 0 ? 1 : 0;
    EXPECT_EQ(index->find(static_cast<std::int64_t>(i)).value(),
              std::vector<float>(row(rows, i).begin(), row(rows, i).end()));
  }
  EXPECT_LE(missed, count / 4 / 100);
  ASSERT_TRUE(index->put(100'000, row(rows, 1)).ok());
  EXPECT_TRUE(index->verify().value().healthy());
}

INSTANTIATE_TEST_SUITE_P(FlatAndGraph, Compaction, ::testing::Values(count, 100));

TEST(CompactionBesideReaders, AnswersEveryVectorOnceAllTheTime) {
  const auto rows = some_rows(5);
  const auto index = thinned(rows, 3, 100);
  std::atomic<bool> done = false;
  std::atomic<std::size_t> wrong = 0;
  std::atomic<std::size_t> missed = 0;
  std::atomic<std::size_t> asked = 0;
  std::thread reader([&] {
    for (std::size_t i = 0; !done.load(); i = (i + 3) % count) {
      const auto found = index->search(row(rows, i), {.k = 5, .ef = 100}).value().neighbours;
      bool good = found.size() == 5;
      missed += found.empty() || found[0].id != static_cast<std::int64_t>(i) ? 1 : 0;
      ++asked;
      for (std::size_t a = 0; a < found.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) good = good && found[a].id != found[b].id;
      wrong += good ? 0 : 1;
    }
  });

  ASSERT_TRUE(index->compact().ok());
  done = true;
  reader.join();

  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_LE(missed.load(), 1 + asked.load() / 50);
  EXPECT_EQ(index->stats().vectors, count / 3);
}

}  // namespace
}  // namespace loam::vector
