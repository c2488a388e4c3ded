#pragma once

/// Embeds the next rows while the last ones are being written: an Embedder in front of another one that answers from vectors
/// computed before, so that Table::add() finds them ready. A text that was not prepared is embedded at once, as without it.

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "loam/ports/embedder.hpp"

namespace loam::cli {

/// *thread-safe*
class EmbedAhead final : public Embedder {
 public:
  using Prepared = std::unordered_map<std::string, Vector>;

  explicit EmbedAhead(std::shared_ptr<Embedder> inner) : inner_(std::move(inner)) {}

  const EmbedderIdentity& identity() const override { return inner_->identity(); }
  std::size_t batch_size() const override { return inner_->batch_size(); }
  std::string spec() const override { return inner_->spec(); }
  Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context& context = {}) override;

  /// Embeds in requests of batch_size() texts, several at one time. Errors as embed().
  Result<std::shared_ptr<const Prepared>> prepare(std::vector<std::string> texts, const Context& context) const;
  /// What embed() answers from until the next call.
  void use(std::shared_ptr<const Prepared> prepared);

  /// Texts that embed() did not find prepared; for tests of the pipeline.
  std::int64_t misses() const;

 private:
  std::shared_ptr<Embedder> inner_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Prepared> prepared_;
  std::int64_t misses_ = 0;
};

}  // namespace loam::cli
