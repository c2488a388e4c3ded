#pragma once

/// A program that runs beside this one, with its standard output in a pipe.

#include <string>
#include <vector>

#include "apps/loam/input.hpp"

namespace loam::cli {

/// *needs external synchronization*
class ChildProcess {
 public:
  /// `program` is looked up in PATH unless it has a slash; `arguments` are without its name. Its standard error goes
  /// nowhere. not_found when there is no such program.
  static Result<std::unique_ptr<ChildProcess>> start(const std::string& program, const std::vector<std::string>& arguments,
                                                     const Context& context);
  /// Kills it when it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// What it prints; may be taken once.
  std::unique_ptr<Input> take_output() { return std::move(output_); }
  int id() const noexcept { return id_; }

  /// SIGKILL: it cannot clean anything up.
  void kill() noexcept;
  /// Waits for its end; the wait status.
  int wait() noexcept;

 private:
  explicit ChildProcess(int id) : id_(id) {}
  int id_;
  bool running_ = true;
  int status_ = 0;
  std::unique_ptr<Input> output_;
};

}  // namespace loam::cli
