#include "vector_figures.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "loam/vector/worker_pool.hpp"

namespace loam::bench {
namespace {

// Not the library's kernels: what is true is not asked of what is measured. GCC makes SIMD of it without being allowed to
// reorder sums.
#if defined(__x86_64__)
[[gnu::target_clones("avx512f", "avx2", "default")]]
#endif
float dot(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t lanes = 32;
  float sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  float sum = 0;
  for (const float part : sums) sum += part;
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

FigureData FigureData::open(const std::filesystem::path& set, std::size_t count, std::size_t queries) {
  FigureData data;
  data.set_ = must(DataSet::open(set));
  data.dimension_ = data.set_->base.dimension();
  data.base_ = data.set_->base.values().first(std::min(count, data.set_->base.size()) * data.dimension_);
  data.queries_ = data.set_->queries.values().first(std::min(queries, data.set_->queries.size()) * data.dimension_);
  return data;
}

FigureData FigureData::synthetic(std::size_t count, std::size_t queries, std::uint64_t seed) {
  FigureData data;
  data.dimension_ = 384;
  data.made_.resize((count + queries) * data.dimension_);
  constexpr std::size_t block = 1024;
  const std::size_t centre_count = count / 200 + 1;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(centre_count * data.dimension_);
  for (float& value : centres) value = normal(random);
  in_parallel(2, (count + queries + block - 1) / block, [&](std::size_t at) {
    std::mt19937_64 own(seed + 1 + at);
    std::normal_distribution<float> noise(0, .7F);
    for (std::size_t i = at * block; i < std::min((at + 1) * block, count + queries); ++i) {
      float* row = data.made_.data() + i * data.dimension_;
      const float* centre = centres.data() + own() % centre_count * data.dimension_;
      for (std::size_t j = 0; j < data.dimension_; ++j) row[j] = centre[j] + noise(own);
      const float length = std::sqrt(dot(row, row, data.dimension_));
      for (std::size_t j = 0; j < data.dimension_; ++j) row[j] /= length;
    }
  });
  data.base_ = std::span<const float>(data.made_).first(count * data.dimension_);
  data.queries_ = std::span<const float>(data.made_).subspan(count * data.dimension_);
  return data;
}

void in_parallel(std::size_t threads, std::size_t count, const std::function<void(std::size_t)>& body) {
  const auto one = [&](const vector::ParallelBlock& block) -> Result<void> {
    body(block.first);
    return {};
  };
  must(vector::parallel_for({.count = count, .threads = threads, .operation = "measuring"}, {}, one));
}

float cosine_distance(std::span<const float> a, std::span<const float> b) { return 1 - dot(a.data(), b.data(), a.size()); }

std::vector<float> cosine_distances(const FigureData& data, std::span<const float> query) {
  std::vector<float> distances(data.rows());
  for (std::size_t i = 0; i < distances.size(); ++i) distances[i] = cosine_distance(query, data.row(i));
  return distances;
}

// Radix sort of the distances made monotone integers, 11 bits at a time.
std::vector<std::uint32_t> by_distance(std::span<const float> distances) {
  constexpr unsigned digit_bits = 11;
  constexpr std::uint32_t digits = 1u << digit_bits;
  std::vector<std::uint64_t> keys(distances.size());
  std::vector<std::uint64_t> sorted(distances.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(distances[i]);
    const std::uint32_t monotone = (bits >> 31) != 0 ? ~bits : bits | (1u << 31);
    keys[i] = std::uint64_t{monotone} << 32 | i;
  }
  for (unsigned shift = 32; shift < 64; shift += digit_bits) {
    std::vector<std::size_t> starts(digits + 1);
    for (const std::uint64_t key : keys) ++starts[((key >> shift) & (digits - 1)) + 1];
    for (std::size_t i = 1; i <= digits; ++i) starts[i] += starts[i - 1];
    for (const std::uint64_t key : keys) sorted[starts[(key >> shift) & (digits - 1)]++] = key;
    keys.swap(sorted);
  }
  std::vector<std::uint32_t> order(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) order[i] = static_cast<std::uint32_t>(keys[i]);
  return order;
}

Truth Truth::of(std::span<const float> distances, std::span<const std::uint32_t> nearest_first, std::size_t k) {
  const std::size_t count = std::min(k, nearest_first.size());
  return {count == 0 ? -1 : distances[nearest_first[count - 1]], count};
}

std::size_t Truth::hits(std::span<const vector::Neighbour> found, float tolerance) const {
  std::size_t hits = 0;
  for (const vector::Neighbour& neighbour : found.first(std::min(count, found.size())))
    hits += neighbour.distance <= farthest + tolerance ? 1 : 0;
  return hits;
}

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1) + .5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

Table::Table(std::string name, std::vector<std::string> columns, bool json)
    : name_(std::move(name)), columns_(std::move(columns)), json_(json) {}

void Table::add(std::vector<std::string> cells) {
  if (json_) {
    std::string line = "{\"figure\": \"" + name_ + "\"";
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      char* end = nullptr;
      std::strtod(cells[i].c_str(), &end);
      const bool number = !cells[i].empty() && *end == '\0';
      line += ", \"" + columns_[i] + "\": " + (number ? cells[i] : '"' + cells[i] + '"');
    }
    std::printf("%s}\n", line.c_str());
    std::fflush(stdout);
  }
  rows_.push_back(std::move(cells));
}

Table::~Table() {
  if (json_) return;
  std::vector<std::size_t> widths;
  for (const std::string& column : columns_) widths.push_back(column.size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  const auto print = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i)
      std::printf(i == 0 ? "%-*s" : "  %*s", static_cast<int>(widths[i]), row[i].c_str());
    std::printf("\n");
  };
  std::printf("\n%s\n", name_.c_str());
  print(columns_);
  for (const auto& row : rows_) print(row);
  std::fflush(stdout);
}

}  // namespace loam::bench
