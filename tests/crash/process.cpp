#include "tests/crash/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace loam::crash {

Child::Child(const std::string& program, const std::vector<std::string>& arguments, const std::string& kill_at,
             const std::string& log) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // an interrupted test leaves nobody behind
  int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd >= 0) ::dup2(fd, STDERR_FILENO);
  if (kill_at.empty())
    ::unsetenv("LOAM_KILL_AT");
  else
    ::setenv("LOAM_KILL_AT", kill_at.c_str(), 1);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

Child::~Child() {
  if (pid_ <= 0) return;
  kill_now();
  (void)await_death(10'000);
}

void Child::kill_now() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Death Child::await_death(std::int64_t timeout_ms) {
  int status = 0;
  bool ended = pid_ <= 0 || await([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, timeout_ms);
  if (!ended) return {};
  pid_ = -1;
  return {.ended = true,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0};
}

void sleep_us(std::int64_t micros) { std::this_thread::sleep_for(std::chrono::microseconds(micros)); }

bool await(const std::function<bool()>& condition, std::int64_t timeout_ms) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    sleep_us(200);
  }
  return true;
}

}  // namespace loam::crash
