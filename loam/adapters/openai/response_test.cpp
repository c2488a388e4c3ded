#include "loam/adapters/openai/response.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace loam::openai {
namespace {

const std::string good =
    R"({"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.5,-2e-1]},{"embedding":[3,4],"index":0,)"
    R"("extra":{"deep":[[{"embedding":[9]}]]}}],"model":"m","usage":{"data":[1],"total_tokens":5}})";

std::string problem(const std::string& body, std::size_t count = 2, std::size_t dimension = 2) {
  const auto vectors = parse_embeddings(body, count, dimension);
  EXPECT_FALSE(vectors.ok()) << body;
  if (vectors.ok()) return "none";
  EXPECT_EQ(vectors.error().code(), ErrorCode::data_corruption);
  const std::string prefix = "the answer of the service ";
  const std::string& message = vectors.error().message();
  return message.substr(message.find(prefix) + prefix.size());
}

TEST(EmbeddingResponse, IsReadInTheOrderOfIndexes) {
  EXPECT_EQ(parse_embeddings(good, 2, 2).value(), (std::vector<Vector>{{3, 4}, {0.5, -0.2f}}));
  EXPECT_EQ(parse_embeddings(good, 2, 0).value().size(), 2u);
}

TEST(EmbeddingResponse, WithoutIndexesTheOrderOfTheAnswerCounts) {
  EXPECT_EQ(parse_embeddings(R"({"data":[{"embedding":[1]},{"embedding":[2]}]})", 2, 1).value(),
            (std::vector<Vector>{{1}, {2}}));
}

TEST(EmbeddingResponse, NoTextsNeedNoData) { EXPECT_TRUE(parse_embeddings(R"({"data":[]})", 0, 2).value().empty()); }

TEST(EmbeddingResponse, EveryWayToBeWrongIsNamed) {
  const std::string cannot = "cannot be used: ";
  EXPECT_EQ(problem("{}"), "has no \"data\"");
  EXPECT_EQ(problem(R"({"data":[]})"), "has 0 embeddings for 2 texts");
  EXPECT_EQ(problem("5"), cannot + "it is no object");
  EXPECT_EQ(problem("[1]"), cannot + "it is no object");
  EXPECT_EQ(problem(R"({"data":{}})"), cannot + "\"data\" is no array");
  EXPECT_EQ(problem(R"({"data":null})"), cannot + "\"data\" is no array");
  EXPECT_EQ(problem(R"({"data":[7]})"), cannot + "\"data\" holds something that is no object");
  EXPECT_EQ(problem(R"({"data":[],"data":[]})"), cannot + "\"data\" is there twice");
  EXPECT_EQ(problem(R"({"data":[{"index":0}]})"), cannot + "embedding 0 has no numbers");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[]}]})"), cannot + "embedding 0 has no numbers");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":"AACAPw=="}]})"), cannot + "embedding 0 is no array of numbers");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,"2"]}]})"),
            cannot + "embedding 0 holds something that is no number");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,null]}]})"),
            cannot + "embedding 0 holds something that is no number");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,[2]]}]})"),
            cannot + "embedding 0 holds something that is no number");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1]}]})"), cannot + "embedding 0 has 1 numbers, not 2");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,2,3]}]})"), cannot + "embedding 0 has more than 2 numbers");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,1e39]}]})"), cannot + "number 1 of embedding 0 is too large");
  EXPECT_EQ(problem(R"({"data":[{"embedding":[1,2],"embedding":[1,2]}]})"), cannot + "embedding 0 is there twice");
  EXPECT_EQ(problem(R"({"data":[{"index":2,"embedding":[1,2]}]})"), cannot + "the index 2 is not below 2");
  EXPECT_EQ(problem(R"({"data":[{"index":-1,"embedding":[1,2]}]})"), cannot + "the index of embedding 0 is no whole number");
  EXPECT_EQ(problem(R"({"data":[{"index":0.5,"embedding":[1,2]}]})"),
            cannot + "the index of embedding 0 is no whole number");
  EXPECT_EQ(problem(R"({"data":[{"index":"0","embedding":[1,2]}]})"),
            cannot + "the index of embedding 0 is no whole number");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"index":1,"embedding":[1,2]}]})"),
            cannot + "the index of embedding 0 is there twice");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]})"),
            cannot + "the index 0 is there twice");
  EXPECT_EQ(problem(R"({"data":[{"index":0,"embedding":[1,2]},{"embedding":[1,2]}]})"),
            cannot + "some embeddings have an index and some have none");
  EXPECT_EQ(problem(R"({"data":[{"embedding":[1,2]},{"embedding":[1,2]},{"embedding":[1,2]}]})"),
            cannot + "it has more than 2 embeddings");
  EXPECT_EQ(problem(R"({"data":[{"embedding":[1,2]},{"embedding":[1]}]})", 2, 0),
            cannot + "embedding 1 has 1 numbers, not 2");
}

TEST(EmbeddingResponse, NumbersBeyondDoubleAndNanAreNoJson) {
  for (const char* number : {"1e999", "-1e999", "NaN", "Infinity", "nan", "0x1", "1.", ".5", "+1"})
    EXPECT_EQ(problem(std::string(R"({"data":[{"index":0,"embedding":[1,)") + number + "]}]}").substr(0, 22),
              "cannot be used: it is ")
        << number;
}

TEST(EmbeddingResponse, NestingIsCapped) {
  const std::string deep = R"({"other":)" + std::string(1'000'000, '[');
  EXPECT_EQ(problem(deep), "cannot be used: it is nested deeper than 64 levels");
}

TEST(EmbeddingResponse, EveryCutOfAGoodAnswerIsRefused) {
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_embeddings(good.substr(0, size), 2, 2).ok()) << size;
}

// Whatever the bytes are: an error, or as many finite vectors as were asked for.
TEST(EmbeddingResponse, RandomChangesGiveAnErrorOrWholeVectors) {
  std::mt19937 random(20'261'121);
  const std::string pieces[] = {
      "[", "]", "{", "}", "\"data\":", "\"index\":", "\"embedding\":", ",", "1e308", "-0", "null", "\"", "\\u0000", "\xFF"};
  std::size_t accepted = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string body = good;
    for (std::size_t changes = random() % 4 + 1; changes > 0 && !body.empty(); --changes) {
      const std::size_t at = random() % body.size();
      switch (random() % 4) {
        case 0: body[at] = static_cast<char>(random()); break;
        case 1: body.erase(at, random() % 20); break;
        case 2: body.insert(at, pieces[random() % std::size(pieces)]); break;
        default: body.insert(at, body.substr(random() % body.size(), random() % 60)); break;
      }
    }
    const auto vectors = parse_embeddings(body, 2, 2);
    if (!vectors.ok()) continue;
    ++accepted;
    ASSERT_EQ(vectors.value().size(), 2u) << body;
    for (const Vector& vector : vectors.value()) {
      ASSERT_EQ(vector.size(), 2u) << body;
      for (const float value : vector) ASSERT_TRUE(std::isfinite(value)) << body;
    }
  }
  EXPECT_GT(accepted, 1000u) << "the changes are too wild to test what is accepted";
}

}  // namespace
}  // namespace loam::openai
