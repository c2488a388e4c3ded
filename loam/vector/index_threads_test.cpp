// Searches, changes and upkeep at the same time. Run it under the thread sanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "loam/vector/index.hpp"
#include "loam/vector/index_test_support.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t dimension = 12;

IndexOptions options_of(std::size_t flat_max, Distance distance = Distance::euclidean) {
  return {.dimension = dimension, .distance = distance, .max_connections = 16, .ef_construction = 32, .flat_max = flat_max};
}

std::vector<float> random_vector(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

/// Runs until it is destroyed.
class Background {
 public:
  explicit Background(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          while (!stop_.load()) body();
        }) {}
  ~Background() {
    stop_.store(true);
    thread_.join();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void run_together(std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

// --- one writer, and all it did written down: every answer is checked against the state that it says it is of

/// What apply() was given, by the sequence it was given.
struct Log {
  struct Entry {
    std::int64_t id;
    std::optional<std::vector<float>> vector;
  };
  std::map<std::uint64_t, std::vector<Entry>> changes;
};

struct Answer {
  enum class Kind { graph, exact, predicate, range } kind;
  std::vector<float> query;
  std::uint64_t sequence = 0;
  std::vector<Neighbour> neighbours;
  float radius = 0;
};

constexpr std::size_t asked = 8;
bool odd(std::int64_t id) { return id % 2 != 0; }

Answer ask(const Index& index, std::mt19937& random) {
  Answer answer{static_cast<Answer::Kind>(random() % 4), random_vector(random), 0, {}};
  if (answer.kind == Answer::Kind::range) {
    answer.radius = 3;
    auto range = index.search_range(answer.query, {.radius = answer.radius, .exact = random() % 2 == 0}).value();
    answer.sequence = range.sequence;
    answer.neighbours = std::move(range.neighbours);
    return answer;
  }
  SearchOptions options{.k = asked, .exact = answer.kind == Answer::Kind::exact};
  if (answer.kind == Answer::Kind::predicate) options.predicate = odd;
  auto result = index.search(answer.query, options).value();
  answer.sequence = result.sequence;
  answer.neighbours = std::move(result.neighbours);
  return answer;
}

testing::AssertionResult right(const Answer& answer, const Oracle& then) {
  const auto passes = answer.kind == Answer::Kind::predicate ? odd : std::function<bool(std::int64_t)>{};
  if (const auto result = sound(answer.neighbours, then, answer.query, passes); !result) return result;
  if (answer.kind == Answer::Kind::range) {
    if (answer.neighbours.empty() || answer.neighbours.back().distance <= answer.radius) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "beyond the radius";
  }
  const std::vector<Neighbour> best = then.nearest(answer.query, asked, passes);
  if (answer.kind == Answer::Kind::exact) return same(answer.neighbours, best);
  if (answer.neighbours.size() != best.size())
    return testing::AssertionFailure() << answer.neighbours.size() << " of " << best.size() << " neighbours";
  return testing::AssertionSuccess();
}

void check_all(std::vector<Answer> answers, const Log& log, const IndexOptions& options) {
  std::sort(answers.begin(), answers.end(), [](const Answer& a, const Answer& b) { return a.sequence < b.sequence; });
  Oracle state(options);
  auto change = log.changes.begin();
  for (const Answer& answer : answers) {
    for (; change != log.changes.end() && change->first <= answer.sequence; ++change)
      for (const Log::Entry& entry : change->second)
        entry.vector ? state.put(entry.id, *entry.vector) : static_cast<void>(state.erase(entry.id));
    ASSERT_TRUE(right(answer, state)) << "of kind " << static_cast<int>(answer.kind) << " after change " << answer.sequence;
  }
}

// Two ids of a pair are always changed together, so that an answer from between two states has one without the other.
std::vector<Log::Entry> next_changes(std::mt19937& random, std::int64_t pairs) {
  std::vector<Log::Entry> changes;
  for (std::size_t i = 0; i < 1 + random() % 4; ++i) {
    const auto pair = static_cast<std::int64_t>(random()) % pairs;
    const bool erased = random() % 4 == 0;
    for (const std::int64_t id : {2 * pair, 2 * pair + 1}) {
      if (erased)
        changes.push_back({id, {}});
      else
        changes.push_back({id, random_vector(random)});
    }
  }
  return changes;
}

class SearchesWhileOthersWrite : public testing::TestWithParam<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(FlatMax, SearchesWhileOthersWrite, testing::Values(0, 250, 100'000));

TEST_P(SearchesWhileOthersWrite, SeeTheStateOfTheirSequence) {
  constexpr std::int64_t pairs = 150;
  constexpr std::size_t rounds = fewer_when_sanitized(1200);
  constexpr std::size_t reader_count = 3;
  constexpr std::size_t answers_max = 600;
  const IndexOptions options = options_of(GetParam());
  auto index = Index::create(options).value();
  Log log;
  std::atomic<bool> done = false;
  std::vector<std::vector<Answer>> answers(reader_count);

  run_together(reader_count + 2, [&](std::size_t who) {
    std::mt19937 random(static_cast<unsigned>(who) + 1);
    if (who == 0) {
      std::uint64_t sequence = 0;
      for (std::size_t round = 0; round < rounds; ++round) {
        std::vector<Log::Entry> entries = next_changes(random, pairs);
        std::vector<Change> changes;
        for (const Log::Entry& entry : entries) changes.push_back({entry.id, entry.vector});
        sequence += 1 + random() % 3;
        EXPECT_TRUE(index->apply(changes, sequence, 1 + random() % 2).ok());
        log.changes[sequence] = std::move(entries);
      }
      done.store(true);
    } else if (who == 1) {
      for (std::size_t round = 0; !done.load(); ++round) {
        EXPECT_TRUE(index->maintain().ok());
        if (round % 16 == 0) {
          EXPECT_TRUE(healthy_now(*index));
        }
        if (round % 256 == 8) {
          EXPECT_TRUE(index->compact().ok());
        }
      }
    } else {
      std::uint64_t latest = 0;
      while (!done.load()) {
        Answer answer = ask(*index, random);
        EXPECT_GE(answer.sequence, latest) << "time went back";
        latest = answer.sequence;
        if (answers[who - 2].size() < answers_max) answers[who - 2].push_back(std::move(answer));
      }
    }
  });

  std::mt19937 random(99);
  for (std::size_t i = 0; i < 20; ++i) answers[0].push_back(ask(*index, random));
  for (std::vector<Answer>& of_one : answers) check_all(std::move(of_one), log, options);
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
}

// --- several writers

class SeveralWriters : public testing::TestWithParam<std::size_t> {
 protected:
  SeveralWriters()
      : index_(Index::create(options_of(GetParam())).value()),
        searches_([this] {
          std::mt19937& random = random_;
          const Answer answer = ask(*index_, random);
          EXPECT_LE(answer.neighbours.size(), 10'000u);
        }),
        upkeep_([this] {
          EXPECT_TRUE(index_->maintain().ok());
          if (++upkeeps_ % 64 == 0) {
            EXPECT_TRUE(index_->compact().ok());
          }
        }),
        audits_([this] {
          EXPECT_TRUE(healthy_now(*index_));
          std::this_thread::yield();
        }) {}

  Index& index() { return *index_; }
  void end_of_others() {
    searches_.reset();
    upkeep_.reset();
    audits_.reset();
  }

 private:
  class Stoppable {
   public:
    explicit Stoppable(std::function<void()> body) : background_(std::make_unique<Background>(std::move(body))) {}
    void reset() { background_.reset(); }

   private:
    std::unique_ptr<Background> background_;
  };

  std::mt19937 random_{17};
  std::size_t upkeeps_ = 0;
  std::unique_ptr<Index> index_;
  Stoppable searches_;
  Stoppable upkeep_;
  Stoppable audits_;
};

INSTANTIATE_TEST_SUITE_P(FlatMax, SeveralWriters, testing::Values(0, 60, 100'000));

// The last word on an id is the last of one of them.
TEST_P(SeveralWriters, OfTheSameIdsLoseNoUpdate) {
  constexpr std::size_t writer_count = 3;
  constexpr std::int64_t id_count = 80;
  constexpr std::size_t rounds = fewer_when_sanitized(1500);
  using Last = std::map<std::int64_t, std::optional<std::vector<float>>>;
  std::vector<Last> last(writer_count);

  run_together(writer_count, [&](std::size_t who) {
    std::mt19937 random(static_cast<unsigned>(who) + 1);
    for (std::size_t round = 0; round < rounds; ++round) {
      const auto id = static_cast<std::int64_t>(random() % id_count);
      if (random() % 3 == 0) {
        EXPECT_TRUE(index().erase(id).ok());
        last[who][id] = std::nullopt;
      } else {
        const std::vector<float> vector = random_vector(random);
        EXPECT_TRUE(index().put(id, vector).ok());
        last[who][id] = vector;
      }
    }
  });
  end_of_others();

  std::size_t there = 0;
  for (std::int64_t id = 0; id < id_count; ++id) {
    const auto found = index().find(id);
    there += found ? 1 : 0;
    bool of_one = false;
    for (const Last& mine : last) of_one |= mine.contains(id) && mine.at(id) == found;
    EXPECT_TRUE(of_one) << "id " << id;
  }
  EXPECT_EQ(index().size(), there);
  EXPECT_TRUE(healthy(index()));
  EXPECT_TRUE(no_slot_is_lost(index()));
}

TEST_P(SeveralWriters, OnlyOneOfThemErasesAnId) {
  constexpr std::int64_t id_count = 200;
  std::mt19937 random(3);
  for (std::int64_t id = 0; id < id_count; ++id) ASSERT_TRUE(index().put(id, random_vector(random)).ok());
  std::atomic<std::int64_t> erased = 0;

  run_together(3, [&](std::size_t) {
    for (std::int64_t id = 0; id < id_count; ++id) erased += index().erase(id).value() ? 1 : 0;
  });
  end_of_others();

  EXPECT_EQ(erased.load(), id_count);
  EXPECT_EQ(index().size(), 0u);
  EXPECT_TRUE(healthy(index()));
  EXPECT_TRUE(no_slot_is_lost(index()));
}

TEST_P(SeveralWriters, OfTheirOwnIdsLeaveExactlyTheseBehind) {
  constexpr std::size_t rounds = fewer_when_sanitized(900);
  std::vector<Oracle> mine(3, Oracle(index().options()));

  run_together(3, [&](std::size_t who) {
    std::mt19937 random(static_cast<unsigned>(who) + 1);
    const auto first = static_cast<std::int64_t>(who) * 1000;
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::int64_t id = first + static_cast<std::int64_t>(random() % 100);
      if (random() % 8 == 0) {
        Rows rows{dimension, {}};
        for (std::size_t i = 0; i < 16; ++i) {
          const std::vector<float> vector = random_vector(random);
          rows.values.insert(rows.values.end(), vector.begin(), vector.end());
        }
        EXPECT_TRUE(index().put_many(ids_from(id, 16), rows.values, 2).ok());
        mine[who].put_all(ids_from(id, 16), rows);
      } else if (random() % 3 == 0) {
        EXPECT_EQ(index().erase(id).value(), mine[who].erase(id));
      } else {
        const std::vector<float> vector = random_vector(random);
        EXPECT_TRUE(index().put(id, vector).ok());
        mine[who].put(id, vector);
      }
    }
  });
  end_of_others();

  Oracle all(index().options());
  for (const Oracle& one : mine)
    for (const auto& [id, vector] : one.vectors()) all.put(id, vector);
  EXPECT_EQ(index().size(), all.size());
  const Rows queries = normal_rows(20, dimension, 77);
  for (std::size_t i = 0; i < queries.count(); ++i)
    EXPECT_TRUE(same(index().search(queries[i], {.exact = true}).value().neighbours, all.nearest(queries[i], 10)));
  EXPECT_GE(mean_recall(index(), all, queries, {.k = 10, .ef = 100}), 0.97);
  EXPECT_TRUE(healthy(index()));
  EXPECT_TRUE(no_slot_is_lost(index()));
}

// Few vectors for many ids: chains begin, grow and end all the time. One linked by a thread that had not committed it yet
// was taken out of the graph when another thread erased the last of its chain.
TEST_P(SeveralWriters, OfEqualVectorsKeepAllOfThem) {
  constexpr std::size_t rounds = fewer_when_sanitized(3000);
  constexpr std::size_t kinds = 5;
  const Rows vectors = normal_rows(kinds, dimension, 5);
  std::vector<std::map<std::int64_t, std::size_t>> mine(4);

  run_together(4, [&](std::size_t who) {
    std::mt19937 random(static_cast<unsigned>(who) + 1);
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::int64_t id = static_cast<std::int64_t>(who) * 1000 + static_cast<std::int64_t>(random() % 6);
      if (random() % 2 == 0) {
        EXPECT_EQ(index().erase(id).value(), mine[who].erase(id) > 0);
      } else {
        const std::size_t kind = random() % kinds;
        EXPECT_TRUE(index().put(id, vectors[kind]).ok());
        mine[who][id] = kind;
      }
    }
  });
  end_of_others();

  for (std::size_t kind = 0; kind < kinds; ++kind) {
    std::vector<std::int64_t> wanted;
    for (const auto& of_one : mine)
      for (const auto& [id, its_kind] : of_one)
        if (its_kind == kind) wanted.push_back(id);
    EXPECT_EQ(ids_of(index().search_range(vectors[kind], {.radius = 0}).value().neighbours), wanted);
    EXPECT_EQ(ids_of(index().search_range(vectors[kind], {.radius = 0, .exact = true}).value().neighbours), wanted);
  }
  EXPECT_TRUE(healthy(index()));
  EXPECT_TRUE(no_slot_is_lost(index()));
  for (const auto& of_one : mine)
    for (const auto& [id, kind] : of_one) ASSERT_TRUE(index().erase(id).value());
  EXPECT_TRUE(no_slot_is_lost(index()));
  EXPECT_EQ(index().stats().free_slots, index().stats().slots);
}

TEST_P(SeveralWriters, OfOneSequenceAreDoneInItsOrder) {
  std::atomic<std::uint64_t> next = 0;
  std::mutex done_mutex;
  std::map<std::uint64_t, float> done;

  run_together(3, [&](std::size_t) {
    for (std::size_t round = 0; round < fewer_when_sanitized(600); ++round) {
      const std::uint64_t sequence = next.fetch_add(1) + 1;
      std::vector<float> vector(dimension, static_cast<float>(sequence));
      const auto applied = index().apply(std::vector<Change>{{1, vector}, {2, vector}}, sequence);
      if (applied.ok()) {
        const std::lock_guard lock(done_mutex);
        done[sequence] = vector[0];
      } else {
        EXPECT_EQ(applied.error().code(), ErrorCode::failed_precondition);
      }
    }
  });
  end_of_others();

  ASSERT_FALSE(done.empty());
  EXPECT_EQ(index().sequence(), done.rbegin()->first);
  EXPECT_EQ(index().find(1), std::vector<float>(dimension, done.rbegin()->second));
  EXPECT_EQ(index().find(1), index().find(2));
  EXPECT_TRUE(healthy(index()));
  EXPECT_TRUE(no_slot_is_lost(index()));
}

// Somebody is always in the middle of something. What is erased meanwhile waits for a thread that the system has put aside,
// so that nobody runs far ahead of the others; without using slots again there would be ten times as many.
TEST(IndexThreads, ErasedSlotsAreUsedAgainWhileSeveralWrite) {
  constexpr std::size_t count = 300;
  constexpr std::size_t ahead_max = 20;
  auto index = Index::create(options_of(0)).value();
  std::array<std::atomic<std::size_t>, 3> done{};

  run_together(done.size(), [&](std::size_t who) {
    std::mt19937 random(static_cast<unsigned>(who) + 1);
    for (std::size_t round = 0; round < count * 10 / 3; ++round) {
      while (round > ahead_max + std::min({done[0].load(), done[1].load(), done[2].load()})) std::this_thread::yield();
      EXPECT_TRUE(index->put(static_cast<std::int64_t>(who * 10'000 + round % (count / 3)), random_vector(random)).ok());
      ++done[who];
    }
  });

  EXPECT_LE(index->stats().slots, count * 5);
  EXPECT_TRUE(healthy(*index));
  EXPECT_TRUE(no_slot_is_lost(*index));
}

TEST(IndexThreads, SearchManyGoesOnWhileVectorsComeInBulk) {
  auto index = Index::create(options_of(200)).value();
  const Rows rows = normal_rows(fewer_when_sanitized(1800), dimension, 1);
  const Rows queries = normal_rows(16, dimension, 2);
  {
    const Background searches([&] {
      const auto answers = index->search_many(queries.values, {.k = 5}, 3).value();
      for (const SearchResult& answer : answers) EXPECT_LE(answer.neighbours.size(), 5u);
    });
    const std::size_t step = rows.count() / 6;
    for (std::size_t at = 0; at < rows.count(); at += step)
      ASSERT_TRUE(index
                      ->put_many(ids_from(static_cast<std::int64_t>(at), step),
                                 std::span(rows.values).subspan(at * dimension, step * dimension), 3)
                      .ok());
  }

  EXPECT_EQ(index->size(), rows.count());
  EXPECT_TRUE(healthy(*index));
}

// More threads than there are places for readers: they wait for each other.
TEST(IndexThreads, AnyNumberOfThreadsMaySearch) {
  auto index = Index::create(options_of(0)).value();
  const Rows rows = normal_rows(200, dimension, 1);
  for (std::size_t i = 0; i < rows.count(); ++i) ASSERT_TRUE(index->put(static_cast<std::int64_t>(i), rows[i]).ok());

  run_together(200, [&](std::size_t who) {
    EXPECT_EQ(index->search(rows[who], {.k = 1}).value().neighbours.at(0).id, static_cast<std::int64_t>(who));
  });
}

}  // namespace
}  // namespace loam::vector
