#include "loam/ports/contract/embedder_contract.hpp"

#include <atomic>
#include <cmath>
#include <thread>
#include <utility>
#include <vector>

namespace loam::test {

void EmbedderContract::SetUp() {
  auto opened = GetParam().open();
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  embedder_ = std::move(opened).value();
}

std::vector<Vector> EmbedderContract::embed(const std::vector<std::string>& texts) {
  auto vectors = embedder_->embed(texts);
  EXPECT_TRUE(vectors.ok()) << vectors.error().to_string();
  return vectors.ok() ? std::move(vectors).value() : std::vector<Vector>{};
}

namespace {

std::vector<std::string> numbered_texts(std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back("package number " + std::to_string(i) + " of a long list");
  return texts;
}

TEST_P(EmbedderContract, IdentityAndSpecAreComplete) {
  const EmbedderIdentity& identity = embedder_->identity();
  EXPECT_FALSE(identity.provider.empty());
  EXPECT_FALSE(identity.model.empty());
  EXPECT_GT(identity.dimension, 0u);
  EXPECT_GT(embedder_->batch_size(), 0u);
  EXPECT_EQ(embedder_->spec().substr(0, identity.provider.size() + 1), identity.provider + ":");
}

TEST_P(EmbedderContract, OpeningAgainGivesTheSameIdentity) {
  const auto again = GetParam().open();
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again.value()->identity(), embedder_->identity());
  EXPECT_EQ(again.value()->spec(), embedder_->spec());
}

TEST_P(EmbedderContract, NoTextsGiveNoVectors) { EXPECT_TRUE(embed({}).empty()); }

TEST_P(EmbedderContract, EachTextGetsOneVectorOfFiniteNumbersInOrder) {
  const auto texts = numbered_texts(2 * embedder_->batch_size() + 3);
  const auto vectors = embed(texts);
  ASSERT_EQ(vectors.size(), texts.size());
  for (const Vector& vector : vectors) {
    ASSERT_EQ(vector.size(), embedder_->identity().dimension);
    for (const float component : vector) ASSERT_TRUE(std::isfinite(component));
  }
  for (const std::size_t i : {std::size_t{0}, embedder_->batch_size(), texts.size() - 1})
    EXPECT_EQ(embed({texts[i]}), std::vector<Vector>{vectors[i]}) << "text " << i << " alone";
}

TEST_P(EmbedderContract, NormalizedVectorsHaveLengthOne) {
  if (!embedder_->identity().normalized) GTEST_SKIP() << "its identity does not say so";
  for (const Vector& vector : embed(numbered_texts(5))) {
    double square = 0;
    for (const float component : vector) square += static_cast<double>(component) * component;
    EXPECT_NEAR(square, 1, 1e-4);
  }
}

TEST_P(EmbedderContract, TextsOfAllKindsAreTakenOrRefusedByNumber) {
  const std::vector<std::string> texts{"plain", "Grüße, Ελλάδα, Привет, 日本語, 👩‍💻",
                                       "\"quoted\\ \n\t\x01", std::string(20'000, 'x')};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto vectors = embedder_->embed(std::span(&texts[i], 1));
    if (vectors.ok()) continue;
    EXPECT_EQ(vectors.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(vectors.error().message().find("text 0"), std::string::npos) << vectors.error().message();
  }
}

TEST_P(EmbedderContract, CancelledAndLateCallsSaySo) {
  const auto texts = numbered_texts(2);
  Cancellation cancel;
  cancel.cancel();
  EXPECT_EQ(embedder_->embed(texts, Context().cancelled_by(cancel)).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(embedder_->embed(texts, Context().deadline_in_ms(-1)).error().code(), ErrorCode::deadline_exceeded);
}

TEST_P(EmbedderContract, ThreadsShareOneEmbedder) {
  const auto texts = numbered_texts(20);
  const auto expected = embed(texts);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      const auto vectors = embedder_->embed(texts);
      if (!vectors.ok() || vectors.value() != expected) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace loam::test
