#pragma once

/// The KeyValue port over any Database: one table `loam_kv` of (namespace, key) -> value, expiry.

#include <memory>

#include "loam/ports/database.hpp"
#include "loam/ports/kv.hpp"

namespace loam {

/// Creates or migrates its table. `db` and `clock` outlive the returned store.
Result<std::unique_ptr<KeyValueStore>> open_relational_kv(Database& db, const Clock& clock = system_clock());

/// One namespace bound to a running transaction; it ends with it. The tables are there already.
Result<std::unique_ptr<KeyValue>> relational_kv_in(Transaction& transaction, std::string_view name_space,
                                                   const Clock& clock = system_clock());

}  // namespace loam
