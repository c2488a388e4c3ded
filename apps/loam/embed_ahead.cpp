#include "apps/loam/embed_ahead.hpp"

#include <algorithm>
#include <optional>
#include <thread>

namespace loam::cli {
namespace {

/// Requests to a service at one time; what a model in this process cannot use, it does not get cores for either.
constexpr std::size_t threads_max = 4;

}  // namespace

Result<std::vector<Vector>> EmbedAhead::embed(std::span<const std::string> texts, const Context& context) {
  std::shared_ptr<const Prepared> prepared;
  {
    std::lock_guard lock(mutex_);
    prepared = prepared_;
  }
  std::vector<Vector> vectors(texts.size());
  std::vector<std::string> missing;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto found = prepared ? prepared->find(texts[i]) : Prepared::const_iterator();
    if (prepared && found != prepared->end()) {
      vectors[i] = found->second;
    } else {
      missing.push_back(texts[i]);
      positions.push_back(i);
    }
  }
  if (missing.empty()) return vectors;
  LOAM_TRY(std::vector<Vector> computed, inner_->embed(missing, context));
  for (std::size_t i = 0; i < positions.size(); ++i) vectors[positions[i]] = std::move(computed[i]);
  std::lock_guard lock(mutex_);
  misses_ += static_cast<std::int64_t>(missing.size());
  return vectors;
}

Result<std::shared_ptr<const EmbedAhead::Prepared>> EmbedAhead::prepare(std::vector<std::string> texts,
                                                                        const Context& context) const {
  std::size_t chunk = std::max<std::size_t>(1, batch_size());
  std::size_t chunks = (texts.size() + chunk - 1) / chunk;
  auto prepared = std::make_shared<Prepared>();
  prepared->reserve(texts.size());
  std::mutex mutex;  // guards what follows
  std::size_t next = 0;
  std::optional<Error> failure;
  auto work = [&] {
    for (;;) {
      std::unique_lock lock(mutex);
      if (next == chunks || failure) return;
      std::size_t first = next++ * chunk;
      lock.unlock();
      std::span<std::string> part = std::span(texts).subspan(first, std::min(chunk, texts.size() - first));
      auto vectors = inner_->embed(part, context);
      lock.lock();
      if (!vectors.ok()) {
        failure = std::move(vectors).error();
        return;
      }
      for (std::size_t i = 0; i < part.size(); ++i) prepared->try_emplace(std::move(part[i]), std::move((*vectors)[i]));
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(chunks, threads_max); ++i) helpers.emplace_back(work);
    work();
  }
  if (failure) return std::move(*failure);
  return std::shared_ptr<const Prepared>(std::move(prepared));
}

void EmbedAhead::use(std::shared_ptr<const Prepared> prepared) {
  std::lock_guard lock(mutex_);
  prepared_ = std::move(prepared);
}

std::int64_t EmbedAhead::misses() const {
  std::lock_guard lock(mutex_);
  return misses_;
}

}  // namespace loam::cli
