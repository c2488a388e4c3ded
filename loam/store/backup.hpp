#pragma once

/// Taking a backup of an open store. Verifying and restoring one are in store.hpp.

#include <string>

#include "loam/store/store.hpp"

namespace loam::store_internal {

struct BackupSource {
  Database& database;           ///< as open_sqlite() made it
  std::string store_directory;  ///< empty for a store in memory
  std::string engine;
  const Clock& clock;
};

/// As Store::backup().
Result<BackupReport> take_backup(const BackupSource& source, std::string_view target, const Context& context);

}  // namespace loam::store_internal
