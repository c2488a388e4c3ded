#pragma once

/// A private directory and child processes for the tests of this folder.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

namespace loam {

/// Made empty, removed with all that is in it.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/loam-store-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << path_;
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A forked child that runs `work` and ends; killed if it is still there at the end of the test.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<int()>& work) {
    pid_ = ::fork();
    if (pid_ == 0) ::_exit(work());
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    send(SIGKILL);
    (void)wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) { ::kill(pid_, signal); }
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

/// One process says that it is there, another waits for it.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) ADD_FAILURE() << "pipe";
  }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
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

inline std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace loam
