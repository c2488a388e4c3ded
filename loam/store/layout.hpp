#pragma once

/// What is in a store directory, and what makes its database file ours. Bytes: docs/formats/store.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/ports/database.hpp"

namespace loam::store_internal {

inline constexpr std::int64_t application_id = 0x4C4F414D;  ///< "LOAM", in the header of the SQLite file
inline constexpr std::int64_t format_version = 1;           ///< SQLite's user_version; a store with a larger one is refused
inline constexpr std::string_view database_file_name = "loam.db";

std::string database_path(const std::string& directory);

/// Reads the first 100 bytes of the file and nothing else, so that what is refused stays as it is.
/// failed_precondition: not an SQLite file, another program's, or of a newer format; data_corruption: cut short.
Result<void> check_database_header(const std::string& path);

struct LayoutOptions {
  bool create = true;
  bool read_only = false;
};

/// Brings a directory into the state of a store whose database can be opened, making what is missing.
/// Returns sentences about what it found and left alone. Errors as Store::open().
Result<std::vector<std::string>> prepare_directory(const std::string& directory, LayoutOptions options);

/// Gives a new database the mark and the version of a store.
Result<void> mark_database(Database& db);

/// Checks through SQL what check_database_header() saw in the file: the newest value may be in the WAL. Returns the version.
Result<std::int64_t> read_format_version(Database& db, const std::string& directory);

}  // namespace loam::store_internal
