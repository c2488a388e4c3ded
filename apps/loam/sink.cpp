#include "apps/loam/sink.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace loam::cli {
namespace {

constexpr std::size_t buffer_bytes_max = 64u << 10;

}  // namespace

Result<void> Sink::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > buffer_bytes_max) {
    LOAM_TRY(flush());
    if (bytes.size() > buffer_bytes_max) return write_all(bytes);
  }
  buffer_ += bytes;
  return {};
}

Result<void> Sink::flush() {
  std::string pending;
  pending.swap(buffer_);
  Result<void> written = write_all(pending);
  pending.clear();
  if (buffer_.empty()) buffer_.swap(pending);  // keep the allocation
  return written;
}

Result<void> Sink::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    int code = errno;
    closed_ = closed_ || code == EPIPE;
    ErrorCode kind = code == EPIPE    ? ErrorCode::unavailable
                     : code == ENOSPC ? ErrorCode::resource_exhausted
                                      : ErrorCode::internal;
    return Error(kind, "cannot write to " + name_ + ": " + std::strerror(code))
        .native({"errno", std::to_string(code), std::strerror(code)});
  }
  return {};
}

}  // namespace loam::cli
