#pragma once

/// What HTTP and libcurl say, in Loam's codes. Internal.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loam/core/error.hpp"
#include "loam/core/secret.hpp"
#include "loam/core/time.hpp"

namespace loam::openai {

struct Verdict {
  ErrorCode code;
  bool retry;  ///< the same request may succeed in a moment; an embedding request changes nothing, so that is safe

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// Of an HTTP status that is not 2xx.
Verdict translate_status(int status);

/// Of a CURLcode that is not CURLE_OK.
Verdict translate_curl(int curl_code);

/// Retry-After in milliseconds from now: whole seconds or an HTTP date; 0 for a date that has passed, nullopt for neither.
std::optional<std::int64_t> parse_retry_after(std::string_view value, Timestamp now);

/// What the service says of an error, for people: the message of the usual JSON answers on one line of at most 300 bytes.
/// Empty when there is none, or when it repeats any part of the key.
std::string service_message(std::string_view body, const Secret& key);

/// True for the 429 that no waiting helps: the account has no credit left.
bool out_of_credit(std::string_view body);

}  // namespace loam::openai
