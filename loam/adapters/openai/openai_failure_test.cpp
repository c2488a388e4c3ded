// Services that refuse, stall, break off, lie or leak.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "loam/adapters/openai/openai_embedder.hpp"
#include "loam/adapters/openai/scripted_server.hpp"

namespace loam::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> texts{"first", "second"};

// The server says `replies` one after the other, then the right thing.
ScriptedServer::Script first_these(std::vector<ServerReply> replies) {
  return [replies](const ServerRequest& request) {
    return request.number < replies.size() ? replies[request.number] : embeddings(request);
  };
}

ScriptedServer::Script always(const ServerReply& reply) {
  return [reply](const ServerRequest&) { return reply; };
}

std::shared_ptr<Embedder> opened(const ScriptedServer& server, OpenAiOptions options = {}) {
  options.base_url = server.url();
  options.model = "m";
  options.dimension = 4;
  options.backoff_ms = 1;
  auto embedder = open_openai_embedder(std::move(options));
  EXPECT_TRUE(embedder.ok());
  return embedder.value();
}

Error failure(const ScriptedServer& server, OpenAiOptions options = {}, const Context& context = {}) {
  auto vectors = opened(server, std::move(options))->embed(texts, context);
  EXPECT_FALSE(vectors.ok());
  return vectors.ok() ? internal_error("it did not fail") : std::move(vectors).error();
}

