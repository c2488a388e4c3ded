#include "loam/core/url.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Url, AllPartsAreReadAndDecoded) {
  Url url = parse_url("PostgreSQL://ada:p%40ss@db1:5433/my%20app?sslmode=require&schema=a%26b#x").value();

  EXPECT_EQ(url.scheme, "postgresql");
  EXPECT_EQ(url.user, "ada");
  EXPECT_EQ(url.password.reveal(), "p@ss");
  EXPECT_EQ(url.host, "db1");
  EXPECT_EQ(url.port, 5433);
  EXPECT_EQ(url.path, "/my app");
  EXPECT_EQ(*url.parameter("schema"), "a&b");
  EXPECT_EQ(url.fragment, "x");
}

TEST(Url, WithoutAuthorityHasOnlyAPath) {
  Url url = parse_url("sqlite:data/app.db").value();

  EXPECT_EQ(url.host, "");
  EXPECT_EQ(url.path, "data/app.db");
}

TEST(Url, ReadsBracketedAddresses) {
  Url url = parse_url("redis://[::1]:6379/0").value();

  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 6379);
  EXPECT_EQ(redacted(url), "redis://[::1]:6379/0");
}

TEST(Url, ErrorsNameThePart) {
  struct Case {
    const char* text;
    const char* part;
  };
  for (auto [text, part] : {Case{"no-scheme", "scheme"},
                            {"1x:y", "scheme"},
                            {"a://h:99999/", "port"},
                            {"a://h:x/", "port"},
                            {"a://h/%zz", "path"},
                            {"a://h/%00", "path"},
                            {"a://u:%1@h/", "password"},
                            {"a://[::1/", "host"},
                            {"a://h/?x", "query parameter 1"},
                            {"a://h/?x=1&x=2", "query parameter 2"},
                            {"a://h/%4", "path"}}) {
    auto result = parse_url(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(result.error().message().find(part), std::string::npos) << text << ": " << result.error().message();
  }
}

TEST(Url, NoTextForPeopleHoldsThePassword) {
  const std::string canary = "CANARY-71c0";
  for (std::string text : {"a://u:" + canary + "@h:1/p?x=1", "a://u:" + canary + "@h:bad/p",
                           "a://u:" + canary + "@x@h:bad/p", "a://u:" + canary + "%@h/p"}) {
    auto url = parse_url(text);
    std::string shown = (url.ok() ? redacted(*url) : url.error().to_string()) + redacted(text);
    EXPECT_EQ(shown.find(canary), std::string::npos) << shown;
  }
}

TEST(Url, IsCappedInLength) { EXPECT_FALSE(parse_url("a:" + std::string(5000, 'x')).ok()); }

}  // namespace
}  // namespace loam
