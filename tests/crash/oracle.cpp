#include "tests/crash/oracle.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace loam::crash {

static_assert(std::atomic<std::uint8_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free,
              "the file is shared between processes");

Oracle::Oracle(const std::string& path, bool create) {
  int fd = ::open(path.c_str(), create ? O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0600);
  bool sized = fd >= 0 && (!create || ::ftruncate(fd, sizeof(OracleFile)) == 0);
  void* memory = sized ? ::mmap(nullptr, sizeof(OracleFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (memory == MAP_FAILED) {
    std::perror(path.c_str());
    std::exit(2);
  }
  ::close(fd);
  file_ = static_cast<OracleFile*>(memory);  // a new file is all zeros: every state is `none`
}

Oracle::~Oracle() { ::munmap(file_, sizeof(OracleFile)); }

OpState Oracle::state(std::size_t lane, std::uint64_t op) const {
  return static_cast<OpState>(file_->lanes[lane].states[op].load(std::memory_order_acquire));
}

void Oracle::set(std::size_t lane, std::uint64_t op, OpState state) {
  file_->lanes[lane].states[op].store(static_cast<std::uint8_t>(state), std::memory_order_release);
}

void Oracle::set_text(std::size_t lane, std::string_view text) {
  auto& target = file_->lanes[lane];
  std::size_t bytes = std::min(text.size(), text_bytes_max);
  std::memcpy(target.text, text.data(), bytes);
  target.text_bytes.store(static_cast<std::uint32_t>(bytes), std::memory_order_release);
}

std::string Oracle::text(std::size_t lane) const {
  const auto& source = file_->lanes[lane];
  return std::string(source.text, source.text_bytes.load(std::memory_order_acquire));
}

}  // namespace loam::crash