TEST(OpenAiFailures, BusyServiceIsAskedAgain) {
  ScriptedServer server(first_these({answer(429, "{}", "Retry-After: 0\r\n"), answer(500, "oops"), answer(503, "")}));
  EXPECT_EQ(opened(server)->embed(texts).value().size(), 2u);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(OpenAiFailures, RetryAfterIsWaitedFor) {
  ScriptedServer server(first_these({answer(429, "{}", "retry-after: 1\r\n")}));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(opened(server)->embed(texts).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(999));
}

TEST(OpenAiFailures, AWaitBeyondTheDeadlineIsNotBegun) {
  ScriptedServer server(always(answer(429, R"({"error":{"message":"slow down"}})", "Retry-After: 100\r\n")));
  const Error error = failure(server, {}, Context().deadline_in_ms(20'000));
  EXPECT_EQ(error.code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(error.to_string(), HasSubstr("slow down"));
  EXPECT_THAT(error.hint(), HasSubstr("100000 ms"));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(OpenAiFailures, AWaitOfHoursIsNotBegun) {
  ScriptedServer server(always(answer(503, "{}", "Retry-After: 86400\r\n")));
  EXPECT_EQ(failure(server).code(), ErrorCode::unavailable);
}

TEST(OpenAiFailures, AttemptsAreCounted) {
  ScriptedServer server(always(answer(502, "bad gateway")));
  const Error error = failure(server, {.attempts_max = 3});
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_TRUE(error.retryable());
  EXPECT_THAT(error.to_string(), HasSubstr("the service answered 502 (attempt 3)"));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(OpenAiFailures, NoCreditIsNotAskedAgain) {
  ScriptedServer server(always(answer(429, R"({"error":{"message":"no credit","type":"insufficient_quota"}})")));
  EXPECT_EQ(failure(server).code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(OpenAiFailures, StatusesThatStayAreNotAskedAgain) {
  const std::vector<std::pair<int, ErrorCode>> statuses{{401, ErrorCode::unauthenticated},
                                                        {403, ErrorCode::permission_denied},
                                                        {404, ErrorCode::not_found},
                                                        {501, ErrorCode::unsupported},
                                                        {405, ErrorCode::invalid_argument}};
  for (const auto& [status, code] : statuses) {
    ScriptedServer server(always(answer(status, "{}")));
    const Error error = failure(server);
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_EQ(server.requests().size(), 1u) << status;
    EXPECT_THAT(error.to_string(), HasSubstr("openai embed \"" + server.url() + "#m\""));
  }
}

TEST(OpenAiFailures, AConnectionThatBreaksIsTriedAgain) {
  ServerReply cut_in_body{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":[", true, false};
  ServerReply cut_in_head{"HTTP/1.1 200 O", true, false};
  ServerReply nothing{"", true, false};
  ScriptedServer server(first_these({cut_in_body, cut_in_head, nothing}));
  EXPECT_EQ(opened(server)->embed(texts).value().size(), 2u);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(OpenAiFailures, NobodyListeningIsUnavailable) {
  std::string url;
  {
    ScriptedServer server(embeddings);
    url = server.url();
  }
  const auto embedder = open_openai_embedder({.base_url = url, .model = "m", .attempts_max = 2, .backoff_ms = 1});
  ASSERT_FALSE(embedder.ok());
  EXPECT_EQ(embedder.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(embedder.error().to_string(), HasSubstr("127.0.0.1"));
}

TEST(OpenAiFailures, AStallingServiceEndsAtTheDeadline) {
  for (const std::string said : {"", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\""}) {
    ScriptedServer server(always({said, false, true}));
    EXPECT_EQ(failure(server, {}, Context().deadline_in_ms(100)).code(), ErrorCode::deadline_exceeded);
  }
}

TEST(OpenAiFailures, AStallingServiceEndsAtTheTimeoutOfAnAttempt) {
  ScriptedServer server(first_these({{"", false, true}}));
  EXPECT_TRUE(opened(server, {.attempts_max = 10, .request_timeout_ms = 500})->embed(texts).ok());
  EXPECT_GE(server.requests().size(), 2u);
}

TEST(OpenAiFailures, ACallCanBeCancelledWhileTheServiceStalls) {
  Cancellation cancel;
  ScriptedServer server([&](const ServerRequest&) {
    cancel.cancel();
    return ServerReply{"", false, true};
  });
  EXPECT_EQ(failure(server, {}, Context().cancelled_by(cancel)).code(), ErrorCode::cancelled);
}

TEST(OpenAiFailures, ACallCanBeCancelledWhileItWaitsToTryAgain) {
  Cancellation cancel;
  ScriptedServer server([&](const ServerRequest&) {
    cancel.cancel();
    return answer(503, "{}", "Retry-After: 60\r\n");
  });
  EXPECT_EQ(failure(server, {}, Context().cancelled_by(cancel)).code(), ErrorCode::cancelled);
}

TEST(OpenAiFailures, AnswersThatAreWrongAreDataCorruptionAndNotAskedForAgain) {
  const std::vector<std::pair<std::string, std::string>> answers{
      {"<html>hello</html>", "it is not JSON at byte"},
      {"", "it is not JSON at byte"},
      {R"({"data":[{"index":0,"embedding":[1,2,3,4]}]})", "has 1 embeddings for 2 texts"},
      {R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":1,"embedding":[1,2,3]}]})", "embedding 0 has 3 numbers, not 4"},
      {R"({"data":[{"index":0,"embedding":[1,2,3,NaN]}]})", "it is not JSON at byte"},
      {std::string(100'000, '['), "it is no object"},
      {R"({"data":)" + std::string(100'000, '['), "holds something that is no object"}};
  for (const auto& [body, problem] : answers) {
    ScriptedServer server(always(answer(200, body)));
    const Error error = failure(server);
    EXPECT_EQ(error.code(), ErrorCode::data_corruption) << body.substr(0, 80);
    EXPECT_THAT(error.message(), HasSubstr(problem));
    EXPECT_EQ(server.requests().size(), 1u);
  }
}

TEST(OpenAiFailures, AnAnswerWithoutEndIsCutOff) {
  const std::string chunk = "100000\r\n" + std::string(0x100000, ' ') + "\r\n";
  std::string endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 8; ++i) endless += chunk;
  ServerReply honest_length{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{", false, true};
  std::string header = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 40; ++i) header += "X-Filler: " + std::string(8000, 'x') + "\r\n";
  for (const ServerReply& reply : {ServerReply{endless, false, true}, honest_length, ServerReply{header, false, true}}) {
    ScriptedServer server(always(reply));
    const Error error = failure(server);
    EXPECT_EQ(error.code(), ErrorCode::data_corruption) << error.to_string();
    EXPECT_THAT(error.message(), HasSubstr("more than its embeddings can take"));
  }
}

TEST(OpenAiFailures, RedirectsAreNotFollowedAndTheKeyGoesNowhereElse) {
  ScriptedServer thief(embeddings);
  for (const int status : {301, 302, 303, 307, 308}) {
    ScriptedServer server(always(answer(status, "", "Location: " + thief.url() + "/embeddings\r\n")));
    const Error error = failure(server, {.api_key = Secret("sk-canary-0123456789")});
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.hint(), HasSubstr("redirects are not followed"));
    EXPECT_EQ(server.requests().size(), 1u);
  }
  EXPECT_TRUE(thief.requests().empty());
}

// The whole of an error, its native part included, as a log would show it.
std::string everything(const Error& error) {
  std::string all = error.to_string() + error.message() + error.hint();
  for (const ErrorFrame& frame : error.frames()) all += frame.operation + frame.adapter + frame.resource;
  if (const NativeError* native = error.native()) all += native->system + native->code + native->text;
  return all;
}

TEST(OpenAiFailures, TheKeyIsInNoErrorEvenWhenTheServiceEchoesIt) {
  const std::string key = "sk-canary-7b1f3c9d2e";
  const std::vector<std::string> echoes{
      R"({"error":{"message":"Incorrect API key provided: sk-canary-7b1f3c9d2e."}})",
      R"({"error":{"message":"bad key sk-ca****************3c9d2e"}})",
      R"({"error":"SK-CANARY-7B1F3C9D2E"})",
      R"({"message":"sk-canary-7b1\u0066\u0033c9d2e"})",
      R"({"detail":"Bearer sk-canary-7b1f3c9d2e"})",
      "sk-canary-7b1f3c9d2e",
  };
  for (const int status : {400, 401, 403, 404, 422, 429, 500, 200}) {
    for (const std::string& echo : echoes) {
      ScriptedServer server(always(answer(status, echo, "X-Echo: " + key + "\r\n")));
      const std::string all = everything(failure(server, {.api_key = Secret(key), .attempts_max = 1}));
      for (std::size_t i = 0; i + 6 <= key.size(); ++i)
        EXPECT_THAT(all, Not(HasSubstr(key.substr(i, 6)))) << status << " " << echo;
    }
  }
  ServerReply broken{"HTTP/1.1 sk-canary-7b1f3c9d2e\r\n\r\n", true, false};
  ScriptedServer server(always(broken));
  EXPECT_THAT(everything(failure(server, {.api_key = Secret(key), .attempts_max = 1})), Not(HasSubstr("canary")));
}

TEST(OpenAiFailures, MessagesOfTheServiceAreOneShortLine) {
  ScriptedServer server(
      always(answer(500, R"({"error":{"message":"a\u0007\r\nb\u001b[31m)" + std::string(5000, 'x') + "\"}}")));
  const Error error = failure(server, {.attempts_max = 1});
  EXPECT_LT(error.message().size(), 400u);
  for (const char c : error.message()) EXPECT_GE(c, 0x20);
  EXPECT_THAT(error.message(), HasSubstr("a"));
}

}  // namespace
}  // namespace loam::test
