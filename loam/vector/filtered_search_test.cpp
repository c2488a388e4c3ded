#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "loam/vector/index_test_support.hpp"

// Which plan a filter gets, and how well it answers. What every filter is owed is in index_filter_test.cpp.
namespace loam::vector {
namespace {

/// Clusters in mixed order behind a graph; ids are row numbers.
struct Data {
  explicit Data(std::size_t row_count)
      : rows(shuffled(clustered_rows(row_count, normal_rows(60, 24, 1), .6F, 2), 3)),
        queries(shuffled(clustered_rows(40, normal_rows(60, 24, 1), .6F, 4), 5)),
        options{.dimension = 24, .distance = Distance::euclidean},
        oracle(options),
        index(Index::create(options).value()) {
    const std::vector<std::int64_t> ids = ids_from(0, rows.count());
    oracle.put_all(ids, rows);
    EXPECT_TRUE(index->put_many(ids, rows.values, 1).ok());
  }

  SlotBitmap filter_of(const std::set<std::int64_t>& ids) const {
    SlotBitmap filter;
    for (const std::int64_t id : ids) filter.insert(*index->slot_of(id));
    return filter;
  }
  /// Of the rows by their distance from the query, those in [first, first + count).
  std::set<std::int64_t> by_rank(std::span<const float> query, std::size_t first, std::size_t count) const {
    const std::vector<std::int64_t> ids = ids_of(oracle.ranked(query));
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(first);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }
  /// Mean over the queries, each with a filter of its own.
  template <class IdsOf>
  double recall_with(IdsOf ids_of_query, Plan plan) const {
    double sum = 0;
    for (std::size_t i = 0; i < queries.count(); ++i) {
      const std::set<std::int64_t> ids = ids_of_query(queries[i]);
      const SlotBitmap filter = filter_of(ids);
      const auto passes = [&](std::int64_t id) { return ids.contains(id); };
      const SearchResult found = index->search(queries[i], {.filter = &filter}).value();
      EXPECT_EQ(found.plan, plan) << "query " << i;
      EXPECT_EQ(found.neighbours.size(), 10u) << "query " << i;
      EXPECT_TRUE(sound(found.neighbours, oracle, queries[i], passes)) << "query " << i;
      sum += recall(found.neighbours, oracle.nearest(queries[i], 10, passes));
    }
    return sum / static_cast<double>(queries.count());
  }

  Rows rows;
  Rows queries;
  IndexOptions options;
  Oracle oracle;
  std::unique_ptr<Index> index;
};

const Data& data() {
  static const Data made(std::max<std::size_t>(fewer_when_sanitized(24'000), 9'000));
  return made;
}

TEST(FilteredSearch, ScansTheFewThatPass) {
  const auto every_fiftieth = [](std::span<const float>) {
    std::set<std::int64_t> ids;
    for (std::size_t id = 0; id < data().rows.count(); id += 50) ids.insert(static_cast<std::int64_t>(id));
    return ids;
  };
  EXPECT_GT(data().recall_with(every_fiftieth, Plan::scan), .97);
}

TEST(FilteredSearch, WalksPastThoseThatDoNotPass) {
  const auto every_second = [](std::span<const float>) {
    std::set<std::int64_t> ids;
    for (std::size_t id = 0; id < data().rows.count(); id += 2) ids.insert(static_cast<std::int64_t>(id));
    return ids;
  };
  EXPECT_GT(data().recall_with(every_second, Plan::filtered_graph), .95);
}

TEST(FilteredSearch, FindsWhatPassesAroundTheQuery) {
  const std::size_t count = data().rows.count() / 4;
  const auto nearest = [&](std::span<const float> query) { return data().by_rank(query, 0, count); };
  EXPECT_GT(data().recall_with(nearest, Plan::filtered_graph), .95);
}

TEST(FilteredSearch, FindsWhatPassesFarFromTheQuery) {
  const std::size_t count = data().rows.count() / 2;
  const auto around_the_farthest = [&](std::span<const float> query) {
    const std::int64_t farthest = data().oracle.ranked(query).back().id;
    return data().by_rank(data().rows[static_cast<std::size_t>(farthest)], 0, count);
  };
  double sum = 0;
  for (std::size_t i = 0; i < data().queries.count(); ++i) {
    const std::set<std::int64_t> ids = around_the_farthest(data().queries[i]);
    const SlotBitmap filter = data().filter_of(ids);
    const auto passes = [&](std::int64_t id) { return ids.contains(id); };
    const SearchResult found = data().index->search(data().queries[i], {.filter = &filter}).value();
    EXPECT_EQ(found.neighbours.size(), 10u) << "query " << i;
    sum += recall(found.neighbours, data().oracle.nearest(data().queries[i], 10, passes));
  }
  EXPECT_GT(sum / static_cast<double>(data().queries.count()), .85);
}

// The narrow codes of hundreds at nearly one distance rank them by their noise.
TEST(FilteredSearch, ScansRankWhatIsAboutEquallyFar) {
  const std::size_t all = data().rows.count();
  const auto farther_half = [&](std::span<const float> query) { return data().by_rank(query, all / 2, 500); };
  EXPECT_GT(data().recall_with(farther_half, Plan::scan), .9);
}

TEST(FilteredSearch, AnswersWithAllThatPassWhenTheyAreFewerThanK) {
  const std::span<const float> query = data().queries[0];
  const std::set<std::int64_t> ids = {3, 4, static_cast<std::int64_t>(data().rows.count() - 1)};
  const SlotBitmap filter = data().filter_of(ids);
  const auto passes = [&](std::int64_t id) { return ids.contains(id); };
  const std::vector<Neighbour> wanted = data().oracle.nearest(query, 10, passes);
  EXPECT_TRUE(same(data().index->search(query, {.filter = &filter}).value().neighbours, wanted));
  EXPECT_TRUE(same(data().index->search(query, {.predicate = passes}).value().neighbours, wanted));
}

TEST(FilteredSearch, SlotsThatHoldNothingDoNotPass) {
  Data own(6'000);
  std::set<std::int64_t> kept;
  for (std::int64_t id = 0; id < 6'000; ++id) {
    const bool erased = id % 3 == 0 && own.index->erase(id).value();
    if (!erased) kept.insert(id);
  }
  ASSERT_EQ(own.index->size(), 4'000u);
  for (const bool settled : {false, true}) {
    ASSERT_TRUE(!settled || own.index->maintain().ok());
    for (const std::size_t slot_end : {640, 6'000, 100'000}) {
      const SlotBitmap filter(slot_end, true);
      const auto passes = [&](std::int64_t id) { return kept.contains(id) && own.index->slot_of(id).value() < slot_end; };
      const SearchResult found = own.index->search(own.queries[0], {.k = 100, .filter = &filter}).value();
      EXPECT_EQ(found.neighbours.size(), 100u);
      for (const Neighbour& one : found.neighbours) EXPECT_TRUE(passes(one.id)) << one.id;
    }
  }
}

}  // namespace
}  // namespace loam::vector
