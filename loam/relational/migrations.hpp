#pragma once

/// Versioned schema changes of one component ("kv", "tables"), over any Database.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/ports/database.hpp"

namespace [[gnu::visibility("default")]] loam {

struct Migration {
  int version;       ///< 1, 2, 3, .. without a gap
  std::string name;  ///< "create kv entries"
  std::vector<std::string> (*statements)(const SqlDialect& dialect);
};

struct AppliedMigration {
  std::string component;
  int version = 0;
  std::string name;
  std::string checksum;  ///< SHA-256 of the statements, hexadecimal
  Timestamp applied_at;
};

/// Brings the component to the newest version, each migration in one transaction with its record, one process at a time.
/// Returns how many were applied. failed_precondition, with nothing touched, when the database holds a newer version than
/// this list knows, or one whose checksum differs from the one applied; invalid_argument when the list has a gap.
Result<int> migrate(Database& db, std::string_view component, std::span<const Migration> migrations,
                    const Context& context = {});

/// Those that migrate() would apply.
Result<std::vector<int>> pending_migrations(Database& db, std::string_view component, std::span<const Migration> migrations,
                                            const Context& context = {});
Result<std::vector<AppliedMigration>> applied_migrations(Database& db, const Context& context = {});

}  // namespace loam
