#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "loam/vector/graph.hpp"
#include "loam/vector/index_contents_test_support.hpp"
#include "loam/vector/piece_format.hpp"
#include "loam/vector/pieces_test_support.hpp"

namespace loam::vector {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::Eq;
using testing::HasSubstr;
using testing::StartsWith;

/// What was saved, and what the index held then.
struct Saved {
  explicit Saved(const IndexOptions& options = small, std::size_t count = small_count) {
    index = varied_index(options, count);
    index->save(pieces).value();
    vectors = Contents(*index).vectors;
  }
  std::unique_ptr<Index> index;
  MemoryPieces pieces;
  std::map<std::int64_t, std::vector<float>> vectors;
};

const Saved& saved() {
  static const Saved once;
  return once;
}

// Nothing that was not saved, everything that is not reported as lost, exact answers, and a graph in order.
void expect_sound(const LoadedIndex& loaded, const Saved& from, const std::string& where) {
  const Index& index = *loaded.index;
  const Audit audit = index.verify().value();
  ASSERT_TRUE(audit.healthy()) << where << testing::PrintToString(audit.findings);
  ASSERT_EQ(index.size() + loaded.report.vectors_lost, from.vectors.size()) << where;
  std::size_t found = 0;
  for (const auto& [id, vector] : from.vectors) {
    const auto kept = index.find(id);
    if (!kept) continue;
    ++found;
    ASSERT_EQ(*kept, vector) << where;
    const auto hits = index.search(vector, {.k = 1, .ef = 200}).value().neighbours;
    ASSERT_EQ(hits.size(), 1u) << where;
    ASSERT_EQ(hits[0].distance, 0.0F) << where;
  }
  ASSERT_EQ(found, index.size()) << where;
  ASSERT_EQ(index.sequence(), from.index->sequence()) << where;
}

// A damaged head is an error; whatever else is damaged, there is an index.
void expect_recovered(MemoryPieces& pieces, const Saved& from, const std::string& piece, const std::string& where) {
  auto loaded = Index::load(pieces, {});
  if (piece == "head") {
    ASSERT_FALSE(loaded.ok()) << where;
    ASSERT_EQ(loaded.error().code(), ErrorCode::data_corruption) << where << loaded.error().to_string();
    return;
  }
  ASSERT_TRUE(loaded.ok()) << where << loaded.error().to_string();
  ASSERT_EQ(loaded->report.pieces_damaged, 1u) << where;
  ASSERT_THAT(loaded->report.findings, Contains(StartsWith(piece + ":"))) << where;
  expect_sound(*loaded, from, where);
}

TEST(IndexPiecesCorrupt, AnyFlippedByteIsFoundAndRepairedOrReported) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "one thread, and minutes of it";
#endif
  MemoryPieces pieces = saved().pieces;
  for (auto& [name, bytes] : pieces.pieces) {
    // Every byte of what is not all the same, and some of the rest.
    const std::size_t step = name == "head" ? 1 : bytes.size() > 4096 ? 23 : 7;
    for (std::size_t at = 0; at < bytes.size(); at += at < 80 ? 1 : step) {
      bytes[at] ^= std::byte{0x10};
      ASSERT_NO_FATAL_FAILURE(expect_recovered(pieces, saved(), name, name + " byte " + std::to_string(at) + " "));
      bytes[at] ^= std::byte{0x10};
    }
  }
}

TEST(IndexPiecesCorrupt, AnyCutIsFoundAndRepairedOrReported) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "one thread, and minutes of it";
#endif
  MemoryPieces pieces = saved().pieces;
  for (auto& [name, bytes] : pieces.pieces) {
    const MemoryPieces::Bytes whole = bytes;
    for (std::size_t length = 0; length < whole.size(); length += length < 80 ? 1 : 41) {
      bytes.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      ASSERT_NO_FATAL_FAILURE(expect_recovered(pieces, saved(), name, name + " cut at " + std::to_string(length) + " "));
    }
    bytes = whole;
    bytes.push_back(std::byte{0});
    ASSERT_NO_FATAL_FAILURE(expect_recovered(pieces, saved(), name, name + " with a byte too many "));
    bytes = whole;
  }
}

TEST(IndexPiecesCorrupt, AnyMissingPieceIsRepairedOrReported) {
  for (const auto& [name, bytes] : saved().pieces.pieces) {
    MemoryPieces pieces = saved().pieces;
    pieces.pieces.erase(name);
    ASSERT_NO_FATAL_FAILURE(expect_recovered(pieces, saved(), name, "without " + name + " "));
  }
}

