#include "loam/registry/registry.hpp"

#include <algorithm>

#include "loam/relational/kv.hpp"

namespace loam {
namespace {

constexpr std::string_view file_scheme = "sqlite";  // of a plain path that ends in .db

/// The letters before the first colon, when they can be a scheme (RFC 3986); else empty.
std::string_view scheme_of(std::string_view url) {
  std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view scheme = url.substr(0, colon);
  auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  auto may_follow = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; };
  if (scheme.empty() || !is_letter(scheme[0]) || !std::all_of(scheme.begin(), scheme.end(), may_follow)) return {};
  return scheme;
}

std::string_view database_scheme_of(std::string_view url) {
  std::string_view scheme = scheme_of(url);
  return scheme.empty() && url.ends_with(".db") ? file_scheme : scheme;
}

template <typename Factories>
Result<void> add(Factories& factories, std::string scheme, typename Factories::mapped_type factory, std::string_view port) {
  if (scheme.empty() || scheme_of(scheme + ":") != scheme)
    return invalid_argument("\"" + scheme + "\" is not a scheme: letters, digits, + - . in lower case");
  std::string name = scheme;
  if (!factories.try_emplace(std::move(scheme), std::move(factory)).second)
    return Error(ErrorCode::already_exists, "the scheme \"" + name + "\" is taken for " + std::string(port));
  return {};
}

template <typename Factories>
void append_names(std::string& listed, const Factories& factories) {
  for (const auto& [scheme, factory] : factories) listed += (listed.empty() ? "" : ", ") + scheme + ":";
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

using Missing = std::map<std::string, std::string, std::less<>>;

/// For a URL that no factory takes: what it says is not in this build, or not known at all.
Error unknown(const Missing& missing, std::string_view url, std::string_view scheme, std::string_view port,
              const std::string& known) {
  auto found = missing.find(scheme);
  if (found != missing.end())
    return unsupported("built without " + found->second).hint("build Loam with -DLOAM_WITH_" + upper(found->second) + "=ON");
  // Without a scheme it may still be a URL with a password: what stands before an "@" is nobody's to read.
  std::string_view harmless = url.substr(url.rfind('@') + 1);
  std::string shown = scheme.empty() ? "\"" + std::string(harmless) + "\" begins with no scheme"
                                     : "unknown scheme \"" + std::string(scheme) + ":\"";
  return not_found(shown + "; " + std::string(port) + " begin with one of: " + (known.empty() ? "none" : known));
}

/// A KeyValue store that owns the database it lives on.
class DatabaseKv final : public KeyValueStore {
 public:
  static Result<std::unique_ptr<KeyValueStore>> open(std::unique_ptr<Database> database) {
    auto owned = std::make_unique<DatabaseKv>();
    owned->database_ = std::move(database);
    LOAM_TRY(owned->store_, open_relational_kv(*owned->database_));
    return std::unique_ptr<KeyValueStore>(std::move(owned));
  }

  Result<std::unique_ptr<KeyValue>> open(std::string_view name_space) override { return store_->open(name_space); }
  Result<std::vector<std::string>> namespaces(const Context& context) override { return store_->namespaces(context); }
  HealthStatus health(const Context& context) override { return store_->health(context); }
  KvCharacteristics characteristics() const override { return store_->characteristics(); }

 private:
  std::unique_ptr<Database> database_;  // outlives store_
  std::unique_ptr<KeyValueStore> store_;
};

}  // namespace

Result<void> Registry::add_database(std::string scheme, DatabaseFactory factory) {
  return add(databases_, std::move(scheme), std::move(factory), "databases");
}
Result<void> Registry::add_kv(std::string scheme, KvFactory factory) {
  return add(kvs_, std::move(scheme), std::move(factory), "key-value stores");
}
Result<void> Registry::add_embedder(std::string scheme, EmbedderFactory factory) {
  return add(embedders_, std::move(scheme), std::move(factory), "embedders");
}
Result<void> Registry::add_missing(std::string scheme, std::string adapter) {
  return add(missing_, std::move(scheme), std::move(adapter), "adapters that were not built");
}

Result<std::unique_ptr<Database>> Registry::open_database(std::string_view url) const {
  std::string_view scheme = database_scheme_of(url);
  auto found = databases_.find(scheme);
  if (found != databases_.end()) return found->second(url);
  std::string known;
  append_names(known, databases_);
  return unknown(missing_, url, scheme, "databases", known);
}

Result<std::unique_ptr<KeyValueStore>> Registry::open_kv(std::string_view url) const {
  std::string_view scheme = database_scheme_of(url);
  auto found = kvs_.find(scheme);
  if (found != kvs_.end()) return found->second(url);
  if (databases_.contains(scheme)) {
    LOAM_TRY(auto database, open_database(url));
    return DatabaseKv::open(std::move(database));
  }
  std::string known;
  append_names(known, kvs_);
  append_names(known, databases_);
  return unknown(missing_, url, scheme, "key-value stores", known);
}

Result<std::shared_ptr<Embedder>> Registry::open_embedder(std::string_view spec) const {
  std::string_view scheme = scheme_of(spec);
  auto found = embedders_.find(scheme);
  if (found != embedders_.end()) return found->second(spec);
  std::string known;
  append_names(known, embedders_);
  return unknown(missing_, spec, scheme, "embedders", known);
}

std::vector<std::string> Registry::schemes() const {
  std::vector<std::string> names;
  for (const auto& [scheme, factory] : databases_) names.push_back(scheme);
  for (const auto& [scheme, factory] : kvs_) names.push_back(scheme);
  for (const auto& [scheme, factory] : embedders_) names.push_back(scheme);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace loam
