#include "tests/support/postgres_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace loam::test {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

constexpr auto poll_interval = std::chrono::milliseconds(5);
constexpr auto start_timeout = std::chrono::seconds(60);
constexpr auto stop_timeout = std::chrono::seconds(30);

Error unusable(std::string message) { return Error(ErrorCode::unavailable, std::move(message)); }
std::string system_reason() { return std::strerror(errno); }

/// PostgreSQL refuses to run as root.
struct Identity {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
};

Result<Identity> server_identity() {
  if (geteuid() != 0) return Identity{};
  for (const char* name : {"nobody", "postgres"})
    if (const passwd* user = getpwnam(name)) return Identity{true, user->pw_uid, user->pw_gid};
  return unusable("running as root, and there is neither a user nobody nor a user postgres to run the server as");
}

struct Child {
  Arguments arguments;
  std::string directory;  ///< to run in; the user must be able to stat it
  std::string log;        ///< gets stdout and stderr
  int stdin_fd = -1;      ///< -1: /dev/null
  int death_signal = 0;   ///< sent to the child when the thread that started it ends
  Identity identity = {};
};

/// Only async-signal-safe calls: the program may have threads.
[[noreturn]] void become(const Child& child, char* const* argv, int log_fd, int stdin_fd, pid_t parent) {
  if (dup2(stdin_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) _exit(126);
  close_range(3, ~0u, 0);
  if (child.identity.change &&
      (setgroups(0, nullptr) != 0 || setgid(child.identity.gid) != 0 || setuid(child.identity.uid) != 0))
    _exit(126);
  // After the change of user, which clears it.
  if (child.death_signal != 0 && prctl(PR_SET_PDEATHSIG, child.death_signal) != 0) _exit(126);
  if (getppid() != parent) _exit(126);
  if (chdir(child.directory.c_str()) != 0) _exit(126);
  execv(argv[0], argv);
  _exit(127);
}

Result<pid_t> spawn(const Child& child) {
  std::vector<char*> argv;
  for (const std::string& argument : child.arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int log_fd = open(child.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) return unusable("cannot write " + child.log + ": " + system_reason());
  int stdin_fd = child.stdin_fd >= 0 ? child.stdin_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid == 0) become(child, argv.data(), log_fd, stdin_fd, parent);
  int fork_errno = errno;
  close(log_fd);
  if (child.stdin_fd < 0) close(stdin_fd);
  if (pid < 0) return unusable("cannot start " + child.arguments[0] + ": " + std::strerror(fork_errno));
  return pid;
}

/// True when `pid` is gone, and reaped.
bool reap(pid_t pid, bool wait) {
  int status = 0;
  pid_t result = 0;
  do result = waitpid(pid, &status, wait ? 0 : WNOHANG);
  while (result < 0 && errno == EINTR);
  return result != 0;
}

Result<void> run(const Child& child) {
  LOAM_TRY(pid_t pid, spawn(child));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return unusable(child.arguments[0] + " failed");
}

std::string read_tail(const std::string& path, std::size_t bytes) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  return all.size() > bytes ? all.substr(all.size() - bytes) : all;
}

bool has_binaries(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "postgres", ignored) && fs::exists(directory / "initdb", ignored);
}

