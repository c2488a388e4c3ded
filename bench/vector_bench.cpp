/// Exact search over 60,000 x 384, beside the obvious loops over the same floats and the plain reading of the same bytes.
/// Results: bench/results/vector_flat.md.
///
///   loam_vector_bench --benchmark_repetitions=7 --benchmark_enable_random_interleaving=true
///   --benchmark_report_aggregates_only=true
///
/// The data (seed 7): `random`, normal components, where all distances are alike; `hashed`, texts of 6 to 14 words drawn by
/// Zipf's law through hash:384; `cluster`, rows that differ by less than a code, where the codes rule out nothing. 16
/// queries in turn.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/vector/flat_index.hpp"

namespace {

using loam::Result;
using loam::Vector;
using loam::vector::Distance;
using loam::vector::FlatIndex;

constexpr std::size_t row_count = 60'000;
constexpr std::size_t dimension = 384;
constexpr std::size_t query_count = 16;
constexpr std::size_t k = 10;
constexpr unsigned seed = 7;

/// A benchmark that fails has nothing to measure.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

enum class Data : int { random, hashed, cluster };
constexpr std::array data_names{"random", "hashed", "cluster"};
constexpr std::array metric_names{"cosine", "euclidean", "inner_product", "manhattan"};

std::vector<std::string> texts(std::size_t count) {
  std::mt19937 random(seed);
  std::vector<std::string> words(20'000);
  for (std::string& word : words)
    for (std::size_t letters = 3 + random() % 8; letters > 0; --letters) word += static_cast<char>('a' + random() % 26);
  std::vector<std::string> all(count);
  for (std::string& text : all) {
    for (std::size_t left = 6 + random() % 9; left > 0; --left) {
      const double uniform = std::uniform_real_distribution<double>(0, 1)(random);
      text += words[static_cast<std::size_t>(std::pow(static_cast<double>(words.size()), uniform)) - 1] + ' ';
    }
  }
  return all;
}

/// Rows, then queries.
std::vector<Vector> vectors_of(Data data) {
  const std::size_t count = row_count + query_count;
  if (data == Data::hashed) return must(must(loam::make_hash_embedder(dimension))->embed(texts(count)));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<Vector> rows(count, Vector(dimension, 1));
  for (Vector& row : rows)
    for (float& value : row) value = data == Data::random ? normal(random) : value + 1e-5f * normal(random);
  return rows;
}

const std::vector<Vector>& vectors(Data data) {
  static std::map<Data, std::vector<Vector>> all;
  if (!all.contains(data)) all.emplace(data, vectors_of(data));
  return all.at(data);
}

const FlatIndex& index_of(Data data, Distance distance) {
  static std::map<std::pair<Data, Distance>, FlatIndex> all;
  const auto key = std::pair(data, distance);
  if (const auto known = all.find(key); known != all.end()) return known->second;
  FlatIndex index(dimension, distance);
  for (std::size_t i = 0; i < row_count; ++i) must(index.put(static_cast<std::int64_t>(i), vectors(data)[i]));
  return all.emplace(key, std::move(index)).first->second;
}

const Vector& query(Data data, std::size_t turn) { return vectors(data)[row_count + turn % query_count]; }

void search(benchmark::State& state, Data data, Distance distance, std::size_t threads) {
  const FlatIndex& index = index_of(data, distance);
  std::size_t turn = 0;
  for (auto _ : state) benchmark::DoNotOptimize(must(index.search(query(data, turn++), {.k = k, .threads = threads})));
  state.counters["bytes_per_row"] = static_cast<double>(index.bytes()) / row_count;
}

void search_filtered(benchmark::State& state, std::size_t step) {
  const FlatIndex& index = index_of(Data::hashed, Distance::cosine);
  std::vector<std::int64_t> ids;
  for (std::size_t id = 0; id < row_count; id += step) ids.push_back(static_cast<std::int64_t>(id));
  std::size_t turn = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(
        must(index.search(query(Data::hashed, turn++), {.k = k, .only_ids = std::span(std::as_const(ids)), .threads = 2})));
}

/// The floats of `random` as one array, which is what the loops below would use.
const std::vector<float>& flat_floats() {
  static const std::vector<float> floats = [] {
    std::vector<float> all;
    all.reserve(row_count * dimension);
    for (std::size_t i = 0; i < row_count; ++i)
      all.insert(all.end(), vectors(Data::random)[i].begin(), vectors(Data::random)[i].end());
    return all;
  }();
  return floats;
}

/// Runs part(i) for i below `threads`, each on its own thread.
void in_parallel(std::size_t threads, const std::function<void(std::size_t)>& part) {
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&part, i] { part(i); });
  part(0);
}

using DotProduct = float (*)(const float*, const float*);

