#pragma once

/// The records that the demo works with: real ones, from the machine it runs on.

#include <memory>
#include <string>

#include "apps/loam/demo/child_process.hpp"
#include "apps/loam/record_source.hpp"
#include "loam/ports/tables.hpp"

namespace loam::cli {

enum class CatalogueKind { packages, files };

struct Catalogue {
  CatalogueKind kind = CatalogueKind::packages;
  std::string description;  ///< "63,666 packages of this machine's package lists (apt-cache dumpavail)"
  std::unique_ptr<RecordSource> source;
  std::int64_t records_expected = 0;  ///< 0: not known
};

/// The lists of apt, else the installed packages, else the text files below the current directory. At most `records_max`.
/// not_found when there is nothing at all.
Result<Catalogue> open_catalogue(std::int64_t records_max, const Context& context);

/// The table for them: name is the key; name and description are embedded and in the full-text index.
TableSchema catalogue_schema(const std::string& name);

/// One stanza of a Debian control file as a record; absent fields are NULL. For tests.
SourceRecord package_record(const std::vector<std::pair<std::string, std::string>>& fields, std::int64_t line);

}  // namespace loam::cli
