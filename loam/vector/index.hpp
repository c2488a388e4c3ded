#pragma once

/// Nearest neighbours among millions of vectors that come and go: exact while there are few of them, a graph over compact
/// codes above that. What it returns is always ranked by exact distances, of vectors that were there at one moment.
///
///   auto index = loam::vector::Index::create({.dimension = 384}).value();
///   index->put(7, vector).value();
///   for (const Neighbour& hit : index->search(query, {.k = 10}).value().neighbours) ..

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/result.hpp"
#include "loam/vector/flat_index.hpp"
#include "loam/vector/slot_bitmap.hpp"

namespace [[gnu::visibility("default")]] loam {
namespace vector {

enum class Elements : std::uint8_t { f32, f16 };

struct IndexOptions {
  std::size_t dimension = 0;  ///< 1 to 65,536
  Distance distance = Distance::cosine;
  /// Edges of a vector, 8 to 48 (the M of HNSW's upper layers times two). With 26, what a search reads of a vector fills
  /// whole cache lines, 3 with codes of 96 bytes and 4 with 160.
  std::size_t max_connections = 26;
  /// Candidates looked for, the nearest 128 of which may become edges; 16 to 2,000. Where many vectors make the first graph
  /// at once, how often all are divided and compared is proportional to it (24 times with 160).
  std::size_t ef_construction = 160;
  /// About so many nearest are followed by a search that names no ef: where a few answers stand out, half of what it is
  /// beyond k; where all are about as far, up to four times as many. With a filter or a predicate, how many
  /// follows from what passes.
  std::size_t ef_search = 64;
  std::size_t nb_layers = 4;          ///< 1: no upper layers. Each holds 1/32 of the vectors of the one below.
  unsigned code_bits = 0;             ///< of the narrow code, 1 to 4 (manhattan: 4 or 8); 0: by dimension and a probe
  std::size_t code_dimension = 0;     ///< components in the narrow code; 0: those that fit in 160 bytes (320 above 1,536)
  Elements elements = Elements::f32;  ///< how full vectors are kept
  std::size_t flat_max = 4096;        ///< up to so many vectors every search is exact
  std::filesystem::path directory;    ///< where full vectors and wide codes are mapped from; empty: in memory
  std::uint64_t seed = 1;
};

struct SearchOptions {
  std::size_t k = 10;                  ///< at most search_k_max
  std::size_t ef = 0;                  ///< effort, see ef_search; 0: ef_search. At least k is used.
  const SlotBitmap* filter = nullptr;  ///< only these slots; outlives the search
  /// Only ids for which it is true; asked for candidates only. Not together with `filter`.
  std::function<bool(std::int64_t id)> predicate = {};
  bool exact = false;  ///< compare with every vector that passes
};

enum class Plan : std::uint8_t { graph, filtered_graph, scan };

struct SearchResult {
  std::vector<Neighbour> neighbours;  ///< by (distance, id): exact distances; min(k, passing) of them
  std::uint64_t sequence = 0;         ///< the answer is about the state after this change: nothing later, all earlier
  Plan plan = Plan::graph;
  std::size_t estimates = 0;  ///< codes compared
  std::size_t distances = 0;  ///< full vectors compared
};

struct RangeOptions {
  float radius = 0;            ///< distances at most this
  std::size_t limit = 10'000;  ///< the nearest so many
  std::size_t ef = 0;
  const SlotBitmap* filter = nullptr;
  bool exact = false;  ///< compare with every vector that passes
};

struct RangeResult {
  std::vector<Neighbour> neighbours;
  bool limited = false;  ///< there are more than `limit`
  std::uint64_t sequence = 0;
  Plan plan = Plan::graph;
};

/// A change of apply(): a vector, or none to erase.
struct Change {
  std::int64_t id = 0;
  std::optional<std::span<const float>> vector;
};

struct IndexStats {
  std::size_t vectors = 0;
  std::size_t slots = 0;  ///< in use, waiting to be used again, or free
  std::size_t free_slots = 0;
  std::size_t waiting_slots = 0;  ///< erased, not yet repaired or swept
  std::size_t duplicates = 0;     ///< vectors equal to another one, chained to it
  std::size_t layers = 0;         ///< 0: flat
  unsigned code_bits = 0;
  std::size_t memory_bytes = 0;  ///< codes, edges, states and maps
  std::size_t full_bytes = 0;    ///< full vectors, wide codes and ids
  bool full_mapped = false;      ///< full_bytes are file pages, not memory
  std::uint64_t sequence = 0;
};

/// What verify() found; healthy when the five counts are 0.
struct Audit {
  std::size_t live = 0;
  std::size_t unreachable = 0;  ///< live, but on no path from the entry
  std::size_t without_in_edge = 0;
  std::size_t dangling_edges = 0;     ///< to free slots
  std::size_t wrong_ids = 0;          ///< id -> slot -> id does not come back
  std::size_t wrong_codes = 0;        ///< not what its vector gives, or a copy above that differs
  std::vector<std::string> findings;  ///< the first 20, in words
  bool healthy() const noexcept { return unreachable + without_in_edge + dangling_edges + wrong_ids + wrong_codes == 0; }
};

class PieceSink;  // index_pieces.hpp
class PieceSource;
struct SaveReport;
struct LoadOptions;
struct LoadedIndex;

/// *thread-safe*. Searches take no lock; changes run in parallel with each other and with searches. Changes wait while
/// promote(), compact(), verify() or save() has the index, and find(), slot_of() and size() for the moment in which another
/// thread's change becomes visible. Beyond 128 threads that search at the same time the next one waits for one of them.
class Index {
 public:
  /// invalid_argument for options out of range, naming them.
  static Result<std::unique_ptr<Index>> create(IndexOptions options);
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  /// Inserts or replaces; searches that start later find it. The slot it got; an id that has this vector already keeps its
  /// slot. invalid_argument for a wrong dimension, NaN or infinity; resource_exhausted beyond 2^24 slots or without memory:
  /// nothing is changed then.
  Result<Slot> put(std::int64_t id, std::span<const float> vector);
  /// False when it was not there.
  Result<bool> erase(std::int64_t id);
  /// All of them or none, seen by a search all or not at all. `sequence` must be above the one reached
  /// (failed_precondition).
  Result<void> apply(std::span<const Change> changes, std::uint64_t sequence, std::size_t threads = 1);
  /// Many at once, in parallel: `rows` is ids.size() x dimension, row-major. Inserts or replaces. All or none. Where they
  /// make the first graph, that is made of all vectors together, which takes some 600 to 800 bytes more for each until it is
  /// done.
  Result<void> put_many(std::span<const std::int64_t> ids, std::span<const float> rows, std::size_t threads,
                        const Context& context = {});

