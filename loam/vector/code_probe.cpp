#include "loam/vector/code_probe.hpp"

#include <algorithm>
#include <vector>

#include "loam/vector/exact.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t query_count_max = 64;
constexpr std::size_t base_count_max = 2000;
constexpr std::size_t nearest_count = 10;
constexpr double recall_wanted = 0.95;

struct Sample {
  std::vector<const float*> queries;
  std::vector<const float*> base;
  std::vector<std::vector<double>> distances;  // of each query to all of `base`
};

Sample sample_of(Distance distance, std::size_t dimension, std::span<const float> rows) {
  Sample sample;
  const std::size_t row_count = rows.size() / dimension;
  const std::size_t taken = std::min(row_count, query_count_max + base_count_max);
  const std::size_t queries = std::min(query_count_max, taken / 2);
  for (std::size_t i = 0; i < taken; ++i) {
    const float* row = rows.data() + i * row_count / taken * dimension;
    // Spread over the sample like the rest.
    const bool is_query = (i + 1) * queries / taken != i * queries / taken;
    (is_query ? sample.queries : sample.base).push_back(row);
  }
  for (const float* query : sample.queries) {
    auto& distances = sample.distances.emplace_back(sample.base.size());
    exact_distances(ExactQuery(distance, {query, dimension}), sample.base.data(), sample.base.size(), distances.data());
  }
  return sample;
}

// The nearest are all that are no farther than the tenth: of equal ones, any will do.
double recall_of(const Codec& codec, const Sample& sample, std::size_t candidate_count) {
  std::vector<std::uint8_t> narrow(sample.base.size() * codec.narrow_bytes());
  std::vector<std::uint8_t> wide(codec.wide_bytes());
  std::vector<const std::uint8_t*> records;
  for (const float* row : sample.base) {
    std::uint8_t* record = narrow.data() + records.size() * codec.narrow_bytes();
    codec.encode(row, record, wide.data());
    records.push_back(record);
  }
  const std::size_t wanted = std::min(nearest_count, records.size());
  candidate_count = std::min(candidate_count, records.size());
  std::size_t found = 0;
  CodeQuery query;
  std::vector<float> estimates(records.size());
  std::vector<std::size_t> order(records.size());
  for (std::size_t q = 0; q < sample.queries.size(); ++q) {
    codec.prepare(sample.queries[q], query);
    codec.estimate(query, records.data(), records.size(), estimates.data());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto nearer = [&estimates](std::size_t a, std::size_t b) {
      return estimates[a] != estimates[b] ? estimates[a] < estimates[b] : a < b;
    };
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(candidate_count - 1), order.end(), nearer);
    std::vector<double> ranked = sample.distances[q];
    std::nth_element(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(wanted - 1), ranked.end());
    const double limit = ranked[wanted - 1];
    std::size_t within = 0;
    for (std::size_t i = 0; i < candidate_count; ++i) within += sample.distances[q][order[i]] <= limit ? 1 : 0;
    found += std::min(within, wanted);
  }
  return static_cast<double>(found) / static_cast<double>(wanted * sample.queries.size());
}

}  // namespace

unsigned code_bits_for(Distance distance, std::size_t dimension) {
  if (distance == Distance::manhattan) return 4;
  if (dimension <= 192) return 4;
  if (dimension <= 320) return 3;
  return dimension <= 768 ? 2 : 1;
}

std::size_t code_dimension_for(Distance distance, std::size_t dimension, unsigned bits) {
  if (distance == Distance::manhattan || bits != code_bits_for(distance, dimension)) return 0;
  const std::size_t bytes_max = dimension <= 1536 ? 160 : 320;
  const std::size_t components = bytes_max * 8 / bits;
  return components < dimension ? components : 0;
}

CodeChoice choose_code(const CodecOptions& options, const CodeFrame& frame, std::span<const float> rows) {
  const bool manhattan = options.distance == Distance::manhattan;
  const unsigned bits_max = manhattan ? 8 : 4;
  CodecOptions tried = options;
  tried.bits = code_bits_for(options.distance, options.code_dimension == 0 ? options.dimension : options.code_dimension);
  const Sample sample = sample_of(options.distance, options.dimension, rows);
  const auto choose_components = [&] {
    if (options.code_dimension == 0)
      tried.code_dimension = code_dimension_for(options.distance, options.dimension, tried.bits);
  };
  choose_components();
  if (sample.queries.empty()) return {tried.bits, tried.code_dimension, 1};
  while (true) {
    const Codec codec(tried, frame.centre, frame.length_max);
    const double recall = recall_of(codec, sample, tried.bits == 1 ? 100 : 50);
    if (recall >= recall_wanted || tried.bits == bits_max) return {tried.bits, tried.code_dimension, recall};
    tried.bits = manhattan ? bits_max : tried.bits + 1;
    choose_components();
  }
}

}  // namespace loam::vector
