#pragma once

/// Pieces in memory, and an index that has everything a saved one can have. For tests.

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loam/vector/index.hpp"
#include "loam/vector/index_pieces.hpp"
#include "loam/vector/piece_format.hpp"

namespace loam::vector {

/// Keeps pieces in a map; fails to write the one named `fails_at`.
class MemoryPieces final : public PieceSink, public PieceSource {
 public:
  using Bytes = std::vector<std::byte>;

  Result<void> write(std::string_view name, std::span<const std::byte> bytes) override {
    if (name.starts_with(fails_at) && !fails_at.empty())
      return Error(ErrorCode::resource_exhausted, "no room for " + std::string(name));
    written.emplace_back(name);
    pieces.insert_or_assign(std::string(name), Bytes(bytes.begin(), bytes.end()));
    return {};
  }
  Result<std::optional<Bytes>> read(std::string_view name, std::size_t bytes_max) override {
    const auto found = pieces.find(std::string(name));
    if (found == pieces.end()) return std::optional<Bytes>();
    const Bytes& all = found->second;
    return std::optional(Bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), bytes_max + 1))));
  }
  std::optional<std::filesystem::path> file(std::string_view) override { return std::nullopt; }

  /// The only piece of a kind, such as "slots-0".
  Bytes& piece(const std::string& begin) { return pieces.at(name_of(begin)); }
  std::string name_of(const std::string& begin) const {
    std::string found;
    for (const auto& [name, bytes] : pieces)
      if (name == begin || name.starts_with(begin + ".")) found = name;
    return found;
  }

  std::map<std::string, Bytes> pieces;
  std::vector<std::string> written;
  std::string fails_at;
};

inline std::vector<float> normal_rows(std::size_t count, std::size_t dimension, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> rows(count * dimension);
  // The sum of twelve, because std::normal_distribution is another one in each library.
  for (float& value : rows) {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) / 16777216.0F;
    value = sum;
  }
  return rows;
}

/// Of an index that is saved and loaded many times.
inline const IndexOptions small{
    .dimension = 6, .distance = Distance::euclidean, .max_connections = 8, .ef_construction = 16};
inline constexpr std::size_t small_count = 120;

/// `count` vectors, ids from 1000 on, as a graph; some are equal, and some have been erased again.
inline std::unique_ptr<Index> varied_index(const IndexOptions& options, std::size_t count) {
  auto index = Index::create(options).value();
  std::vector<float> rows = normal_rows(count, options.dimension, 7);
  const auto row = [&](std::size_t i) { return std::span(rows).subspan(i * options.dimension, options.dimension); };
  for (std::size_t i = 0; i + 10 < count; i += 10)
    for (std::size_t copy = 1; copy < 1 + i % 4; ++copy) std::copy(row(i).begin(), row(i).end(), row(i + copy).begin());
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = 1000 + static_cast<std::int64_t>(i);
  index->put_many(ids, rows, 1).value();
  index->promote().value();
  for (std::size_t i = 5; i < count; i += 17) index->erase(ids[i]).value();
  // The heads of chains, whose chains stay.
  for (std::size_t i = 10; i < count; i += 60) index->erase(ids[i]).value();
  for (std::size_t i = 0; i < count / 20; ++i) index->put(ids[i * 7 % count], row((i * 13 + 1) % count)).value();
  return index;
}

/// Pieces as the fuzz target of the loader takes them (tests/fuzz/vector_index_fuzz.cpp): kind, layer, number, length and
/// payload of each; of the head without its list.
inline MemoryPieces::Bytes fuzz_input(const MemoryPieces& pieces) {
  MemoryPieces::Bytes input;
  for (const auto& [name, bytes] : pieces.pieces) {
    PieceHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    std::span<const std::byte> payload = std::span(bytes).subspan(header.payload_offset);
    if (name == head_piece_name) {
      HeadFields fields;
      std::memcpy(&fields, payload.data(), sizeof(fields));
      payload = payload.first(payload.size() - fields.piece_count * sizeof(PieceEntry));
    }
    std::byte place[8] = {std::byte{header.kind}, std::byte{header.layer}};
    const auto length = static_cast<std::uint32_t>(payload.size());
    std::memcpy(place + 2, &header.number, 2);
    std::memcpy(place + 4, &length, 4);
    input.insert(input.end(), place, place + 8);
    input.insert(input.end(), payload.begin(), payload.end());
  }
  return input;
}

}  // namespace loam::vector
