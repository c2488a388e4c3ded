#pragma once

/// SHA-256 (FIPS 180-4) of bytes and files, by OpenSSL.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Bytes in, digest out. *needs external synchronization*
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// 64 hexadecimal digits; the object is fresh again afterwards.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

/// Reads the whole file in pieces of 1 MiB. not_found, permission_denied, unavailable (the read failed).
Result<std::string> sha256_file_hex(const std::string& path);

}  // namespace loam
