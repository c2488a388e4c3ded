#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "loam/vector/graph_pieces.hpp"
#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

static_assert(RecordArray::chunk_records == piece_records, "a piece of full vectors is one chunk of them");

constexpr std::size_t findings_max = 20;
/// Above this share of lost vectors a new graph costs less than taking them out of the old one.
constexpr std::size_t lost_part_max = 4;

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::data_corruption || error.code() == ErrorCode::not_found;
}

/// Reads pieces, and takes what is wrong with them into a report.
class PieceReader {
 public:
  PieceReader(PieceSource& source, const LoadOptions& options, LoadReport& report)
      : source_(source), options_(options), report_(report) {}

  /// Nullopt when it is damaged; the span is good until the next call.
  Result<std::optional<std::span<const std::byte>>> read(const PieceWanted& wanted) {
    const std::size_t bytes =
        piece_bytes(static_cast<PieceKind>(wanted.entry.kind), wanted.record_count, wanted.record_bytes);
    auto found = source_.read(wanted.entry.name(), bytes);
    if (!found.ok() && !is_damage(found.error())) return found.error();
    if (!found.ok() || !found.value())
      return note(wanted.entry.name(), found.ok() ? "it is missing" : found.error().message());
    bytes_ = std::move(*found.value());
    return open(wanted, bytes_);
  }

  /// Its payload as the chunk of `records` that begins with `first`: mapped where there is a file, else copied. False when
  /// it is damaged.
  Result<bool> read_into(const PieceWanted& wanted, std::size_t first, RecordArray& records) {
    if (!options_.directory.empty() && records.records_in_chunk() == piece_records) {
      if (const auto file = source_.file(wanted.entry.name())) {
        LOAM_TRY(const std::optional<bool> mapped, map(wanted, *file, first, records));
        if (mapped) return *mapped;
      }
    }
    LOAM_TRY(const auto payload, read(wanted));
    if (!payload) return false;
    for (std::size_t i = 0; i < wanted.record_count; ++i) {
      LOAM_TRY(records.reserve(first + i));
      std::memcpy(records.at(first + i), payload->data() + i * wanted.record_bytes, wanted.record_bytes);
    }
    return true;
  }

  std::nullopt_t note(const std::string& piece, const std::string& what) {
    ++report_.pieces_damaged;
    if (report_.findings.size() < findings_max) report_.findings.push_back(piece + ": " + what);
    return std::nullopt;
  }

 private:
  Result<std::optional<std::span<const std::byte>>> open(const PieceWanted& wanted, std::span<const std::byte> bytes) {
    auto payload = open_piece(bytes, wanted);
    if (!payload.ok()) return note(wanted.entry.name(), payload.error().message());
    return payload.value();
  }

  // Nullopt where it cannot be mapped, but perhaps read.
  Result<std::optional<bool>> map(const PieceWanted& wanted, const std::filesystem::path& file, std::size_t first,
                                  RecordArray& records) {
    std::error_code failed;
    const auto size = std::filesystem::file_size(file, failed);
    if (failed || size != piece_bytes(static_cast<PieceKind>(wanted.entry.kind), wanted.record_count, wanted.record_bytes))
      return std::optional<bool>();
    const std::size_t offset = payload_offset(static_cast<PieceKind>(wanted.entry.kind));
    // What is checked is what is used: at another time its name may be that of another file.
    auto chunk = ChunkMemory::of_file(file, size, offset + piece_records * wanted.record_bytes);
    if (!chunk.ok()) return std::optional<bool>();
    LOAM_TRY(const auto payload, open(wanted, {chunk.value().data(), size}));
    if (!payload) return std::optional(false);
    if (!chunk.value().cut_front(offset).ok()) return std::optional<bool>();
    records.adopt(first / piece_records, std::move(chunk).value());
    LOAM_TRY(records.reserve(first + wanted.record_count - 1));  // which counts them
    return std::optional(true);
  }

  PieceSource& source_;
  const LoadOptions& options_;
  LoadReport& report_;
  std::vector<std::byte> bytes_;
};

