#pragma once

/// The bytes of the pieces of an index, which docs/formats/vector-index.md describes. Everything that is decoded is taken
/// as hostile. Internal.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "loam/core/result.hpp"
#include "loam/vector/adjacency.hpp"
#include "loam/vector/codec.hpp"
#include "loam/vector/index.hpp"
#include "loam/vector/record_array.hpp"

namespace loam::vector {

static_assert(std::endian::native == std::endian::little, "pieces are little-endian, and are copied as they are");

inline constexpr std::uint16_t piece_format_version = 1;
/// Records of a piece; the last one of its kind may have fewer.
inline constexpr std::size_t piece_records = ChangeMarks::group_records;
static_assert(piece_records == 4096, "it is part of the format");
inline constexpr std::size_t piece_layers_max = 16;

enum class PieceKind : std::uint8_t { head = 0, full = 1, slots = 2, wide = 3, upper = 4 };

/// Begins every piece.
struct PieceHeader {
  char magic[8];                ///< "LOAMVIDX"
  std::uint16_t version;        ///< of the format
  std::uint8_t kind;            ///< PieceKind
  std::uint8_t layer;           ///< of an upper piece, from 1; else 0
  std::uint32_t number;         ///< of the piece among those of its kind (and layer), from 0
  std::uint64_t checkpoint;     ///< at which it was written
  std::uint64_t sequence;       ///< of the index at that time
  std::uint64_t payload_bytes;  ///< record_count * record_bytes, but for the head
  std::uint32_t payload_offset;
  std::uint32_t record_count;  ///< head: 0
  std::uint32_t record_bytes;  ///< head: 0
  std::uint32_t zero;
  std::uint64_t checksum;  ///< XXH3, 64 bits, of all bytes of the piece but these eight
};
static_assert(sizeof(PieceHeader) == 64 && offsetof(PieceHeader, payload_bytes) == 32 &&
              offsetof(PieceHeader, checksum) == 56);

/// An entry of the list of pieces in the head.
struct PieceEntry {
  std::uint8_t kind;
  std::uint8_t layer;
  std::uint16_t zero;
  std::uint32_t number;
  std::uint64_t checkpoint;
  std::uint64_t bytes;
  std::uint64_t checksum;

  /// The list is sorted by it.
  std::uint64_t key() const noexcept { return std::uint64_t{kind} << 40 | std::uint64_t{layer} << 32 | number; }
  /// "slots-12.7", "upper-1-0.7"
  std::string name() const;
};
static_assert(sizeof(PieceEntry) == 32 && offsetof(PieceEntry, checkpoint) == 8);

/// One layer in the head; the first one is the lowest.
struct PieceLayer {
  std::uint32_t root;      ///< no_node when nothing is linked
  std::uint32_t node_end;  ///< the lowest: slot_end
  std::uint32_t capacity;  ///< edges of a node
  std::uint32_t zero;
};
static_assert(sizeof(PieceLayer) == 16);

/// The beginning of a head's payload. After it, each rounded up to 8 bytes: `layer_count` layers; the centre, of `dimension`
/// floats (only with a graph); one bit for each slot that holds a vector; `piece_count` entries.
struct HeadFields {
  std::uint32_t dimension;
  std::uint8_t distance;  ///< Distance
  std::uint8_t elements;  ///< Elements
  std::uint8_t has_graph;
  std::uint8_t layer_count;  ///< nb_layers
  std::uint32_t max_connections;
  std::uint32_t ef_construction;
  std::uint32_t ef_search;
  std::uint32_t code_bits;       ///< as wished for, 0: chosen
  std::uint32_t code_dimension;  ///< the same
  std::uint32_t slot_end;
  std::uint64_t flat_max;
  std::uint64_t seed;
  std::uint64_t sequence;
  std::uint64_t live_count;
  std::uint32_t codec_version;  ///< with a graph; 0 without one, as the next three
  std::uint32_t codec_bits;
  std::uint32_t codec_dimension;
  float length_max;
  std::uint64_t codec_seed;
  std::uint32_t piece_count;
  std::uint32_t zero;
};
static_assert(sizeof(HeadFields) == 96 && offsetof(HeadFields, flat_max) == 32 && offsetof(HeadFields, codec_seed) == 80);

/// Of the codes in slots and wide pieces: a change of what the codec computes needs another one.
inline constexpr std::uint32_t piece_codec_version = 1;

/// What an intact head says, in range and consistent in itself.
struct PieceHead {
  IndexOptions options;
  bool has_graph = false;
  Slot slot_end = 0;
  std::uint64_t checkpoint = 0;
  std::uint64_t sequence = 0;
  CodecOptions codec;
  float length_max = 0;
  std::vector<float> centre;
  std::vector<PieceLayer> layers;  ///< options.nb_layers of them
  std::vector<std::uint64_t> live;
  std::size_t live_count = 0;
  std::vector<PieceEntry> pieces;
};

/// What an index knows of the pieces that it was saved in.
struct SavedPieces {
  std::uint64_t attempt = 0;                   ///< the last checkpoint that was begun
  std::uint64_t checkpoint = 0;                ///< the last one that is whole
  std::map<std::uint64_t, PieceEntry> pieces;  ///< by key: the last one written
};

/// More than any head has.
inline constexpr std::size_t head_bytes_max = std::size_t{8} << 20;

/// Bytes before the payload: where it is to be mapped, a page.
std::size_t payload_offset(PieceKind kind) noexcept;
std::size_t piece_bytes(PieceKind kind, std::size_t record_count, std::size_t record_bytes) noexcept;
constexpr std::size_t pieces_for(std::size_t record_count) noexcept {
  return (record_count + piece_records - 1) / piece_records;
}

/// A piece that is being written: zeros to be filled in, or the payload of a head; then it is sealed.
class PieceDraft {
 public:
  PieceDraft(PieceKind kind, std::uint8_t layer, std::uint32_t number, std::size_t record_count, std::size_t record_bytes);
  explicit PieceDraft(std::span<const std::byte> head);

  std::span<std::byte> payload() noexcept;
  /// Fills in the header. The entry of it for a head.
  PieceEntry seal(std::uint64_t checkpoint, std::uint64_t sequence, std::uint16_t version = piece_format_version);
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  PieceHeader header_{};
  std::vector<std::byte> bytes_;
};

/// What a piece must be, from the head that names it.
struct PieceWanted {
  PieceEntry entry;
  std::size_t record_count;
  std::size_t record_bytes;
};

/// Its payload, when it is exactly that; data_corruption says what is wrong.
Result<std::span<const std::byte>> open_piece(std::span<const std::byte> bytes, const PieceWanted& wanted);

/// The layers are those of `head`; `head.pieces` must be sorted.
std::vector<std::byte> encode_head(const PieceHead& head);

/// data_corruption, or unsupported for an intact one of a newer format.
Result<PieceHead> decode_head(std::span<const std::byte> bytes);

}  // namespace loam::vector
