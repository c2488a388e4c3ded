#pragma once

/// An index as named pieces of bytes, kept wherever the caller likes: files, blobs, the rows of a store. The pieces of a
/// checkpoint are checked in every byte when they are loaded; what is damaged is made anew from the others, or reported.
/// Format: docs/formats/vector-index.md.
///
///   auto pieces = loam::vector::DirectoryPieces::open("app.index").value();      // directory_pieces.hpp
///   const SaveReport saved = index->save(*pieces).value();
///   pieces->remove_others(saved).value();                                        // what former checkpoints left
///   ..
///   auto [index, report] = Index::load(*pieces, {}).value();
///   if (report.vectors_lost > 0) ..                                              // put them again

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/index.hpp"

namespace [[gnu::visibility("default")]] loam {
namespace vector {

/// The piece that names all others. The only name that is written again.
inline constexpr std::string_view head_piece_name = "head";
inline constexpr std::size_t piece_name_bytes_max = 40;  ///< of lower-case letters, digits, '-' and '.'

/// Takes the pieces of a checkpoint; *needs external synchronization*.
class PieceSink {
 public:
  virtual ~PieceSink() = default;

  /// Keeps a copy of `bytes`. Names hold the number of the checkpoint ("slots-12.7"), so that a piece never takes the place
  /// of one that a former head names; only "head" does, and it comes last: once it is kept, the checkpoint is whole. An
  /// error ends the saving.
  virtual Result<void> write(std::string_view name, std::span<const std::byte> bytes) = 0;
};

/// Gives them back; *needs external synchronization*.
class PieceSource {
 public:
  virtual ~PieceSource() = default;

  /// Nullopt when there is no such piece. Of a piece with more than `bytes_max` bytes only one byte more need be returned.
  /// data_corruption when it cannot be read any more: to the loader it is damaged then. Other errors end the loading.
  virtual Result<std::optional<std::vector<std::byte>>> read(std::string_view name, std::size_t bytes_max) = 0;

  /// A file that holds the piece from its first byte on and that nobody will change or cut, to be mapped instead of read
  /// (it may be unlinked). Nullopt when there is none.
  virtual std::optional<std::filesystem::path> file(std::string_view name) = 0;
};

struct SaveReport {
  std::uint64_t checkpoint = 0;  ///< one more at each attempt; what save_changed() counts from
  std::uint64_t sequence = 0;    ///< the last change that it contains
  std::size_t pieces_written = 0;
  std::size_t bytes_written = 0;
  std::vector<std::string> pieces;  ///< names of all that belong to it, "head" last
};

struct LoadOptions {
  /// As IndexOptions::directory. Where the source has files, full vectors and wide codes are mapped from these: nothing is
  /// copied but the pages that are written, and the kernel may drop the others. Empty: they are read into memory.
  std::filesystem::path directory;
  std::optional<std::size_t> dimension;  ///< failed_precondition when the index has another one
  std::optional<Distance> distance;
  std::size_t threads = 1;  ///< for building the graph anew, where that is needed
};

/// What was damaged, and what became of it.
struct LoadReport {
  std::uint64_t checkpoint = 0;
  std::uint64_t sequence = 0;
  std::size_t pieces = 0;
  std::size_t pieces_damaged = 0;
  std::vector<std::string> findings;  ///< the first 20 damaged pieces: "full-3.7: its checksum does not fit"
  /// The graph was built anew from the full vectors. Slots are others than before.
  bool rebuilt = false;
  /// Vectors of damaged pieces that are not in the index any more: put them again. Which ids they had is not known.
  std::size_t vectors_lost = 0;
  bool healthy() const noexcept { return pieces_damaged == 0; }
};

struct LoadedIndex {
  std::unique_ptr<Index> index;
  LoadReport report;
};

}  // namespace vector
}  // namespace loam
