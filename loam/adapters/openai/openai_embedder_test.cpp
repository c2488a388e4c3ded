#include "loam/adapters/openai/openai_embedder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loam/adapters/openai/scripted_server.hpp"
#include "loam/ports/contract/embedder_contract.hpp"

namespace loam::test {

INSTANTIATE_TEST_SUITE_P(OpenAi, EmbedderContract,
                         testing::Values(EmbedderContractCase{"OpenAi",
                                                              [] {
                                                                static ScriptedServer server(embeddings);
                                                                return open_openai_embedder(
                                                                    {.base_url = server.url(), .model = "m"});
                                                              }}),
                         embedder_case_name);

namespace {

using testing::HasSubstr;
using testing::Not;

TEST(OpenAiEmbedder, AsksForTheDimensionOnceAtOpen) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url() + "//", .model = "small"});
  ASSERT_TRUE(embedder.ok()) << embedder.error().to_string();
  EXPECT_EQ(embedder.value()->identity().dimension, 4u);
  EXPECT_EQ(embedder.value()->spec(), "openai:" + server.url() + "#small");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(OpenAiEmbedder, AKnownDimensionNeedsNoQuestion) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "small", .dimension = 4});
  ASSERT_TRUE(embedder.ok());
  EXPECT_TRUE(server.requests().empty());
}

TEST(OpenAiEmbedder, SendsTheRequestOfTheProtocol) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url(),
                                              .model = "m \"quoted\"",
                                              .api_key = Secret("sk-test-1"),
                                              .dimension = 4,
                                              .request_dimension = true});
  const std::vector<std::string> texts{"one", "zwei \xE2\x82\xAC \n \"x\""};
  ASSERT_TRUE(embedder.value()->embed(texts).ok());

  const auto request = server.requests().at(0);
  EXPECT_EQ(request.head.substr(0, request.head.find('\r')), "POST /v1/embeddings HTTP/1.1");
  EXPECT_THAT(request.head, HasSubstr("Authorization: Bearer sk-test-1\r\n"));
  EXPECT_THAT(request.head, HasSubstr("Content-Type: application/json\r\n"));
  const nlohmann::json expected{{"model", "m \"quoted\""},
                                {"encoding_format", "float"},
                                {"dimensions", 4},
                                {"input", {"one", "zwei \xE2\x82\xAC \n \"x\""}}};
  EXPECT_EQ(nlohmann::json::parse(request.body), expected);
}

TEST(OpenAiEmbedder, WithoutAKeyNoAuthorizationIsSent) {
  ScriptedServer server(embeddings);
  ASSERT_TRUE(open_openai_embedder({.base_url = server.url(), .model = "m"}).ok());
  EXPECT_THAT(server.requests().at(0).head, Not(HasSubstr("Authorization")));
}

TEST(OpenAiEmbedder, SplitsIntoBatchesByCountAndBySize) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 4, .batch_size = 3});
  std::vector<std::string> texts(7, "short");
  texts.insert(texts.end(), 2, std::string(3 << 20, 'x'));
  ASSERT_EQ(embedder.value()->embed(texts).value().size(), 9u);
  std::vector<std::size_t> counts;
  for (const auto& request : server.requests()) counts.push_back(nlohmann::json::parse(request.body).at("input").size());
  EXPECT_EQ(counts, (std::vector<std::size_t>{3, 3, 2, 1}));
}

TEST(OpenAiEmbedder, PutsEmbeddingsInTheOrderOfTheirIndexes) {
  ScriptedServer server([](const ServerRequest&) {
    return answer(200, R"({"data":[{"index":1,"embedding":[0,2]},{"embedding":[3,0],"index":0}]})");
  });
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 2});
  const std::vector<std::string> texts{"a", "b"};
  EXPECT_EQ(embedder.value()->embed(texts).value(), (std::vector<Vector>{{1, 0}, {0, 1}}));
}

TEST(OpenAiEmbedder, ReusesTheConnection) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 4, .batch_size = 1});
  const std::vector<std::string> texts(5, "t");
  ASSERT_TRUE(embedder.value()->embed(texts).ok());
  EXPECT_EQ(server.requests().size(), 5u);
  EXPECT_EQ(server.connection_count(), 1u);
}

TEST(OpenAiEmbedder, TextsThatAreNotUtf8AreRefusedByNumber) {
  ScriptedServer server(embeddings);
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 4});
  const std::vector<std::string> texts{"fine", "\xFF"};
  const auto vectors = embedder.value()->embed(texts);
  EXPECT_EQ(vectors.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(vectors.error().message(), "text 1 is not UTF-8");
  EXPECT_TRUE(server.requests().empty());
}

TEST(OpenAiEmbedder, TheTextThatTheServiceRefusesIsFoundByHalving) {
  ScriptedServer server([](const ServerRequest& request) {
    if (request.body.find("evil") == std::string::npos) return embeddings(request);
    return answer(400, R"({"error":{"message":"input is against the rules"}})");
  });
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 4});
  std::vector<std::string> texts(20, "good");
  texts[13] = "evil";
  const auto vectors = embedder.value()->embed(texts);
  EXPECT_EQ(vectors.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(vectors.error().message(), "text 13: the service answered 400: input is against the rules");
}

TEST(OpenAiEmbedder, ARequestThatIsTooLargeIsSentInHalves) {
  ScriptedServer server([](const ServerRequest& request) {
    return nlohmann::json::parse(request.body).at("input").size() > 2 ? answer(413, "too large") : embeddings(request);
  });
  const auto embedder = open_openai_embedder({.base_url = server.url(), .model = "m", .dimension = 4});
  const std::vector<std::string> texts(8, "t");
  EXPECT_EQ(embedder.value()->embed(texts).value().size(), 8u);
}

TEST(OpenAiEmbedder, WrongOptionsAreRefusedBeforeAnythingIsSent) {
  const OpenAiOptions good{.base_url = "http://127.0.0.1:1/v1", .model = "m", .dimension = 4};
  const auto refused = [&](auto change) {
    OpenAiOptions options = good;
    change(options);
    auto opened = open_openai_embedder(options);
    EXPECT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::invalid_argument);
    return opened.error().to_string();
  };
  EXPECT_TRUE(open_openai_embedder(good).ok());
  refused([](OpenAiOptions& o) { o.base_url = "ftp://host/v1"; });
  refused([](OpenAiOptions& o) { o.base_url = "/v1"; });
  refused([](OpenAiOptions& o) { o.base_url = ""; });
  refused([](OpenAiOptions& o) { o.base_url = "http://host/v1?key=1"; });
  refused([](OpenAiOptions& o) { o.base_url = "file:///etc/passwd"; });
  refused([](OpenAiOptions& o) { o.model = ""; });
  refused([](OpenAiOptions& o) { o.model = "a\nb"; });
  refused([](OpenAiOptions& o) { o.batch_size = 0; });
  refused([](OpenAiOptions& o) { o.attempts_max = 0; });
  refused([](OpenAiOptions& o) { o.backoff_ms = -1; });
  refused([](OpenAiOptions& o) { o.request_timeout_ms = 0; });
  refused([](OpenAiOptions& o) { o.dimension = 1 << 20; });
  refused([](OpenAiOptions& o) { o.dimension = 0, o.request_dimension = true; });
  EXPECT_THAT(refused([](OpenAiOptions& o) { o.base_url = "http://ada:hunter2@host/v1"; }), Not(HasSubstr("hunter2")));
  EXPECT_THAT(refused([](OpenAiOptions& o) { o.api_key = Secret("hunter2\r\nX-Evil: 1"); }), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace loam::test
