#pragma once

/// The KeyValue port over any Database: one table `loam_kv` of (namespace, key) -> value, expiry.

#include <memory>

#include "loam/ports/database.hpp"
#include "loam/ports/kv.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Creates or migrates its table. `db` and `clock` outlive the returned store. Besides what the port says: conflict, with
/// nothing applied, when the database chose this call as the loser of a race (PostgreSQL only; retryable).
Result<std::unique_ptr<KeyValueStore>> open_relational_kv(Database& db, const Clock& clock = system_clock());

/// One namespace bound to a running transaction: it sees the transaction's own writes, which become visible to others with
/// its commit, and ends with it. The table is there already. `database` are the capabilities of the transaction's database,
/// from which characteristics() follow.
Result<std::unique_ptr<KeyValue>> relational_kv_in(Transaction& transaction, std::string_view name_space,
                                                   const Clock& clock = system_clock(),
                                                   const DatabaseCapabilities& database = {});

}  // namespace loam
