#include "loam/adapters/openai/openai_embedder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "loam/adapters/openai/http_client.hpp"
#include "loam/adapters/openai/response.hpp"
#include "loam/adapters/openai/translate.hpp"
#include "loam/core/json.hpp"
#include "loam/core/limits.hpp"
#include "loam/core/url.hpp"
#include "loam/core/utf8.hpp"

namespace loam {
namespace {

using openai::HttpReply;

constexpr std::size_t model_bytes_max = 256;
constexpr std::size_t batch_size_max = 4096;
constexpr int attempts_limit = 100;
/// A request is closed when its texts reach this, so that a batch of long texts does not become one huge body.
constexpr std::size_t request_bytes_target = 4 << 20;
constexpr std::int64_t backoff_ms_max = 30'000;
constexpr std::int64_t retry_after_ms_max = 120'000;
/// Room in an answer for one number as text, and for everything that is no number.
constexpr std::size_t number_bytes_max = 32;
constexpr std::size_t envelope_bytes_max = 1 << 20;

// Printable ASCII only: a line break would end the header and start another.
bool fit_for_header(const Secret& key) {
  const std::string_view text = key.reveal();  // looked at, not shown
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

Result<void> check_base_url(const std::string& text) {
  LOAM_TRY(const Url url, parse_url(text));
  if (url.scheme != "http" && url.scheme != "https")
    return invalid_argument("the URL of an embedding service starts with http:// or https://, not " + url.scheme + ":");
  if (url.host.empty()) return invalid_argument("the URL of the embedding service has no host");
  if (!url.user.empty() || !url.password.empty())
    return invalid_argument("the URL of the embedding service holds a user or a password")
        .hint("give the key as api_key; it is never part of a URL, because URLs are shown");
  if (!url.query.empty() || !url.fragment.empty())
    return invalid_argument("the URL of the embedding service ends with its path, without ? and #");
  return {};
}

Result<void> check_options(const OpenAiOptions& options) {
  LOAM_TRY(check_base_url(options.base_url));
  const std::string& model = options.model;
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (model.empty() || model.size() > model_bytes_max || !is_utf8(model) ||
      std::any_of(model.begin(), model.end(), is_control))
    return invalid_argument("the model of the embedding service needs a name of 1 to " + std::to_string(model_bytes_max) +
                            " bytes")
        .hint("openai:URL#MODEL, for example openai:http://127.0.0.1:8080/v1#all-minilm");
  if (!fit_for_header(options.api_key))
    return invalid_argument("the API key holds characters that no key has, such as a line break");
  if (options.dimension > limits::dimension_max)
    return invalid_argument("the dimension " + std::to_string(options.dimension) + " is above " +
                            std::to_string(limits::dimension_max));
  if (options.request_dimension && options.dimension == 0) return invalid_argument("request_dimension needs a dimension");
  if (options.batch_size == 0 || options.batch_size > batch_size_max)
    return invalid_argument("batch_size must be 1 to " + std::to_string(batch_size_max) + ", not " +
                            std::to_string(options.batch_size));
  if (options.attempts_max < 1 || options.attempts_max > attempts_limit)
    return invalid_argument("attempts_max must be 1 to " + std::to_string(attempts_limit) + ", not " +
                            std::to_string(options.attempts_max));
  if (options.backoff_ms < 0 || options.request_timeout_ms <= 0)
    return invalid_argument("backoff_ms must not be negative and request_timeout_ms must be positive");
  return {};
}

// Returns early, with the context's error, when the call is no longer wanted.
Result<void> wait(std::int64_t wait_ms, const Context& context) {
  constexpr std::chrono::milliseconds slice{20};
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  for (auto now = std::chrono::steady_clock::now(); now < end; now = std::chrono::steady_clock::now()) {
    LOAM_TRY(context.check("waiting to ask the embedding service again"));
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(slice, end - now));
  }
  return context.check("waiting to ask the embedding service again");
}

// Full jitter: anything from nothing to the doubled bound, so that callers that failed together do not come back together.
std::int64_t jittered_backoff(std::int64_t backoff_ms, int failures) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::int64_t bound = std::min(backoff_ms, backoff_ms_max);
  for (int i = 1; i < failures && bound < backoff_ms_max; ++i) bound *= 2;
  return std::uniform_int_distribution<std::int64_t>(0, std::min(bound, backoff_ms_max))(random);
}

void normalize(Vector& vector) {
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * value;
  if (square == 0) return;
  const double length = std::sqrt(square);
  for (float& value : vector) value = static_cast<float>(value / length);
}

// Why one attempt gave no vectors.
struct Failure {
  Error error;
  bool retry = false;
  std::optional<std::int64_t> wait_ms;  // as the service wishes
};

class OpenAiEmbedder final : public Embedder {
 public:
  explicit OpenAiEmbedder(OpenAiOptions options) : options_(std::move(options)) {
    identity_ = {.provider = "openai", .model = options_.model, .dimension = options_.dimension};
  }

