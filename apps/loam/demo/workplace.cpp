#include "apps/loam/demo/workplace.hpp"

#include <stdlib.h>

#include <filesystem>

namespace loam::cli {

namespace fs = std::filesystem;

Result<std::unique_ptr<Workplace>> Workplace::prepare(const std::optional<std::string>& directory, bool keep) {
  std::error_code failure;
  if (!directory) {
    std::string pattern = (fs::temp_directory_path(failure) / "loam-demo-XXXXXX").string();
    if (failure || ::mkdtemp(pattern.data()) == nullptr)
      return Error(ErrorCode::permission_denied, "cannot make a temporary directory").hint("--dir DIR says where to work");
    return std::unique_ptr<Workplace>(new Workplace(pattern, true, keep));
  }
  bool exists = fs::exists(*directory, failure);
  if (exists && (!fs::is_directory(*directory, failure) || !fs::is_empty(*directory, failure)))
    return Error(ErrorCode::already_exists, "\"" + *directory + "\" is not an empty directory");
  if (!exists) fs::create_directories(*directory, failure);
  if (failure)
    return Error(ErrorCode::permission_denied, "cannot use the directory \"" + *directory + "\": " + failure.message());
  return std::unique_ptr<Workplace>(new Workplace(*directory, !exists, keep));
}

Workplace::~Workplace() {
  if (keep_) return;
  std::error_code ignored;
  if (made_) {
    fs::remove_all(directory_, ignored);
    return;
  }
  fs::remove_all(store(), ignored);
  fs::remove_all(backup(), ignored);
}

}  // namespace loam::cli
