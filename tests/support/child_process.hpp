#pragma once

/// Forked children of a test, and how they wait for each other.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace loam::test {

/// A forked child that runs `work` and ends with its result; killed if it is still there at the end of the test.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<int()>& work) {
    pid_ = ::fork();
    if (pid_ == 0) ::_exit(work());
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    kill();
    (void)wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  /// The exit code; 128 + signal when it was killed.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

/// One process says that it is there, another waits for it. Make it before the fork.
class ProcessSignal {
 public:
  ProcessSignal() {
    if (::pipe(ends_) != 0) ADD_FAILURE() << "pipe";
  }
  ~ProcessSignal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  ProcessSignal(const ProcessSignal&) = delete;
  ProcessSignal& operator=(const ProcessSignal&) = delete;

  void give() {
    char byte = 1;
    (void)!::write(ends_[1], &byte, 1);
  }
  void await() {
    char byte;
    while (::read(ends_[0], &byte, 1) < 0 && errno == EINTR) {
    }
  }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace loam::test
