#pragma once

/// Typed configuration out of several layers: JSON, the environment, a URL, the program itself. A later layer wins over an
/// earlier one; every error names the field and where its value came from.
///
///   Config config;
///   LOAM_TRY(config.add_json(text, "loam.json"));          // {"store": "app.loam", "pool": {"connections_max": 8}}
///   config.add_environment();                              // LOAM_POOL_CONNECTIONS_MAX=8, LOAM_STORE=.., DATABASE_URL=..
///   LOAM_TRY(auto most, config.integer("pool.connections_max", 1, 1000));
///   LOAM_TRY(config.finish());                             // refuses fields that nobody asked for

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/core/secret.hpp"
#include "loam/core/url.hpp"

namespace [[gnu::visibility("default")]] loam {

/// needs external synchronization
class Config {
 public:
  using Environment = std::function<const char*(const char* name)>;

  /// Nested objects become dotted fields; arrays are refused. `origin` names the layer in errors.
  Result<void> add_json(std::string_view text, std::string origin);
  /// Field `pool.connections_max` is LOAM_POOL_CONNECTIONS_MAX; the field `store` is LOAM_STORE, or DATABASE_URL when that
  /// is unset. An empty variable counts as unset.
  void add_environment(Environment environment = {});
  /// Each query parameter is a field.
  Result<void> add_url(const Url& url);
  void set(std::string field, std::string value, std::string origin);

  // Absent fields are nullopt. invalid_argument names the field, the origin and what is allowed; never the value of a
  // secret.
  Result<std::optional<std::string>> text(std::string_view field);
  Result<std::optional<std::int64_t>> integer(std::string_view field, std::int64_t least, std::int64_t most);
  Result<std::optional<double>> number(std::string_view field, double least, double most);
  /// true, false, 1, 0, yes, no, on, off.
  Result<std::optional<bool>> boolean(std::string_view field);
  Result<std::optional<std::string>> choice(std::string_view field, std::initializer_list<std::string_view> allowed);
  Result<std::optional<Secret>> secret(std::string_view field);

  /// invalid_argument naming a field that was given and never asked for, and the nearest one that was.
  Result<void> finish() const;

  /// Where the value of a field comes from ("environment LOAM_STORE", "loam.json"); empty when absent.
  std::string origin_of(std::string_view field);

 private:
  struct Entry {
    std::string value;
    std::string origin;
  };
  /// One source of fields: a table of them, or the environment, which is asked by name.
  struct Layer {
    std::map<std::string, Entry, std::less<>> entries;
    Environment environment;
  };

  std::optional<Entry> find(std::string_view field);
  Layer& table_layer();

  std::vector<Layer> layers_;
  std::set<std::string, std::less<>> asked_;
};

/// The candidate with the least edit distance to `name`, when it is near enough to be a slip; for "did you mean".
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace loam
