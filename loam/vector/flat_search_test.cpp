// Every search must equal a sort of all exact distances: same ids, same order, same bits, for any data, instruction set,
// number of threads and filter.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loam/vector/exact.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/targets_test_support.hpp"

namespace loam::vector {
namespace {

constexpr Distance all_distances[] = {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan};

using Rows = std::vector<std::vector<float>>;

FlatIndex filled(const Rows& rows, Distance distance) {
  FlatIndex index(rows[0].size(), distance);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE(index.put(static_cast<std::int64_t>(i), rows[i]).ok());
  return index;
}

std::vector<Neighbour> brute_force(const FlatIndex& index, Distance distance, std::vector<float> query, std::size_t k,
                                   const std::vector<std::int64_t>& ids) {
  if (distance == Distance::cosine) normalize(query);
  std::vector<Neighbour> all;
  for (const std::int64_t id : ids)
    if (const float* row = index.find(id))
      all.push_back({id, narrow(distance, exact_distance(distance, query.data(), row, query.size()))});
  std::sort(all.begin(), all.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
  });
  all.resize(std::min(k, all.size()));
  return all;
}

// One line, with the bits of the distances.
std::string rendered(const std::vector<Neighbour>& neighbours) {
  std::string text;
  for (const Neighbour& neighbour : neighbours) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &neighbour.distance, sizeof(bits));
    text += std::to_string(neighbour.id) + ":" + std::to_string(bits) + " ";
  }
  return text;
}

std::vector<std::int64_t> first_ids(std::size_t count) {
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int64_t>(i);
  return ids;
}

void expect_exact(const Rows& rows, const Rows& queries, std::initializer_list<std::size_t> ks) {
  const auto ids = first_ids(rows.size());
  for (const Distance distance : all_distances) {
    const FlatIndex index = filled(rows, distance);
    for (const auto& query : queries) {
      for (const std::size_t k : ks) {
        const std::string want = rendered(brute_force(index, distance, query, k, ids));
        for (const std::size_t threads : {1u, 3u}) {
          const auto got = index.search(query, {.k = k, .threads = threads});
          ASSERT_EQ(rendered(got.value().neighbours), want)
              << "metric " << static_cast<int>(distance) << " k " << k << " threads " << threads;
        }
      }
    }
  }
}

Rows random_rows(std::size_t count, std::size_t dimension, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Rows rows(count, std::vector<float>(dimension));
  for (auto& row : rows)
    for (float& value : row) value = normal(random);
  return rows;
}

TEST(FlatSearch, RandomRowsOfManyDimensions) {
  for (const std::size_t dimension : {1u, 2u, 7u, 63u, 64u, 65u, 100u, 384u, 385u, 1536u}) {
    SCOPED_TRACE(dimension);
    const std::size_t count = dimension > 1000 ? 400 : 1500;
    expect_exact(random_rows(count, dimension, 1), random_rows(3, dimension, 2), {1, 10, 300});
  }
}

TEST(FlatSearch, RowsOfOneClusterDifferByLessThanACode) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Rows rows(2000, std::vector<float>(128, 1.0f));
  for (auto& row : rows)
    for (float& value : row) value += 1e-6f * normal(random);
  expect_exact(rows, {rows[17], std::vector<float>(128, 1.0f), std::vector<float>(128, -1.0f)}, {1, 10, 100});
}

TEST(FlatSearch, OneHugeComponentHidesTheOthersFromTheCodes) {
  Rows rows = random_rows(3000, 96, 4);
  for (auto& row : rows) row[5] = 1e6f;
  Rows queries = random_rows(2, 96, 5);
  queries[0][5] = 1e6f;
  expect_exact(rows, queries, {1, 10, 100});
}

TEST(FlatSearch, SparseRowsWithEqualDistances) {
  std::mt19937 random(6);
  Rows rows(3000, std::vector<float>(80));
  for (auto& row : rows)
    for (int term = 0; term < 3; ++term) row[random() % 80] = 1;
  expect_exact(rows, {rows[0], rows[1], std::vector<float>(80)}, {1, 10, 500});
}

TEST(FlatSearch, LengthsFromDenormalToTheGreatestFloat) {
  Rows rows = random_rows(2000, 64, 7);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float scale = std::ldexp(1.0f, static_cast<int>(i % 250) - 126);
    for (float& value : rows[i]) value = std::clamp(value * scale, -3e38f, 3e38f);
    if (i % 97 == 0) std::fill(rows[i].begin(), rows[i].end(), 3.4e38f);
    if (i % 89 == 0) std::fill(rows[i].begin(), rows[i].end(), 1e-45f);
    if (i % 83 == 0) std::fill(rows[i].begin(), rows[i].end(), 0.0f);
  }
  expect_exact(rows, {rows[0], rows[1], rows[97], rows[89], rows[200], std::vector<float>(64, -3.4e38f)}, {1, 10, 100});
}

