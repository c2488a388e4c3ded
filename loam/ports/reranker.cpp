#include "loam/ports/reranker.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

namespace loam {
namespace {

using Candidates = std::vector<RankedCandidate>;

// The shortest text that reads back as the same number: "60", "0.7".
std::string shortest(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value);
  return {text, end.ptr};
}

class ReciprocalRankFusion final : public Reranker {
 public:
  explicit ReciprocalRankFusion(double k) : k_(k) {}

  std::string name() const override { return "rrf(k=" + shortest(k_) + ")"; }

  Result<void> rerank(std::string_view, Candidates& candidates, const Context& context) override {
    LOAM_TRY(context.check("rerank"));
    if (!(k_ > 0) || !std::isfinite(k_)) return invalid_argument("reciprocal-rank fusion needs k > 0, not " + shortest(k_));
    for (const RankedCandidate& candidate : candidates)
      if (candidate.vector_rank == 0u || candidate.text_rank == 0u)
        return invalid_argument("row " + std::to_string(candidate.row_id) + " has rank 0; ranks start at 1");
    for (RankedCandidate& candidate : candidates) candidate.score = part(candidate.vector_rank) + part(candidate.text_rank);
    return {};
  }

 private:
  double part(std::optional<std::size_t> rank) const { return rank ? 1 / (k_ + static_cast<double>(*rank)) : 0; }

  double k_;
};

using ScoreMember = std::optional<double> RankedCandidate::*;

// Brings the scores of one list to 0..1 by its least and greatest. When all are equal each is 1: being found at all is what
// they have in common.
class MinMax {
 public:
  static Result<MinMax> of(const Candidates& candidates, ScoreMember member, std::string_view list) {
    MinMax range(member);
    for (const RankedCandidate& candidate : candidates) {
      const std::optional<double>& score = candidate.*member;
      if (!score) continue;
      if (!std::isfinite(*score))
        return invalid_argument("row " + std::to_string(candidate.row_id) + " has the " + std::string(list) + " score " +
                                shortest(*score) + ", which is no number to rank by");
      range.least_ = std::min(range.least_, *score);
      range.greatest_ = std::max(range.greatest_, *score);
    }
    return range;
  }

  double operator()(const RankedCandidate& candidate) const {
    const std::optional<double>& score = candidate.*member_;
    if (!score) return 0;
    if (least_ == greatest_) return 1;
    // Halves, so that the difference of two huge scores is finite.
    return (*score / 2 - least_ / 2) / (greatest_ / 2 - least_ / 2);
  }

 private:
  explicit MinMax(ScoreMember member) : member_(member) {}

  ScoreMember member_;
  double least_ = std::numeric_limits<double>::infinity();
  double greatest_ = -std::numeric_limits<double>::infinity();
};

class WeightedFusion final : public Reranker {
 public:
  WeightedFusion(double vector_weight, double text_weight) : vector_weight_(vector_weight), text_weight_(text_weight) {}

  std::string name() const override {
    return "weighted(vector=" + shortest(vector_weight_) + ",text=" + shortest(text_weight_) + ")";
  }

  Result<void> rerank(std::string_view, Candidates& candidates, const Context& context) override {
    LOAM_TRY(context.check("rerank"));
    LOAM_TRY(const MinMax vector, MinMax::of(candidates, &RankedCandidate::vector_score, "vector"));
    LOAM_TRY(const MinMax text, MinMax::of(candidates, &RankedCandidate::text_score, "text"));
    for (RankedCandidate& candidate : candidates)
      candidate.score = vector_weight_ * vector(candidate) + text_weight_ * text(candidate);
    return {};
  }

 private:
  double vector_weight_;
  double text_weight_;
};

std::vector<std::int64_t> sorted_ids(const Candidates& candidates) {
  std::vector<std::int64_t> ids;
  ids.reserve(candidates.size());
  for (const RankedCandidate& candidate : candidates) ids.push_back(candidate.row_id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

class CallbackReranker final : public Reranker {
 public:
  using Callback = std::function<Result<void>(std::string_view, Candidates&, const Context&)>;

  CallbackReranker(std::string name, Callback callback) : name_(std::move(name)), callback_(std::move(callback)) {}

  std::string name() const override { return name_; }

  Result<void> rerank(std::string_view query, Candidates& candidates, const Context& context) override {
    LOAM_TRY(context.check("rerank"));
    if (!callback_) return invalid_argument("reranker \"" + name_ + "\" has no function");
    const std::vector<std::int64_t> given = sorted_ids(candidates);
    LOAM_TRY(call(query, candidates, context));
    return check_answer(given, candidates);
  }

 private:
  // The function is foreign code: what it throws ends here.
  Result<void> call(std::string_view query, Candidates& candidates, const Context& context) const {
    try {
      return callback_(query, candidates, context);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& thrown) {
      return internal_error("reranker \"" + name_ + "\" threw: " + thrown.what());
    } catch (...) {
      return internal_error("reranker \"" + name_ + "\" threw something that is no std::exception");
    }
  }

  Result<void> check_answer(const std::vector<std::int64_t>& given, const Candidates& candidates) const {
    if (sorted_ids(candidates) != given)
      return invalid_argument("reranker \"" + name_ + "\" added, dropped or renamed rows")
          .hint("it may only set scores; a filter or the limit drops rows");
    for (const RankedCandidate& candidate : candidates)
      if (!std::isfinite(candidate.score))
        return invalid_argument("reranker \"" + name_ + "\" gave row " + std::to_string(candidate.row_id) + " the score " +
                                shortest(candidate.score));
    return {};
  }

  std::string name_;
  Callback callback_;
};

}  // namespace

std::unique_ptr<Reranker> reciprocal_rank_fusion(double k) { return std::make_unique<ReciprocalRankFusion>(k); }

Result<std::unique_ptr<Reranker>> weighted_fusion(double vector_weight, double text_weight) {
  for (const double weight : {vector_weight, text_weight})
    if (!std::isfinite(weight) || weight < 0) return invalid_argument("a weight must be 0 or more, not " + shortest(weight));
  if (vector_weight == 0 && text_weight == 0) return invalid_argument("one of the two weights must be above 0");
  return std::unique_ptr<Reranker>(std::make_unique<WeightedFusion>(vector_weight, text_weight));
}

std::unique_ptr<Reranker> callback_reranker(
    std::string name, std::function<Result<void>(std::string_view, std::vector<RankedCandidate>&, const Context&)> rerank) {
  return std::make_unique<CallbackReranker>(std::move(name), std::move(rerank));
}

}  // namespace loam
