#include "loam/vector/piece_format.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "loam/vector/index_pieces.hpp"
#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

constexpr char magic[8] = {'L', 'O', 'A', 'M', 'V', 'I', 'D', 'X'};
constexpr std::size_t header_bytes = sizeof(PieceHeader);
constexpr std::size_t page_bytes = 4096;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

std::uint64_t checksum_of(std::span<const std::byte> piece) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, piece.data(), offsetof(PieceHeader, checksum));
  XXH3_64bits_update(&state, piece.data() + header_bytes, piece.size() - header_bytes);
  return XXH3_64bits_digest(&state);
}

Error damaged(std::string what) { return data_corruption(std::move(what)); }

std::string number(std::uint64_t value) { return std::to_string(value); }

/// The header of a piece that is what was written, whatever its version is.
Result<PieceHeader> check_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() < header_bytes) return damaged("it has " + number(bytes.size()) + " bytes, its header alone has 64");
  PieceHeader header;
  std::memcpy(&header, bytes.data(), header_bytes);
  if (std::memcmp(header.magic, magic, sizeof(magic)) != 0) return damaged("it does not begin with LOAMVIDX");
  if (header.checksum != checksum_of(bytes)) return damaged("its checksum does not fit");
  return header;
}

/// Takes values off the front of a payload.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// False when there is not so much.
  template <class T>
  bool read(T* out, std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (padded(bytes) > rest_.size()) return false;
    if (bytes > 0) std::memcpy(out, rest_.data(), bytes);
    const std::span<const std::byte> padding = rest_.subspan(bytes, padded(bytes) - bytes);
    clean_ = clean_ && std::all_of(padding.begin(), padding.end(), [](std::byte byte) { return byte == std::byte{0}; });
    rest_ = rest_.subspan(padded(bytes));
    return true;
  }
  /// The same into a vector, which is not made larger than what is there.
  template <class T>
  bool read(std::vector<T>& out, std::size_t count) {
    if (padded(count * sizeof(T)) > rest_.size()) return false;
    out.resize(count);
    return read(out.data(), count);
  }
  /// Everything was read, and only zeros lay between.
  bool done() const noexcept { return rest_.empty() && clean_; }

 private:
  std::span<const std::byte> rest_;
  bool clean_ = true;
};

template <class T>
void append(std::vector<std::byte>& out, const T* values, std::size_t count) {
  const std::size_t at = out.size();
  out.resize(at + padded(count * sizeof(T)));
  if (count > 0) std::memcpy(out.data() + at, values, count * sizeof(T));
}

Result<void> check_codec(const HeadFields& fields, PieceHead& head) {
  if (fields.codec_version != piece_codec_version)
    return unsupported("its codes are of version " + number(fields.codec_version) + ", this release reads version " +
                       number(piece_codec_version));
  const bool manhattan = head.options.distance == Distance::manhattan;
  const bool bits_known =
      manhattan ? fields.codec_bits == 4 || fields.codec_bits == 8 : fields.codec_bits >= 1 && fields.codec_bits <= 4;
  if (!bits_known) return damaged("its codes have " + number(fields.codec_bits) + " bits");
  if (fields.codec_dimension == 0 || fields.codec_dimension > fields.dimension ||
      (manhattan && fields.codec_dimension != fields.dimension))
    return damaged("its codes have " + number(fields.codec_dimension) + " components");
  if (!std::isfinite(fields.length_max) || fields.length_max < 0) return damaged("its greatest length is no length");
  head.codec.dimension = fields.dimension;
  head.codec.distance = head.options.distance;
  head.codec.bits = fields.codec_bits;
  head.codec.code_dimension = fields.codec_dimension;
  head.codec.seed = fields.codec_seed;
  head.length_max = fields.length_max;
  return {};
}

Result<void> check_fields(const HeadFields& fields, PieceHead& head) {
  if (fields.distance > static_cast<std::uint8_t>(Distance::manhattan) ||
      fields.elements > static_cast<std::uint8_t>(Elements::f16) || fields.has_graph > 1 || fields.zero != 0)
    return damaged("its fields have values that there are not");
  IndexOptions& options = head.options;
  options.dimension = fields.dimension;
  options.distance = static_cast<Distance>(fields.distance);
  options.elements = static_cast<Elements>(fields.elements);
  options.max_connections = fields.max_connections;
  options.ef_construction = fields.ef_construction;
  options.ef_search = fields.ef_search;
  options.nb_layers = fields.layer_count;
  options.code_bits = fields.code_bits;
  options.code_dimension = fields.code_dimension;
  options.flat_max = fields.flat_max;
  options.seed = fields.seed;
  if (auto checked = check_options(options); !checked.ok()) return damaged(checked.error().message());
  if (fields.slot_end > slot_count_max) return damaged("it has " + number(fields.slot_end) + " slots");
  if (fields.sequence > stamp_max) return damaged("it is of change " + number(fields.sequence));
  head.has_graph = fields.has_graph == 1;
  head.slot_end = fields.slot_end;
  head.sequence = fields.sequence;
  head.live_count = fields.live_count;
  if (head.has_graph) return check_codec(fields, head);
  if (fields.codec_version != 0 || fields.codec_bits != 0 || fields.codec_dimension != 0 || fields.length_max != 0 ||
      fields.codec_seed != 0)
    return damaged("it has codes without a graph");
  return {};
}