Result<PieceHead> read_head(PieceSource& source, const LoadOptions& options) {
  LOAM_TRY(auto bytes, source.read(head_piece_name, head_bytes_max));
  if (!bytes) return data_corruption("there is no head");
  if (bytes->size() > head_bytes_max) return data_corruption("it is larger than any head");
  LOAM_TRY(PieceHead head, decode_head(*bytes));
  if (options.dimension && *options.dimension != head.options.dimension)
    return failed_precondition("the index has vectors of dimension " + std::to_string(head.options.dimension) + ", " +
                               std::to_string(*options.dimension) + " was expected");
  if (options.distance && *options.distance != head.options.distance)
    return failed_precondition("the index is for another distance than was expected");
  head.options.directory = options.directory;
  return head;
}

}  // namespace

/// One loading: full vectors first, for everything else can be made from them.
class Index::Loading {
 public:
  Loading(PieceSource& source, const LoadOptions& options, const Context& context, PieceHead head)
      : options_(options),
        context_(context),
        head_(std::move(head)),
        reader_(source, options, report_),
        state_(std::make_unique<State>(head_.options)) {}

  Result<LoadedIndex> run() {
    report_.checkpoint = head_.checkpoint;
    report_.sequence = head_.sequence;
    report_.pieces = head_.pieces.size() + 1;
    begin();
    LOAM_TRY(read_full());
    bool whole = lost_.empty() || (head_.has_graph && report_.vectors_lost * lost_part_max <= head_.live_count);
    if (whole && head_.has_graph) {
      LOAM_TRY(whole, read_graph());
    }
    if (whole)
      LOAM_TRY(take_over());
    else
      LOAM_TRY(rebuild());
    return LoadedIndex{std::unique_ptr<Index>(new Index(std::move(state_))), std::move(report_)};
  }

 private:
  bool has_vector(Slot slot) const noexcept { return (head_.live[slot >> 6] >> (slot & 63) & 1) != 0; }
  std::size_t count_from(std::size_t first, std::size_t end) const noexcept { return std::min(piece_records, end - first); }
  bool is_lost(Slot slot) const noexcept {
    return std::binary_search(lost_.begin(), lost_.end(), static_cast<Slot>(slot / piece_records * piece_records));
  }

  /// Calls body(wanted, first) for every piece of a kind.
  template <class Body>
  Result<void> for_pieces(PieceKind kind, std::size_t layer, std::size_t record_count, std::size_t record_bytes, Body body) {
    for (const PieceEntry& entry : head_.pieces) {
      if (entry.kind != static_cast<std::uint8_t>(kind) || entry.layer != layer) continue;
      LOAM_TRY(context_.check("loading a vector index"));
      const std::size_t first = std::size_t{entry.number} * piece_records;
      LOAM_TRY(body(PieceWanted{entry, count_from(first, record_count), record_bytes}, static_cast<Slot>(first)));
    }
    return {};
  }

  void keep(const PieceWanted& wanted) { state_->saved.pieces.insert_or_assign(wanted.entry.key(), wanted.entry); }

  Result<void> read_full() {
    FullVectors& full = state_->full;
    return for_pieces(
        PieceKind::full, 0, head_.slot_end, full.record_bytes(), [&](const PieceWanted& wanted, Slot first) -> Result<void> {
          LOAM_TRY(bool good, reader_.read_into(wanted, first, full.records()));
          const Slot last = first + static_cast<Slot>(wanted.record_count);
          if (good && !enter(first, last)) {
            reader_.note(wanted.entry.name(), "it holds a vector that is not finite or not yet there, or an id twice");
            full.release(first / piece_records);
            good = false;
          }
          if (good) {
            keep(wanted);
            return {};
          }
          lost_.push_back(first);
          for (Slot slot = first; slot < last; ++slot) report_.vectors_lost += has_vector(slot) ? 1 : 0;
          return {};
        });
  }

  // Ids of the vectors [first, last) into the map: all of them or none.
  bool enter(Slot first, Slot last) {
    CompactIdMap& ids = state_->ids;
    const auto id_of = state_->id_of();
    Slot slot = first;
    for (; slot < last; ++slot) {
      if (!has_vector(slot)) continue;
      const FullVectors& full = state_->full;
      if (!full.finite(slot) || full.born(slot) > head_.sequence || ids.find(full.id(slot), id_of)) break;
      ids.insert(state_->full.id(slot), slot, id_of);
    }
    if (slot == last) return true;
    while (slot-- > first)
      if (has_vector(slot)) ids.erase(state_->full.id(slot), id_of);
    return false;
  }

