#pragma once

/// The files of a backup, without knowing what is in them: seal a directory with a manifest, verify it, copy it. Backups
/// come from anywhere, so nothing in them is followed, trusted for its size or used as a path before it was checked.

#include <string>

#include "loam/core/context.hpp"
#include "loam/store/manifest.hpp"

namespace loam::store_internal {

/// Hashes and syncs every file below `directory`, then writes and syncs the manifest, then the directories. The manifest is
/// last: a directory with a whole one is a whole backup. `header` gives all but the files.
Result<Manifest> seal_tree(const std::string& directory, Manifest header, const Context& context);

/// Reads every byte. data_corruption listing what is missing, changed or too much; not_found when there is no such
/// directory; failed_precondition when it holds no manifest.
Result<Manifest> verify_tree(const std::string& directory, const Context& context);

/// Copies all files that the manifest names into the empty directory `to`, manifest included, and syncs them. Errors as
/// verify_tree(); then `to` holds a part.
Result<Manifest> copy_tree(const std::string& directory, const std::string& to, const Context& context);

std::int64_t total_bytes(const Manifest& manifest);

}  // namespace loam::store_internal