TEST(IndexPiecesCorrupt, AnotherPieceInThePlaceOfOneIsFound) {
  const Saved other(IndexOptions{.dimension = 6, .distance = Distance::euclidean, .max_connections = 8, .seed = 2}, 120);
  for (const auto& [name, bytes] : saved().pieces.pieces) {
    if (name == "head") continue;
    MemoryPieces pieces = saved().pieces;
    pieces.pieces.at(name) = other.pieces.pieces.at(name);
    if (pieces.pieces.at(name) == bytes) continue;
    ASSERT_NO_FATAL_FAILURE(expect_recovered(pieces, saved(), name, "another " + name + " "));
  }
}

TEST(IndexPiecesCorrupt, WhatIsLostDependsOnThePiece) {
  const auto load_without = [](const char* piece) {
    MemoryPieces pieces = saved().pieces;
    pieces.piece(piece)[100] ^= std::byte{1};
    return Index::load(pieces, {}).value();
  };

  const LoadedIndex full = load_without("full-0");
  const LoadedIndex slots = load_without("slots-0");
  const LoadedIndex wide = load_without("wide-0");
  const LoadedIndex upper = load_without("upper-1-0");

  EXPECT_EQ(full.report.vectors_lost, saved().vectors.size());
  EXPECT_TRUE(full.report.rebuilt);
  EXPECT_EQ(slots.report.vectors_lost, 0u);
  EXPECT_TRUE(slots.report.rebuilt);
  EXPECT_EQ(slots.index->stats().layers, 2u) << "it is a graph again, with an upper layer";
  EXPECT_FALSE(wide.report.rebuilt) << "wide codes are computed again";
  EXPECT_EQ(wide.report.vectors_lost, 0u);
  EXPECT_TRUE(upper.report.rebuilt);
  EXPECT_EQ(upper.report.vectors_lost, 0u);
}

class LargerIndexCorrupt : public testing::Test {
 protected:
  static constexpr std::size_t count = 5 * 4096 + 50;
  static constexpr std::size_t dimension = 4;

  static const Saved& large() {
    static const Saved once(IndexOptions{.dimension = dimension, .max_connections = 8, .ef_construction = 16}, count);
    return once;
  }
};

TEST_F(LargerIndexCorrupt, KeepsItsGraphWhenAFewVectorsAreLost) {
  MemoryPieces pieces = large().pieces;
  pieces.piece("full-2").pop_back();
  pieces.piece("wide-1").pop_back();

  auto [index, report] = Index::load(pieces, {}).value();

  EXPECT_FALSE(report.rebuilt);
  EXPECT_EQ(report.pieces_damaged, 2u);
  EXPECT_GT(report.vectors_lost, 3000u);
  EXPECT_EQ(index->size() + report.vectors_lost, large().vectors.size());
  Audit audit = index->verify().value();
  EXPECT_TRUE(audit.healthy()) << testing::PrintToString(audit.findings);
  // They are put again, and everything is as it was.
  for (const auto& [id, vector] : large().vectors)
    if (!index->slot_of(id)) index->put(id, vector).value();
  index->maintain().value();
  EXPECT_EQ(index->size(), large().vectors.size());
  audit = index->verify().value();
  EXPECT_TRUE(audit.healthy()) << testing::PrintToString(audit.findings);
  MemoryPieces again = pieces;
  const SaveReport saved_again = index->save_changed(again, report.checkpoint).value();
  EXPECT_TRUE(Index::load(again, {}).value().report.healthy());
  EXPECT_LE(saved_again.pieces_written, saved_again.pieces.size());
}

TEST_F(LargerIndexCorrupt, IsRebuiltWithoutVectorsThatAreLost) {
  MemoryPieces pieces = large().pieces;
  pieces.piece("full-2").pop_back();
  pieces.piece("slots-4").pop_back();

  auto [index, report] = Index::load(pieces, {.threads = 2}).value();

  EXPECT_TRUE(report.rebuilt);
  EXPECT_EQ(index->size() + report.vectors_lost, large().vectors.size());
  EXPECT_EQ(index->stats().slots, index->size()) << "no memory for what is not there";
  EXPECT_TRUE(index->verify().value().healthy());
}

/// Pieces whose contents are wrong while all checksums fit: what only an enemy would write.
class Forgery {
 public:
  Forgery() : pieces(saved().pieces), head(decode_head(pieces.pieces.at("head")).value()) {}

