#pragma once

/// The directory of one demo: found or made at the start, cleared at the end unless it is to be kept.

#include <memory>
#include <optional>
#include <string>

#include "loam/core/result.hpp"

namespace loam::cli {

/// *needs external synchronization*
class Workplace {
 public:
  /// `directory` must be absent or empty (already_exists otherwise); without one a temporary directory is made.
  static Result<std::unique_ptr<Workplace>> prepare(const std::optional<std::string>& directory, bool keep);
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::string directory() const { return directory_; }
  std::string store() const { return directory_ + "/app.loam"; }
  std::string backup() const { return directory_ + "/backup"; }
  bool keeps() const noexcept { return keep_; }

 private:
  Workplace(std::string directory, bool made, bool keep) : directory_(std::move(directory)), made_(made), keep_(keep) {}
  std::string directory_;
  bool made_;  ///< by us: goes as a whole
  bool keep_;
};

}  // namespace loam::cli