// As a C programmer would write it: the compiler may not reorder the additions, so it stays one component at a time.
float dot_plain(const float* a, const float* b) {
  float sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += a[i] * b[i];
  return sum;
}

// Sixteen sums, which the compiler turns into vector instructions of the baseline (SSE2 on x86-64).
float dot_vectorized(const float* a, const float* b) {
  std::array<float, 16> sums{};
  for (std::size_t i = 0; i < dimension; i += sums.size())
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (const float one : sums) sum += one;
  return sum;
}

void loop_over_floats(benchmark::State& state, DotProduct dot, std::size_t threads) {
  const std::vector<float>& floats = flat_floats();
  std::size_t turn = 0;
  for (auto _ : state) {
    const float* wanted = query(Data::random, turn++).data();
    std::vector<std::priority_queue<std::pair<float, std::size_t>>> nearest(threads);
    in_parallel(threads, [&](std::size_t part) {
      for (std::size_t row = part * row_count / threads; row < (part + 1) * row_count / threads; ++row) {
        const float distance = -dot(wanted, floats.data() + row * dimension);
        if (nearest[part].size() == k && distance >= nearest[part].top().first) continue;
        nearest[part].emplace(distance, row);
        if (nearest[part].size() > k) nearest[part].pop();
      }
    });
    benchmark::DoNotOptimize(nearest);
  }
}

// The bound of the machine: every byte of the floats once, and nothing done with it but a sum of words.
void read_floats(benchmark::State& state, std::size_t threads) {
  const std::vector<float>& floats = flat_floats();
  for (auto _ : state) {
    std::vector<std::uint64_t> sums(threads);
    in_parallel(threads, [&](std::size_t part) {
      std::array<std::uint64_t, 8> lanes{};
      const std::size_t end = (part + 1) * floats.size() / threads;
      for (std::size_t i = part * floats.size() / threads; i + 16 <= end; i += 16) {
        std::array<std::uint64_t, 8> line;
        std::memcpy(line.data(), floats.data() + i, sizeof(line));
        for (std::size_t j = 0; j < lanes.size(); ++j) lanes[j] += line[j];
      }
      for (const std::uint64_t lane : lanes) sums[part] += lane;
    });
    benchmark::DoNotOptimize(sums);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * floats.size() * sizeof(float)));
}

void put(benchmark::State& state, Distance distance) {
  for (auto _ : state) {
    FlatIndex index(dimension, distance);
    for (std::size_t i = 0; i < row_count; ++i) must(index.put(static_cast<std::int64_t>(i), vectors(Data::random)[i]));
    benchmark::DoNotOptimize(index.size());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * row_count));
}

void embed(benchmark::State& state, std::size_t batch) {
  const auto all = texts(20'000);
  const auto embedder = must(loam::make_hash_embedder(dimension));
  for (auto _ : state)
    for (std::size_t i = 0; i < all.size(); i += batch)
      benchmark::DoNotOptimize(must(embedder->embed(std::span(all).subspan(i, std::min(batch, all.size() - i)))));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * all.size()));
}

void add(const std::string& name, std::function<void(benchmark::State&)> body) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(body))->Unit(benchmark::kMillisecond)->UseRealTime();
}

void add_searches(Data data, Distance distance) {
  for (const std::size_t threads : {1u, 2u})
    add(std::string("search/") + data_names[static_cast<std::size_t>(data)] + "/" +
            metric_names[static_cast<std::size_t>(distance)] + "/threads:" + std::to_string(threads),
        [=](benchmark::State& state) { search(state, data, distance, threads); });
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::size_t threads : {1u, 2u}) {
    const std::string suffix = "/threads:" + std::to_string(threads);
    add("read_floats" + suffix, [=](benchmark::State& state) { read_floats(state, threads); });
    add("loop_plain" + suffix, [=](benchmark::State& state) { loop_over_floats(state, dot_plain, threads); });
    add("loop_vectorized" + suffix, [=](benchmark::State& state) { loop_over_floats(state, dot_vectorized, threads); });
  }
  for (const Distance distance : {Distance::cosine, Distance::euclidean, Distance::inner_product, Distance::manhattan})
    add_searches(Data::random, distance);
  add_searches(Data::hashed, Distance::cosine);
  add_searches(Data::cluster, Distance::euclidean);
  for (const std::size_t step : {2u, 100u})
    add("search_filtered/one_in:" + std::to_string(step), [=](benchmark::State& state) { search_filtered(state, step); });
  add("put/cosine", [](benchmark::State& state) { put(state, Distance::cosine); });
  add("embed_hash/batch:64", [](benchmark::State& state) { embed(state, 64); });
  add("embed_hash/batch:20000", [](benchmark::State& state) { embed(state, 20'000); });
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
