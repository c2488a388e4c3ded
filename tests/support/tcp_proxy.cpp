#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

namespace loam::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// What has arrived, at most one buffer; empty at the end of the stream.
std::string receive(int fd) {
  char buffer[65536];
  ssize_t size = recv(fd, buffer, sizeof buffer, 0);
  return std::string(buffer, size > 0 ? static_cast<std::size_t>(size) : 0);
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t size = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<TcpProxy>> TcpProxy::start(int target_port) {
  std::unique_ptr<TcpProxy> proxy(new TcpProxy);
  proxy->target_port_ = target_port;
  proxy->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (proxy->listener_ < 0 || bind(proxy->listener_, generic, size) != 0 || listen(proxy->listener_, 64) != 0 ||
      getsockname(proxy->listener_, generic, &size) != 0 || pipe2(proxy->wake_pipe_, O_CLOEXEC) != 0)
    return Error(ErrorCode::unavailable, std::string("cannot start a proxy: ") + std::strerror(errno));
  proxy->port_ = ntohs(address.sin_port);
  proxy->thread_ = std::thread([raw = proxy.get()] { raw->run(); });
  return proxy;
}

TcpProxy::~TcpProxy() {
  stop_ = true;
  if (thread_.joinable()) {
    wake();
    thread_.join();
  }
  for (const Pair& pair : pairs_) {
    close(pair.client);
    close(pair.server);
  }
  for (int fd : {listener_, wake_pipe_[0], wake_pipe_[1]})
    if (fd >= 0) close(fd);
}

void TcpProxy::wake() { (void)!write(wake_pipe_[1], "w", 1); }

void TcpProxy::cut_at(std::string text, Cut cut) {
  std::lock_guard lock(mutex_);
  cut_ = {std::move(text), cut};
}

void TcpProxy::freeze(bool frozen) {
  frozen_ = frozen;
  wake();
}

void TcpProxy::run() {
  while (!stop_) {
    std::vector<pollfd> entries{{wake_pipe_[0], POLLIN, 0}};
    if (!frozen_) {
      entries.push_back({listener_, POLLIN, 0});
      for (const Pair& pair : pairs_) {
        entries.push_back({pair.client, POLLIN, 0});
        entries.push_back({pair.server, POLLIN, 0});
      }
    }
    if (poll(entries.data(), entries.size(), -1) < 0) continue;
    if (entries[0].revents != 0) {
      char drained[64];
      (void)!read(wake_pipe_[0], drained, sizeof drained);
      continue;  // what was said may forbid what was polled
    }
    std::vector<Pair> open;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      Pair pair = pairs_[i];
      bool alive = (entries[2 + 2 * i].revents == 0 || forward_request(pair)) &&
                   (entries[3 + 2 * i].revents == 0 || forward_reply(pair));
      if (alive) {
        open.push_back(pair);
      } else {
        close(pair.client);
        close(pair.server);
      }
    }
    pairs_ = std::move(open);
    if (entries[1].revents != 0) accept_one();
  }
}

void TcpProxy::accept_one() {
  Pair pair;
  pair.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  pair.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(target_port_);
  if (pair.client >= 0 && connect(pair.server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    pairs_.push_back(pair);
    return;
  }
  if (pair.client >= 0) close(pair.client);
  close(pair.server);
}

/// False when the pair is to be closed.
bool TcpProxy::forward_request(Pair& pair) {
  std::string bytes = receive(pair.client);
  if (bytes.empty()) return false;
  {
    std::lock_guard lock(mutex_);
    if (cut_ && bytes.find(cut_->first) != std::string::npos) {
      bool before = cut_->second == Cut::before_the_request_arrives;
      cut_.reset();
      if (before) return false;
      pair.drop_reply = true;
    }
  }
  return send_all(pair.server, bytes);
}

bool TcpProxy::forward_reply(Pair& pair) {
  std::string bytes = receive(pair.server);
  if (bytes.empty() || pair.drop_reply) return false;
  return send_all(pair.client, bytes);
}

}  // namespace loam::test
