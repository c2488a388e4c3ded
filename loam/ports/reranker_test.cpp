#include "loam/ports/reranker.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace loam {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

using Candidates = std::vector<RankedCandidate>;

// Row 1 is in both lists, row 2 in the vector list, row 3 in the text list.
Candidates three_rows() {
  return {{.row_id = 1, .vector_rank = 2, .vector_score = 0.5, .text_rank = 1, .text_score = 8},
          {.row_id = 2, .vector_rank = 1, .vector_score = 0.9},
          {.row_id = 3, .text_rank = 2, .text_score = 4}};
}

TEST(ReciprocalRankFusion, AddsTheReciprocalsOfBothRanks) {
  auto rows = three_rows();
  const auto fusion = reciprocal_rank_fusion();
  ASSERT_TRUE(fusion->rerank("q", rows).ok());
  EXPECT_DOUBLE_EQ(rows[0].score, 1.0 / 62 + 1.0 / 61);
  EXPECT_DOUBLE_EQ(rows[1].score, 1.0 / 61);
  EXPECT_DOUBLE_EQ(rows[2].score, 1.0 / 62);
  EXPECT_EQ(fusion->name(), "rrf(k=60)");
}

TEST(ReciprocalRankFusion, RefusesRankZeroAndKThatIsNotPositive) {
  Candidates rank_zero{{.row_id = 7, .vector_rank = 0}};
  EXPECT_EQ(reciprocal_rank_fusion()->rerank("q", rank_zero).error().message(), "row 7 has rank 0; ranks start at 1");
  for (const double k : {0.0, -1.0, nan, infinity}) {
    auto rows = three_rows();
    EXPECT_EQ(reciprocal_rank_fusion(k)->rerank("q", rows).error().code(), ErrorCode::invalid_argument) << k;
  }
}

TEST(WeightedFusion, BringsEachListToOneScaleBeforeAdding) {
  auto rows = three_rows();
  const auto fusion = weighted_fusion(0.75, 0.25);
  ASSERT_TRUE(fusion.value()->rerank("q", rows).ok());
  EXPECT_DOUBLE_EQ(rows[0].score, 0.75 * 0 + 0.25 * 1);
  EXPECT_DOUBLE_EQ(rows[1].score, 0.75 * 1);
  EXPECT_DOUBLE_EQ(rows[2].score, 0.25 * 0);
  EXPECT_EQ(fusion.value()->name(), "weighted(vector=0.75,text=0.25)");
}

TEST(WeightedFusion, EqualScoresOfAListCountFully) {
  Candidates rows{{.row_id = 1, .vector_score = 0.4}, {.row_id = 2, .vector_score = 0.4}, {.row_id = 3, .text_score = 2}};
  ASSERT_TRUE(weighted_fusion(2, 1).value()->rerank("q", rows).ok());
  EXPECT_EQ(rows[0].score, 2);
  EXPECT_EQ(rows[1].score, 2);
  EXPECT_EQ(rows[2].score, 1);
}

TEST(WeightedFusion, HugeScoresDoNotOverflow) {
  Candidates rows{
      {.row_id = 1, .vector_score = 1e308}, {.row_id = 2, .vector_score = -1e308}, {.row_id = 3, .vector_score = 0}};
  ASSERT_TRUE(weighted_fusion(1, 0).value()->rerank("q", rows).ok());
  EXPECT_EQ(rows[0].score, 1);
  EXPECT_EQ(rows[1].score, 0);
  EXPECT_EQ(rows[2].score, 0.5);
}

TEST(WeightedFusion, RefusesScoresThatAreNoNumbers) {
  for (const double score : {nan, infinity, -infinity}) {
    Candidates rows{{.row_id = 5, .text_score = score}};
    EXPECT_EQ(weighted_fusion(1, 1).value()->rerank("q", rows).error().code(), ErrorCode::invalid_argument) << score;
  }
}

TEST(WeightedFusion, RefusesWeightsThatCannotRank) {
  EXPECT_EQ(weighted_fusion(0, 0).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(weighted_fusion(-1, 1).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(weighted_fusion(nan, 1).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(weighted_fusion(1, infinity).error().code(), ErrorCode::invalid_argument);
}

TEST(Rerankers, NoCandidatesAreNoError) {
  Candidates none;
  EXPECT_TRUE(reciprocal_rank_fusion()->rerank("q", none).ok());
  EXPECT_TRUE(weighted_fusion(1, 1).value()->rerank("q", none).ok());
}

TEST(Rerankers, CancelledCallsSaySo) {
  Cancellation cancel;
  cancel.cancel();
  auto rows = three_rows();
  const Context cancelled = Context().cancelled_by(cancel);
  EXPECT_EQ(reciprocal_rank_fusion()->rerank("q", rows, cancelled).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(weighted_fusion(1, 1).value()->rerank("q", rows, cancelled).error().code(), ErrorCode::cancelled);
}

TEST(CallbackReranker, SetsScoresAndMayReorder) {
  const auto reranker =
      callback_reranker("newest", [](std::string_view query, Candidates& rows, const Context&) -> Result<void> {
        EXPECT_EQ(query, "q");
        std::swap(rows[0], rows[2]);
        for (RankedCandidate& row : rows) row.score = static_cast<double>(row.row_id);
        return {};
      });
  auto rows = three_rows();
  ASSERT_TRUE(reranker->rerank("q", rows).ok());
  EXPECT_EQ(rows[0].score, 3);
  EXPECT_EQ(reranker->name(), "newest");
}

// What `misbehave` makes of the rows must fail the search with this message.
void expect_refused(std::function<void(Candidates&)> misbehave, const std::string& message) {
  const auto reranker = callback_reranker("r", [&](std::string_view, Candidates& rows, const Context&) -> Result<void> {
    misbehave(rows);
    return {};
  });
  auto rows = three_rows();
  const auto outcome = reranker->rerank("q", rows);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message(), message);
}

TEST(CallbackReranker, HostileAnswersFailTheSearch) {
  expect_refused([](Candidates& rows) { rows[1].score = nan; }, "reranker \"r\" gave row 2 the score nan");
  expect_refused([](Candidates& rows) { rows[0].score = infinity; }, "reranker \"r\" gave row 1 the score inf");
  expect_refused([](Candidates& rows) { rows.pop_back(); }, "reranker \"r\" added, dropped or renamed rows");
  expect_refused([](Candidates& rows) { rows.push_back({.row_id = 4}); }, "reranker \"r\" added, dropped or renamed rows");
  expect_refused([](Candidates& rows) { rows[0].row_id = 3; }, "reranker \"r\" added, dropped or renamed rows");
  expect_refused([](Candidates&) { throw std::runtime_error("oops"); }, "reranker \"r\" threw: oops");
  expect_refused([](Candidates&) { throw 5; }, "reranker \"r\" threw something that is no std::exception");
}

TEST(CallbackReranker, ItsErrorIsTheAnswer) {
  const auto reranker = callback_reranker("r", [](std::string_view, Candidates&, const Context&) -> Result<void> {
    return Error(ErrorCode::unavailable, "model is loading");
  });
  auto rows = three_rows();
  EXPECT_EQ(reranker->rerank("q", rows).error().code(), ErrorCode::unavailable);
}

TEST(CallbackReranker, WithoutAFunctionItIsRefused) {
  auto rows = three_rows();
  EXPECT_EQ(callback_reranker("r", nullptr)->rerank("q", rows).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace loam
