#pragma once

/// A private PostgreSQL for tests: its own directory, its own port on 127.0.0.1, stopped with the test program.
///
///   TEST_F(OrdersOnPostgres, ...) {
///     LOAM_SHARED_POSTGRES(server);                       // fails the test with the reason when none can be started
///     std::string url = server.fresh_database().value();  // postgresql://postgres@127.0.0.1:PORT/loam_test_7
///   }
///
/// The binaries are those of $LOAM_TEST_PG_BIN, of `pg_config --bindir`, or the newest /usr/lib/postgresql/*/bin. Run as
/// root, the server belongs to `nobody`. With LOAM_TEST_SERVERS=skip in the environment a missing server skips the test by
/// name.

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"

namespace loam::test {

struct PostgresServerOptions {
  bool durable = false;                    ///< keep fsync, synchronous_commit and full_page_writes on: for crash tests
  std::vector<std::string> settings = {};  ///< further "name=value" of postgresql.conf
};

enum class StopMode {
  fast,       ///< SIGINT: sessions are ended, a checkpoint is written
  immediate,  ///< SIGQUIT: as after a crash; the next start recovers
  kill,       ///< SIGKILL of the postmaster; its backends notice and go
};

/// Start it on a thread that lives as long as the server is wanted (the main thread): the kernel ends the server with that
/// thread, and a guard process ends it and removes its directory with the program, however the program dies.
/// *needs external synchronization*
class PostgresServer {
 public:
  /// Returns once the server accepts connections, in about a second; the error holds the end of the server's log.
  static Result<std::unique_ptr<PostgresServer>> start(PostgresServerOptions options = {});
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  int port() const { return port_; }
  std::string_view host() const { return "127.0.0.1"; }
  const std::string& socket_directory() const { return directory_; }
  pid_t pid() const { return pid_; }
  /// Of the superuser "postgres", who needs no password.
  std::string url(std::string_view database = "postgres") const;
  /// Roles with this name must give their password (SCRAM); create it with sql() first.
  static constexpr std::string_view password_role = "needs_password";

  /// Creates an empty database and returns its URL; some 30 ms.
  Result<std::string> fresh_database();
  /// A URL whose schema is not there yet, in the database "postgres": the adapter makes it. Cheaper than a database.
  std::string fresh_schema();

  /// Runs SQL as the superuser on a connection of its own; the first column of the first row, or "".
  Result<std::string> sql(std::string_view text, std::string_view database = "postgres");

  Result<void> stop(StopMode mode);
  /// On the same port with the same data; ok at once when it runs.
  Result<void> restart();

 private:
  PostgresServer() = default;
  Result<void> create(const PostgresServerOptions& options);
  Result<void> launch();
  Result<void> wait_until_ready();
  Result<void> start_guard();
  std::string log_tail() const;

  std::string bin_;
  std::string directory_;
  std::vector<std::string> settings_;
  int port_ = 0;
  pid_t pid_ = -1;
  pid_t owner_ = -1;  ///< a forked copy of the program must not stop the server
  pid_t guard_ = -1;
  int guard_pipe_ = -1;  ///< the guard acts when its other end is closed
  int names_ = 0;
};

/// The server that all tests of this program share, started at the first call. The failure is remembered, not tried again.
Result<PostgresServer*> shared_postgres();

/// True with LOAM_TEST_SERVERS=skip.
bool missing_servers_are_skipped();

}  // namespace loam::test

/// Declares `variable`, a PostgresServer&; in a test body or SetUp().
#define LOAM_SHARED_POSTGRES(variable)                                               \
  auto variable##_or_error = ::loam::test::shared_postgres();                        \
  if (!variable##_or_error.ok() && ::loam::test::missing_servers_are_skipped())      \
    GTEST_SKIP() << "needs PostgreSQL: " << variable##_or_error.error().to_string(); \
  if (!variable##_or_error.ok()) FAIL() << variable##_or_error.error().to_string();  \
  [[maybe_unused]] ::loam::test::PostgresServer& variable = **variable##_or_error