std::string pg_config_bindir() {
  std::string text;
  if (FILE* pipe = popen("pg_config --bindir 2>/dev/null", "re")) {
    char buffer[512];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
    pclose(pipe);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<std::string> find_binaries() {
  if (const char* chosen = std::getenv("LOAM_TEST_PG_BIN")) {
    if (has_binaries(chosen)) return std::string(chosen);
    return unusable(std::string("LOAM_TEST_PG_BIN=") + chosen + " holds no postgres and initdb");
  }
  if (std::string bin = pg_config_bindir(); has_binaries(bin)) return bin;
  std::vector<std::pair<int, std::string>> versions;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", missing))
    if (has_binaries(entry.path() / "bin"))
      versions.emplace_back(std::atoi(entry.path().filename().c_str()), (entry.path() / "bin").string());
  if (versions.empty()) return unusable("no PostgreSQL server binaries found; install the package postgresql");
  return std::max_element(versions.begin(), versions.end())->second;
}

Result<int> free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bool bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
               getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  std::string reason = bound ? "" : system_reason();
  if (fd >= 0) close(fd);
  if (!bound) return unusable("no free port on 127.0.0.1: " + reason);
  return static_cast<int>(ntohs(address.sin_port));
}

Result<std::string> make_directory(const Identity& identity) {
  const char* root = std::getenv("TMPDIR");
  std::string path = std::string(root != nullptr && *root != '\0' ? root : "/tmp") + "/loam-pg-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return unusable("cannot make " + path + ": " + system_reason());
  if (identity.change && chown(path.c_str(), identity.uid, identity.gid) != 0)
    return unusable("cannot give " + path + " to the server's user: " + system_reason());
  return path;
}

/// Sent by the guard's shell when its stdin ends without the word "done": the program died.
constexpr const char* guard_script =
    "read word; [ \"$word\" = done ] && exit 0\n"
    "pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null)\n"
    "if [ -n \"$pid\" ]; then kill -QUIT \"$pid\" 2>/dev/null\n"
    "  n=0; while [ -e \"$1/data/postmaster.pid\" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; fi\n"
    "rm -rf \"$1\"\n";

}  // namespace

Result<std::unique_ptr<PostgresServer>> PostgresServer::start(PostgresServerOptions options) {
  std::unique_ptr<PostgresServer> server(new PostgresServer);
  server->owner_ = getpid();
  LOAM_TRY(server->create(options));
  constexpr int attempts = 5;
  for (int attempt = 1;; ++attempt) {
    LOAM_TRY(server->port_, free_port());
    LOAM_TRY(server->launch());
    Result<void> ready = server->wait_until_ready();
    if (ready.ok()) return server;
    // Another program may have taken the port between free_port() and the server's own bind.
    bool collision = server->log_tail().find("Address already in use") != std::string::npos;
    if (!collision || attempt == attempts) return ready.error();
    fs::remove(server->directory_ + "/log");
  }
}

PostgresServer::~PostgresServer() {
  if (owner_ != getpid()) return;
  (void)stop(StopMode::immediate);
  if (guard_pipe_ >= 0) {
    (void)!write(guard_pipe_, "done\n", 5);
    close(guard_pipe_);
  }
  if (guard_ > 0) reap(guard_, true);
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Result<void> PostgresServer::create(const PostgresServerOptions& options) {
  LOAM_TRY(bin_, find_binaries());
  LOAM_TRY(Identity identity, server_identity());
  LOAM_TRY(directory_, make_directory(identity));
  LOAM_TRY(start_guard());

  settings_ = {"listen_addresses=127.0.0.1", "unix_socket_directories=" + directory_,
               "shared_buffers=32MB",        "max_connections=100",
               "max_wal_senders=0",          "wal_level=minimal",
               "logging_collector=off"};
  if (!options.durable) settings_.insert(settings_.end(), {"fsync=off", "synchronous_commit=off", "full_page_writes=off"});
  settings_.insert(settings_.end(), options.settings.begin(), options.settings.end());

  std::string log = directory_ + "/initdb.log";
  Result<void> made = run({.arguments = {bin_ + "/initdb", "-D", directory_ + "/data", "-U", "postgres", "-A", "trust", "-E",
                                         "UTF8", "--locale=C", "--no-sync"},
                           .directory = directory_,
                           .log = log,
                           .identity = identity});
  if (!made.ok()) return unusable(made.error().message() + ": " + read_tail(log, 2000));

  // The file stays owned by the server's user: it is rewritten in place.
  std::ofstream hba(directory_ + "/data/pg_hba.conf", std::ios::trunc);
  hba << "host all " << password_role << " 127.0.0.1/32 scram-sha-256\n"
      << "host all all 127.0.0.1/32 trust\n"
      << "local all all trust\n";
  hba.close();
  if (!hba) return unusable("cannot write pg_hba.conf in " + directory_);
  return {};
}

Result<void> PostgresServer::start_guard() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return unusable("cannot make a pipe: " + system_reason());
  guard_pipe_ = ends[1];
  auto guard = spawn({.arguments = {"/bin/sh", "-c", guard_script, "loam-postgres-guard", directory_},
                      .directory = "/",
                      .log = "/dev/null",
                      .stdin_fd = ends[0]});
  close(ends[0]);
  LOAM_TRY(guard_, std::move(guard));
  return {};
}

