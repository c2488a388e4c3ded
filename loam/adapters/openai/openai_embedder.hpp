#pragma once

/// Embeddings from any service that speaks OpenAI's POST /v1/embeddings.
///
///   LOAM_TRY(auto embedder, open_openai_embedder({.base_url = "http://127.0.0.1:8080/v1", .model = "all-minilm"}));
///   LOAM_TRY(auto vectors, embedder->embed(texts, Context().deadline_in_ms(5000)));

#include <cstdint>
#include <memory>
#include <string>

#include "loam/core/secret.hpp"
#include "loam/ports/embedder.hpp"

namespace [[gnu::visibility("default")]] loam {

struct OpenAiOptions {
  /// http or https, without user, password, query and fragment; slashes at its end are dropped.
  std::string base_url = "https://api.openai.com/v1";
  std::string model;
  Secret api_key = {};             ///< sent as a bearer token, to base_url alone; the CLI reads it from OPENAI_API_KEY
  std::size_t dimension = 0;       ///< 0: asked from the service once, at open
  bool request_dimension = false;  ///< send "dimensions" in the request; needs `dimension`
  std::size_t batch_size = 64;     ///< texts of one request
  int attempts_max = 4;            ///< of one request, on 408, 429, 5xx and lost connections
  std::int64_t backoff_ms = 200;   ///< doubled at each attempt, full jitter; Retry-After wins, up to two minutes
  std::int64_t request_timeout_ms = 60'000;  ///< of one attempt; the deadline of a call's context covers all of them
};

/// Vectors are brought to length 1. TLS certificates are verified, redirects are not followed, answers are capped at what
/// the texts can need. embed() adds to the errors of the port: permission_denied (403), not_found (404: the URL or the
/// model), failed_precondition (a certificate that does not verify). A text the service refuses is found by halving the
/// request. invalid_argument for options that are wrong; with dimension 0 the errors of embed() as well.
Result<std::shared_ptr<Embedder>> open_openai_embedder(OpenAiOptions options);

}  // namespace loam
