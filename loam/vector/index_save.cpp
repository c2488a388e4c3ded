#include <cstring>
#include <string>

#include "loam/vector/graph_pieces.hpp"
#include "loam/vector/index_state.hpp"

namespace loam::vector {
namespace {

/// Writes the pieces of one checkpoint in the order of their keys, and lists them.
class PieceWriter {
 public:
  PieceWriter(PieceSink& sink, SavedPieces& saved, std::uint64_t since, std::uint64_t sequence, const Context& context)
      : sink_(sink), saved_(saved), since_(since), sequence_(sequence), context_(context) {}

  /// All pieces of a kind; `write(first, count, out)` fills in records, in zeros.
  template <class Write>
  Result<void> write(PieceKind kind, std::size_t layer, std::size_t record_count, std::size_t record_bytes,
                     ChangeMarks& changes, Write write) {
    for (std::size_t number = 0; number < pieces_for(record_count); ++number) {
      LOAM_TRY(context_.check("saving a vector index"));
      const std::size_t first = number * piece_records;
      const std::size_t count = std::min(piece_records, record_count - first);
      PieceEntry place{};
      place.kind = static_cast<std::uint8_t>(kind);
      place.layer = static_cast<std::uint8_t>(layer);
      place.number = static_cast<std::uint32_t>(number);
      const auto former = saved_.pieces.find(place.key());
      if (!changes.get(number) && former != saved_.pieces.end() && former->second.checkpoint <= since_ &&
          former->second.bytes == piece_bytes(kind, count, record_bytes)) {
        entries.push_back(former->second);
        continue;
      }
      PieceDraft draft(kind, place.layer, place.number, count, record_bytes);
      write(first, count, draft.payload().data());
      const PieceEntry entry = draft.seal(saved_.attempt, sequence_);
      LOAM_TRY(put(entry.name(), draft.bytes()));
      changes.clear(number);
      saved_.pieces.insert_or_assign(entry.key(), entry);
      entries.push_back(entry);
    }
    return {};
  }

  Result<void> put(const std::string& name, std::span<const std::byte> bytes) {
    LOAM_TRY(sink_.write(name, bytes));
    ++report.pieces_written;
    report.bytes_written += bytes.size();
    return {};
  }

  std::vector<PieceEntry> entries;
  SaveReport report;

 private:
  PieceSink& sink_;
  SavedPieces& saved_;
  const std::uint64_t since_;
  const std::uint64_t sequence_;
  const Context& context_;
};

}  // namespace

// Slots that nothing is to be kept of. With the gate held alone and nothing left to sweep.
SlotBitmap Index::State::unused_slots() {
  SlotBitmap unused(slot_end.load());
  if (flat()) {
    for (Slot slot = 0; slot < slot_end.load(); ++slot)
      if (!live.get(slot)) unused.insert(slot);
    return unused;
  }
  {
    const std::lock_guard lock(slots_mutex);
    for (const Slot slot : free_slots) unused.insert(slot);
  }
  const std::lock_guard lock(retired_mutex);
  for (const Swept& one : swept)
    for (const Slot slot : one.slots) unused.insert(slot);
  return unused;
}

Result<SaveReport> Index::State::save(PieceSink& sink, std::uint64_t since, const Context& context) {
  {
    const std::shared_lock shared(gate);
    LOAM_TRY(maintain_all(context));
  }
  const std::unique_lock alone(gate);
  if (since > saved.checkpoint)
    return failed_precondition("the index was saved last as checkpoint " + std::to_string(saved.checkpoint) +
                               ", there are no changes since " + std::to_string(since));
  while (sweep_some(no_node, Sweep::now)) {
  }
  ++saved.attempt;
  Graph* now = graph.load();

  PieceHead head;
  head.options = options;
  head.has_graph = now != nullptr;
  head.slot_end = slot_end.load();
  head.checkpoint = saved.attempt;
  head.sequence = sequence.load();
  SlotBitmap unused = unused_slots();
  for (Slot slot = 0; slot < head.slot_end; slot += 64) {
    head.live.push_back(live.word(slot >> 6));
    head.live_count += static_cast<std::size_t>(std::popcount(head.live.back()));
  }
  head.layers.resize(options.nb_layers, PieceLayer{no_node, 0, static_cast<std::uint32_t>(options.max_connections), 0});
  head.layers[0].node_end = head.slot_end;

  PieceWriter writer(sink, saved, since, head.sequence, context);
  const std::size_t full_bytes = full.record_bytes();
  LOAM_TRY(writer.write(PieceKind::full, 0, head.slot_end, full_bytes, full.changes(),
                        [&](std::size_t first, std::size_t count, std::byte* out) {
                          for (std::size_t i = 0; i < count; ++i)
                            if (!unused.contains(static_cast<Slot>(first + i)))
                              std::memcpy(out + i * full_bytes, full.records().at(first + i), full_bytes);
                        }));
  if (now != nullptr) {
    head.codec = now->codec().options();
    head.length_max = now->codec().length_max();
    head.centre.assign(now->codec().centre().begin(), now->codec().centre().end());
    GraphPieces pieces(*now);
    LOAM_TRY(writer.write(PieceKind::slots, 0, head.slot_end, pieces.slot_bytes(), pieces.changes(0),
                          [&](std::size_t first, std::size_t count, std::byte* out) {
                            pieces.write_slots(static_cast<Slot>(first), count, unused, out);
                          }));
    LOAM_TRY(writer.write(PieceKind::wide, 0, head.slot_end, pieces.wide_bytes(), now->wide_changes(),
                          [&](std::size_t first, std::size_t count, std::byte* out) {
                            pieces.write_wide(static_cast<Slot>(first), count, unused, out);
                          }));
    for (std::size_t i = 0; i < head.layers.size(); ++i) {
      head.layers[i] = pieces.layer(i, head.slot_end);
      if (i == 0) continue;
      LOAM_TRY(writer.write(PieceKind::upper, i, head.layers[i].node_end, pieces.upper_bytes(i), pieces.changes(i),
                            [&](std::size_t first, std::size_t count, std::byte* out) {
                              pieces.write_upper(i, static_cast<Node>(first), count, out);
                            }));
    }
  }
  head.pieces = std::move(writer.entries);
  LOAM_TRY(writer.put(std::string(head_piece_name), encode_head(head)));
  saved.checkpoint = saved.attempt;

  SaveReport report = std::move(writer.report);
  report.checkpoint = saved.checkpoint;
  report.sequence = head.sequence;
  for (const PieceEntry& entry : head.pieces) report.pieces.push_back(entry.name());
  report.pieces.emplace_back(head_piece_name);
  return report;
}

Result<SaveReport> Index::save(PieceSink& sink, const Context& context) { return state_->save(sink, 0, context); }

Result<SaveReport> Index::save_changed(PieceSink& sink, std::uint64_t since_checkpoint, const Context& context) {
  return state_->save(sink, since_checkpoint, context);
}

}  // namespace loam::vector
