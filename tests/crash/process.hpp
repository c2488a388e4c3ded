#pragma once

/// Starting, killing and awaiting child programs.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace loam::crash {

struct Death {
  bool ended = false;  ///< false: still there after the time
  int signal = 0;      ///< that ended it; 0 when it exited
  int exit_code = 0;
};

/// One child; killed with this object if it is still there. *needs external synchronization*
class Child {
 public:
  /// `kill_at` becomes LOAM_KILL_AT; its standard error is appended to `log`.
  Child(const std::string& program, const std::vector<std::string>& arguments, const std::string& kill_at,
        const std::string& log);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill_now();
  Death await_death(std::int64_t timeout_ms);

 private:
  pid_t pid_ = -1;
};

void sleep_us(std::int64_t micros);
/// Looks every 0.2 ms; false when it did not become true in time.
bool await(const std::function<bool()>& condition, std::int64_t timeout_ms);

}  // namespace loam::crash
