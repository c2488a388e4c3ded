/// What the codes of the vector engine cost: an estimate for each row, in cache and out of 100 MB; distances of wide
/// records; encoding; making a query ready. Results: bench/results/vector_codes.md.
///
///   loam_vector_codes_bench --benchmark_min_time=0.02 --benchmark_repetitions=12
///   --benchmark_enable_random_interleaving=true

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "loam/vector/codec.hpp"
#include "loam/vector/rotation.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t rows_per_call = 30;

std::vector<float> normal_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

Codec codec_of(std::size_t dimension, unsigned bits, Distance distance = Distance::euclidean) {
  return Codec({.dimension = dimension, .distance = distance, .bits = bits}, std::vector<float>(dimension), 2.0F);
}

// Records one after another; many of them are copies of a few.
struct Records {
  Records(const Codec& codec, bool wide, std::size_t bytes)
      : record_bytes(wide ? codec.wide_bytes() : codec.narrow_bytes()), count(bytes / record_bytes) {
    prefetched_bytes = wide ? 64 : std::min<std::size_t>(256, record_bytes);
    // Large pages where they are to be had, as for the graph.
    constexpr std::size_t page_bytes = std::size_t{2} << 20;
    mapped_bytes = (count * record_bytes + 64 + page_bytes - 1) / page_bytes * page_bytes;
    memory = static_cast<std::uint8_t*>(std::aligned_alloc(page_bytes, mapped_bytes));
    if (memory == nullptr) std::abort();
    madvise(memory, mapped_bytes, MADV_HUGEPAGE);
    // Narrow records are aligned to 8 bytes only.
    first = memory + (wide ? 0 : 8);
    std::vector<std::uint8_t> other(codec.wide_bytes());
    const std::size_t dimension = codec.options().dimension;
    constexpr std::size_t distinct = 64;
    const auto values = normal_numbers(distinct * dimension, 3);
    for (std::size_t i = 0; i + 1 < count; ++i) {
      std::uint8_t* to = first + i * record_bytes;
      if (i >= distinct) {
        std::copy_n(first + i % distinct * record_bytes, record_bytes, to);
        continue;
      }
      const float* vector = values.data() + i * dimension;
      if (wide)
        codec.encode(vector, other.data(), to);
      else
        codec.encode(vector, to, other.data());
    }
    count -= 1;
  }
  ~Records() { std::free(memory); }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  std::size_t record_bytes;
  std::size_t count;
  std::size_t mapped_bytes;
  std::size_t prefetched_bytes;
  std::uint8_t* memory;
  std::uint8_t* first;
};

