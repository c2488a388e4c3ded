// Compiled with -ffp-contract=off, like every place where the bits of a float must not depend on the machine.
#include "loam/adapters/hash/hash_embedder.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "loam/adapters/hash/features.hpp"
#include "loam/core/limits.hpp"

namespace loam {
namespace {

constexpr std::size_t dimension_min = 64;
constexpr std::size_t dimension_max = 4096;
/// A thread is worth its start when it has about this many bytes of text to read (5 ms).
constexpr std::size_t bytes_per_thread = 256 << 10;
/// Texts between two looks at the context.
constexpr std::size_t texts_per_step = 32;

// The embedding of one text, with memory that is kept for the next.
class TextEmbedder {
 public:
  explicit TextEmbedder(std::size_t dimension) : sums_(dimension) {}

  Vector embed(std::string_view text) {
    std::fill(sums_.begin(), sums_.end(), 0);
    hash::split_words(text, words_);
    features_.add(words_, sums_);
    return unit_vector();
  }

 private:
  // The sums are exact in double; from here on each operation is rounded once, in a fixed order.
  Vector unit_vector() const {
    double squares = 0;
    for (const std::int64_t sum : sums_) squares += static_cast<double>(sum) * static_cast<double>(sum);
    Vector vector(sums_.size());
    if (squares == 0) return vector;
    const double length = std::sqrt(squares);
    for (std::size_t i = 0; i < sums_.size(); ++i) vector[i] = static_cast<float>(static_cast<double>(sums_[i]) / length);
    return vector;
  }

  std::vector<std::int64_t> sums_;
  hash::Words words_;
  hash::FeatureHasher features_;
};

// Embeds a batch from as many threads as call run(). *thread-safe*
class Batch {
 public:
  Batch(std::span<const std::string> texts, std::size_t dimension, const Context& context)
      : texts_(texts), dimension_(dimension), context_(context), vectors_(texts.size()) {}

  void run() noexcept {
    try {
      TextEmbedder embedder(dimension_);
      while (!stop_.load(std::memory_order_relaxed)) {
        const std::size_t first = next_.fetch_add(texts_per_step, std::memory_order_relaxed);
        if (first >= texts_.size()) return;
        if (!context_.check("embed").ok()) break;
        for (std::size_t i = first; i < std::min(first + texts_per_step, texts_.size()); ++i)
          vectors_[i] = embedder.embed(texts_[i]);
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      thrown_ = std::current_exception();
    }
    stop_.store(true);
  }

  // After every run() has returned.
  Result<std::vector<Vector>> result() {
    if (thrown_) std::rethrow_exception(thrown_);
    if (stop_.load()) LOAM_TRY(context_.check("embed"));
    return std::move(vectors_);
  }

 private:
  const std::span<const std::string> texts_;
  const std::size_t dimension_;
  const Context& context_;
  std::vector<Vector> vectors_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::exception_ptr thrown_;
};

std::size_t helper_count(std::span<const std::string> texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min(cores - 1, bytes / bytes_per_thread);
}

// Fewer threads than wanted only make it slower.
std::vector<std::jthread> start_helpers(std::size_t count, Batch& batch) {
  std::vector<std::jthread> helpers;
  helpers.reserve(count);
  try {
    while (helpers.size() < count) helpers.emplace_back([&batch] { batch.run(); });
  } catch (const std::system_error&) {
  }
  return helpers;
}

class HashEmbedder final : public Embedder {
 public:
  explicit HashEmbedder(std::size_t dimension)
      : identity_{.provider = "hash", .model = "hash-" + std::to_string(dimension) + "-v1", .dimension = dimension} {}

  const EmbedderIdentity& identity() const override { return identity_; }
  std::size_t batch_size() const override { return 1024; }
  std::string spec() const override { return "hash:" + std::to_string(identity_.dimension); }

  Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context& context) override {
    LOAM_TRY(context.check("embed"));
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (texts[i].size() > limits::value_bytes_max)
        return invalid_argument("text " + std::to_string(i) + " has " + std::to_string(texts[i].size()) +
                                " bytes, more than the " + std::to_string(limits::value_bytes_max) + " of a string");
    Batch batch(texts, identity_.dimension, context);
    {
      const std::vector<std::jthread> helpers = start_helpers(helper_count(texts), batch);
      batch.run();
    }
    return batch.result();
  }

 private:
  EmbedderIdentity identity_;
};

}  // namespace

Result<std::shared_ptr<Embedder>> make_hash_embedder(std::size_t dimension) {
  if (dimension < dimension_min || dimension > dimension_max)
    return invalid_argument("the hash embedder has " + std::to_string(dimension_min) + " to " +
                            std::to_string(dimension_max) + " dimensions, not " + std::to_string(dimension))
        .hint("hash:384 is a good start");
  return std::shared_ptr<Embedder>(std::make_shared<HashEmbedder>(dimension));
}

}  // namespace loam
