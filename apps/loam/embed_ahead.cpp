#include "apps/loam/embed_ahead.hpp"

namespace loam::cli {

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
  LOAM_TRY(std::vector<Vector> vectors, inner_->embed(texts, context));
  auto prepared = std::make_shared<Prepared>();
  prepared->reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) prepared->try_emplace(std::move(texts[i]), std::move(vectors[i]));
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