  std::byte* payload(const std::string& piece) {
    MemoryPieces::Bytes& bytes = pieces.piece(piece);
    PieceHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    return bytes.data() + header.payload_offset;
  }
  template <class T>
  void set(const std::string& piece, std::size_t at, T value) {
    std::memcpy(payload(piece) + at, &value, sizeof(T));
  }
  /// The record of the first slot for which `wanted` is true.
  template <class Wanted>
  std::byte* slot_record(Wanted wanted) {
    const PieceEntry& entry = entry_of("slots-0");
    const std::size_t bytes = (entry.bytes - sizeof(PieceHeader)) / head.slot_end;
    for (Slot slot = 0; slot < head.slot_end; ++slot)
      if (std::byte* record = payload("slots-0") + slot * bytes; wanted(record)) return record;
    return nullptr;
  }

  Result<LoadedIndex> load() {
    for (PieceEntry& entry : head.pieces) {
      MemoryPieces::Bytes& bytes = pieces.pieces.at(entry.name());
      PieceHeader header;
      std::memcpy(&header, bytes.data(), sizeof(header));
      PieceDraft draft(static_cast<PieceKind>(entry.kind), entry.layer, entry.number, header.record_count,
                       header.record_bytes);
      std::copy_n(bytes.data() + header.payload_offset, draft.payload().size(), draft.payload().data());
      entry = draft.seal(entry.checkpoint, header.sequence);
      bytes.assign(draft.bytes().begin(), draft.bytes().end());
    }
    pieces.pieces.at("head") = encode_head(head);
    return Index::load(pieces, {});
  }

  PieceEntry& entry_of(const std::string& begin) {
    return *std::find_if(head.pieces.begin(), head.pieces.end(),
                         [&](const PieceEntry& entry) { return entry.name().starts_with(begin + "."); });
  }

  MemoryPieces pieces;
  PieceHead head;
};

constexpr auto is_node = [](const std::byte* record) { return record[0] == std::byte{1}; };
constexpr auto is_member = [](const std::byte* record) { return record[0] == std::byte{2}; };
constexpr auto is_anchor = [](const std::byte* record) {
  std::uint32_t chain = 0;
  std::memcpy(&chain, record + 4, 4);
  return is_node(record) && chain != no_node;
};

TEST(IndexPiecesForged, UnchangedAreWhole) {
  Forgery forgery;
  const auto loaded = forgery.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_TRUE(loaded->report.healthy()) << testing::PrintToString(loaded->report.findings);
}

