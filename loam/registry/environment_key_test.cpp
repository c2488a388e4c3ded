// A table keeps the spec of its embedder. So whoever hands over a store could name a host of their own in it, and be sent
// the key of the person who opens it. The key goes to the service that the environment names and to no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "loam/adapters/openai/scripted_server.hpp"
#include "loam/registry/registry.hpp"

namespace loam {
namespace {

using testing::HasSubstr;
using testing::Not;

class EnvironmentKey : public testing::Test {
 protected:
  EnvironmentKey() {
    setenv("OPENAI_API_KEY", "CANARY-5d31", 1);
    unsetenv("OPENAI_BASE_URL");
  }
  ~EnvironmentKey() override {
    unsetenv("OPENAI_API_KEY");
    unsetenv("OPENAI_BASE_URL");
  }

  /// The head of the first request that opening the embedder sends.
  std::string request_head() {
    Registry registry;
    EXPECT_TRUE(add_builtin(registry).ok());
    auto embedder = registry.open_embedder("openai:" + server_.url() + "#model");
    EXPECT_TRUE(embedder.ok()) << embedder.error().to_string();
    return server_.requests().at(0).head;
  }

  test::ScriptedServer server_{[](const test::ServerRequest& request) { return test::embeddings(request); }};
};

TEST_F(EnvironmentKey, IsNotSentToAHostThatOnlyTheSpecNames) { EXPECT_THAT(request_head(), Not(HasSubstr("CANARY-5d31"))); }

TEST_F(EnvironmentKey, IsNotSentToAHostThatTheServiceNameOnlyBegins) {
  setenv("OPENAI_BASE_URL", (server_.url() + "/elsewhere").c_str(), 1);
  EXPECT_THAT(request_head(), Not(HasSubstr("CANARY-5d31")));
}

TEST_F(EnvironmentKey, IsSentToTheServiceThatTheEnvironmentNames) {
  setenv("OPENAI_BASE_URL", server_.url().c_str(), 1);
  EXPECT_THAT(request_head(), HasSubstr("Bearer CANARY-5d31"));
}

}  // namespace
}  // namespace loam
