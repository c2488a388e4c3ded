#pragma once

/// The Embedder port: texts to vectors. Whoever stores vectors stores the identity beside them and refuses a mix.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/core/value.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Two embedders with the same identity give vectors that may be compared.
struct EmbedderIdentity {
  std::string provider;  ///< "hash", "openai"
  std::string model;     ///< "hash-384-v1", "text-embedding-3-small"
  std::size_t dimension = 0;
  std::string metric = "cosine";
  bool normalized = true;  ///< vectors have length 1
  friend bool operator==(const EmbedderIdentity&, const EmbedderIdentity&) = default;
};

/// "hash/hash-384-v1 (384, cosine, normalized)".
std::string to_string(const EmbedderIdentity& identity);

/// Guarantees: E1 the same text gives the same vector (remote models: as far as the service does); E2 the answer has one
/// vector of identity().dimension finite numbers for each text, in order; E3 all texts of a call or an error.
/// *thread-safe*
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const EmbedderIdentity& identity() const = 0;
  /// How many texts a call should hold; more are split by embed() itself.
  virtual std::size_t batch_size() const = 0;
  /// The spec that opens it again ("hash:384", "openai:http://127.0.0.1:8080/v1#model"); never a key.
  virtual std::string spec() const = 0;
  /// invalid_argument for a text the model refuses (its number is named), unavailable, unauthenticated, resource_exhausted,
  /// deadline_exceeded, data_corruption for an answer that breaks E2.
  virtual Result<std::vector<Vector>> embed(std::span<const std::string> texts, const Context& context = {}) = 0;
};

}  // namespace loam