  // False when the graph has to be built anew.
  Result<bool> read_graph() {
    auto graph = std::make_unique<Graph>(
        state_->graph_options(), std::make_unique<const Codec>(head_.codec, std::move(head_.centre), head_.length_max),
        state_->full);
    GraphPieces pieces(*graph);
    for (std::size_t i = 0; i < head_.layers.size(); ++i)
      if (head_.layers[i].capacity != pieces.layer(i, 0).capacity) return false;  // of a release that chose otherwise
    LOAM_TRY(const std::vector<PieceWanted> wide_lost, read_wide(pieces));
    LOAM_TRY(bool whole, read_records(pieces));
    if (!whole) return false;
    LOAM_TRY(whole, check_wide(pieces, wide_lost));
    if (!whole) return false;
    if (auto checked = pieces.finish(head_.layers); !checked.ok()) {
      if (!is_damage(checked.error())) return checked.error();
      reader_.note("the graph", checked.error().message());
      return false;
    }
    take_roles(*graph, pieces);
    pieces.forget_changes();
    state_->graph_owner = std::move(graph);
    state_->graph.store(state_->graph_owner.get(), std::memory_order_release);
    return true;
  }

  // Those that are lost. It comes first, because memory that is there already cannot be mapped.
  Result<std::vector<PieceWanted>> read_wide(GraphPieces& pieces) {
    std::vector<PieceWanted> wide_lost;
    LOAM_TRY(for_pieces(PieceKind::wide, 0, head_.slot_end, pieces.wide_bytes(),
                        [&](const PieceWanted& piece, Slot first) -> Result<void> {
                          LOAM_TRY(const bool good, reader_.read_into(piece, first, pieces.wide_records()));
                          if (good)
                            keep(piece);
                          else
                            wide_lost.push_back(piece);
                          return {};
                        }));
    return wide_lost;
  }

  // Slots and upper nodes. They refer to each other, so that without one of the pieces the others are of no use.
  Result<bool> read_records(GraphPieces& pieces) {
    bool whole = true;
    const auto take = [&](const PieceWanted& piece, auto read) -> Result<void> {
      LOAM_TRY(const auto payload, reader_.read(piece));
      whole = whole && payload.has_value();
      if (!whole) return {};
      keep(piece);
      const Result<void> checked = read(*payload);
      if (checked.ok() || !is_damage(checked.error())) return checked;
      reader_.note(piece.entry.name(), checked.error().message());
      whole = false;
      return {};
    };
    LOAM_TRY(for_pieces(PieceKind::slots, 0, head_.slot_end, pieces.slot_bytes(), [&](const PieceWanted& piece, Slot first) {
      return take(piece, [&](std::span<const std::byte> records) {
        return pieces.read_slots(first, piece.record_count, head_.slot_end, records);
      });
    }));
    for (std::size_t i = 1; i < head_.layers.size(); ++i) {
      const Node end = head_.layers[i].node_end;
      LOAM_TRY(for_pieces(PieceKind::upper, i, end, pieces.upper_bytes(i), [&](const PieceWanted& piece, Node first) {
        return take(piece, [&](std::span<const std::byte> records) {
          return pieces.read_upper(i, first, piece.record_count, end, records);
        });
      }));
    }
    for (Slot slot = 0; whole && slot < head_.slot_end; ++slot)
      if (has_vector(slot) && pieces.role(slot) == GraphPieces::Role::unused) {
        reader_.note("the graph", "slot " + std::to_string(slot) + " has a vector and is not in it");
        whole = false;
      }
    return whole;
  }

  // Wide codes that are lost are computed again, which gives the same bytes. False when their vectors are lost, too.
  Result<bool> check_wide(GraphPieces& pieces, const std::vector<PieceWanted>& wide_lost) {
    std::vector<float> vector(state_->options.dimension);
    for (const PieceWanted& piece : wide_lost) {
      const auto first = static_cast<Slot>(piece.entry.number * piece_records);
      if (is_lost(first)) return false;
      for (Slot slot = first; slot < first + piece.record_count; ++slot) {
        if (pieces.role(slot) == GraphPieces::Role::unused) continue;
        state_->full.read(slot, vector.data());
        pieces.encode_wide(slot, vector.data());
      }
    }
    for (Slot slot = 0; slot < head_.slot_end; slot += piece_records)
      if (auto checked = pieces.check_wide(slot, count_from(slot, head_.slot_end)); !checked.ok()) {
        reader_.note("the graph", checked.error().message());
        return false;
      }
    return true;
  }

