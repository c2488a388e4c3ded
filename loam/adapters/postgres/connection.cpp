#include "loam/adapters/postgres/connection.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "loam/adapters/postgres/translate.hpp"

namespace loam::postgres {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto cancellation_poll = std::chrono::milliseconds(10);
constexpr int server_version_min = 130'000;

struct Keyword {
  const char* key;
  std::string value;
};

std::vector<Keyword> keywords(const PostgresOptions& options) {
  std::vector<Keyword> list{
      {"host", options.host},
      {"port", std::to_string(options.port)},
      {"dbname", options.database},
      {"sslmode", options.ssl_mode},
      {"application_name", options.application_name},
      {"client_encoding", "UTF8"},
      {"options", ""},            // not those of the environment
      {"keepalives_idle", "30"},  // a peer that vanished is noticed after a minute, also by calls without a deadline
      {"keepalives_interval", "10"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "60000"},
  };
  if (!options.user.empty()) list.push_back({"user", options.user});
  // Revealed to libpq alone, which sends it as SCRAM or MD5 and keeps it in memory until PQfinish.
  if (!options.password.empty()) list.push_back({"password", std::string(options.password.reveal())});
  return list;
}

PGconn* start_connecting(const PostgresOptions& options) {
  std::vector<Keyword> list = keywords(options);
  std::vector<const char*> keys, values;
  for (const Keyword& keyword : list) {
    keys.push_back(keyword.key);
    values.push_back(keyword.value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* handle = PQconnectStartParams(keys.data(), values.data(), /*expand_dbname=*/0);
  for (Keyword& keyword : list) std::fill(keyword.value.begin(), keyword.value.end(), '\0');
  return handle;
}

std::string version_text(int version) { return std::to_string(version / 10'000) + '.' + std::to_string(version % 10'000); }

}  // namespace

std::string target_name(const PostgresOptions& options) {
  return options.host + ':' + std::to_string(options.port) + '/' + options.database;
}

bool poll_socket(int fd, short events, Clock::time_point until) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    int timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
    int ready = poll(&entry, 1, timeout_ms);
    if (ready > 0) return true;
    if (ready == 0 && Clock::now() >= until) return false;
    if (ready < 0 && errno != EINTR) return true;  // let libpq find out
  }
}

Result<std::unique_ptr<Connection>> Connection::open(const PostgresOptions& options, const Context& context) {
  LOAM_TRY(context.check("connecting to PostgreSQL"));
  PGconn* handle = start_connecting(options);
  if (handle == nullptr) return Error(ErrorCode::resource_exhausted, "no memory for a connection");
  std::unique_ptr<Connection> connection(new Connection(handle));
  PQsetNoticeReceiver(handle, &Connection::on_notice, connection.get());
  LOAM_TRY(connection->finish_connecting(options, context));
  int version = PQserverVersion(handle);
  if (version < server_version_min)
    return unsupported("PostgreSQL " + version_text(version) + " at " + target_name(options) + " is older than 13");
  return connection;
}

Result<void> Connection::finish_connecting(const PostgresOptions& options, const Context& context) {
  std::string where = "PostgreSQL at " + target_name(options) + (options.user.empty() ? "" : " as user " + options.user);
  // The only way to learn the SQLSTATE of a refused connection; see connect_error().
  PQsetErrorVerbosity(handle_, PQERRORS_VERBOSE);
  auto deadline = context.deadline_within_ms(options.connect_timeout_ms);
  PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
  while (PQstatus(handle_) != CONNECTION_BAD && wants != PGRES_POLLING_OK) {
    if (wants == PGRES_POLLING_FAILED) break;
    short events = wants == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    auto slice = context.unbounded() ? deadline : std::min(deadline, Clock::now() + cancellation_poll);
    bool ready = poll_socket(PQsocket(handle_), events, slice);
    LOAM_TRY(context.check("connecting to " + where));
    if (!ready && Clock::now() >= deadline)
      return Error(ErrorCode::unavailable,
                   "no answer from " + where + " within " + std::to_string(options.connect_timeout_ms) + " ms")
          .native({"postgres", "08001", "timeout"})
          .hint("check host and port, and that nothing drops the packets");
    if (ready) wants = PQconnectPoll(handle_);
  }
  if (PQstatus(handle_) != CONNECTION_OK) return connect_error(handle_, where);
  PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  if (PQsetnonblocking(handle_, 1) != 0) return connect_error(handle_, where);
  return {};
}

Connection::~Connection() {
  if (getpid() != owner_) {
    // A forked child must not say goodbye on the socket that its parent goes on using.
    int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, PQsocket(handle_));
    if (nowhere >= 0) close(nowhere);
    busy_ = false;
  }
  if (busy_ && PQstatus(handle_) == CONNECTION_OK) request_cancel();  // else the server would finish it for nobody
  PQfinish(handle_);
}

void Connection::on_notice(void* self, const PGresult* notice) {
  auto* connection = static_cast<Connection*>(self);
  const char* sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  if (sqlstate != nullptr && std::string_view(sqlstate) == "42622") connection->cut_identifier_ = true;
  if (ends_session(notice)) connection->ended_by_server_ = true;
}

bool Connection::looks_alive() {
  if (getpid() != owner_) return false;
  while (!broken() && !ended_by_server_) {
    if (!poll_socket(PQsocket(handle_), POLLIN, Clock::now())) return true;
    if (PQconsumeInput(handle_) == 0) return false;
    (void)PQisBusy(handle_);  // parses what came: a parameter status, or the server's last words
  }
  return false;
}

struct Connection::CancelRequest {
  std::mutex mutex;
  std::condition_variable changed;
  bool sent = false;
};

void Connection::request_cancel() {
  PGcancel* cancel = PQgetCancel(handle_);
  if (cancel == nullptr) return;
  auto request = std::make_shared<CancelRequest>();
  try {
    std::thread([cancel, request] {
      char reason[256];
      (void)PQcancel(cancel, reason, sizeof reason);
      PQfreeCancel(cancel);
      std::lock_guard lock(request->mutex);
      request->sent = true;
      request->changed.notify_all();
    }).detach();
    cancel_ = std::move(request);
  } catch (const std::system_error&) {  // no thread to be had: the caller's patience ends without the server's help
    PQfreeCancel(cancel);
  }
}

bool Connection::cancel_settled(std::chrono::milliseconds patience) {
  if (!cancel_) return true;
  std::unique_lock lock(cancel_->mutex);
  bool sent = cancel_->changed.wait_for(lock, patience, [&] { return cancel_->sent; });
  lock.unlock();
  if (sent) cancel_.reset();
  return sent;
}

}  // namespace loam::postgres
