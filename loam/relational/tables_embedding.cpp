#include "loam/relational/tables_embedding.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace loam::relational {
namespace {

/// More requests at once than this would only queue in a remote service, and a local model has no more cores to itself.
constexpr std::size_t threads_max = 4;

Result<std::vector<Vector>> embed_batch(Embedder& embedder, std::span<const std::string> texts, const Context& context) {
  LOAM_TRY(auto vectors, embedder.embed(texts, context));
  if (vectors.size() != texts.size())
    return data_corruption("embedder " + to_string(embedder.identity()) + " answered " + std::to_string(texts.size()) +
                           " texts with " + std::to_string(vectors.size()) + " vectors");
  for (const Vector& vector : vectors) {
    if (vector.size() != embedder.identity().dimension)
      return data_corruption("embedder " + to_string(embedder.identity()) + " answered with a vector of dimension " +
                             std::to_string(vector.size()));
    if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }))
      return data_corruption("embedder " + to_string(embedder.identity()) + " answered with NaN or infinity");
  }
  return vectors;
}

/// Batches of one call, taken by whichever thread is free.
class BatchQueue {
 public:
  BatchQueue(Embedder& embedder, std::span<const std::string> texts, const Context& context)
      : embedder_(embedder),
        texts_(texts),
        context_(context),
        size_(std::max<std::size_t>(1, embedder.batch_size())),
        vectors_(texts.size()),
        errors_(count()) {}

  std::size_t count() const { return (texts_.size() + size_ - 1) / size_; }

  void work() {
    for (std::size_t batch = next_.fetch_add(1); batch < count() && !failed_; batch = next_.fetch_add(1)) {
      std::size_t first = batch * size_, length = std::min(size_, texts_.size() - first);
      auto embedded = embed_batch(embedder_, texts_.subspan(first, length), context_);
      if (embedded.ok()) {
        std::move(embedded->begin(), embedded->end(), vectors_.begin() + static_cast<std::ptrdiff_t>(first));
        continue;
      }
      errors_[batch] = std::move(embedded).error().frame({.operation = "embed texts from number " + std::to_string(first)});
      failed_ = true;
    }
  }

  Result<std::vector<Vector>> take() {
    for (auto& error : errors_)
      if (error) return std::move(*error);
    return std::move(vectors_);
  }

 private:
  Embedder& embedder_;
  std::span<const std::string> texts_;
  const Context& context_;
  std::size_t size_;
  std::vector<Vector> vectors_;
  std::vector<std::optional<Error>> errors_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
};

}  // namespace

std::optional<std::string> source_text(const TableLayout& layout, const std::vector<Value>& row) {
  std::optional<std::string> text;
  for (const std::string& name : layout.schema.embedding->source_columns) {
    const auto* part =
        row[static_cast<std::size_t>(layout.schema.column(name) - layout.schema.columns.data())].get_if<std::string>();
    if (part == nullptr) continue;
    text = text ? *text + '\n' + *part : *part;
  }
  return text;
}

Result<std::vector<Vector>> embed_texts(Embedder& embedder, std::span<const std::string> texts, const Context& context) {
  BatchQueue queue(embedder, texts, context);
  std::size_t threads =
      std::min({queue.count(), threads_max, std::max<std::size_t>(1, std::thread::hardware_concurrency())});
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back([&queue] { queue.work(); });
    queue.work();
  }
  return queue.take();
}

Error embedder_needed(const TableLayout& layout, std::string_view purpose) {
  const EmbeddingSpec& embedding = *layout.schema.embedding;
  return failed_precondition(std::string(purpose) + " table \"" + layout.schema.name + "\" needs its embedder, " +
                             to_string(embedding.embedder) + ", and it was opened without one")
      .hint(embedding.embedder_spec.empty() ? "open it with that embedder"
                                            : "open it with embedder " + embedding.embedder_spec);
}

}  // namespace loam::relational
