#include "loam/adapters/openai/translate.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

#include "loam/core/json_internal.hpp"
#include "loam/core/utf8.hpp"

namespace loam::openai {
namespace {

struct StatusRule {
  int first;
  int last;
  Verdict verdict;
};

// The first rule that holds the status wins.
constexpr StatusRule status_rules[] = {
    {300, 399, {ErrorCode::invalid_argument, false}},  // a redirect: the URL is not the service's own
    {401, 401, {ErrorCode::unauthenticated, false}},   {402, 402, {ErrorCode::resource_exhausted, false}},
    {403, 403, {ErrorCode::permission_denied, false}}, {404, 404, {ErrorCode::not_found, false}},
    {408, 408, {ErrorCode::unavailable, true}},        {425, 425, {ErrorCode::unavailable, true}},
    {429, 429, {ErrorCode::resource_exhausted, true}}, {400, 499, {ErrorCode::invalid_argument, false}},
    {501, 501, {ErrorCode::unsupported, false}},       {505, 505, {ErrorCode::unsupported, false}},
    {500, 599, {ErrorCode::unavailable, true}},
};

struct CurlRule {
  CURLcode code;
  Verdict verdict;
};

constexpr CurlRule curl_rules[] = {
    {CURLE_COULDNT_RESOLVE_HOST, {ErrorCode::unavailable, true}},
    {CURLE_COULDNT_RESOLVE_PROXY, {ErrorCode::unavailable, true}},
    {CURLE_COULDNT_CONNECT, {ErrorCode::unavailable, true}},
    {CURLE_OPERATION_TIMEDOUT, {ErrorCode::unavailable, true}},
    {CURLE_GOT_NOTHING, {ErrorCode::unavailable, true}},
    {CURLE_SEND_ERROR, {ErrorCode::unavailable, true}},
    {CURLE_RECV_ERROR, {ErrorCode::unavailable, true}},
    {CURLE_PARTIAL_FILE, {ErrorCode::unavailable, true}},
    {CURLE_HTTP2, {ErrorCode::unavailable, true}},
    {CURLE_HTTP2_STREAM, {ErrorCode::unavailable, true}},
    {CURLE_SSL_CONNECT_ERROR, {ErrorCode::unavailable, true}},
    {CURLE_WEIRD_SERVER_REPLY, {ErrorCode::data_corruption, false}},
    {CURLE_PEER_FAILED_VERIFICATION, {ErrorCode::failed_precondition, false}},
    {CURLE_SSL_CACERT_BADFILE, {ErrorCode::failed_precondition, false}},
    {CURLE_URL_MALFORMAT, {ErrorCode::invalid_argument, false}},
    {CURLE_UNSUPPORTED_PROTOCOL, {ErrorCode::invalid_argument, false}},
    {CURLE_OUT_OF_MEMORY, {ErrorCode::resource_exhausted, false}},
};

constexpr std::size_t message_bytes_max = 300;
constexpr std::size_t error_body_bytes_max = 64 << 10;
/// So many characters of the key in a row count as a leak of it: services echo "sk-abcd****wxyz".
constexpr std::size_t key_part_size = 6;

using nlohmann::ordered_json;

// The object that describes the error: {"error": {..}} or the whole answer.
const ordered_json* error_object(const ordered_json& answer) {
  if (!answer.is_object()) return nullptr;
  const auto error = answer.find("error");
  return error != answer.end() && error->is_object() ? &*error : &answer;
}

std::string text_member(const ordered_json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

bool repeats_part_of(std::string_view text, const Secret& key) {
  const std::string low_text = ascii_lower(text);
  // Revealed to look for it, not to show it.
  const std::string low_key = ascii_lower(key.reveal());
  if (low_key.empty()) return false;
  const std::size_t part = std::min(key_part_size, low_key.size());
  for (std::size_t i = 0; i + part <= low_key.size(); ++i)
    if (low_text.find(std::string_view(low_key).substr(i, part)) != std::string::npos) return true;
  return false;
}

std::string one_line(std::string text) {
  if (text.size() > message_bytes_max) {
    std::size_t end = message_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
    text.resize(end);
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return text;
}

}  // namespace

Verdict translate_status(int status) {
  for (const StatusRule& rule : status_rules)
    if (status >= rule.first && status <= rule.last) return rule.verdict;
  return {ErrorCode::data_corruption, false};
}

Verdict translate_curl(int curl_code) {
  for (const CurlRule& rule : curl_rules)
    if (rule.code == curl_code) return rule.verdict;
  return {ErrorCode::internal, false};
}

std::optional<std::int64_t> parse_retry_after(std::string_view value, Timestamp now) {
  constexpr std::int64_t seconds_max = 1'000'000'000;
  const auto text_begin = value.find_first_not_of(" \t");
  if (text_begin == std::string_view::npos) return std::nullopt;
  value = value.substr(text_begin, value.find_last_not_of(" \t\r\n") + 1 - text_begin);
  std::int64_t seconds = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (read.ec == std::errc() && read.ptr == value.data() + value.size())
    return seconds < 0 ? std::nullopt : std::optional(std::min(seconds, seconds_max) * 1000);
  const std::time_t date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(date) - now.micros / 1'000'000, 0, seconds_max) * 1000;
}

std::string service_message(std::string_view body, const Secret& key) {
  const auto answer = parse_json(body.substr(0, error_body_bytes_max));
  const ordered_json* object = answer.ok() ? error_object(answer.value()) : nullptr;
  if (object == nullptr) return {};
  for (const char* name : {"message", "detail", "error"}) {
    std::string text = text_member(*object, name);
    if (!text.empty()) return repeats_part_of(text, key) ? std::string() : one_line(std::move(text));
  }
  return {};
}

bool out_of_credit(std::string_view body) {
  const auto answer = parse_json(body.substr(0, error_body_bytes_max));
  const ordered_json* object = answer.ok() ? error_object(answer.value()) : nullptr;
  return object != nullptr &&
         (text_member(*object, "code") == "insufficient_quota" || text_member(*object, "type") == "insufficient_quota");
}

}  // namespace loam::openai
