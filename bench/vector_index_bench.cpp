/// What the vector index promises, measured: filters, updates, churn, threads, bulk loading and what could be
/// shared there, ranges, what an estimate costs by size, flat searches. Results: bench/results/vector_index.md.
///
///   loam_vector_index_bench filters --data bench-data --set source-384 --count 1000000
///
/// Every number is the median of several passes; what is compared is measured in turn, in one run. Without --data it makes
/// up clusters, so that anybody can run it.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "loam/vector/chunk_memory.hpp"
#include "loam/vector/index.hpp"
#include "loam/vector/locality.hpp"
#include "loam/vector/prefetch.hpp"
#include "vector_figures.hpp"

namespace loam::bench {
namespace {

using vector::Index;
using vector::Neighbour;
using vector::Slot;
using vector::SlotBitmap;
using Clock = std::chrono::steady_clock;

constexpr std::size_t k = 10;
/// An answer that is so little farther than the last true one, out of a distance of about 1, is near.
constexpr float near_tolerance = 2e-3F;

struct Options {
  std::string figure;
  std::filesystem::path data;
  std::string set = "source-384";
  std::size_t count = 100'000;
  std::size_t queries = 200;
  std::size_t seed = 1;
  std::filesystem::path directory;
  std::size_t passes = 5;
  std::size_t ef = 0;
  std::string only;  ///< of filters and churn: one kind
  bool json = false;
};

FigureData load(const Options& options, std::size_t count) {
  if (options.data.empty()) return FigureData::synthetic(count, options.queries, options.seed);
  return FigureData::open(options.data / options.set, count, options.queries);
}

std::unique_ptr<Index> make_index(const Options& options, const FigureData& data) {
  return must(Index::create({.dimension = data.dimension(), .directory = options.directory, .seed = options.seed}));
}

std::vector<std::int64_t> numbers(std::size_t first, std::size_t count) {
  std::vector<std::int64_t> ids(count);
  std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(first));
  return ids;
}

/// Ids are row numbers.
void put_rows(Index& index, const FigureData& data, std::size_t first, std::size_t count, std::size_t threads = 2) {
  must(index.put_many(numbers(first, count), data.rows(first, count), threads));
}

std::unique_ptr<Index> build(const Options& options, const FigureData& data, std::size_t count) {
  std::fprintf(stderr, "building: %zu x %zu .. ", count, data.dimension());
  const auto begin = Clock::now();
  auto index = make_index(options, data);
  put_rows(*index, data, 0, count);
  const vector::IndexStats stats = index->stats();
  std::fprintf(stderr, "%.1f s, %u bits, %.0f MB and %.0f MB of full vectors\n", milliseconds_since(begin) / 1000,
               stats.code_bits, static_cast<double>(stats.memory_bytes) / 1e6, static_cast<double>(stats.full_bytes) / 1e6);
  return index;
}

std::vector<Slot> slots_of(const Index& index, std::size_t count) {
  std::vector<Slot> slots(count);
  for (std::size_t i = 0; i < count; ++i) slots[i] = index.slot_of(static_cast<std::int64_t>(i)).value();
  return slots;
}

// --- filters

/// A filter for each query, and what it leaves.
struct FilterCell {
  std::string kind;
  double rate = 0;
  std::vector<SlotBitmap> filters;
  std::vector<Truth> truths;
};

/// `wanted` rows that pass, out of all of them in the order of their distance.
std::vector<std::uint32_t> passing_rows(std::string_view kind, std::span<const std::uint32_t> order,
                                        std::span<const std::uint32_t> elsewhere, std::size_t wanted, std::uint64_t seed) {
  const auto first = order.begin();
  const auto count = static_cast<std::ptrdiff_t>(wanted);
  if (kind == "correlated") return {first, first + count};
  if (kind == "farthest") return {order.end() - count, order.end()};
  if (kind == "elsewhere") {
    std::vector<std::uint32_t> rank(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<std::uint32_t>(i);
    std::vector<std::uint32_t> rows(elsewhere.begin(), elsewhere.begin() + count);
    std::sort(rows.begin(), rows.end(), [&](std::uint32_t a, std::uint32_t b) { return rank[a] < rank[b]; });
    return rows;
  }
  // The numbers that pass at random, by selection sampling, then in the order of their distance.
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> rows;
  rows.reserve(wanted);
  std::size_t left = order.size();
  for (const std::uint32_t row : order) {
    if (random() % left-- < wanted - rows.size()) rows.push_back(row);
    if (rows.size() == wanted) break;
  }
  return rows;
}

std::vector<FilterCell> make_filter_cells(const Options& options, const FigureData& data, const Index& index) {
  std::vector<FilterCell> cells;
  for (const char* kind : {"random", "correlated", "elsewhere", "farthest"})
    for (const double rate : {.9, .5, .1, .01, .001, .0001})
      if (options.only.empty() || options.only == kind) cells.push_back({kind, rate, {}, {}});
  for (FilterCell& cell : cells) {
    cell.filters.resize(data.queries());
    cell.truths.resize(data.queries());
  }
  const std::vector<Slot> slots = slots_of(index, data.rows());
  in_parallel(2, data.queries(), [&](std::size_t q) {
    const std::vector<float> distances = cosine_distances(data, data.query(q));
    const std::vector<std::uint32_t> order = by_distance(distances);
    // Around a row of the farther half.
    const std::size_t other = order[order.size() / 2 + std::mt19937_64(options.seed + q)() % (order.size() / 2)];
    const std::vector<std::uint32_t> elsewhere = by_distance(cosine_distances(data, data.row(other)));
    for (FilterCell& cell : cells) {
      const auto wanted = static_cast<std::size_t>(cell.rate * static_cast<double>(order.size()) + .5);
      const std::vector<std::uint32_t> rows = passing_rows(cell.kind, order, elsewhere, wanted, options.seed + q);
      SlotBitmap filter(data.rows());
      for (const std::uint32_t row : rows) filter.insert(slots[row]);
      cell.filters[q] = std::move(filter);
      cell.truths[q] = Truth::of(distances, rows, k);
    }
  });
  return cells;
}

/// Stops the program when there are too few answers or wrong ones.
void check_answers(const std::vector<Neighbour>& found, const SlotBitmap& filter, const Truth& truth, const Index& index) {
  bool right = found.size() == truth.count;
  for (const Neighbour& neighbour : found) right = right && filter.contains(index.slot_of(neighbour.id).value());
  if (right) return;
  std::fprintf(stderr, "a filter that passes %zu was answered by %zu, not all of them right\n", filter.cardinality(),
               found.size());
  std::exit(1);
}

void measure_filters(const Options& options, const FigureData& data, const Index& index, std::span<const FilterCell> cells) {
  Table table("filters",
              {"kind", "pass_percent", "recall", "near", "mean_ms", "p99_ms", "scans_percent", "estimates", "distances"},
              options.json);
  for (const FilterCell& cell : cells) {
    std::vector<std::vector<double>> times(data.queries());
    std::size_t hits = 0;
    std::size_t near = 0;
    std::size_t wanted = 0;
    std::size_t scans = 0;
    std::size_t estimates = 0;
    std::size_t distances = 0;
    for (std::size_t pass = 0; pass < options.passes + 1; ++pass) {
      for (std::size_t q = 0; q < data.queries(); ++q) {
        const auto start = Clock::now();
        const auto result = must(index.search(data.query(q), {.k = k, .ef = options.ef, .filter = &cell.filters[q]}));
        const double took = milliseconds_since(start);
        if (pass > 0) {  // the first one is to warm up
          times[q].push_back(took);
          continue;
        }
        check_answers(result.neighbours, cell.filters[q], cell.truths[q], index);
        hits += cell.truths[q].hits(result.neighbours);
        near += cell.truths[q].hits(result.neighbours, near_tolerance);
        wanted += cell.truths[q].count;
        scans += result.plan == vector::Plan::scan ? 1 : 0;
        estimates += result.estimates;
        distances += result.distances;
      }
    }
    std::vector<double> medians;
    for (const std::vector<double>& of_query : times) medians.push_back(median(of_query));
    const auto per_query = [&](std::size_t sum) { return static_cast<double>(sum) / static_cast<double>(data.queries()); };
    table.add({cell.kind, fixed(cell.rate * 100, 2), fixed(static_cast<double>(hits) / static_cast<double>(wanted), 4),
               fixed(static_cast<double>(near) / static_cast<double>(wanted), 4), fixed(mean(medians), 3),
               fixed(percentile(medians, .99), 3), fixed(per_query(scans) * 100, 0), fixed(per_query(estimates), 0),
               fixed(per_query(distances), 1)});
  }
}

void filters(const Options& options) {
  const FigureData data = load(options, options.count);
  const auto index = build(options, data, data.rows());
  const auto begin = Clock::now();
  const std::vector<FilterCell> cells = make_filter_cells(options, data, *index);
  std::fprintf(stderr, "true answers: %.1f s\n", milliseconds_since(begin) / 1000);
  measure_filters(options, data, *index, cells);
}

// --- updates

/// The last rows go in and out one by one, so that the index always holds about `count`.
void updates(const Options& options) {
  const FigureData data = load(options, options.count);
  const std::size_t some = std::min<std::size_t>(data.rows() / 20, 10'000);
  const std::size_t held = data.rows() - some;
  const auto index = build(options, data, held);
  Table table("updates", {"what", "mean_ms", "p50_ms", "p99_ms", "max_ms", "maintain_ms", "mean_with_maintain_ms"},
              options.json);
  const auto timed = [&](const std::string& what, const std::function<void(std::size_t)>& body) {
    std::vector<double> times(some);
    for (std::size_t i = 0; i < some; ++i) {
      const auto begin = Clock::now();
      body(i);
      times[i] = milliseconds_since(begin);
    }
    const auto begin = Clock::now();
    must(index->maintain());
    const double upkeep = milliseconds_since(begin);
    table.add({what, fixed(mean(times), 3), fixed(median(times), 3), fixed(percentile(times, .99), 3),
               fixed(percentile(times, 1), 3), fixed(upkeep, 1),
               fixed(mean(times) + upkeep / static_cast<double>(some), 3)});
  };
  // Those that go are spread over all of the index.
  std::mt19937_64 random(options.seed);
  for (std::size_t pass = 0; pass < options.passes; ++pass) {
    timed("insert", [&](std::size_t i) { must(index->put(static_cast<std::int64_t>(held + i), data.row(held + i))); });
    std::vector<std::int64_t> gone = numbers(0, data.rows());
    std::shuffle(gone.begin(), gone.end(), random);
    gone.resize(some);
    timed("erase", [&](std::size_t i) { must(index->erase(gone[i])); });
    timed("insert again", [&](std::size_t i) { must(index->put(gone[i], data.row(static_cast<std::size_t>(gone[i])))); });
    timed("replace",
          [&](std::size_t i) { must(index->put(gone[i], data.row(static_cast<std::size_t>(gone[some - 1 - i])))); });
    for (std::size_t i = 0; i < some; ++i) must(index->put(gone[i], data.row(static_cast<std::size_t>(gone[i]))));
    for (std::size_t i = 0; i < some; ++i) must(index->erase(static_cast<std::int64_t>(held + i)));
    must(index->maintain());
  }
}

// --- churn

/// Which rows leave and which come, in steps of a hundredth of what is held.
class Turnover {
 public:
  Turnover(std::string kind, const FigureData& data, std::size_t held, std::uint64_t seed)
      : kind_(std::move(kind)), data_(data), random_(seed), waiting_(data.rows() - held) {
    for (std::size_t i = 0; i < held; ++i) live_.push_back(static_cast<std::uint32_t>(i));
    std::iota(waiting_.begin(), waiting_.end(), static_cast<std::uint32_t>(held));
    if (kind_ == "clustered") sort_by_clusters();
  }

  std::span<const std::uint32_t> live() const { return live_; }

  /// Rows that leave; they come back when all others have been there.
  std::vector<std::uint32_t> leave(std::size_t count) {
    if (kind_ == "random") {
      for (std::size_t i = 0; i < count; ++i) std::swap(live_[i], live_[i + random_() % (live_.size() - i)]);
    } else if (kind_ == "clustered") {
      // The nearest to one of them.
      const std::span<const float> centre = data_.row(live_[random_() % live_.size()]);
      std::vector<std::pair<float, std::uint32_t>> order(live_.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = {cosine_distance(centre, data_.row(live_[i])), live_[i]};
      std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
      for (std::size_t i = 0; i < order.size(); ++i) live_[i] = order[i].second;
    }  // sliding: the oldest are in front
    std::vector<std::uint32_t> gone(live_.begin(), live_.begin() + static_cast<std::ptrdiff_t>(count));
    live_.erase(live_.begin(), live_.begin() + static_cast<std::ptrdiff_t>(count));
    waiting_.insert(waiting_.end(), gone.begin(), gone.end());
    return gone;
  }

  std::vector<std::uint32_t> come(std::size_t count) {
    std::vector<std::uint32_t> fresh(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    live_.insert(live_.end(), fresh.begin(), fresh.end());
    return fresh;
  }

 private:
  // One neighbourhood after the other: each row goes to the nearest of 64 pivots.
  void sort_by_clusters() {
    constexpr std::size_t pivot_count = 64;
    std::vector<std::size_t> pivots(pivot_count);
    for (std::size_t& pivot : pivots) pivot = random_() % data_.rows();
    std::vector<std::pair<std::size_t, std::uint32_t>> keyed(waiting_.size());
    in_parallel(2, keyed.size(), [&](std::size_t i) {
      const std::span<const float> row = data_.row(waiting_[i]);
      const auto nearest = std::min_element(pivots.begin(), pivots.end(), [&](std::size_t a, std::size_t b) {
        return cosine_distance(row, data_.row(a)) < cosine_distance(row, data_.row(b));
      });
      keyed[i] = {static_cast<std::size_t>(nearest - pivots.begin()), waiting_[i]};
    });
    std::sort(keyed.begin(), keyed.end());
    for (std::size_t i = 0; i < keyed.size(); ++i) waiting_[i] = keyed[i].second;
  }

  const std::string kind_;
  const FigureData& data_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> live_;  // oldest first, where it matters
  std::deque<std::uint32_t> waiting_;
};

/// Mean recall of searches without a filter, by exact answers among `live`.
double recall_among(const Options& options, const FigureData& data, const Index& index,
                    std::span<const std::uint32_t> live) {
  std::vector<std::size_t> hits(data.queries());
  in_parallel(2, data.queries(), [&](std::size_t q) {
    std::vector<float> distances(live.size());
    for (std::size_t i = 0; i < live.size(); ++i) distances[i] = cosine_distance(data.query(q), data.row(live[i]));
    const Truth truth = Truth::of(distances, by_distance(distances), k);
    hits[q] = truth.hits(must(index.search(data.query(q), {.k = k, .ef = options.ef})).neighbours);
  });
  return static_cast<double>(std::accumulate(hits.begin(), hits.end(), std::size_t{0})) /
         static_cast<double>(k * data.queries());
}

double search_milliseconds(const Options& options, const FigureData& data, const Index& index) {
  std::vector<double> medians;
  for (std::size_t q = 0; q < data.queries(); ++q) {
    std::vector<double> times;
    for (std::size_t pass = 0; pass < options.passes; ++pass) {
      const auto begin = Clock::now();
      must(index.search(data.query(q), {.k = k, .ef = options.ef}));
      times.push_back(milliseconds_since(begin));
    }
    medians.push_back(median(times));
  }
  return mean(medians);
}

void churn(const Options& options) {
  constexpr std::size_t turnovers = 10;
  // With fewer fresh rows than ten times as many, the first ones come back at the end.
  const FigureData data = load(options, options.count * turnovers);
  const std::size_t held = std::min(options.count, data.rows() / 2);
  const std::size_t step = std::max<std::size_t>(held / 100, 1);
  Table table("churn",
              {"kind", "turnovers", "recall", "search_ms", "erase_ms", "put_ms", "slots", "memory_MB", "unreachable"},
              options.json);
  for (const std::string kind : {"random", "clustered", "sliding"}) {
    if (!options.only.empty() && options.only != kind) continue;
    const auto index = build(options, data, held);
    Turnover turnover(kind, data, held, options.seed);
    const auto report = [&](const std::string& after, const Index& measured, double erase_ms, double put_ms) {
      const vector::IndexStats stats = measured.stats();
      table.add({kind, after, fixed(recall_among(options, data, measured, turnover.live()), 4),
                 fixed(search_milliseconds(options, data, measured), 3), fixed(erase_ms, 3), fixed(put_ms, 3),
                 std::to_string(stats.slots), fixed(static_cast<double>(stats.memory_bytes) / 1e6, 2),
                 std::to_string(must(measured.verify()).unreachable)});
    };
    report("0", *index, 0, 0);
    for (std::size_t turn = 1; turn <= turnovers; ++turn) {
      double erase_ms = 0;
      double put_ms = 0;
      for (std::size_t done = 0; done < held; done += step) {
        const std::vector<std::uint32_t> gone = turnover.leave(std::min(step, held - done));
        auto begin = Clock::now();
        for (const std::uint32_t row : gone) must(index->erase(row));
        erase_ms += milliseconds_since(begin);
        const std::vector<std::uint32_t> fresh = turnover.come(gone.size());
        begin = Clock::now();
        for (const std::uint32_t row : fresh) must(index->put(row, data.row(row)));
        put_ms += milliseconds_since(begin);
      }
      if (turn == turnovers) must(index->maintain());
      report(std::to_string(turn), *index, erase_ms / static_cast<double>(held), put_ms / static_cast<double>(held));
    }
    const auto fresh = make_index(options, data);
    std::vector<std::int64_t> ids(turnover.live().begin(), turnover.live().end());
    std::vector<float> rows;
    for (const std::int64_t id : ids) {
      const std::span<const float> row = data.row(static_cast<std::size_t>(id));
      rows.insert(rows.end(), row.begin(), row.end());
    }
    must(fresh->put_many(ids, rows, 2));
    report("fresh", *fresh, 0, 0);
  }
}

// --- threads

/// Searches until told to stop; milliseconds of each.
std::vector<double> search_until(const std::atomic<bool>& stop, const Options& options, const FigureData& data,
                                 const Index& index, std::size_t from) {
  std::vector<double> times;
  for (std::size_t q = from; !stop.load(std::memory_order_relaxed); ++q) {
    const auto begin = Clock::now();
    must(index.search(data.query(q % data.queries()), {.k = k, .ef = options.ef}));
    times.push_back(milliseconds_since(begin));
  }
  return times;
}

/// What one reader sees while others are at work: searches a second of all readers, and percentiles of the first one.
struct Seen {
  double searches_per_second = 0;
  double p50 = 0;
  double p99 = 0;
  double changes_per_second = 0;
};

Seen read_for(double seconds, const Options& options, const FigureData& data, Index& index, std::size_t readers, bool writer,
              std::size_t& next_row) {
  std::atomic<bool> stop = false;
  std::vector<std::vector<double>> times(readers);
  std::size_t changes = 0;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < readers; ++i)
      threads.emplace_back([&, i] { times[i] = search_until(stop, options, data, index, i * data.queries() / readers); });
    // One row that is not there in, another one out.
    if (writer)
      threads.emplace_back([&] {
        for (; !stop.load(std::memory_order_relaxed); ++changes) {
          const std::size_t in = next_row++ % data.rows();
          must(index.put(static_cast<std::int64_t>(in), data.row(in)));
          must(index.erase(static_cast<std::int64_t>((in + data.rows() / 10) % data.rows())));
        }
      });
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
  }
  const double took = milliseconds_since(begin) / 1000;
  std::size_t searches = 0;
  for (const auto& of_reader : times) searches += of_reader.size();
  return {static_cast<double>(searches) / took, median(times[0]), percentile(times[0], .99),
          2 * static_cast<double>(changes) / took};
}

void threads(const Options& options) {
  const FigureData data = load(options, options.count);
  const auto index = build(options, data, data.rows() - data.rows() / 10);
  std::size_t next_row = data.rows() - data.rows() / 10;
  Table table("threads",
              {"pass", "one_qps", "two_qps", "two_of_one", "many_qps", "many_of_one", "p99_ms", "p99_beside_writer_ms",
               "p99_ratio", "p50_ratio", "changes_per_s"},
              options.json);
  constexpr double seconds = 3;
  for (std::size_t pass = 0; pass < options.passes; ++pass) {
    const Seen one = read_for(seconds, options, data, *index, 1, false, next_row);
    const Seen two = read_for(seconds, options, data, *index, 2, false, next_row);
    std::size_t rounds = 0;
    const auto begin = Clock::now();
    for (; milliseconds_since(begin) < seconds * 1000; ++rounds)
      must(index->search_many(data.all_queries(), {.k = k, .ef = options.ef}, 2));
    const double many = static_cast<double>(rounds * data.queries()) / milliseconds_since(begin) * 1000;
    const Seen beside = read_for(seconds, options, data, *index, 1, true, next_row);
    must(index->maintain());
    table.add({std::to_string(pass + 1), fixed(one.searches_per_second, 0), fixed(two.searches_per_second, 0),
               fixed(two.searches_per_second / one.searches_per_second, 2), fixed(many, 0),
               fixed(many / one.searches_per_second, 2), fixed(one.p99, 3), fixed(beside.p99, 3),
               fixed(beside.p99 / one.p99, 2), fixed(beside.p50 / one.p50, 2), fixed(beside.changes_per_second, 0)});
  }
}

// --- bulk

struct AtOnce {
  double seconds = 0;
  double memory = 0;  ///< bytes for each row, above what the process keeps
};

AtOnce put_at_once(Index& index, const FigureData& data, std::size_t first, std::size_t count) {
  must(ResidentBytes::forget_highest());
  const auto begin = Clock::now();
  put_rows(index, data, first, count);
  const double seconds = milliseconds_since(begin) / 1000;
  const ResidentBytes now = ResidentBytes::now();
  const std::int64_t more = std::max<std::int64_t>(0, now.highest - now.anonymous - now.file - now.shared);
  return {seconds, static_cast<double>(more) / static_cast<double>(count)};
}

/// Whoever is measured first would wait for the disk.
void read_from_disk(const FigureData& data) {
  volatile float sum = 0;
  for (std::size_t i = 0; i < data.rows(); ++i) sum = sum + data.row(i).front();
}

/// Rows [first, first + count) in turn: a part one by one, a part at once.
void bulk(const Options& options) {
  const FigureData data = load(options, options.count);
  read_from_disk(data);
  Table table("bulk", {"into", "rows", "one_by_one_s", "at_once_s", "ratio", "while_built_b"}, options.json);
  const auto one_by_one = [&](Index& index, std::size_t first, std::size_t count) {
    const auto begin = Clock::now();
    for (std::size_t i = first; i < first + count; ++i) must(index.put(static_cast<std::int64_t>(i), data.row(i)));
    return milliseconds_since(begin) / 1000;
  };
  const auto add = [&](const std::string& into, std::size_t rows, std::optional<double> slow, AtOnce fast) {
    table.add({into, std::to_string(rows), slow ? fixed(*slow, 2) : "-", fixed(fast.seconds, 2),
               slow ? fixed(*slow / fast.seconds, 2) : "-", fixed(fast.memory, 0)});
  };
  {
    const std::size_t rows = std::min<std::size_t>(data.rows(), 100'000);
    const auto slow = make_index(options, data);
    const auto fast = make_index(options, data);
    const AtOnce taken = put_at_once(*fast, data, 0, rows);
    add("an empty one", rows, one_by_one(*slow, 0, rows), taken);
  }
  const std::size_t added = std::min<std::size_t>(data.rows() / 10, 100'000);
  const auto index = make_index(options, data);
  add("an empty one", data.rows() - added, std::nullopt, put_at_once(*index, data, 0, data.rows() - added));
  // In tenths, so that both see the same index and the same noise.
  const std::size_t part = added / 20;
  double slow = 0;
  AtOnce fast;
  for (std::size_t first = data.rows() - added; first + 2 * part <= data.rows(); first += 2 * part) {
    slow += one_by_one(*index, first, part);
    const AtOnce taken = put_at_once(*index, data, first + part, part);
    fast = {fast.seconds + taken.seconds, std::max(fast.memory, taken.memory)};
  }
  add(std::to_string(data.rows() - added), added / 2, slow, fast);
}

// --- sharing

/// What vectors that come together could share if they were searched for together: how many of the candidates for edges of
/// so many that follow one another, in the order in which they are linked, differ.
void sharing(const Options& options) {
  const FigureData data = load(options, options.count);
  const std::size_t added = data.rows() / 10;
  const auto index = build(options, data, data.rows() - added);
  constexpr std::size_t candidates = 160;
  constexpr std::array<std::size_t, 3> groups{2, 4, 16};
  Table table("sharing", {"part", "different_of_2", "different_of_4", "different_of_16"}, options.json);
  for (const std::size_t part : {added / 20, added / 2, added}) {
    const std::span<const float> rows = data.rows(data.rows() - part, part);
    const auto order = must(vector::order_by_locality(rows, data.dimension(), vector::Distance::cosine, options.seed, 2));
    std::vector<std::string> cells{std::to_string(part)};
    for (const std::size_t group : groups) {
      std::vector<double> different;
      for (std::size_t first = 0; different.size() < options.queries && first + group <= part;
           first += std::max(group, part / options.queries)) {
        std::set<std::int64_t> ids;
        for (std::size_t i = first; i < first + group; ++i) {
          const auto found = must(index->search(rows.subspan(order[i] * data.dimension(), data.dimension()),
                                                {.k = candidates, .ef = candidates}));
          for (const Neighbour& one : found.neighbours) ids.insert(one.id);
        }
        different.push_back(static_cast<double>(ids.size()) / static_cast<double>(group * candidates));
      }
      cells.push_back(
          fixed(std::accumulate(different.begin(), different.end(), 0.0) / static_cast<double>(different.size()), 2));
    }
    table.add(cells);
  }
}

// --- range

void range(const Options& options) {
  const FigureData data = load(options, options.count);
  const auto index = build(options, data, data.rows());
  constexpr std::array<std::size_t, 5> sizes{0, 1, 10, 100, 1000};
  std::vector<std::array<float, sizes.size()>> radii(data.queries());
  std::vector<std::array<std::size_t, sizes.size()>> inside(data.queries());
  in_parallel(2, data.queries(), [&](std::size_t q) {
    std::vector<float> distances = cosine_distances(data, data.query(q));
    std::partial_sort(distances.begin(), distances.begin() + sizes.back() + 1, distances.end());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      // Half way to the next one that is farther.
      std::size_t last = sizes[i];
      while (last > 0 && last < sizes.back() && distances[last] - distances[last - 1] < 4e-6F) ++last;
      radii[q][i] = last == 0 ? distances[0] / 2 : (distances[last - 1] + distances[last]) / 2;
      inside[q][i] = last;
    }
  });
  Table table("range", {"inside", "found_of_inside", "mean_ms", "p99_ms"}, options.json);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::vector<double> medians;
    std::size_t found = 0;
    std::size_t wanted = 0;
    for (std::size_t q = 0; q < data.queries(); ++q) {
      std::vector<double> times;
      for (std::size_t pass = 0; pass < options.passes; ++pass) {
        const auto begin = Clock::now();
        const auto result = must(index->search_range(data.query(q), {.radius = radii[q][i], .ef = options.ef}));
        times.push_back(milliseconds_since(begin));
        if (pass > 0) continue;
        found += result.neighbours.size();
        wanted += inside[q][i];
      }
      medians.push_back(median(times));
    }
    table.add(
        {std::to_string(sizes[i]),
         wanted == 0 ? std::to_string(found) + " of 0" : fixed(static_cast<double>(found) / static_cast<double>(wanted), 4),
         fixed(mean(medians), 3), fixed(percentile(medians, .99), 3)});
  }
}

// --- sizes

/// To read two lines of each of many records at random, 16 of them under way at a time, as codes of neighbours are: what an
/// estimate cannot do without.
double two_lines_ns(std::size_t records, std::size_t seed) {
  constexpr std::size_t record_bytes = 192;  // codes and edges of 384 dimensions
  constexpr std::size_t together = 16;
  const auto memory = must(vector::ChunkMemory::anonymous(records * record_bytes));
  std::memset(memory.data(), 1, records * record_bytes);
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> order(1 << 20);
  for (std::uint32_t& one : order) one = static_cast<std::uint32_t>(random() % records);
  std::uint64_t sum = 0;
  std::vector<double> passes;
  for (int pass = 0; pass < 5; ++pass) {
    const auto begin = Clock::now();
    for (std::size_t first = 0; first < order.size(); first += together) {
      for (std::size_t i = first; i < first + together; ++i)
        vector::prefetch_bytes(memory.data() + order[i] * record_bytes, 128);
      for (std::size_t i = first; i < first + together; ++i)
        for (const std::size_t line : {0u, 64u})
          sum += static_cast<std::uint64_t>(memory.data()[order[i] * record_bytes + line]);
    }
    passes.push_back(1e6 * milliseconds_since(begin) / static_cast<double>(order.size()));
  }
  if (sum != 10 * order.size()) std::abort();  // so that nothing is left out
  return median(passes);
}

/// What memory costs: the same effort in indexes of more and more vectors. The smallest is in the caches of a core.
void sizes(const Options& options) {
  const FigureData data = load(options, options.count);
  const std::size_t ef = options.ef != 0 ? options.ef : 28;
  Table table("sizes", {"vectors", "ef", "estimates", "distances", "mean_us", "ns_per_estimate", "two_lines_ns"},
              options.json);
  for (std::size_t count = 5'000; count <= data.rows(); count = count == 5'000 ? 10'000 : count * 10) {
    const auto index = build(options, data, count);
    double estimates = 0;
    double distances = 0;
    std::vector<double> passes;
    for (std::size_t pass = 0; pass < 4 * options.passes; ++pass) {
      estimates = distances = 0;
      const auto begin = Clock::now();
      for (std::size_t q = 0; q < data.queries(); ++q) {
        const auto found = must(index->search(data.query(q), {.k = k, .ef = ef}));
        estimates += static_cast<double>(found.estimates);
        distances += static_cast<double>(found.distances);
      }
      passes.push_back(1000 * milliseconds_since(begin) / static_cast<double>(data.queries()));
    }
    estimates /= static_cast<double>(data.queries());
    distances /= static_cast<double>(data.queries());
    table.add({std::to_string(count), std::to_string(ef), fixed(estimates, 0), fixed(distances, 1), fixed(median(passes), 1),
               fixed(1000 * median(passes) / estimates, 1), fixed(two_lines_ns(count, options.seed), 1)});
  }
}

// --- flat

/// Before there is a graph: every search is exact.
void flat(const Options& options) {
  const FigureData data = load(options, options.count);
  Table table("flat", {"vectors", "mean_ms", "p99_ms"}, options.json);
  for (const std::size_t count : {std::size_t{1000}, std::size_t{4000}}) {
    const auto index = make_index(options, data);
    put_rows(*index, data, 0, count);
    std::vector<double> medians;
    for (std::size_t q = 0; q < data.queries(); ++q) {
      std::vector<double> times;
      for (std::size_t pass = 0; pass < options.passes; ++pass) {
        const auto begin = Clock::now();
        must(index->search(data.query(q), {.k = k}));
        times.push_back(milliseconds_since(begin));
      }
      medians.push_back(median(times));
    }
    table.add({std::to_string(count), fixed(mean(medians), 3), fixed(percentile(medians, .99), 3)});
  }
}

struct Figure {
  const char* name;
  void (*run)(const Options&);
};
constexpr Figure figures[] = {{"filters", filters}, {"updates", updates}, {"churn", churn},
                              {"threads", threads}, {"bulk", bulk},       {"sharing", sharing},
                              {"range", range},     {"sizes", sizes},     {"flat", flat}};

Options parse(std::span<char*> arguments) {
  Options options;
  const std::map<std::string_view, std::size_t*> numbers{{"--count", &options.count},
                                                         {"--queries", &options.queries},
                                                         {"--seed", &options.seed},
                                                         {"--passes", &options.passes},
                                                         {"--ef", &options.ef}};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    const auto value = [&]() -> const char* {
      if (i + 1 < arguments.size()) return arguments[++i];
      std::fprintf(stderr, "%s needs a value\n", arguments[i]);
      std::exit(2);
    };
    if (const auto number = numbers.find(name); number != numbers.end()) {
      *number->second = static_cast<std::size_t>(std::strtoull(value(), nullptr, 10));
    } else if (name == "--data") {
      options.data = value();
    } else if (name == "--set") {
      options.set = value();
    } else if (name == "--directory") {
      options.directory = value();
    } else if (name == "--only") {
      options.only = value();
    } else if (name == "--json") {
      options.json = true;
    } else {
      if (!options.figure.empty() || name.starts_with("-")) {
        std::fprintf(stderr, "what is %s?\n", arguments[i]);
        std::exit(2);
      }
      options.figure = name;
    }
  }
  return options;
}

int run(std::span<char*> arguments) {
  const Options options = parse(arguments);
  for (const Figure& figure : figures) {
    if (options.figure != figure.name && !options.figure.empty()) continue;
    figure.run(options);
    if (options.figure == figure.name) return 0;
  }
  if (options.figure.empty()) return 0;
  std::fprintf(stderr,
               "usage: loam_vector_index_bench [FIGURE] [--data DIR --set NAME] [--count N] [--queries N] [--seed S]\n"
               "  [--directory DIR] [--passes N] [--ef N] [--only KIND] [--json]; without FIGURE all, of which there are:");
  for (const Figure& figure : figures) std::fprintf(stderr, " %s", figure.name);
  std::fprintf(stderr, "\n");
  return 2;
}

}  // namespace
}  // namespace loam::bench

int main(int count, char** arguments) { return loam::bench::run({arguments + 1, static_cast<std::size_t>(count - 1)}); }
