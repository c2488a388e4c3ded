#pragma once

/// The pieces of an index as files of one directory.

#include <filesystem>
#include <memory>
#include <string>

#include "loam/core/result.hpp"
#include "loam/vector/index_pieces.hpp"

namespace [[gnu::visibility("default")]] loam {
namespace vector {

/// For one process at a time; *needs external synchronization*. Errors name the file.
class DirectoryPieces final : public PieceSink, public PieceSource {
 public:
  /// Makes the directory, of mode 0700, when there is none yet; failed_precondition when its parent is missing or the name
  /// is that of something else.
  static Result<std::unique_ptr<DirectoryPieces>> open(const std::filesystem::path& directory);
  ~DirectoryPieces() override;
  DirectoryPieces(const DirectoryPieces&) = delete;
  DirectoryPieces& operator=(const DirectoryPieces&) = delete;

  /// Durable when it returns: written under another name, synced and renamed; before and after "head" the directory is
  /// synced. A process that is killed in between leaves the former checkpoint as it was. resource_exhausted when the disk
  /// is full.
  Result<void> write(std::string_view name, std::span<const std::byte> bytes) override;
  Result<std::optional<std::vector<std::byte>>> read(std::string_view name, std::size_t bytes_max) override;
  std::optional<std::filesystem::path> file(std::string_view name) override;

  /// Deletes the pieces that do not belong to `saved`, which is the last checkpoint (not after a save that failed with
  /// Outcome::unknown: what it wrote may be the last one), and what interrupted writes left. The number of files. Others
  /// than pieces are left alone; maps of deleted ones stay good.
  Result<std::size_t> remove_others(const SaveReport& saved);

 private:
  DirectoryPieces(std::filesystem::path directory, int fd) : directory_(std::move(directory)), fd_(fd) {}

  const std::filesystem::path directory_;
  const int fd_;  // of the directory
};

}  // namespace vector
}  // namespace loam