  Result<SearchResult> search(std::span<const float> query, const SearchOptions& options = {},
                              const Context& context = {}) const;
  /// `queries` is count x dimension, row-major. Answers in the order of the queries.
  Result<std::vector<SearchResult>> search_many(std::span<const float> queries, const SearchOptions& options,
                                                std::size_t threads, const Context& context = {}) const;
  Result<RangeResult> search_range(std::span<const float> query, const RangeOptions& options,
                                   const Context& context = {}) const;

  std::optional<Slot> slot_of(std::int64_t id) const;
  /// The vector as it is kept: normalized for cosine, rounded for f16. Absent: nullopt.
  std::optional<std::vector<float>> find(std::int64_t id) const;
  std::size_t size() const noexcept;
  std::uint64_t sequence() const noexcept;
  const IndexOptions& options() const noexcept;

  /// Repairs around what was erased, sweeps, and makes erased slots usable again. Fails only as the context does: the rest
  /// waits for the next changes.
  Result<void> maintain(const Context& context = {});
  /// Moves vectors out of the last chunks into free slots and gives the memory of emptied chunks back. Slots change.
  Result<void> compact(const Context& context = {});
  /// Flat to graph now, whatever the size; an empty one stays flat, because its codes are to fit the vectors.
  Result<void> promote(std::size_t threads = 1, const Context& context = {});

  /// Writes all of the index, as it is after one change; searches go on meanwhile, changes wait. Errors are those of the
  /// sink: what it got of this checkpoint is then of no use, and former checkpoints are untouched. Types: index_pieces.hpp.
  Result<SaveReport> save(PieceSink& sink, const Context& context = {});
  /// The same where the pieces of an earlier checkpoint are kept: only those that have changed since, and the head.
  /// failed_precondition when this index was not saved as, or loaded from, that checkpoint or a later one.
  Result<SaveReport> save_changed(PieceSink& sink, std::uint64_t since_checkpoint, const Context& context = {});
  /// An index that answers as the saved one did. Pieces that are damaged or missing are made anew from the others, else what
  /// they held is left out; the report says so. data_corruption when the head is damaged or missing, unsupported when a
  /// newer release wrote it, failed_precondition when it is not what the options expect. O(bytes), and building the graph
  /// where it has to be built.
  static Result<LoadedIndex> load(PieceSource& source, const LoadOptions& options, const Context& context = {});

  /// Looks at every edge and id, at the codes of what is live, and whether each live vector can be reached. Changes wait;
  /// searches do not. O(memory), and encodes every live vector anew.
  Result<Audit> verify() const;
  IndexStats stats() const;

 private:
  struct State;
  class Search;
  class Loading;
  friend struct IndexTestAccess;
  explicit Index(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vector
}  // namespace loam