Result<void> PostgresServer::launch() {
  LOAM_TRY(Identity identity, server_identity());
  Arguments arguments{bin_ + "/postgres", "-D", directory_ + "/data", "-p", std::to_string(port_)};
  for (const std::string& setting : settings_) {
    arguments.push_back("-c");
    arguments.push_back(setting);
  }
  LOAM_TRY(pid_, spawn({.arguments = std::move(arguments),
                        .directory = directory_,
                        .log = directory_ + "/log",
                        .death_signal = SIGQUIT,
                        .identity = identity}));
  return {};
}

Result<void> PostgresServer::wait_until_ready() {
  auto deadline = std::chrono::steady_clock::now() + start_timeout;
  std::string target = "host=127.0.0.1 dbname=postgres user=postgres connect_timeout=5 port=" + std::to_string(port_);
  while (PQping(target.c_str()) != PQPING_OK) {
    if (reap(pid_, false)) {
      pid_ = -1;
      return unusable("PostgreSQL ended at its start: " + log_tail());
    }
    if (std::chrono::steady_clock::now() > deadline) {
      (void)stop(StopMode::kill);
      return unusable("PostgreSQL was not ready after 60 s: " + log_tail());
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return {};
}

std::string PostgresServer::log_tail() const { return read_tail(directory_ + "/log", 2000); }

std::string PostgresServer::url(std::string_view database) const {
  return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/" + std::string(database);
}

Result<std::string> PostgresServer::fresh_database() {
  std::string name = "loam_test_" + std::to_string(++names_);
  LOAM_TRY(sql("CREATE DATABASE " + name));
  return url(name);
}

std::string PostgresServer::fresh_schema() { return url() + "?schema=loam_test_" + std::to_string(++names_); }

Result<std::string> PostgresServer::sql(std::string_view text, std::string_view database) {
  std::string target = url(database);
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(target.c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) return unusable(PQerrorMessage(connection.get()));
  std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), std::string(text).c_str()), &PQclear);
  ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    return failed_precondition(std::string(PQerrorMessage(connection.get())));
  if (PQntuples(result.get()) == 0 || PQnfields(result.get()) == 0) return std::string();
  return std::string(PQgetvalue(result.get(), 0, 0));
}

Result<void> PostgresServer::stop(StopMode mode) {
  if (pid_ <= 0) return {};
  int signal = mode == StopMode::fast ? SIGINT : mode == StopMode::immediate ? SIGQUIT : SIGKILL;
  if (kill(pid_, signal) != 0) return unusable("cannot signal PostgreSQL: " + system_reason());
  auto deadline = std::chrono::steady_clock::now() + stop_timeout;
  while (!reap(pid_, false)) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(pid_, SIGKILL);
      reap(pid_, true);
      pid_ = -1;
      return unusable("PostgreSQL did not stop within 30 s and was killed");
    }
    std::this_thread::sleep_for(poll_interval);
  }
  pid_ = -1;
  return {};
}

Result<void> PostgresServer::restart() {
  if (pid_ > 0) return {};
  // After a SIGKILL the backends may hold shared memory for a moment, and the new postmaster refuses to start next to them.
  auto deadline = std::chrono::steady_clock::now() + start_timeout;
  for (;;) {
    LOAM_TRY(launch());
    Result<void> ready = wait_until_ready();
    if (ready.ok() || std::chrono::steady_clock::now() > deadline) return ready;
    std::this_thread::sleep_for(poll_interval);
  }
}

Result<PostgresServer*> shared_postgres() {
  static Result<std::unique_ptr<PostgresServer>> server = PostgresServer::start();
  if (!server.ok()) return server.error();
  return server->get();
}

bool missing_servers_are_skipped() {
  const char* wish = std::getenv("LOAM_TEST_SERVERS");
  return wish != nullptr && std::string_view(wish) == "skip";
}

}  // namespace loam::test
