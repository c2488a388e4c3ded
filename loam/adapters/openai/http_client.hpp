#pragma once

/// POST of JSON over libcurl, with the deadline and the cancellation of a Context. Internal.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/core/secret.hpp"

namespace loam::openai {

struct HttpRequest {
  std::string url;
  const Secret* bearer = nullptr;  ///< none when null or empty
  std::string body;
  std::int64_t timeout_ms = 60'000;
  std::size_t response_bytes_max = 0;
};

struct HttpReply {
  int curl_code = 0;         ///< 0: an answer came, and the rest is filled in
  std::string curl_message;  ///< what libcurl says of curl_code; holds no header
  bool too_large = false;    ///< the answer was cut off at response_bytes_max
  int status = 0;
  std::string body;
  std::optional<std::string> retry_after;
};

/// Keeps connections open between calls. *thread-safe*
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();

  /// One attempt. cancelled or deadline_exceeded from the context, within about 20 ms; everything else is in the reply.
  Result<HttpReply> post(const HttpRequest& request, const Context& context);

 private:
  class Connection;

  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace loam::openai