TEST(FlatSearch, TenThousandEqualRowsComeInOrderOfId) {
  const Rows rows(10'000, std::vector<float>(72, 0.3f));
  expect_exact(rows, {rows[0], random_rows(1, 72, 8)[0]}, {1, 10, 9'999, 20'000});
}

TEST(FlatSearch, HalfErasedAndRefilled) {
  const Rows rows = random_rows(5000, 100, 9);
  FlatIndex index = filled(rows, Distance::euclidean);
  for (std::int64_t id = 0; id < 5000; id += 2) ASSERT_TRUE(index.erase(id));
  for (std::int64_t id = 10'000; id < 11'000; ++id)
    ASSERT_TRUE(index.put(id, rows[static_cast<std::size_t>(id - 10'000)]).ok());
  const auto ids = first_ids(12'000);
  const auto got = index.search(rows[2], {.k = 50, .threads = 2});
  EXPECT_EQ(rendered(got.value().neighbours), rendered(brute_force(index, Distance::euclidean, rows[2], 50, ids)));
  EXPECT_EQ(got.value().distances_computed, 3500);
}

TEST(FlatSearch, FilterOfAnySelectivityLooksAtNothingElse) {
  const Rows rows = random_rows(6000, 90, 10);
  for (const Distance distance : all_distances) {
    const FlatIndex index = filled(rows, distance);
    for (const std::int64_t step : {1, 2, 50, 3000}) {
      std::vector<std::int64_t> ids{-5, -5};  // absent, and named twice
      for (std::int64_t id = 1; id < 6000; id += step) ids.insert(ids.end(), 2, id);
      const auto got = index.search(rows[0], {.k = 20, .only_ids = std::span(std::as_const(ids)), .threads = 2});
      ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
      EXPECT_EQ(rendered(got.value().neighbours), rendered(brute_force(index, distance, rows[0], 20, ids)));
      EXPECT_EQ(got.value().distances_computed, static_cast<std::int64_t>(ids.size()) - 1);
    }
  }
}

TEST(FlatSearch, EveryInstructionSetGivesTheSameBits) {
  Rows rows = random_rows(3000, 131, 12);
  for (std::size_t i = 1; i < rows.size(); i += 3) {
    rows[i] = rows[i - 1];  // near ties: the same row in another order of magnitude of its last digit
    rows[i][0] = std::nextafter(rows[i][0], 2.0f);
  }
  const auto query = random_rows(1, 131, 13)[0];
  for (const Distance distance : all_distances) {
    const FlatIndex index = filled(rows, distance);
    const std::string want = rendered(brute_force(index, distance, query, 200, first_ids(rows.size())));
    on_every_target([&] { EXPECT_EQ(rendered(index.search(query, {.k = 200, .threads = 2}).value().neighbours), want); });
  }
}

TEST(FlatSearch, ManyThreadsSearchAtOnce) {
  const Rows rows = random_rows(20'000, 64, 14);
  const FlatIndex index = filled(rows, Distance::cosine);
  const std::string want = rendered(index.search(rows[3], {.k = 25}).value().neighbours);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round)
        if (rendered(index.search(rows[3], {.k = 25, .threads = 3}).value().neighbours) != want) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(FlatSearch, CancelledFromAnotherThreadWhileSearching) {
  const Rows rows = random_rows(4000, 64, 15);
  const FlatIndex index = filled(rows, Distance::manhattan);
  Cancellation cancel;
  std::atomic<bool> searching = false;
  std::thread other([&] {
    while (!searching.load()) std::this_thread::yield();
    cancel.cancel();
  });
  ErrorCode code = ErrorCode::internal;
  for (;;) {
    const auto got = index.search(rows[0], {.k = 4000, .threads = 2}, Context().cancelled_by(cancel));
    searching.store(true);
    if (got.ok()) continue;
    code = got.error().code();
    break;
  }
  other.join();
  EXPECT_EQ(code, ErrorCode::cancelled);
}

// The threads of the pool do not exist in a forked child, and its mutex may have been held at the fork.
TEST(FlatSearch, ForkedChildSearchesToo) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not allow threads to be made after a fork of a threaded process";
#endif
  const Rows rows = random_rows(20'000, 64, 16);
  const FlatIndex index = filled(rows, Distance::euclidean);
  const std::string want = rendered(index.search(rows[1], {.k = 5, .threads = 3}).value().neighbours);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::_exit(rendered(index.search(rows[1], {.k = 5, .threads = 3}).value().neighbours) == want ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

}  // namespace
}  // namespace loam::vector
