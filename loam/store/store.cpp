#include "loam/store/store.hpp"

#include "loam/store/file_system.hpp"
#include "loam/store/layout.hpp"
#include "loam/store/sql_store.hpp"

#if LOAM_WITH_POSTGRES
#include "loam/adapters/postgres/postgres.hpp"
#endif

namespace loam {
namespace {

using store_internal::SqlStore;
using store_internal::StoreKind;
using store_internal::StoreParts;

std::string sqlite_engine() { return "sqlite " + sqlite::library_version(); }

Result<std::unique_ptr<Store>> open_in_memory(const StoreOptions& options) {
  if (options.read_only) return invalid_argument("a store in memory is new and empty, so it cannot be opened read-only");
  LOAM_TRY(auto database, sqlite_in_memory());
  LOAM_TRY(store_internal::mark_database(*database));  // its backup is a store in a directory
  StoreParts parts{.kind = StoreKind::memory,
                   .location = ":memory:",
                   .directory = {},
                   .engine = sqlite_engine(),
                   .lock = nullptr,
                   .notes = {},
                   .format = store_internal::format_version};
  return SqlStore::open(std::move(parts), std::move(database), options);
}

Result<std::unique_ptr<Store>> open_directory(std::string_view location, const StoreOptions& options) {
  std::string directory = store_internal::absolute_path(std::string(location));
  LOAM_TRY(auto notes,
           store_internal::prepare_directory(directory, {.create = options.create, .read_only = options.read_only}));
  std::shared_ptr<ProcessLock> lock;
  if (!options.read_only) {
    LOAM_TRY(lock, ProcessLock::open(directory, {.timeout_ms = options.write_timeout_ms, .clock = options.clock}));
  }
  LOAM_TRY(auto database, open_sqlite({.path = store_internal::database_path(directory),
                                       .read_only = options.read_only,
                                       .create = false,
                                       .durability = options.durability,
                                       .write_timeout_ms = options.write_timeout_ms,
                                       .checkpoint_pages = options.checkpoint_pages,
                                       .gate = lock}));
  LOAM_TRY(auto format, store_internal::read_format_version(*database, directory));
  StoreParts parts{.kind = StoreKind::directory,
                   .location = std::string(location),
                   .directory = directory,
                   .engine = sqlite_engine(),
                   .lock = std::move(lock),
                   .notes = std::move(notes),
                   .format = format};
  return SqlStore::open(std::move(parts), std::move(database), options);
}

#if LOAM_WITH_POSTGRES
Result<std::unique_ptr<Store>> open_postgres_store(std::string_view url, const StoreOptions& options) {
  if (options.durability != Durability::full)
    return unsupported("a server decides itself how durable its commits are").hint("set synchronous_commit there");
  LOAM_TRY(auto parsed, parse_postgres_url(url));
  std::string place = parsed.host + ":" + std::to_string(parsed.port) + "/" + parsed.database;
  LOAM_TRY(auto database, open_postgres(std::move(parsed)));
  LOAM_TRY(auto version, database->query("SHOW server_version"));
  StoreParts parts{.kind = StoreKind::server,
                   .location = "postgresql://" + place,
                   .directory = {},
                   .engine = "postgresql " + version.at(0, 0u).to_display(),
                   .lock = nullptr,
                   .notes = {},
                   .format = store_internal::format_version};
  return SqlStore::open(std::move(parts), std::move(database), options);
}
#endif

Result<std::unique_ptr<Store>> open_url(std::string_view scheme, [[maybe_unused]] std::string_view url,
                                        [[maybe_unused]] const StoreOptions& options) {
  if (scheme == "postgresql" || scheme == "postgres") {
#if LOAM_WITH_POSTGRES
    return open_postgres_store(url, options);
#else
    return unsupported("this build of Loam is without postgres").hint("configure with -DLOAM_WITH_POSTGRES=ON");
#endif
  }
  return unsupported("no store can be opened by \"" + std::string(scheme) + "://\"")
      .hint("give a directory, \":memory:\" or postgresql://");
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(std::string_view location, StoreOptions options) {
  if (location == ":memory:") return open_in_memory(options);
  auto scheme_end = location.find("://");
  if (location.starts_with("file:"))
    location.remove_prefix(location.starts_with("file://") ? 7 : 5);
  else if (scheme_end != std::string_view::npos && location.find('/') == scheme_end + 1)
    return open_url(location.substr(0, scheme_end), location, options);
  if (location.empty() || location.find('\0') != std::string_view::npos)
    return invalid_argument("the location of the store is empty or holds a NUL byte")
        .hint("give a directory, \":memory:\" or postgresql://");
  return open_directory(location, options);
}

}  // namespace loam