TEST(IndexPiecesForged, GraphsThatAreNoneAreBuiltAnew) {
  struct Forged {
    const char* what;
    std::function<void(Forgery&)> forge;
  };
  const Forged all[] = {
      {"an edge to nowhere", [](Forgery& f) { std::memset(f.slot_record(is_node) + 8, 0xFE, 3); }},
      {"an edge twice",
       [](Forgery& f) {
         std::byte* record = f.slot_record(is_node);
         std::memcpy(record + 8, record + 11, 3);
       }},
      {"too many edges", [](Forgery& f) { f.slot_record(is_node)[1] = std::byte{9}; }},
      {"a byte of edges", [](Forgery& f) { f.slot_record(is_node)[1] = std::byte{255}; }},
      {"more tree edges than edges", [](Forgery& f) { f.slot_record(is_node)[2] = std::byte{200}; }},
      {"one tree edge less",
       [](Forgery& f) { f.slot_record([](auto* r) { return is_node(r) && r[2] > std::byte{1}; })[2] = std::byte{1}; }},
      {"no parent",
       [](Forgery& f) { f.slot_record([](auto* r) { return is_node(r) && r[2] == std::byte{1}; })[2] = std::byte{0}; }},
      {"another parent",
       [](Forgery& f) {
         std::byte* record =
             f.slot_record([](auto* r) { return is_node(r) && r[2] == std::byte{1} && r[1] > std::byte{1}; });
         std::byte parent[3];
         std::memcpy(parent, record + 8, 3);
         std::memcpy(record + 8, record + 11, 3);
         std::memcpy(record + 11, parent, 3);
       }},
      {"no kind", [](Forgery& f) { f.slot_record(is_node)[0] = std::byte{7}; }},
      {"a vector that is not in the graph", [](Forgery& f) { f.slot_record(is_member)[0] = std::byte{0}; }},
      {"a node that is in the graph as a member", [](Forgery& f) { f.slot_record(is_node)[0] = std::byte{2}; }},
      {"a chain to nowhere", [](Forgery& f) { std::memset(f.slot_record(is_anchor) + 4, 0x7F, 4); }},
      {"a chain of a node", [](Forgery& f) { std::memset(f.slot_record(is_anchor) + 4, 0, 4); }},
      {"a chain that is cut off",
       [](Forgery& f) {
         const Node none = no_node;
         std::memcpy(f.slot_record(is_anchor) + 4, &none, 4);
       }},
      {"a chain that bites its tail",
       [](Forgery& f) {
         Slot first = 0;
         std::memcpy(&first, f.slot_record(is_anchor) + 4, 4);
         const std::size_t bytes = (f.entry_of("slots-0").bytes - sizeof(PieceHeader)) / f.head.slot_end;
         std::memcpy(f.payload("slots-0") + first * bytes + 4, &first, 4);
       }},
      {"a narrow code that is no number",
       [](Forgery& f) {
         const std::size_t bytes = (f.entry_of("slots-0").bytes - sizeof(PieceHeader)) / f.head.slot_end;
         std::memset(f.slot_record(is_node) + bytes - 8, 0xFF, 8);
       }},
      {"a wide code that is no number", [](Forgery& f) { std::memset(f.payload("wide-0"), 0xFF, 16 * 80); }},
      {"another root", [](Forgery& f) { f.head.layers[0].root = f.head.layers[0].root == 0 ? 1 : 0; }},
      {"no root", [](Forgery& f) { f.head.layers[0].root = no_node; }},
      {"another capacity", [](Forgery& f) { f.head.layers[0].capacity = 9; }},
      {"an upper node of no slot",
       [](Forgery& f) {
         const std::size_t bytes = (f.entry_of("upper-1-0").bytes - sizeof(PieceHeader)) / f.head.layers[1].node_end;
         f.set<Slot>("upper-1-0", bytes - 8, f.head.slot_end + 5);
       }},
      {"an upper node of a slot of lower rank",
       [](Forgery& f) {
         const std::size_t bytes = (f.entry_of("upper-1-0").bytes - sizeof(PieceHeader)) / f.head.layers[1].node_end;
         Slot slot = 0;
         std::memcpy(&slot, f.payload("upper-1-0") + bytes - 8, 4);
         slot = slot == 0 ? 1 : slot - 1;
         f.set<Slot>("upper-1-0", bytes - 8, slot);
         f.set<Slot>("upper-1-0", bytes - 4, slot);
       }},
      {"an upper node that leads elsewhere",
       [](Forgery& f) {
         const std::size_t bytes = (f.entry_of("upper-1-0").bytes - sizeof(PieceHeader)) / f.head.layers[1].node_end;
         f.set<Slot>("upper-1-0", bytes - 4, 0x00FFFFF0);
       }},
  };
  for (const Forged& one : all) {
    Forgery forgery;
    one.forge(forgery);

    const auto loaded = forgery.load();

    ASSERT_TRUE(loaded.ok()) << one.what << ": " << loaded.error().to_string();
    EXPECT_TRUE(loaded->report.rebuilt) << one.what;
    EXPECT_EQ(loaded->report.vectors_lost, 0u) << one.what;
    ASSERT_NO_FATAL_FAILURE(expect_sound(*loaded, saved(), one.what));
  }
}

TEST(IndexPiecesForged, VectorsThatAreNoneAreLeftOut) {
  Forgery nan;
  for (Slot slot = 0; slot < nan.head.slot_end; ++slot)
    nan.set("full-0", slot * 40 + 16, std::numeric_limits<float>::quiet_NaN());
  Forgery twice;
  for (Slot slot = 0; slot < twice.head.slot_end; ++slot) twice.set<std::int64_t>("full-0", slot * 40, 1);

  for (Forgery* forgery : {&nan, &twice}) {
    const auto loaded = forgery->load();

    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->index->size(), 0u);
    EXPECT_EQ(loaded->report.vectors_lost, saved().vectors.size());
    EXPECT_TRUE(loaded->index->verify().value().healthy());
  }
}

