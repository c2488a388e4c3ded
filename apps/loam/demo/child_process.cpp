#include "apps/loam/demo/child_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace loam::cli {

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::string& program,
                                                          const std::vector<std::string>& arguments,
                                                          const Context& context) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error(ErrorCode::resource_exhausted, std::string("no pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t id = 0;
  int code = ::posix_spawnp(&id, program.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (code != 0) {
    ::close(ends[0]);
    return not_found("cannot run " + program + ": " + std::strerror(code));
  }
  std::unique_ptr<ChildProcess> child(new ChildProcess(id));
  child->output_ = Input::adopt(ends[0], "the output of " + program, context);
  return child;
}

ChildProcess::~ChildProcess() {
  kill();
  wait();
}

void ChildProcess::kill() noexcept {
  if (running_) ::kill(id_, SIGKILL);
}

int ChildProcess::wait() noexcept {
  while (running_) {
    if (::waitpid(id_, &status_, 0) == id_ || errno != EINTR) running_ = false;
  }
  return status_;
}

}  // namespace loam::cli