Result<void> check_lists(const PieceHead& head) {
  if (!std::all_of(head.centre.begin(), head.centre.end(), [](float value) { return std::isfinite(value); }))
    return damaged("its centre is not finite");
  for (std::size_t i = 0; i < head.layers.size(); ++i) {
    const PieceLayer& layer = head.layers[i];
    if (layer.zero != 0 || layer.node_end > slot_count_max || layer.capacity < 8 || layer.capacity > edges_max ||
        (layer.root != no_node && layer.root >= layer.node_end) || (!head.has_graph && layer.root != no_node))
      return damaged("its layers have values that there are not");
    if (layer.node_end != (i == 0 ? head.slot_end : head.has_graph ? layer.node_end : 0))
      return damaged("its layers disagree with its slots");
  }
  std::size_t count = 0;
  for (const std::uint64_t word : head.live) count += static_cast<std::size_t>(std::popcount(word));
  if (count != head.live_count) return damaged("it does not have as many vectors as it says");
  if (head.slot_end % 64 != 0 && (head.live.back() >> (head.slot_end % 64)) != 0)
    return damaged("it has vectors beyond its slots");
  return {};
}

// Exactly the pieces that there must be, in their order.
Result<void> check_pieces(const PieceHead& head) {
  auto entry = head.pieces.begin();
  const auto take = [&](PieceKind kind, std::size_t layer, std::size_t record_count) {
    for (std::size_t i = 0; i < pieces_for(record_count); ++i, ++entry) {
      if (entry == head.pieces.end() || entry->kind != static_cast<std::uint8_t>(kind) || entry->layer != layer ||
          entry->number != i || entry->zero != 0 || entry->checkpoint > head.checkpoint)
        return false;
    }
    return true;
  };
  bool good = take(PieceKind::full, 0, head.slot_end);
  if (head.has_graph) {
    good = good && take(PieceKind::slots, 0, head.slot_end) && take(PieceKind::wide, 0, head.slot_end);
    for (std::size_t i = 1; i < head.layers.size(); ++i) good = good && take(PieceKind::upper, i, head.layers[i].node_end);
  }
  if (!good || entry != head.pieces.end()) return damaged("its list of pieces is not that of its slots");
  return {};
}

}  // namespace

std::string PieceEntry::name() const {
  const std::string rest = std::to_string(number) + "." + std::to_string(checkpoint);
  switch (static_cast<PieceKind>(kind)) {
    case PieceKind::head: break;
    case PieceKind::full: return "full-" + rest;
    case PieceKind::slots: return "slots-" + rest;
    case PieceKind::wide: return "wide-" + rest;
    case PieceKind::upper: return "upper-" + std::to_string(layer) + "-" + rest;
  }
  return std::string(head_piece_name);
}

std::size_t payload_offset(PieceKind kind) noexcept {
  return kind == PieceKind::full || kind == PieceKind::wide ? page_bytes : header_bytes;
}

std::size_t piece_bytes(PieceKind kind, std::size_t record_count, std::size_t record_bytes) noexcept {
  return payload_offset(kind) + record_count * record_bytes;
}

PieceDraft::PieceDraft(PieceKind kind, std::uint8_t layer, std::uint32_t number, std::size_t record_count,
                       std::size_t record_bytes)
    : bytes_(piece_bytes(kind, record_count, record_bytes)) {
  std::memcpy(header_.magic, magic, sizeof(magic));
  header_.kind = static_cast<std::uint8_t>(kind);
  header_.layer = layer;
  header_.number = number;
  header_.payload_bytes = record_count * record_bytes;
  header_.payload_offset = static_cast<std::uint32_t>(payload_offset(kind));
  header_.record_count = static_cast<std::uint32_t>(record_count);
  header_.record_bytes = static_cast<std::uint32_t>(record_bytes);
}

// A head has no records of one size: its payload is one record here, and none in the header.
PieceDraft::PieceDraft(std::span<const std::byte> head) : PieceDraft(PieceKind::head, 0, 0, 1, head.size()) {
  header_.record_count = 0;
  header_.record_bytes = 0;
  std::copy(head.begin(), head.end(), payload().begin());
}

std::span<std::byte> PieceDraft::payload() noexcept { return std::span(bytes_).subspan(header_.payload_offset); }

PieceEntry PieceDraft::seal(std::uint64_t checkpoint, std::uint64_t sequence, std::uint16_t version) {
  header_.version = version;
  header_.checkpoint = checkpoint;
  header_.sequence = sequence;
  std::memcpy(bytes_.data(), &header_, header_bytes);
  header_.checksum = checksum_of(bytes_);
  std::memcpy(bytes_.data(), &header_, header_bytes);
  PieceEntry entry{};
  entry.kind = header_.kind;
  entry.layer = header_.layer;
  entry.number = header_.number;
  entry.checkpoint = checkpoint;
  entry.bytes = bytes_.size();
  entry.checksum = header_.checksum;
  return entry;
}