TEST(IndexPiecesForged, HeadsThatCannotBeAreRefused) {
  struct Forged {
    const char* what;
    std::function<void(PieceHead&)> forge;
  };
  const Forged all[] = {
      {"no dimension", [](PieceHead& h) { h.options.dimension = 0; }},
      {"a huge dimension", [](PieceHead& h) { h.options.dimension = 1u << 30; }},
      {"another dimension", [](PieceHead& h) { h.options.dimension = 7; }},
      {"no such distance", [](PieceHead& h) { h.options.distance = static_cast<Distance>(9); }},
      {"no such elements", [](PieceHead& h) { h.options.elements = static_cast<Elements>(9); }},
      {"no layers", [](PieceHead& h) { h.options.nb_layers = 0; }},
      {"too many layers", [](PieceHead& h) { h.options.nb_layers = 17; }},
      {"many connections", [](PieceHead& h) { h.options.max_connections = 49; }},
      {"many candidates", [](PieceHead& h) { h.options.ef_construction = 1u << 30; }},
      {"codes of 5 bits", [](PieceHead& h) { h.codec.bits = 5; }},
      {"codes of 8 bits, which only manhattan has", [](PieceHead& h) { h.codec.bits = 8; }},
      {"codes of no components", [](PieceHead& h) { h.codec.code_dimension = 0; }},
      {"codes of more components", [](PieceHead& h) { h.codec.code_dimension = 7; }},
      {"a length that is none", [](PieceHead& h) { h.length_max = std::numeric_limits<float>::quiet_NaN(); }},
      {"a centre that is none", [](PieceHead& h) { h.centre[3] = std::numeric_limits<float>::infinity(); }},
      {"more slots than there are", [](PieceHead& h) { h.slot_end = h.layers[0].node_end = 100'000; }},
      {"more slots than there can be", [](PieceHead& h) { h.slot_end = h.layers[0].node_end = 1u << 24; }},
      {"fewer slots", [](PieceHead& h) { h.slot_end = h.layers[0].node_end = 64; }},
      {"vectors beyond its slots", [](PieceHead& h) { h.live.back() = ~std::uint64_t{0}; }},
      {"another number of vectors", [](PieceHead& h) { ++h.live_count; }},
      {"a root beyond its nodes", [](PieceHead& h) { h.layers[1].root = h.layers[1].node_end; }},
      {"a capacity of 200", [](PieceHead& h) { h.layers[0].capacity = 200; }},
      {"more nodes above than it has pieces of", [](PieceHead& h) { h.layers[1].node_end = 1u << 20; }},
      {"a change that there cannot be", [](PieceHead& h) { h.sequence = ~std::uint64_t{0}; }},
      {"a piece less", [](PieceHead& h) { h.pieces.pop_back(); }},
      {"a piece more", [](PieceHead& h) { h.pieces.push_back(h.pieces.back()); }},
      {"pieces in another order", [](PieceHead& h) { std::swap(h.pieces[0], h.pieces[1]); }},
      {"a piece of another kind", [](PieceHead& h) { h.pieces[0].kind = 9; }},
      {"a piece of a later checkpoint", [](PieceHead& h) { h.pieces[0].checkpoint = h.checkpoint + 1; }},
      {"a graph, but not said so", [](PieceHead& h) { h.has_graph = false; }},
  };
  for (const Forged& one : all) {
    MemoryPieces pieces = saved().pieces;
    PieceHead head = decode_head(pieces.pieces.at("head")).value();
    one.forge(head);
    pieces.pieces.at("head") = encode_head(head);

    const auto loaded = Index::load(pieces, {});

    ASSERT_FALSE(loaded.ok()) << one.what;
    EXPECT_EQ(loaded.error().code(), ErrorCode::data_corruption) << one.what << loaded.error().to_string();
  }
}

TEST(IndexPiecesForged, TakeNoMemoryForWhatIsNotThere) {
  PieceHead head = Forgery().head;
  head.options.dimension = head.codec.dimension = head.codec.code_dimension = 65'536;
  head.centre.resize(65'536);
  head.slot_end = head.layers[0].node_end = slot_count_max;
  head.layers[1].node_end = head.layers[2].node_end = slot_count_max;
  head.live.assign((head.slot_end + 63) / 64, ~std::uint64_t{0});
  head.live.back() >>= 64 - head.slot_end % 64;
  head.live_count = head.slot_end;
  head.pieces.clear();
  const auto add = [&](PieceKind kind, std::uint8_t layer) {
    for (std::uint32_t number = 0; number < 4096; ++number)
      head.pieces.push_back({static_cast<std::uint8_t>(kind), layer, 0, number, 1, ~std::uint64_t{0}, number});
  };
  add(PieceKind::full, 0);
  add(PieceKind::slots, 0);
  add(PieceKind::wide, 0);
  add(PieceKind::upper, 1);
  add(PieceKind::upper, 2);
  MemoryPieces pieces;
  pieces.pieces["head"] = encode_head(head);
  rlimit former;
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &former), 0);
  // One piece of these vectors would be 1 GiB, all of them 4 TiB.
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const std::size_t addresses = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const rlimit tight{addresses + (std::size_t{1} << 29), former.rlim_max};
  if (addresses < std::size_t{1} << 40) {  // sanitizers have more
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &tight), 0);
  }

  const auto loaded = Index::load(pieces, {});
  ::setrlimit(RLIMIT_AS, &former);

  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(loaded->report.vectors_lost, head.slot_end);
  EXPECT_EQ(loaded->report.pieces_damaged, 4096u);
  EXPECT_EQ(loaded->report.findings.size(), 20u);
  EXPECT_EQ(loaded->index->size(), 0u);
  EXPECT_LT(loaded->index->stats().memory_bytes, 1u << 20);
}

