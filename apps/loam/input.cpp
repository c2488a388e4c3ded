#include "apps/loam/input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace loam::cli {
namespace {

constexpr int poll_interval_ms = 100;  // how soon a wait for input sees a cancellation

Error open_error(const std::string& path, int code) {
  ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::not_found
                   : code == EACCES || code == EPERM ? ErrorCode::permission_denied
                                                     : ErrorCode::unavailable;
  return Error(kind, "cannot read \"" + path + "\": " + std::strerror(code))
      .native({"errno", std::to_string(code), std::strerror(code)});
}

}  // namespace

Result<std::unique_ptr<Input>> Input::open(const std::string& path, Context context) {
  bool standard = path == "-";
  int descriptor = standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return open_error(path, errno);
  std::unique_ptr<Input> input(new Input(descriptor, standard ? "standard input" : path, std::move(context)));
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return open_error(path, errno);
  if (S_ISDIR(status.st_mode)) return invalid_argument("\"" + path + "\" is a directory, not a file");
  if (S_ISREG(status.st_mode)) input->bytes_total_ = status.st_size;
  return input;
}

std::unique_ptr<Input> Input::adopt(int descriptor, std::string name, Context context) {
  return std::unique_ptr<Input>(new Input(descriptor, std::move(name), std::move(context)));
}

Input::~Input() {
  if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
}

Result<void> Input::wait_until_readable() {
  for (;;) {
    LOAM_TRY(context_.check("read " + name_));
    if (abandoned_.load()) return Error(ErrorCode::cancelled, "reading " + name_ + " was given up");
    if (bytes_total_) return {};  // a regular file never makes one wait for a person
    pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, poll_interval_ms) > 0) return {};
  }
}

Result<std::size_t> Input::read(char* to, std::size_t capacity) {
  for (;;) {
    LOAM_TRY(wait_until_readable());
    ssize_t count = ::read(descriptor_, to, capacity);
    if (count >= 0) {
      bytes_read_ += count;
      return static_cast<std::size_t>(count);
    }
    if (errno == EINTR || errno == EAGAIN) continue;
    return Error(ErrorCode::unavailable, "reading " + name_ + " failed: " + std::strerror(errno));
  }
}

Result<std::string> read_all(Input& input, std::size_t bytes_max) {
  std::string text;
  char block[64 << 10];
  for (;;) {
    LOAM_TRY(std::size_t count, input.read(block, sizeof block));
    if (count == 0) return text;
    if (text.size() + count > bytes_max)
      return invalid_argument(input.name() + " holds more than " + std::to_string(bytes_max) + " bytes");
    text.append(block, count);
  }
}

}  // namespace loam::cli
