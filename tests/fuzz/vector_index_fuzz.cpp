/// Pieces of a vector index come from disks and backups, and may have been written by an enemy: then every checksum fits.
/// The input is a list of pieces without headers; headers, checksums, the list of pieces and the sizes that follow from the
/// fields of the head are added here, so that the loader's other checks are reached. An index that is loaded is in order but
/// for its codes, answers, takes changes, and is the same when it is saved and loaded once more.
///
/// Of a piece: kind, layer, 2 bytes of number, 4 bytes of length (as far as there are so many), payload; of the head the
/// payload without its list of pieces.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "loam/vector/adjacency.hpp"
#include "loam/vector/codec.hpp"
#include "loam/vector/piece_format.hpp"
#include "loam/vector/pieces_test_support.hpp"
#include "tests/fuzz/require.hpp"

extern "C" [[gnu::weak]] std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

namespace loam::vector {
namespace {

using fuzz::require;

using Bytes = std::vector<std::byte>;

struct Given {
  PieceKind kind;
  std::uint8_t layer;
  std::uint16_t number;
  Bytes payload;
  std::uint64_t key() const {
    return std::uint64_t{static_cast<std::uint8_t>(kind)} << 40 | std::uint64_t{layer} << 32 | number;
  }
};

constexpr std::size_t given_header_bytes = 8;

std::vector<Given> parse(std::span<const std::byte> input) {
  std::vector<Given> all;
  while (input.size() >= given_header_bytes && all.size() < 16) {
    Given one;
    one.kind = static_cast<PieceKind>(std::to_integer<unsigned>(input[0]) % 5);
    one.layer = std::to_integer<std::uint8_t>(input[1]);
    std::memcpy(&one.number, input.data() + 2, 2);
    std::uint32_t length = 0;
    std::memcpy(&length, input.data() + 4, 4);
    input = input.subspan(given_header_bytes);
    const std::span<const std::byte> payload = input.first(std::min<std::size_t>(length, input.size()));
    one.payload.assign(payload.begin(), payload.end());
    input = input.subspan(payload.size());
    all.push_back(std::move(one));
  }
  return all;
}

Bytes join(const std::vector<Given>& all) {
  Bytes bytes;
  for (const Given& one : all) {
    std::byte header[given_header_bytes] = {static_cast<std::byte>(one.kind), std::byte{one.layer}};
    const auto length = static_cast<std::uint32_t>(one.payload.size());
    std::memcpy(header + 2, &one.number, 2);
    std::memcpy(header + 4, &length, 4);
    bytes.insert(bytes.end(), header, header + given_header_bytes);
    bytes.insert(bytes.end(), one.payload.begin(), one.payload.end());
  }
  return bytes;
}

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

/// Gives the pieces headers, sizes and a list.
class Sealer {
 public:
  explicit Sealer(const std::vector<Given>& given) {
    for (const Given& one : given) given_.emplace(one.key(), one.payload);
  }

  /// False when there is no head to speak of.
  bool seal(MemoryPieces& out) {
    Bytes head = given_[0];
    if (head.size() < sizeof(HeadFields)) return false;
    HeadFields fields;
    std::memcpy(&fields, head.data(), sizeof(fields));
    // What a small input can fill: larger ones are for the tests.
    fields.dimension %= 80;
    fields.slot_end %= 5000;
    fields.ef_construction = std::min(fields.ef_construction, 100u);
    const bool graph = fields.has_graph == 1;
    const std::size_t words = (fields.slot_end + 63) / 64;
    const std::size_t layers_at = sizeof(fields);
    const std::size_t centre_at = layers_at + fields.layer_count * sizeof(PieceLayer);
    const std::size_t live_at = centre_at + (graph ? padded(fields.dimension * sizeof(float)) : 0);
    head.resize(live_at + words * 8);
    std::vector<PieceLayer> layers(fields.layer_count);
    if (!layers.empty()) {
      std::memcpy(layers.data(), head.data() + layers_at, layers.size() * sizeof(PieceLayer));
      layers[0].node_end = fields.slot_end;
      for (std::size_t i = 1; i < layers.size(); ++i) layers[i].node_end %= 500;
      std::memcpy(head.data() + layers_at, layers.data(), layers.size() * sizeof(PieceLayer));
    }
    if (graph && fields.dimension % 2 != 0) std::memset(head.data() + live_at - 4, 0, 4);
    fields.live_count = 0;
    for (std::size_t i = 0; i < words; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, head.data() + live_at + i * 8, 8);
      if (i + 1 == words && fields.slot_end % 64 != 0) word &= (std::uint64_t{1} << (fields.slot_end % 64)) - 1;
      std::memcpy(head.data() + live_at + i * 8, &word, 8);
      fields.live_count += static_cast<std::uint64_t>(std::popcount(word));
    }
    sequence_ = fields.sequence;
    live_count = fields.live_count;