// Calls `score` with batches of random rows. From memory, the first of a batch are prefetched.
template <class Score>
void run_batches(benchmark::State& state, const Records& records, bool from_memory, Score score) {
  std::mt19937 random(5);
  std::vector<const std::uint8_t*> rows(rows_per_call * 4096);
  for (auto& row : rows) row = records.first + random() % records.count * records.record_bytes;
  std::size_t next = 0;
  float out[rows_per_call];
  for (auto _ : state) {
    const std::uint8_t* const* batch = rows.data() + next * rows_per_call;
    next = (next + 1) % 4096;
    if (from_memory)
      for (std::size_t i = 0; i < rows_ahead; ++i) prefetch_bytes(batch[i], records.prefetched_bytes);
    score(batch, out);
    benchmark::DoNotOptimize(out[0]);
    benchmark::ClobberMemory();
  }
  state.counters["row"] = benchmark::Counter(static_cast<double>(state.iterations() * rows_per_call),
                                             benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

constexpr std::size_t cache_bytes = 16 << 10;
constexpr std::size_t memory_bytes = 100 << 20;

void estimate(benchmark::State& state, Distance distance) {
  const auto dimension = static_cast<std::size_t>(state.range(0));
  const bool from_memory = state.range(2) != 0;
  const Codec codec = codec_of(dimension, static_cast<unsigned>(state.range(1)), distance);
  const Records records(codec, false, from_memory ? memory_bytes : cache_bytes);
  CodeQuery query;
  codec.prepare(normal_numbers(dimension, 9).data(), query);
  run_batches(state, records, from_memory,
              [&](const std::uint8_t* const* rows, float* out) { codec.estimate(query, rows, rows_per_call, out); });
}
// What a call costs beside its rows.
void estimate_few(benchmark::State& state) {
  const auto row_count = static_cast<std::size_t>(state.range(0));
  const Codec codec = codec_of(384, 2);
  const Records records(codec, false, cache_bytes);
  CodeQuery query;
  codec.prepare(normal_numbers(384, 9).data(), query);
  run_batches(state, records, false,
              [&](const std::uint8_t* const* rows, float* out) { codec.estimate(query, rows, row_count, out); });
  state.counters["row"] = benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(row_count),
                                             benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
void estimate_euclidean(benchmark::State& state) { estimate(state, Distance::euclidean); }
void estimate_manhattan(benchmark::State& state) { estimate(state, Distance::manhattan); }

void between(benchmark::State& state, Distance distance) {
  const auto dimension = static_cast<std::size_t>(state.range(0));
  const bool from_memory = state.range(1) != 0;
  const Codec codec = codec_of(dimension, 4, distance);
  const Records records(codec, true, from_memory ? memory_bytes : 2 * cache_bytes);
  run_batches(state, records, from_memory,
              [&](const std::uint8_t* const* rows, float* out) { codec.between(records.first, rows, rows_per_call, out); });
}
void between_euclidean(benchmark::State& state) { between(state, Distance::euclidean); }
void between_manhattan(benchmark::State& state) { between(state, Distance::manhattan); }

void rotation(benchmark::State& state) {
  const auto dimension = static_cast<std::size_t>(state.range(0));
  const Rotation map(dimension, 1);
  auto values = normal_numbers(dimension, 1);
  for (auto _ : state) {
    map.apply(values.data());
    benchmark::ClobberMemory();
  }
}

void encode(benchmark::State& state) {
  const auto dimension = static_cast<std::size_t>(state.range(0));
  const Codec codec = codec_of(dimension, static_cast<unsigned>(state.range(1)));
  const auto values = normal_numbers(dimension, 1);
  std::vector<std::uint8_t> narrow(codec.narrow_bytes()), wide(codec.wide_bytes());
  for (auto _ : state) {
    codec.encode(values.data(), narrow.data(), wide.data());
    benchmark::ClobberMemory();
  }
}

void prepare(benchmark::State& state) {
  const auto dimension = static_cast<std::size_t>(state.range(0));
  const Codec codec = codec_of(dimension, 2);
  const auto values = normal_numbers(dimension, 1);
  CodeQuery query;
  for (auto _ : state) {
    codec.prepare(values.data(), query);
    benchmark::ClobberMemory();
  }
}

BENCHMARK(estimate_euclidean)->ArgNames({"d", "bits", "memory"})->ArgsProduct({{384, 768, 1536}, {1, 2, 3, 4}, {0, 1}});
BENCHMARK(estimate_manhattan)->ArgNames({"d", "bits", "memory"})->ArgsProduct({{384}, {4, 8}, {0, 1}});
BENCHMARK(estimate_few)->ArgName("rows")->Arg(1)->Arg(4)->Arg(8)->Arg(16)->Arg(30);
BENCHMARK(between_euclidean)->ArgNames({"d", "memory"})->ArgsProduct({{384, 768, 1536}, {0, 1}});
BENCHMARK(between_manhattan)->ArgNames({"d", "memory"})->ArgsProduct({{384}, {0, 1}});
BENCHMARK(rotation)->ArgName("d")->Arg(384)->Arg(768)->Arg(1024)->Arg(1536);
BENCHMARK(encode)->ArgNames({"d", "bits"})->ArgsProduct({{384, 768, 1536}, {1, 2, 4}});
BENCHMARK(prepare)->ArgName("d")->Arg(384)->Arg(768)->Arg(1536);

}  // namespace
}  // namespace loam::vector

BENCHMARK_MAIN();
