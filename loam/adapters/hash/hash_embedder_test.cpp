#include "loam/adapters/hash/hash_embedder.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "loam/core/sha256.hpp"
#include "loam/core/value.hpp"
#include "loam/ports/contract/embedder_contract.hpp"

namespace loam::test {

INSTANTIATE_TEST_SUITE_P(Hash, EmbedderContract,
                         testing::Values(EmbedderContractCase{"Hash", [] { return make_hash_embedder(384); }}),
                         embedder_case_name);

namespace {

Vector embed(std::size_t dimension, const std::string& text) {
  auto embedder = make_hash_embedder(dimension);
  auto vectors = embedder.value()->embed(std::span(&text, 1));
  return std::move(vectors.value()[0]);
}

double cosine(const std::string& a, const std::string& b) {
  const Vector x = embed(1024, a);
  const Vector y = embed(1024, b);
  double dot = 0;
  for (std::size_t i = 0; i < x.size(); ++i) dot += static_cast<double>(x[i]) * y[i];
  return dot;
}

TEST(HashEmbedder, DimensionsOutOfRangeAreRefused) {
  EXPECT_TRUE(make_hash_embedder(64).ok());
  EXPECT_TRUE(make_hash_embedder(4096).ok());
  for (const std::size_t dimension : {std::size_t{0}, std::size_t{63}, std::size_t{4097}, SIZE_MAX})
    EXPECT_EQ(make_hash_embedder(dimension).error().code(), ErrorCode::invalid_argument) << dimension;
}

TEST(HashEmbedder, NamesItself) {
  const auto embedder = make_hash_embedder(384).value();
  EXPECT_EQ(embedder->spec(), "hash:384");
  EXPECT_EQ(to_string(embedder->identity()), "hash/hash-384-v1 (384, cosine, normalized)");
}

TEST(HashEmbedder, TextWithoutWordsIsTheZeroVector) {
  EXPECT_EQ(embed(64, ""), Vector(64));
  EXPECT_EQ(embed(64, " ... !"), Vector(64));
}

// The bytes are part of the model: tables on disk hold vectors of earlier runs and of other machines. If this fails, the
// model needs another name than v1.
TEST(HashEmbedder, BytesNeverChange) {
  const std::vector<std::string> texts{
      "a command line tool to compress files", "GRÜSSE aus Łódź, ΕΛΛΆΔΑ und Привет; 日本語のテキスト \xFF\xFE",
      "to be or not to be, that is the question: to be to be to be to be to be to be to be to be to be to be",
      std::string(5000, 'x')};
  const std::vector<std::pair<std::size_t, std::string>> golden{
      {64, "31f8d1333d7da1c21857185f08741624c14ba115f26da24b7e12ef6c3b8b8ce1"},
      {384, "93e19514a49afa09b0f836dcd47a93b4239dd5b72f58bf4162f5cb48b615edac"},
      {1000, "ebba60ebe5ed5a58a989a1492563fc99f588c0c31c9ba706b7f50f045ceac847"}};
  for (const auto& [dimension, expected] : golden) {
    std::string bytes;
    for (const std::string& text : texts) {
      const Vector vector = embed(dimension, text);
      bytes += encode_vector(vector.data(), vector.size());
    }
    EXPECT_EQ(sha256_hex(bytes), expected) << dimension;
  }
}

TEST(HashEmbedder, LargeBatchesOnSeveralThreadsGiveTheSameBytes) {
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i)
    texts.push_back("text " + std::to_string(i * 7919) + std::string(static_cast<std::size_t>(i % 400), 'y') + " end");
  const auto embedder = make_hash_embedder(128).value();
  const auto vectors = embedder->embed(texts);
  for (std::size_t i = 0; i < texts.size(); i += 97) ASSERT_EQ(vectors.value()[i], embed(128, texts[i])) << i;
}

TEST(HashEmbedder, CaseAndPunctuationDoNotMatter) {
  EXPECT_EQ(embed(256, "Fast, lossless compression!"), embed(256, "fast lossless COMPRESSION"));
}

TEST(HashEmbedder, SharedWordsCountMoreThanSharedLetters) {
  const double same_words = cosine("lossless audio compression", "compression of audio, lossless");
  const double related_words = cosine("lossless audio compression", "audio compressor without loss");
  const double shared_letters = cosine("lossless audio compression", "audible impression");
  const double unrelated = cosine("lossless audio compression", "python web framework");
  EXPECT_GT(same_words, 0.95);
  EXPECT_GT(same_words, related_words);
  EXPECT_GT(related_words, shared_letters);
  EXPECT_GT(shared_letters, unrelated + 0.02);
}

TEST(HashEmbedder, FunctionWordsHardlyMatter) {
  EXPECT_GT(cosine("editor for the images of the web", "images editor web"), 0.9);
}

TEST(HashEmbedder, RepeatedWordsCountLessAndLess) {
  const std::string other = "network ";
  std::string tenfold;
  for (int i = 0; i < 10; ++i) tenfold += "scanner ";
  EXPECT_GT(cosine(tenfold + other, "network"), 0.2);
}

}  // namespace
}  // namespace loam::test
