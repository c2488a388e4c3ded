#include "apps/loam/signals.hpp"

#include <csignal>
#include <cstddef>

namespace loam::cli {
namespace {

Cancellation* interrupted = nullptr;  // set once, before the handlers are; never freed, since a signal may come at any time

extern "C" void on_signal(int signal) {
  if (interrupted->cancelled()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  interrupted->cancel();  // one lock-free atomic store
}

}  // namespace

const Cancellation& install_signal_handlers() {
  static Cancellation& cancellation = *new Cancellation;
  if (interrupted != nullptr) return cancellation;
  interrupted = &cancellation;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: a read() that waits for input returns
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return cancellation;
}

}  // namespace loam::cli