  // Vectors that are lost have been erased, as it were: their nodes wait to be taken out of the graph.
  void take_roles(Graph& graph, GraphPieces& pieces) {
    const std::uint64_t epoch = state_->epochs.advance();
    for (Slot slot = head_.slot_end; slot-- > 0;) {
      if (has_vector(slot) && !is_lost(slot)) {
        graph.change_state(slot, [&](NodeState state) { return state.with_live(true).with_stamp(head_.sequence); });
      } else if (pieces.role(slot) == GraphPieces::Role::unused) {
        state_->free_slots.push_back(slot);
      } else if (graph.state(slot).chained()) {
        pieces.keep_for_chain(slot);
      } else {
        state_->dead.push_back({slot, epoch});
      }
    }
    state_->waiting.store(state_->dead.size());
  }

  // The rest of the state of an index whose slots stay as they were.
  Result<void> take_over() {
    State& state = *state_;
    // In memory whatever the options say: it is to be filled soon, or never.
    const std::size_t chunk_bytes = state.full.record_bytes() * state.full.records().records_in_chunk();
    for (const Slot first : lost_) {
      LOAM_TRY(ChunkMemory memory, ChunkMemory::anonymous(chunk_bytes));
      state.full.records().adopt(first / piece_records, std::move(memory));
      LOAM_TRY(state.full.reserve(static_cast<Slot>(first + count_from(first, head_.slot_end) - 1)));
    }
    for (Slot slot = head_.slot_end; slot-- > 0;) {
      LOAM_TRY(state.live.reserve(slot));
      const bool here = has_vector(slot) && !is_lost(slot);
      if (here) state.live.set(slot);
      if (head_.has_graph) continue;
      LOAM_TRY(state.flat_states.reserve(slot));
      if (here)
        state.flat_state(slot).store(NodeState().with_live(true).with_stamp(head_.sequence).word());
      else
        state.free_slots.push_back(slot);
    }
    state.slot_end.store(head_.slot_end);
    return {};
  }

  // All vectors that are left into a new index.
  Result<void> rebuild() {
    const std::unique_ptr<State> former = std::exchange(state_, std::make_unique<State>(head_.options));
    former->ids.clear();
    begin();
    State& state = *state_;
    std::vector<float> vector(state.options.dimension);
    for (Slot first = 0; first < head_.slot_end; first += piece_records) {
      if (is_lost(first)) continue;
      LOAM_TRY(context_.check("loading a vector index"));
      for (Slot from = first; from < first + count_from(first, head_.slot_end); ++from) {
        if (!has_vector(from)) continue;
        LOAM_TRY(const Slot slot, state.take_slot());
        const std::int64_t id = former->full.id(from);
        former->full.read(from, vector.data());
        state.full.write(slot, id, vector.data());
        state.full.set_born(slot, head_.sequence);
        state.ids.insert(id, slot, state.id_of());
        state.flat_state(slot).store(NodeState().with_live(true).with_stamp(head_.sequence).word());
        state.live.set(slot);
      }
      former->full.release(first / piece_records);
    }
    report_.rebuilt = true;
    if (head_.has_graph) LOAM_TRY(state.promote_locked(options_.threads, context_));
    return {};
  }

  void begin() {
    state_->sequence = head_.sequence;
    state_->saved.attempt = state_->saved.checkpoint = head_.checkpoint;
  }

  const LoadOptions& options_;
  const Context& context_;
  PieceHead head_;
  LoadReport report_;
  PieceReader reader_;
  std::unique_ptr<State> state_;
  std::vector<Slot> lost_;  // first slots of the full pieces that are, ascending
};

Result<LoadedIndex> Index::load(PieceSource& source, const LoadOptions& options, const Context& context) {
  LOAM_TRY(context.check("loading a vector index"));
  auto head = read_head(source, options);
  if (!head.ok()) return std::move(head).error().frame({"load", "", "the head of a vector index"});
  return Loading(source, options, context, std::move(head).value()).run();
}

}  // namespace loam::vector
