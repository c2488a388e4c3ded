#include "loam/core/secret.hpp"

#include <openssl/crypto.h>

namespace loam {

void Secret::wipe() noexcept {
  // Whole capacity: a shorter text may have been assigned over a longer one.
  text_.resize(text_.capacity());
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe();
    text_ = other.text_;
  }
  return *this;
}
Secret::Secret(Secret&& other) noexcept : text_(other.text_) { other.wipe(); }
Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    text_ = other.text_;  // a copy, so that a short text held inside the object is wiped too
    other.wipe();
  }
  return *this;
}
Secret::~Secret() { wipe(); }

std::string to_string(const Secret& secret) { return secret.empty() ? "" : "***"; }

}  // namespace loam