    const std::size_t element = fields.elements == 1 ? 2 : 4;
    add(out, PieceKind::full, 0, fields.slot_end, (16 + fields.dimension * element + 7) / 8 * 8);
    const auto distance = static_cast<Distance>(fields.distance % 4);
    const bool manhattan = distance == Distance::manhattan;
    const bool bits_known =
        manhattan ? fields.codec_bits == 4 || fields.codec_bits == 8 : fields.codec_bits >= 1 && fields.codec_bits <= 4;
    if (graph && fields.dimension > 0 && bits_known && fields.codec_dimension <= fields.dimension && !layers.empty()) {
      CodecOptions options;
      options.dimension = fields.dimension;
      options.distance = distance;
      options.bits = fields.codec_bits;
      options.code_dimension = fields.codec_dimension;
      const Codec codec(options, std::vector<float>(fields.dimension), 1);
      const auto edges = [&](std::size_t layer) { return padded(std::size_t{layers[layer].capacity % 256} * 3); };
      add(out, PieceKind::slots, 0, fields.slot_end, 8 + edges(0) + codec.narrow_bytes());
      add(out, PieceKind::wide, 0, fields.slot_end, codec.wide_bytes());
      for (std::size_t i = 1; i < layers.size(); ++i)
        add(out, PieceKind::upper, static_cast<std::uint8_t>(i), layers[i].node_end, 8 + edges(i) + 8);
    }
    fields.piece_count = static_cast<std::uint32_t>(entries_.size());
    std::memcpy(head.data(), &fields, sizeof(fields));
    const auto* list = reinterpret_cast<const std::byte*>(entries_.data());
    head.insert(head.end(), list, list + entries_.size() * sizeof(PieceEntry));
    PieceDraft draft(head);
    draft.seal(checkpoint, sequence_);
    out.pieces["head"].assign(draft.bytes().begin(), draft.bytes().end());
    return true;
  }

  static constexpr std::uint64_t checkpoint = 3;
  std::size_t live_count = 0;

 private:
  // A piece that was not given is missing.
  void add(MemoryPieces& out, PieceKind kind, std::uint8_t layer, std::size_t record_count, std::size_t record_bytes) {
    for (std::size_t number = 0; number < pieces_for(record_count); ++number) {
      const std::size_t count = std::min(piece_records, record_count - number * piece_records);
      PieceDraft draft(kind, layer, static_cast<std::uint32_t>(number), count, record_bytes);
      const Given place{kind, layer, static_cast<std::uint16_t>(number), {}};
      const auto found = given_.find(place.key());
      if (found != given_.end())
        std::copy_n(found->second.begin(), std::min(found->second.size(), draft.payload().size()), draft.payload().begin());
      entries_.push_back(draft.seal(checkpoint, sequence_));
      if (found != given_.end()) out.write(entries_.back().name(), draft.bytes()).value();
    }
  }

  std::map<std::uint64_t, Bytes> given_;
  std::vector<PieceEntry> entries_;
  std::uint64_t sequence_ = 0;
};

// Codes are taken as they are given: they decide what is looked at, and not what is answered.
void require_in_order(const Index& index, const char* when) {
  const Audit audit = index.verify().value();
  require(audit.unreachable + audit.without_in_edge + audit.dangling_edges + audit.wrong_ids == 0,
          std::string("the index is not in order ") + when + ": " + (audit.findings.empty() ? "" : audit.findings[0]));
}

void search_some(const Index& index) {
  const std::size_t dimension = index.options().dimension;
  for (const float scale : {0.0F, 1.0F, 1e30F}) {
    std::vector<float> query(dimension, scale);
    for (std::size_t i = 0; i < dimension; i += 3) query[i] = -scale / 2;
    const auto found = index.search(query, {.k = 3, .ef = 20}).value();
    require(found.neighbours.size() == std::min<std::size_t>(3, index.size()), "a search found too few");
  }
}

void change_some(Index& index) {
  const std::size_t dimension = index.options().dimension;
  std::vector<float> vector(dimension);
  for (int i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < dimension; ++j) vector[j] = static_cast<float>((i * 7 + static_cast<int>(j) * 3) % 11) - 5;
    if (i == 9) std::fill(vector.begin(), vector.end(), index.options().elements == Elements::f16 ? 6e4F : 3e38F);
    index.put(i * 3, vector).value();
    if (i % 3 == 2) index.erase(i * 3 - 3).value();
  }
  index.maintain().value();
}

void load(const std::vector<Given>& given) {
  MemoryPieces pieces;
  Sealer sealer(given);
  if (!sealer.seal(pieces)) return;
  auto loaded = Index::load(pieces, {});
  if (!loaded.ok()) {
    const ErrorCode code = loaded.error().code();
    require(code == ErrorCode::data_corruption || code == ErrorCode::unsupported, loaded.error().to_string());
    return;
  }
  auto& [index, report] = *loaded;
  require(index->size() + report.vectors_lost == sealer.live_count, "vectors are missing that are not reported");
  require_in_order(*index, "after it was loaded");
  search_some(*index);
  MemoryPieces again;
  index->save(again).value();
  auto second = Index::load(again, {});
  require(second.ok() && second->report.healthy() && !second->report.rebuilt,
          "what was loaded cannot be saved: " + (!second.ok()                      ? second.error().to_string()
                                                 : second->report.findings.empty() ? std::string("it was rebuilt")
                                                                                   : second->report.findings[0]));
  require(second->index->size() == index->size(), "it changed on its way");
  change_some(*index);
  require_in_order(*index, "after changes");
  search_some(*index);
}

// Pieces as they are, to the first reader of their bytes.
void load_raw(std::span<const std::byte> input) {
  MemoryPieces pieces;
  pieces.pieces["head"].assign(input.begin(), input.end());
  auto loaded = Index::load(pieces, {});
  if (loaded.ok()) require_in_order(*loaded->index, "without a piece but the head");
}

}  // namespace
}  // namespace loam::vector

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  loam::vector::load(loam::vector::parse(input));
  loam::vector::load_raw(input);
  return 0;
}

/// Changes one piece and leaves the others in their places.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed) {
  auto given = loam::vector::parse({reinterpret_cast<const std::byte*>(data), size});
  if (given.empty() || seed % 16 == 0) return LLVMFuzzerMutate(data, size, size_max);
  auto& payload = given[seed / 16 % given.size()].payload;
  const std::size_t length = payload.size();
  payload.resize(length + 64);
  payload.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(payload.data()), length, payload.size()));
  const auto bytes = loam::vector::join(given);
  if (bytes.size() > size_max) return LLVMFuzzerMutate(data, size, size_max);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
