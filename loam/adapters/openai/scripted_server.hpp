#pragma once

/// An HTTP server on loopback for tests, which does what the test says: answer, stall, or break off. For tests only.

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace loam::test {

struct ServerRequest {
  std::size_t number = 0;  ///< from 0, over all connections
  std::string head;        ///< request line and headers
  std::string body;
};

struct ServerReply {
  std::string bytes;   ///< sent as they are
  bool close = false;  ///< break off after them
  bool stall = false;  ///< say nothing more until the client goes
};

/// A well-formed answer; `headers` are whole lines ending in CR LF.
ServerReply answer(int status, const std::string& body, const std::string& headers = {});

/// The embeddings of the texts of a request, four numbers each, as a good service gives them.
ServerReply embeddings(const ServerRequest& request);

/// Listens on a free port of 127.0.0.1 until it is destroyed; each connection has its thread. *thread-safe*
class ScriptedServer {
 public:
  using Script = std::function<ServerReply(const ServerRequest&)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  /// "http://127.0.0.1:PORT/v1".
  std::string url() const;
  std::vector<ServerRequest> requests() const;
  std::size_t connection_count() const;

 private:
  void accept_connections();
  void serve(int connection);
  bool read_request(int connection, std::string& buffer, ServerRequest& request);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::vector<int> connections_;
  std::vector<ServerRequest> requests_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace loam::test
