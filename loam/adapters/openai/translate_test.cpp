#include "loam/adapters/openai/translate.hpp"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <string>

namespace loam::openai {
namespace {

TEST(OpenAiTranslate, StatusesBecomeCodes) {
  const struct {
    int status;
    Verdict verdict;
  } table[] = {
      {302, {ErrorCode::invalid_argument, false}},  {400, {ErrorCode::invalid_argument, false}},
      {401, {ErrorCode::unauthenticated, false}},   {402, {ErrorCode::resource_exhausted, false}},
      {403, {ErrorCode::permission_denied, false}}, {404, {ErrorCode::not_found, false}},
      {405, {ErrorCode::invalid_argument, false}},  {408, {ErrorCode::unavailable, true}},
      {413, {ErrorCode::invalid_argument, false}},  {422, {ErrorCode::invalid_argument, false}},
      {425, {ErrorCode::unavailable, true}},        {429, {ErrorCode::resource_exhausted, true}},
      {500, {ErrorCode::unavailable, true}},        {501, {ErrorCode::unsupported, false}},
      {502, {ErrorCode::unavailable, true}},        {503, {ErrorCode::unavailable, true}},
      {504, {ErrorCode::unavailable, true}},        {505, {ErrorCode::unsupported, false}},
      {529, {ErrorCode::unavailable, true}},        {100, {ErrorCode::data_corruption, false}},
      {0, {ErrorCode::data_corruption, false}},     {999, {ErrorCode::data_corruption, false}},
  };
  for (const auto& row : table) EXPECT_EQ(translate_status(row.status), row.verdict) << row.status;
}

TEST(OpenAiTranslate, CurlCodesBecomeCodes) {
  const struct {
    CURLcode code;
    Verdict verdict;
  } table[] = {
      {CURLE_COULDNT_RESOLVE_HOST, {ErrorCode::unavailable, true}},
      {CURLE_COULDNT_CONNECT, {ErrorCode::unavailable, true}},
      {CURLE_OPERATION_TIMEDOUT, {ErrorCode::unavailable, true}},
      {CURLE_GOT_NOTHING, {ErrorCode::unavailable, true}},
      {CURLE_PARTIAL_FILE, {ErrorCode::unavailable, true}},
      {CURLE_RECV_ERROR, {ErrorCode::unavailable, true}},
      {CURLE_SEND_ERROR, {ErrorCode::unavailable, true}},
      {CURLE_PEER_FAILED_VERIFICATION, {ErrorCode::failed_precondition, false}},
      {CURLE_WEIRD_SERVER_REPLY, {ErrorCode::data_corruption, false}},
      {CURLE_URL_MALFORMAT, {ErrorCode::invalid_argument, false}},
      {CURLE_UNSUPPORTED_PROTOCOL, {ErrorCode::invalid_argument, false}},
      {CURLE_OUT_OF_MEMORY, {ErrorCode::resource_exhausted, false}},
      {CURLE_BAD_FUNCTION_ARGUMENT, {ErrorCode::internal, false}},
  };
  for (const auto& row : table) EXPECT_EQ(translate_curl(row.code), row.verdict) << row.code;
}

TEST(OpenAiTranslate, RetryAfterIsSecondsOrADate) {
  const Timestamp now = parse_timestamp("2026-11-21T08:49:30Z").value();
  EXPECT_EQ(parse_retry_after("0", now), 0);
  EXPECT_EQ(parse_retry_after(" 120\r\n", now), 120'000);
  EXPECT_EQ(parse_retry_after("Sat, 21 Nov 2026 08:49:37 GMT", now), 7'000);
  EXPECT_EQ(parse_retry_after("Sat, 21 Nov 2020 08:49:37 GMT", now), 0);
  EXPECT_EQ(parse_retry_after("999999999999", now), 1'000'000'000'000);
  for (const char* nonsense : {"", " ", "-5", "soon", "1.5", "99999999999999999999999"})
    EXPECT_EQ(parse_retry_after(nonsense, now), std::nullopt) << nonsense;
}

TEST(OpenAiTranslate, MessagesOfTheUsualAnswersAreFound) {
  const Secret key("sk-0123456789");
  EXPECT_EQ(service_message(R"({"error":{"message":"no such model"}})", key), "no such model");
  EXPECT_EQ(service_message(R"({"error":"no such model"})", key), "no such model");
  EXPECT_EQ(service_message(R"({"message":"no such model"})", key), "no such model");
  EXPECT_EQ(service_message(R"({"detail":"no such model"})", key), "no such model");
  EXPECT_EQ(service_message(R"({"error":{"message":"two\nlines\u001b"}})", key), "two lines ");
  for (const char* other :
       {"", "<html>", "[]", "5", "null", R"({"error":5})", R"({"error":{"message":["x"]}})", "{\"error\":\"\xFF\"}"})
    EXPECT_EQ(service_message(other, key), "") << other;
}

TEST(OpenAiTranslate, MessagesThatRepeatAnyPartOfTheKeyAreDropped) {
  const Secret key("sk-0123456789abcdef");
  EXPECT_EQ(service_message(R"({"error":"key sk-0123456789abcdef is bad"})", key), "");
  EXPECT_EQ(service_message(R"({"error":"key ****ABCDEF is bad"})", key), "");
  EXPECT_EQ(service_message(R"({"error":"key ****cdef is bad"})", key), "key ****cdef is bad");
  EXPECT_EQ(service_message(R"({"error":"abc is bad"})", Secret("abc")), "");
  EXPECT_EQ(service_message(R"({"error":"abc is bad"})", Secret()), "abc is bad");
}

TEST(OpenAiTranslate, LongMessagesAreCutBetweenCharacters) {
  std::string text;
  while (text.size() < 1000) text += "\xE2\x82\xAC";
  const std::string cut = service_message("{\"error\":\"x" + text + "\"}", Secret());
  EXPECT_EQ(cut.size(), 298u);
  EXPECT_EQ(cut.substr(cut.size() - 3), "\xE2\x82\xAC");
}

TEST(OpenAiTranslate, OnlyAnEmptyAccountIsOutOfCredit) {
  EXPECT_TRUE(out_of_credit(R"({"error":{"code":"insufficient_quota"}})"));
  EXPECT_TRUE(out_of_credit(R"({"error":{"type":"insufficient_quota","code":null}})"));
  EXPECT_FALSE(out_of_credit(R"({"error":{"code":"rate_limit_exceeded"}})"));
  EXPECT_FALSE(out_of_credit("insufficient_quota"));
}

}  // namespace
}  // namespace loam::openai
