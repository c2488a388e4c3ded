#include "loam/core/sha256.hpp"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace loam {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { restart(); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void restart() { LOAM_ASSERT(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256"); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

std::string Sha256::finish_hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest, &size);
  state_->restart();
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += digits[digest[i] >> 4];
    hex += digits[digest[i] & 15];
  }
  return hex;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

Result<std::string> sha256_file_hex(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  auto failed = [&](ErrorCode code) {
    int number = errno;
    return Error(code, "cannot read " + path).native({"errno", std::to_string(number), std::strerror(number)});
  };
  if (!file) {
    if (errno == ENOENT) return failed(ErrorCode::not_found);
    return failed(errno == EACCES ? ErrorCode::permission_denied : ErrorCode::unavailable);
  }
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get())) hash.update({buffer.data(), count});
  if (std::ferror(file.get()) != 0) return failed(ErrorCode::unavailable);
  return hash.finish_hex();
}

}  // namespace loam