Result<std::span<const std::byte>> open_piece(std::span<const std::byte> bytes, const PieceWanted& wanted) {
  const PieceEntry& entry = wanted.entry;
  const auto kind = static_cast<PieceKind>(entry.kind);
  if (bytes.size() != entry.bytes)
    return damaged("it has " + number(bytes.size()) + " bytes, the head says " + number(entry.bytes));
  LOAM_TRY(const PieceHeader header, check_bytes(bytes));
  if (header.version != piece_format_version) return damaged("it is of format " + number(header.version));
  if (header.checksum != entry.checksum) return damaged("it is another one than the head names");
  PieceHeader right = header;
  right.kind = entry.kind;
  right.layer = entry.layer;
  right.number = entry.number;
  right.checkpoint = entry.checkpoint;
  right.payload_bytes = wanted.record_count * wanted.record_bytes;
  right.payload_offset = static_cast<std::uint32_t>(payload_offset(kind));
  right.record_count = static_cast<std::uint32_t>(wanted.record_count);
  right.record_bytes = static_cast<std::uint32_t>(wanted.record_bytes);
  right.zero = 0;
  if (std::memcmp(&right, &header, sizeof(header)) != 0) return damaged("its header is not that of its place");
  if (bytes.size() != right.payload_offset + right.payload_bytes)
    return damaged("it has " + number(bytes.size()) + " bytes, its header speaks of " +
                   number(right.payload_offset + right.payload_bytes));
  return bytes.subspan(right.payload_offset);
}

std::vector<std::byte> encode_head(const PieceHead& head) {
  HeadFields fields{};
  fields.dimension = static_cast<std::uint32_t>(head.options.dimension);
  fields.distance = static_cast<std::uint8_t>(head.options.distance);
  fields.elements = static_cast<std::uint8_t>(head.options.elements);
  fields.has_graph = head.has_graph ? 1 : 0;
  fields.layer_count = static_cast<std::uint8_t>(head.options.nb_layers);
  fields.max_connections = static_cast<std::uint32_t>(head.options.max_connections);
  fields.ef_construction = static_cast<std::uint32_t>(head.options.ef_construction);
  fields.ef_search = static_cast<std::uint32_t>(head.options.ef_search);
  fields.code_bits = head.options.code_bits;
  fields.code_dimension = static_cast<std::uint32_t>(head.options.code_dimension);
  fields.slot_end = head.slot_end;
  fields.flat_max = head.options.flat_max;
  fields.seed = head.options.seed;
  fields.sequence = head.sequence;
  fields.live_count = head.live_count;
  if (head.has_graph) {
    fields.codec_version = piece_codec_version;
    fields.codec_bits = head.codec.bits;
    fields.codec_dimension = static_cast<std::uint32_t>(head.codec.code_dimension);
    fields.length_max = head.length_max;
    fields.codec_seed = head.codec.seed;
  }
  fields.piece_count = static_cast<std::uint32_t>(head.pieces.size());
  std::vector<std::byte> payload;
  append(payload, &fields, 1);
  append(payload, head.layers.data(), head.layers.size());
  append(payload, head.centre.data(), head.centre.size());
  append(payload, head.live.data(), head.live.size());
  append(payload, head.pieces.data(), head.pieces.size());
  PieceDraft draft(payload);
  draft.seal(head.checkpoint, head.sequence);
  return {draft.bytes().begin(), draft.bytes().end()};
}

Result<PieceHead> decode_head(std::span<const std::byte> bytes) {
  LOAM_TRY(const PieceHeader header, check_bytes(bytes));
  if (header.version > piece_format_version)
    return unsupported("the index has format " + number(header.version) + ", this release reads formats up to " +
                       number(piece_format_version));
  if (header.version != piece_format_version || header.kind != static_cast<std::uint8_t>(PieceKind::head) ||
      header.layer != 0 || header.number != 0 || header.record_count != 0 || header.record_bytes != 0 || header.zero != 0 ||
      header.payload_offset != header_bytes || header.payload_bytes != bytes.size() - header_bytes)
    return damaged("its header is not that of a head");
  PieceHead head;
  head.checkpoint = header.checkpoint;
  Reader reader(bytes.subspan(header_bytes));
  HeadFields fields;
  if (!reader.read(&fields, 1)) return damaged("it ends too soon");
  LOAM_TRY(check_fields(fields, head));
  if (header.sequence != head.sequence) return damaged("its header is of another change");
  const bool whole = reader.read(head.layers, head.options.nb_layers) &&
                     reader.read(head.centre, head.has_graph ? fields.dimension : 0) &&
                     reader.read(head.live, (static_cast<std::size_t>(fields.slot_end) + 63) / 64) &&
                     reader.read(head.pieces, fields.piece_count) && reader.done();
  if (!whole) return damaged("its lists do not end where it does");
  LOAM_TRY(check_lists(head));
  LOAM_TRY(check_pieces(head));
  return head;
}

}  // namespace loam::vector
