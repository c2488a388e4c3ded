#pragma once

/// One libpq connection that never blocks past a deadline. Internal to the adapter.

#include <libpq-fe.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "loam/adapters/postgres/postgres.hpp"

namespace loam::postgres {

/// "127.0.0.1:5432/app", for messages.
std::string target_name(const PostgresOptions& options);

/// *needs external synchronization*
class Connection {
 public:
  /// unavailable, unauthenticated, not_found (the database), permission_denied; unsupported for a server before version 13;
  /// deadline_exceeded or cancelled by the context. Name resolution is the one step that may outlast the deadline.
  static Result<std::unique_ptr<Connection>> open(const PostgresOptions& options, const Context& context);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  PGconn* raw() const { return handle_; }
  bool in_failed_transaction() const { return PQtransactionStatus(handle_) == PQTRANS_INERROR; }

  /// False when the server has closed it, or in a child of fork(): the socket is the parent's. Looks at what has arrived,
  /// without a round trip.
  bool looks_alive();
  /// Its protocol state is lost: it can only be closed.
  bool broken() const { return broken_ || PQstatus(handle_) == CONNECTION_BAD; }
  void mark_broken() { broken_ = true; }
  /// An exchange is under way.
  void set_busy(bool busy) { busy_ = busy; }

  /// Asks the server to cancel the running statement, on a thread of its own: libpq's call waits for the server.
  void request_cancel();
  /// True when no cancel request is on its way that could hit the next statement.
  bool cancel_settled(std::chrono::milliseconds patience);

  /// Whether the server cut a name to 63 bytes since the last call.
  bool take_cut_identifier() { return std::exchange(cut_identifier_, false); }

 private:
  struct CancelRequest;
  explicit Connection(PGconn* handle) : handle_(handle) {}
  Result<void> finish_connecting(const PostgresOptions& options, const Context& context);
  static void on_notice(void* self, const PGresult* notice);

  PGconn* handle_;
  pid_t owner_ = getpid();
  std::shared_ptr<CancelRequest> cancel_;
  bool busy_ = false;
  bool broken_ = false;
  bool ended_by_server_ = false;
  bool cut_identifier_ = false;
};

/// Polls `fd` for `events`: true when something came, false after `timeout_ms`. Interrupted calls go on.
bool poll_socket(int fd, short events, std::chrono::steady_clock::time_point until);

}  // namespace loam::postgres
