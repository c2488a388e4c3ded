#include "loam/adapters/openai/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "loam/core/assert.hpp"

namespace loam::test {

ServerReply answer(int status, const std::string& body, const std::string& headers) {
  return {"HTTP/1.1 " + std::to_string(status) + " Scripted\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body,
          false, false};
}

ServerReply embeddings(const ServerRequest& request) {
  const auto asked = nlohmann::json::parse(request.body);
  nlohmann::json data = nlohmann::json::array();
  for (const auto& text : asked.at("input")) {
    double sum = 1;
    for (const unsigned char c : text.get<std::string>()) sum = sum * 31 + c - 1e6 * static_cast<int>(sum / 1e6 * 31);
    data.push_back({{"object", "embedding"}, {"index", data.size()}, {"embedding", {1.0, sum / 1e6, -0.5, sum / 3e6}}});
  }
  return answer(200, nlohmann::json{{"object", "list"}, {"data", data}, {"model", asked.at("model")}}.dump());
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  // A proxy in the environment must not see loopback.
  ::setenv("no_proxy", "127.0.0.1", 1);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  LOAM_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  LOAM_ASSERT(::listen(listener_, 16) == 0, "listen");
  LOAM_ASSERT(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

ScriptedServer::~ScriptedServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  for (const int connection : connections_) ::close(connection);
  ::close(listener_);
}

std::string ScriptedServer::url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }

std::vector<ServerRequest> ScriptedServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t ScriptedServer::connection_count() const {
  std::lock_guard lock(mutex_);
  return connections_.size();
}

void ScriptedServer::accept_connections() {
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard lock(mutex_);
    if (connection < 0 || stopping_) {
      if (connection >= 0) ::close(connection);
      return;
    }
    connections_.push_back(connection);
    threads_.emplace_back([this, connection] { serve(connection); });
  }
}

void ScriptedServer::serve(int connection) {
  std::string buffer;
  for (ServerRequest request; read_request(connection, buffer, request); request = {}) {
    const ServerReply reply = script_(request);
    for (std::size_t sent = 0; sent < reply.bytes.size();) {
      const auto count = ::send(connection, reply.bytes.data() + sent, reply.bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
    char ignored[256];
    while (reply.stall && ::recv(connection, ignored, sizeof(ignored), 0) > 0) {
    }
    if (reply.close || reply.stall) break;
  }
  ::shutdown(connection, SHUT_RDWR);
}

bool ScriptedServer::read_request(int connection, std::string& buffer, ServerRequest& request) {
  const auto receive = [&] {
    char piece[4096];
    const auto count = ::recv(connection, piece, sizeof(piece), 0);
    if (count > 0) buffer.append(piece, static_cast<std::size_t>(count));
    return count > 0;
  };
  std::size_t head_end;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!receive()) return false;
  request.head = buffer.substr(0, head_end + 2);
  const auto length_at = request.head.find("Content-Length: ");
  const std::size_t length = length_at == std::string::npos ? 0 : std::stoul(request.head.substr(length_at + 16));
  while (buffer.size() < head_end + 4 + length)
    if (!receive()) return false;
  request.body = buffer.substr(head_end + 4, length);
  buffer.erase(0, head_end + 4 + length);
  std::lock_guard lock(mutex_);
  request.number = requests_.size();
  requests_.push_back(request);
  return true;
}

}  // namespace loam::test
