#include <charconv>
#include <cstdlib>

#include "loam/adapters/hash/hash_embedder.hpp"
#include "loam/adapters/memory/memory.hpp"
#include "loam/registry/registry.hpp"

#if LOAM_WITH_SQLITE
#include "loam/adapters/sqlite/sqlite.hpp"
#endif
#if LOAM_WITH_LMDB
#include "loam/adapters/lmdb/lmdb.hpp"
#endif
#if LOAM_WITH_POSTGRES
#include "loam/adapters/postgres/postgres.hpp"
#endif
#if LOAM_WITH_OPENAI
#include "loam/adapters/openai/openai_embedder.hpp"
#endif

namespace loam {
namespace {

std::string_view after_scheme(std::string_view url) { return url.substr(url.find(':') + 1); }

Result<void> add_memory(Registry& registry) {
  return registry.add_kv("memory", [](std::string_view url) -> Result<std::unique_ptr<KeyValueStore>> {
    if (!after_scheme(url).empty()) return invalid_argument("\"memory:\" takes nothing after its colon");
    return make_memory_kv();
  });
}

Result<void> add_hash(Registry& registry) {
  return registry.add_embedder("hash", [](std::string_view spec) -> Result<std::shared_ptr<Embedder>> {
    std::string_view digits = after_scheme(spec);
    std::size_t dimension = 0;
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), dimension);
    if (code != std::errc() || end != digits.data() + digits.size())
      return invalid_argument("\"" + std::string(spec) +
                              "\": a hash embedder is hash:N with N dimensions, such as hash:384");
    return make_hash_embedder(dimension);
  });
}

#if LOAM_WITH_SQLITE
Result<void> add_sqlite(Registry& registry) {
  return registry.add_database("sqlite", [](std::string_view url) -> Result<std::unique_ptr<Database>> {
    std::string_view path = url.starts_with("sqlite:") ? after_scheme(url) : url;  // or a plain path ending in .db
    if (path == ":memory:") return sqlite_in_memory();
    if (path.empty()) return invalid_argument("\"sqlite:\" needs a path, or :memory:");
    return open_sqlite({.path = std::string(path)});
  });
}
#endif

#if LOAM_WITH_LMDB
Result<void> add_lmdb(Registry& registry) {
  return registry.add_kv("lmdb", [](std::string_view url) -> Result<std::unique_ptr<KeyValueStore>> {
    std::string_view path = after_scheme(url);
    if (path.empty()) return invalid_argument("\"lmdb:\" needs a directory");
    return open_lmdb({.path = std::string(path)});
  });
}
#endif

#if LOAM_WITH_POSTGRES
Result<void> add_postgres(Registry& registry) {
  auto open = [](std::string_view url) -> Result<std::unique_ptr<Database>> {
    LOAM_TRY(PostgresOptions options, parse_postgres_url(url));
    return open_postgres(std::move(options));
  };
  LOAM_TRY(registry.add_database("postgresql", open));
  return registry.add_database("postgres", open);
}
#endif

#if LOAM_WITH_OPENAI
/// The key of the environment belongs to the service that the environment names. A spec may come out of somebody else's
/// store: it must not be able to send the key to a host of its own.
bool may_have_the_key(const std::string& base_url) {
  const char* named = std::getenv("OPENAI_BASE_URL");
  return base_url == (named != nullptr && *named != '\0' ? std::string(named) : OpenAiOptions().base_url);
}

Result<void> add_openai(Registry& registry) {
  return registry.add_embedder("openai", [](std::string_view spec) -> Result<std::shared_ptr<Embedder>> {
    std::string_view rest = after_scheme(spec);
    std::size_t hash = rest.find('#');
    if (hash == std::string_view::npos || hash + 1 == rest.size())
      return invalid_argument(
          "an OpenAI-compatible embedder is openai:URL#MODEL, such as "
          "openai:https://api.openai.com/v1#text-embedding-3-small");
    OpenAiOptions options;
    if (hash > 0) options.base_url = std::string(rest.substr(0, hash));
    options.model = std::string(rest.substr(hash + 1));
    // The key comes from the environment alone: a spec is stored with its table and shown to people.
    const char* key = std::getenv("OPENAI_API_KEY");
    if (key != nullptr && may_have_the_key(options.base_url)) options.api_key = Secret(key);
    return open_openai_embedder(std::move(options));
  });
}
#endif

}  // namespace

Result<void> add_builtin(Registry& registry) {
  LOAM_TRY(add_memory(registry));
  LOAM_TRY(add_hash(registry));
#if LOAM_WITH_SQLITE
  LOAM_TRY(add_sqlite(registry));
#else
  LOAM_TRY(registry.add_missing("sqlite", "sqlite"));
#endif
#if LOAM_WITH_LMDB
  LOAM_TRY(add_lmdb(registry));
#else
  LOAM_TRY(registry.add_missing("lmdb", "lmdb"));
#endif
#if LOAM_WITH_POSTGRES
  LOAM_TRY(add_postgres(registry));
#else
  LOAM_TRY(registry.add_missing("postgresql", "postgres"));
  LOAM_TRY(registry.add_missing("postgres", "postgres"));
#endif
#if LOAM_WITH_OPENAI
  LOAM_TRY(add_openai(registry));
#else
  LOAM_TRY(registry.add_missing("openai", "openai"));
#endif
  return {};
}

}  // namespace loam