  const EmbedderIdentity& identity() const override { return identity_; }
  std::size_t batch_size() const override { return options_.batch_size; }
  std::string spec() const override { return "openai:" + options_.base_url + "#" + options_.model; }

  Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context& context) override {
    LOAM_TRY(context.check("embed"));
    LOAM_TRY(check_texts(texts));
    std::vector<Vector> vectors;
    vectors.reserve(texts.size());
    while (vectors.size() < texts.size()) {
      const std::size_t first = vectors.size();
      auto done = embed_batch(texts, first, batch_end(texts, first), vectors, context);
      if (!done.ok()) return std::move(done).error().frame({"embed", "openai", options_.base_url + "#" + options_.model});
    }
    return vectors;
  }

  // At open, before anyone else sees this embedder.
  Result<void> probe_dimension() {
    const std::string text = "dimension";
    LOAM_TRY(const auto vectors, embed(std::span(&text, 1), {}));
    identity_.dimension = vectors[0].size();
    return {};
  }

 private:
  static Result<void> check_texts(std::span<const std::string> texts) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!is_utf8(texts[i])) return invalid_argument("text " + std::to_string(i) + " is not UTF-8");
      if (texts[i].size() > limits::value_bytes_max)
        return invalid_argument("text " + std::to_string(i) + " has " + std::to_string(texts[i].size()) +
                                " bytes, more than the " + std::to_string(limits::value_bytes_max) + " of a string");
    }
    return {};
  }

  std::size_t batch_end(std::span<const std::string> texts, std::size_t first) const {
    std::size_t end = first;
    std::size_t bytes = 0;
    do {
      bytes += texts[end++].size();
    } while (end < texts.size() && end - first < options_.batch_size && bytes + texts[end].size() <= request_bytes_target);
    return end;
  }

  // Appends the vectors of texts [first, end). A request that is refused is halved until it is one text: it may have been
  // too long as a whole, and if not, the error can name the text.
  Result<void> embed_batch(std::span<const std::string> texts, std::size_t first, std::size_t end,
                           std::vector<Vector>& vectors, const Context& context) {
    auto answer = request(texts.subspan(first, end - first), context);
    if (answer.ok()) {
      std::move(answer.value().begin(), answer.value().end(), std::back_inserter(vectors));
      return {};
    }
    if (!refuses_texts(answer.error())) return std::move(answer).error();
    if (end - first == 1) return refusal(std::move(answer).error(), first);
    const std::size_t middle = first + (end - first) / 2;
    LOAM_TRY(embed_batch(texts, first, middle, vectors, context));
    return embed_batch(texts, middle, end, vectors, context);
  }

  static bool refuses_texts(const Error& error) {
    const NativeError* native = error.native();
    return native != nullptr && native->system == "http" &&
           (native->code == "400" || native->code == "413" || native->code == "422");
  }

  static Error refusal(Error cause, std::size_t text) {
    Error error = invalid_argument("text " + std::to_string(text) + ": " + cause.message()).hint(cause.hint());
    if (const NativeError* native = cause.native()) return std::move(error).native(*native);
    return error;
  }

  Result<std::vector<Vector>> request(std::span<const std::string> texts, const Context& context) {
    const std::string body = request_body(texts);
    for (int attempt = 1;; ++attempt) {
      LOAM_TRY(const HttpReply reply, post(body, texts.size(), context));
      std::optional<Failure> failure = failure_of(reply);
      if (!failure) return vectors_of(reply, texts.size());
      if (!failure->retry || attempt == options_.attempts_max) return give_up(std::move(failure->error), attempt);
      const std::int64_t wait_ms = failure->wait_ms.value_or(jittered_backoff(options_.backoff_ms, attempt));
      if (wait_ms > retry_after_ms_max || past_deadline(wait_ms, context))
        return give_up(std::move(failure->error), attempt)
            .hint("the next attempt would be in " + std::to_string(wait_ms) + " ms, which is too late for this call");
      LOAM_TRY(wait(wait_ms, context));
    }
  }

  static bool past_deadline(std::int64_t wait_ms, const Context& context) {
    return context.deadline() && std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms) > *context.deadline();
  }

  static Error give_up(Error error, int attempts) {
    if (attempts == 1) return error;
    Error told(error.code(), error.message() + " (attempt " + std::to_string(attempts) + ")", error.location());
    if (const NativeError* native = error.native()) told = std::move(told).native(*native);
    return std::move(told).hint(error.hint());
  }

  std::string request_body(std::span<const std::string> texts) const {
    std::string body = "{\"model\":" + quote_json(options_.model) + ",\"encoding_format\":\"float\"";
    if (options_.request_dimension) body += ",\"dimensions\":" + std::to_string(options_.dimension);
    body += ",\"input\":[";
    for (const std::string& text : texts) {
      if (body.back() != '[') body += ',';
      body += quote_json(text);
    }
    return body + "]}";
  }

  Result<HttpReply> post(const std::string& body, std::size_t count, const Context& context) {
    const std::size_t dimension = identity_.dimension > 0 ? identity_.dimension : limits::dimension_max;
    return client_.post({.url = options_.base_url + "/embeddings",
                         .bearer = &options_.api_key,
                         .body = body,
                         .timeout_ms = options_.request_timeout_ms,
                         .response_bytes_max = std::min(limits::http_response_bytes_max,
                                                        envelope_bytes_max + count * dimension * number_bytes_max)},
                        context);
  }

  std::optional<Failure> failure_of(const HttpReply& reply) const {
    if (reply.too_large)
      return Failure{data_corruption("the service answered more than its embeddings can take")
                         .hint("is " + options_.base_url + " an embedding service?")};
    if (reply.curl_code != 0) return transport_failure(reply);
    if (reply.status >= 200 && reply.status < 300) return std::nullopt;
    return status_failure(reply);
  }

  static Failure transport_failure(const HttpReply& reply) {
    const openai::Verdict verdict = openai::translate_curl(reply.curl_code);
    Error error(verdict.code, "the embedding service could not be asked: " + reply.curl_message);
    return {std::move(error).native({"curl", std::to_string(reply.curl_code), reply.curl_message}), verdict.retry,
            std::nullopt};
  }

  Failure status_failure(const HttpReply& reply) const {
    openai::Verdict verdict = openai::translate_status(reply.status);
    if (reply.status == 429 && openai::out_of_credit(reply.body)) verdict.retry = false;
    const std::string said = openai::service_message(reply.body, options_.api_key);
    std::string message = "the service answered " + std::to_string(reply.status);
    if (!said.empty()) message += ": " + said;
    Error error = Error(verdict.code, std::move(message))
                      .native({"http", std::to_string(reply.status), ""})
                      .hint(hint_of(reply.status));
    std::optional<std::int64_t> wait_ms;
    if (reply.retry_after) wait_ms = openai::parse_retry_after(*reply.retry_after, system_clock().now());
    return {std::move(error), verdict.retry, wait_ms};
  }

  std::string hint_of(int status) const {
    if (status >= 300 && status < 400)
      return "redirects are not followed, so that the key reaches no other host; give the final URL";
    switch (status) {
      case 401:
        return options_.api_key.empty() ? "the service wants an API key, for example in OPENAI_API_KEY"
                                        : "check the API key";
      case 403: return "check what the API key may do";
      case 404: return "check the URL (it usually ends in /v1) and the name of the model";
      default: return {};
    }
  }

  Result<std::vector<Vector>> vectors_of(const HttpReply& reply, std::size_t count) const {
    auto vectors = openai::parse_embeddings(reply.body, count, identity_.dimension);
    if (!vectors.ok())
      return std::move(vectors).error().hint("is " + options_.base_url +
                                             " an embedding service, and the model still the same?");
    for (Vector& vector : vectors.value()) normalize(vector);
    return vectors;
  }

  const OpenAiOptions options_;
  EmbedderIdentity identity_;
  openai::HttpClient client_;
};

}  // namespace

Result<std::shared_ptr<Embedder>> open_openai_embedder(OpenAiOptions options) {
  while (options.base_url.ends_with('/') && !options.base_url.ends_with("://")) options.base_url.pop_back();
  LOAM_TRY(check_options(options));
  const bool probe = options.dimension == 0;
  auto embedder = std::make_shared<OpenAiEmbedder>(std::move(options));
  if (probe) LOAM_TRY(embedder->probe_dimension());
  return std::shared_ptr<Embedder>(std::move(embedder));
}

}  // namespace loam
