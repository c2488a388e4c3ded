#pragma once

/// URLs to ports. A value you pass, not a singleton.
///
///   Registry registry;
///   LOAM_TRY(add_builtin(registry));
///   LOAM_TRY(auto embedder, registry.open_embedder("hash:384"));

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loam/ports/database.hpp"
#include "loam/ports/embedder.hpp"
#include "loam/ports/kv.hpp"

namespace [[gnu::visibility("default")]] loam {

/// const methods are thread-safe
class Registry {
 public:
  using DatabaseFactory = std::function<Result<std::unique_ptr<Database>>(std::string_view url)>;
  using KvFactory = std::function<Result<std::unique_ptr<KeyValueStore>>(std::string_view url)>;
  using EmbedderFactory = std::function<Result<std::shared_ptr<Embedder>>(std::string_view spec)>;

  /// already_exists when the scheme is taken for that port.
  Result<void> add_database(std::string scheme, DatabaseFactory factory);
  Result<void> add_kv(std::string scheme, KvFactory factory);
  Result<void> add_embedder(std::string scheme, EmbedderFactory factory);
  /// Names a scheme that this build lacks, so that opening it says `unsupported: built without postgres`.
  Result<void> add_missing(std::string scheme, std::string adapter);

  /// "sqlite:app.db", "sqlite::memory:", "postgresql://..", a path ending in .db. not_found lists the known schemes.
  Result<std::unique_ptr<Database>> open_database(std::string_view url) const;
  /// "memory:", "lmdb:dir", and every database URL.
  Result<std::unique_ptr<KeyValueStore>> open_kv(std::string_view url) const;
  /// "hash:384", "openai:http://127.0.0.1:8080/v1#model".
  Result<std::shared_ptr<Embedder>> open_embedder(std::string_view spec) const;

  std::vector<std::string> schemes() const;

 private:
  std::map<std::string, DatabaseFactory, std::less<>> databases_;
  std::map<std::string, KvFactory, std::less<>> kvs_;
  std::map<std::string, EmbedderFactory, std::less<>> embedders_;
  std::map<std::string, std::string, std::less<>> missing_;
};

/// Everything this build has; builtin.cpp is the only file that names adapters.
Result<void> add_builtin(Registry& registry);

}  // namespace loam
