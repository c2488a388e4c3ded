#pragma once

/// Embeddings from any service that speaks OpenAI's POST /v1/embeddings.

#include <cstdint>
#include <memory>
#include <string>

#include "loam/core/secret.hpp"
#include "loam/ports/embedder.hpp"

namespace loam {

struct OpenAiOptions {
  std::string base_url = "https://api.openai.com/v1";  ///< without a trailing slash; user and password in it are refused
  std::string model;
  Secret api_key = {};                 ///< sent as a bearer token; the CLI reads it from OPENAI_API_KEY
  std::size_t dimension = 0;           ///< 0: asked from the service once, at open
  bool request_dimension = false;      ///< send "dimensions" in the request
  std::size_t batch_size = 64;         ///< texts of one request
  int attempts_max = 4;                ///< of one request, on 408, 429, 5xx and lost connections
  std::int64_t backoff_ms = 200;       ///< doubled at each attempt, full jitter; Retry-After wins
  std::int64_t request_timeout_ms = 60'000;
};

Result<std::shared_ptr<Embedder>> open_openai_embedder(OpenAiOptions options);

}  // namespace loam
