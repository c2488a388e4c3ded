#pragma once

/// A store described by configuration: JSON, the environment, a URL.
///
///   Config config;
///   config.add_environment();                               // LOAM_STORE=app.loam LOAM_DURABILITY=normal
///   LOAM_TRY(auto settings, read_store_settings(config));
///   LOAM_TRY(config.finish());
///   LOAM_TRY(auto store, Store::open(settings.location, settings.options));

#include <string>

#include "loam/core/config.hpp"
#include "loam/store/store.hpp"

namespace [[gnu::visibility("default")]] loam {

struct StoreSettings {
  std::string location;
  StoreOptions options;
};

/// Fields: store (a path or URL, required), create, read_only (booleans), durability (full | normal),
/// write_timeout_ms (0 to a day), checkpoint_pages (1 to 1,000,000), search_threads (0 to 1024). invalid_argument names the
/// field and where its value came from.
Result<StoreSettings> read_store_settings(Config& config);

}  // namespace loam