TEST(IndexPiecesForged, ExtremeCodesHoldNothingUp) {
  Forgery forgery;
  const std::size_t bytes = (forgery.entry_of("slots-0").bytes - sizeof(PieceHeader)) / forgery.head.slot_end;
  const std::size_t wide_bytes = (forgery.entry_of("wide-0").bytes - 4096) / forgery.head.slot_end;
  for (Slot slot = 0; slot < forgery.head.slot_end; ++slot) {
    forgery.set("slots-0", (slot + 1) * bytes - 8, 1e38F);
    forgery.set("slots-0", (slot + 1) * bytes - 4, 1e20F);
    forgery.set("wide-0", slot * wide_bytes, 1e18F);
    forgery.set("wide-0", slot * wide_bytes + 4, 1e38F);
  }

  auto loaded = forgery.load();

  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(loaded->report.healthy());
  for (const float value : {0.0F, 1.0F, -3e38F, 3e38F, 1e-38F}) {
    std::vector<float> vector(6, value);
    vector[2] = 1;
    loaded->index->put(static_cast<std::int64_t>(value), vector).value();
    EXPECT_EQ(loaded->index->search(vector, {.k = 1}).value().neighbours.size(), 1u);
  }
  const Audit audit = loaded->index->verify().value();
  EXPECT_GT(audit.wrong_codes, 0u) << "those that were forged";
  EXPECT_EQ(audit.unreachable + audit.without_in_edge + audit.dangling_edges + audit.wrong_ids, 0u);
}

TEST(IndexPiecesForged, ANewerFormatIsNotTouched) {
  MemoryPieces pieces = saved().pieces;
  const MemoryPieces::Bytes bytes = encode_head(decode_head(pieces.pieces.at("head")).value());
  const std::span<const std::byte> payload = std::span<const std::byte>(bytes).subspan(sizeof(PieceHeader));
  PieceDraft draft(payload);
  draft.seal(1, saved().index->sequence(), piece_format_version + 1);
  pieces.pieces.at("head").assign(draft.bytes().begin(), draft.bytes().end());

  const auto loaded = Index::load(pieces, {});

  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code(), ErrorCode::unsupported);
  EXPECT_THAT(loaded.error().message(), HasSubstr("format 2"));
}

TEST(IndexPiecesCorrupt, OfAFlatIndexAreTheVectorsThatAreWhole) {
  auto index = Index::create({.dimension = 3, .flat_max = 20'000}).value();
  const std::vector<float> rows = normal_rows(5000, 3, 2);
  for (std::size_t i = 0; i < 5000; ++i) index->put(static_cast<std::int64_t>(i), std::span(rows).subspan(i * 3, 3)).value();
  MemoryPieces pieces;
  index->save(pieces).value();
  pieces.piece("full-0").pop_back();

  auto [loaded, report] = Index::load(pieces, {}).value();

  EXPECT_EQ(report.vectors_lost, 4096u);
  EXPECT_EQ(loaded->size(), 904u);
  EXPECT_TRUE(loaded->slot_of(4096));
  EXPECT_TRUE(loaded->verify().value().healthy());
}

TEST(IndexPiecesCorrupt, AnErrorOfTheSourceThatIsNoDamageEndsTheLoading) {
  class Unreachable final : public PieceSource {
   public:
    Result<std::optional<std::vector<std::byte>>> read(std::string_view name, std::size_t bytes_max) override {
      if (name.starts_with("slots")) return Error(ErrorCode::unavailable, "the server is away");
      return pieces.read(name, bytes_max);
    }
    std::optional<std::filesystem::path> file(std::string_view) override { return std::nullopt; }
    MemoryPieces pieces = saved().pieces;
  };
  Unreachable source;

  EXPECT_EQ(Index::load(source, {}).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace loam::vector
