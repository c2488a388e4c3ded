#pragma once

/// What the figures of the vector index have in common: the rows, real or made up, the exact answers, and the tables.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/index.hpp"
#include "vector_data.hpp"

namespace loam::bench {

/// A benchmark that fails has nothing to measure.
template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

/// Rows of length 1 to put in, and others to look for. *const methods are thread-safe*
class FigureData {
 public:
  /// At most the first `count` rows and `queries` queries of a set of bench/vector/make_data.py.
  static FigureData open(const std::filesystem::path& set, std::size_t count, std::size_t queries);
  /// 384 components: normal noise around one centre for 200 rows, so that anybody has data.
  static FigureData synthetic(std::size_t count, std::size_t queries, std::uint64_t seed);

  std::size_t dimension() const noexcept { return dimension_; }
  std::size_t rows() const noexcept { return base_.size() / dimension_; }
  std::size_t queries() const noexcept { return queries_.size() / dimension_; }
  std::span<const float> rows(std::size_t first, std::size_t count) const {
    return base_.subspan(first * dimension_, count * dimension_);
  }
  std::span<const float> row(std::size_t i) const { return rows(i, 1); }
  std::span<const float> query(std::size_t i) const { return queries_.subspan(i * dimension_, dimension_); }
  std::span<const float> all_queries() const { return queries_; }

 private:
  std::size_t dimension_ = 0;
  std::optional<DataSet> set_;
  std::vector<float> made_;
  std::span<const float> base_;
  std::span<const float> queries_;
};

/// 1 - <a, b> in float.
float cosine_distance(std::span<const float> a, std::span<const float> b);
/// To every row.
std::vector<float> cosine_distances(const FigureData& data, std::span<const float> query);
/// Row numbers, nearest first.
std::vector<std::uint32_t> by_distance(std::span<const float> distances);

/// Calls body(i) for [0, count) on as many threads.
void in_parallel(std::size_t threads, std::size_t count, const std::function<void(std::size_t)>& body);

/// The true answers of one query. By distance: of equally far ones any will do.
struct Truth {
  float farthest = 0;
  std::size_t count = 0;

  /// Of rows that pass, nearest first.
  static Truth of(std::span<const float> distances, std::span<const std::uint32_t> nearest_first, std::size_t k);
  /// How many of the answers are no farther than the last true one; they must be rows that pass.
  std::size_t hits(std::span<const vector::Neighbour> found, float tolerance = 1e-6F) const;
};

double milliseconds_since(std::chrono::steady_clock::time_point begin);
double mean(std::span<const double> values);
double percentile(std::vector<double> values, double share);
inline double median(std::vector<double> values) { return percentile(std::move(values), .5); }

/// Aligned columns on stdout, or one JSON object for each row.
class Table {
 public:
  Table(std::string name, std::vector<std::string> columns, bool json);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  void add(std::vector<std::string> cells);

 private:
  const std::string name_;
  const std::vector<std::string> columns_;
  const bool json_;
  std::vector<std::vector<std::string>> rows_;
};

/// "0.123": as many digits behind the point as wanted.
std::string fixed(double value, int digits);

}  // namespace loam::bench
