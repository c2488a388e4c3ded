#pragma once

/// The Database port on PostgreSQL (13 or newer) over libpq.

#include <memory>
#include <string>

#include "loam/core/secret.hpp"
#include "loam/ports/database.hpp"

namespace [[gnu::visibility("default")]] loam {

struct PostgresOptions {
  std::string host = "127.0.0.1";  ///< or a directory with the socket
  int port = 5432;
  std::string database = "postgres";
  std::string user = {};
  Secret password = {};
  std::string schema = {};          ///< search_path; created when absent; empty: the server's default
  std::string ssl_mode = "prefer";  ///< as libpq's sslmode; remote hosts should say verify-full
  std::string application_name = "loam";
  PoolOptions pool = {};
  std::int64_t connect_timeout_ms = 10'000;
};

/// postgresql://user:password@host:port/database?sslmode=..&schema=.. with percent-decoded parts; further options are
/// application_name, connect_timeout (seconds), host (a socket directory), port, pool_min, pool_max, acquire_timeout_ms.
/// invalid_argument naming the part that is wrong, unknown options included.
Result<PostgresOptions> parse_postgres_url(std::string_view url);

/// Connects. *the Database is thread-safe*
/// unavailable when the server cannot be reached, unauthenticated, not_found for an unknown database, unsupported for a
/// server before version 13, invalid_argument for options that cannot be right. No message holds the password.
Result<std::unique_ptr<Database>> open_postgres(PostgresOptions options);

const SqlDialect& postgres_dialect();

}  // namespace loam
