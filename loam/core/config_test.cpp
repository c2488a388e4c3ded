#include "loam/core/config.hpp"

#include <gtest/gtest.h>

#include <map>

namespace loam {
namespace {

Config::Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> const char* {
    auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(Config, LaterLayersWin) {
  Config config;
  ASSERT_TRUE(
      config.add_json(R"({"store": "a.loam", "pool": {"connections_max": 8, "pre_ping": false}})", "loam.json").ok());
  config.add_environment(environment({{"LOAM_POOL_CONNECTIONS_MAX", "9"}}));
  config.set("store", "c.loam", "--store");

  EXPECT_EQ(config.integer("pool.connections_max", 1, 100).value(), 9);
  EXPECT_EQ(config.boolean("pool.pre_ping").value(), false);
  EXPECT_EQ(config.text("store").value(), "c.loam");
  EXPECT_EQ(config.origin_of("pool.connections_max"), "environment LOAM_POOL_CONNECTIONS_MAX");
  EXPECT_TRUE(config.finish().ok());
}

TEST(Config, DatabaseUrlIsTheStoreWhenNothingElseSaysIt) {
  Config config;
  config.add_environment(environment({{"DATABASE_URL", "postgresql://db1/app"}}));

  EXPECT_EQ(config.text("store").value(), "postgresql://db1/app");
}

TEST(Config, AnErrorNamesFieldOriginAndRange) {
  Config config;
  config.add_environment(environment({{"LOAM_POOL_CONNECTIONS_MAX", "many"}}));

  auto result = config.integer("pool.connections_max", 1, 100);

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(
      result.error().message(),
      "the setting pool.connections_max (from environment LOAM_POOL_CONNECTIONS_MAX) is not a whole number from 1 to 100");
}

TEST(Config, EveryTypeRefusesWhatIsNotOfIt) {
  Config config;
  ASSERT_TRUE(config.add_json(R"({"n": "1.5", "big": 101, "b": "maybe", "c": "red", "d": 1e400})", "f").ok() == false);
  ASSERT_TRUE(config.add_json(R"({"n": "1.5", "big": 101, "b": "maybe", "c": "red", "nan": "nan"})", "f").ok());

  EXPECT_FALSE(config.integer("n", 0, 100).ok());
  EXPECT_FALSE(config.integer("big", 0, 100).ok());
  EXPECT_FALSE(config.boolean("b").ok());
  EXPECT_FALSE(config.choice("c", {"green", "blue"}).ok());
  EXPECT_FALSE(config.number("nan", 0, 1).ok());
  EXPECT_EQ(config.number("n", 0, 2).value(), 1.5);
  EXPECT_EQ(config.integer("absent", 0, 1).value(), std::nullopt);
}

TEST(Config, AFieldNobodyAskedForIsRefusedWithTheNearest) {
  Config config;
  ASSERT_TRUE(config.add_json(R"({"durabilty": "full"})", "loam.json").ok());
  EXPECT_TRUE(config.choice("durability", {"full", "normal"}).ok());

  auto result = config.finish();

  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().to_string().find("did you mean durability?"), std::string::npos);
}

TEST(Config, UrlParametersAreFields) {
  Config config;
  ASSERT_TRUE(config.add_url(parse_url("postgresql://h/db?pool.connections_max=3").value()).ok());

  EXPECT_EQ(config.integer("pool.connections_max", 1, 10).value(), 3);
}

TEST(Config, MalformedJsonNamesTheFileAndTheSpot) {
  Config config;

  EXPECT_NE(config.add_json("{\n \"a\": }", "loam.json").error().message().find("loam.json: not well-formed JSON at 2:7"),
            std::string::npos);
  EXPECT_FALSE(config.add_json("[1]", "x").ok());
  EXPECT_FALSE(config.add_json(R"({"a": [1]})", "x").ok());
  EXPECT_FALSE(config.add_json(R"({"a": 1, "a": 2})", "x").ok());
}

TEST(Config, SecretsComeOutOnlyAsSecrets) {
  Config config;
  config.add_environment(environment({{"LOAM_OPENAI_KEY", "CANARY"}}));

  EXPECT_EQ(config.secret("openai.key").value()->reveal(), "CANARY");
  EXPECT_EQ(config.integer("openai.key", 0, 1).error().to_string().find("CANARY"), std::string::npos);
}

TEST(NearestName, FindsSlipsAndNothingElse) {
  EXPECT_EQ(nearest_name("serach", {"search", "stats"}), "search");
  EXPECT_EQ(nearest_name("frobnicate", {"search", "stats"}), std::nullopt);
}

}  // namespace
}  // namespace loam
