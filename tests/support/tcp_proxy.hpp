#pragma once

/// A TCP proxy on 127.0.0.1 that loses what it is told to lose: for tests of broken networks.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loam/core/result.hpp"

namespace loam::test {

/// *thread-safe*
class TcpProxy {
 public:
  /// Forwards each connection made to port() to 127.0.0.1:target_port.
  static Result<std::unique_ptr<TcpProxy>> start(int target_port);
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;
  ~TcpProxy();

  int port() const { return port_; }

  enum class Cut {
    before_the_request_arrives,  ///< the server never sees it
    after_the_reply_was_made,    ///< the server has done it and said so; the reply is lost
  };
  /// Once: closes the connection whose next request contains `text`.
  void cut_at(std::string text, Cut cut);

  /// While frozen nothing is forwarded and nothing is closed: a black hole.
  void freeze(bool frozen);

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool drop_reply = false;
  };

  TcpProxy() = default;
  void run();
  void accept_one();
  bool forward_request(Pair& pair);
  bool forward_reply(Pair& pair);
  void wake();

  int target_port_ = 0;
  int port_ = 0;
  int listener_ = -1;
  int wake_pipe_[2] = {-1, -1};
  std::vector<Pair> pairs_;  ///< the thread's own
  std::mutex mutex_;
  std::optional<std::pair<std::string, Cut>> cut_;
  std::atomic<bool> frozen_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace loam::test
