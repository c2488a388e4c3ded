#include "loam/core/json.hpp"

#include <gtest/gtest.h>

#include "loam/core/json_internal.hpp"

namespace loam {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

TEST(Json, WellFormedDocumentsPass) {
  for (const char* text : {"null", "[]", "{\"a\":[1,2.5,\"x\",true,null]}", " 1 ", "\"\\u00e9\""})
    EXPECT_TRUE(check_json(text).ok()) << text;
}

TEST(Json, MalformedOnesAreRefusedWithTheirPosition) {
  auto result = check_json("{\"a\": 1,\n  \"b\": }");

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(result.error().message().find("2:8"), std::string::npos) << result.error().message();
}

TEST(Json, EveryPrefixOfADocumentIsRefused) {
  std::string text = R"({"a":[1,{"b":"c\u0041"}],"d":null})";
  for (std::size_t cut = 0; cut < text.size(); ++cut) EXPECT_FALSE(check_json(text.substr(0, cut)).ok()) << "cut at " << cut;
}

TEST(Json, DepthIsCapped) {
  EXPECT_TRUE(check_json(nested(64)).ok());
  EXPECT_FALSE(check_json(nested(65)).ok());
  EXPECT_FALSE(check_json(std::string(1'000'000, '[')).ok());
}

TEST(Json, NumbersOutOfRangeAndBadUtf8AreRefused) {
  EXPECT_FALSE(check_json("1e999").ok());
  EXPECT_FALSE(check_json("\"\xff\"").ok());
  EXPECT_FALSE(check_json("\"\xed\xa0\x80\"").ok());
}

TEST(Json, ARepeatedNameIsRefusedOnlyWhenStrict) {
  EXPECT_TRUE(parse_json(R"({"a":1,"a":2})").ok());
  auto strict = parse_json_strict(R"({"a":1,"a":2})");
  ASSERT_FALSE(strict.ok());
  EXPECT_NE(strict.error().message().find("\"a\" is given twice"), std::string::npos);
}

TEST(Json, QuotingEscapesControlsAndReplacesBadBytes) {
  EXPECT_EQ(quote_json("a\"\n\x01"), "\"a\\\"\\n\\u0001\"");
  EXPECT_TRUE(check_json(quote_json("\xff\xfe")).ok());
}

}  // namespace
}  // namespace loam
