#pragma once

/// The Reranker port: orders the rows that vector and text search found together.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

/// One row found, with its place in each list it was found in.
struct RankedCandidate {
  std::int64_t row_id = 0;
  std::optional<std::size_t> vector_rank;  ///< from 1
  std::optional<double> vector_score;      ///< higher is closer
  std::optional<std::size_t> text_rank;    ///< from 1
  std::optional<double> text_score;        ///< higher is better
  double score = 0;                        ///< set by the reranker: higher is better
};

/// *thread-safe*
class Reranker {
 public:
  virtual ~Reranker() = default;
  /// "rrf(k=60)", "weighted(vector=0.7,text=0.3)": shown by explain.
  virtual std::string name() const = 0;
  /// Sets each candidate's score; the caller sorts by (score descending, row id). An error fails the search.
  virtual Result<void> rerank(std::string_view query, std::vector<RankedCandidate>& candidates,
                              const Context& context = {}) = 0;
};

/// Reciprocal-rank fusion: score = sum over lists of 1 / (k + rank). Cormack, Clarke, Buettcher, SIGIR 2009. k > 0.
std::unique_ptr<Reranker> reciprocal_rank_fusion(double k = 60);

/// Weighted sum of both scores, each brought to 0..1 by the least and greatest of its list. Weights >= 0, not both 0, else
/// invalid_argument.
Result<std::unique_ptr<Reranker>> weighted_fusion(double vector_weight, double text_weight);

/// A function as a Reranker.
std::unique_ptr<Reranker> callback_reranker(
    std::string name, std::function<Result<void>(std::string_view, std::vector<RankedCandidate>&, const Context&)> rerank);

}  // namespace loam
