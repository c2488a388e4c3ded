#include "loam/relational/tables_vector_cache.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

namespace loam::relational {
namespace {

/// A transaction with more changes than this loads an index of its own instead of searching beside the shared one.
constexpr std::size_t overlay_rows_max = 20'000;

Result<void> put_stored(vector::FlatIndex& index, std::int64_t row_id, std::string_view bytes, const VectorTable& vectors,
                        std::vector<float>& buffer) {
  auto damaged = [&](const std::string& why) {
    return data_corruption("the vector of row " + std::to_string(row_id) + " in " + vectors.name + " " + why)
        .hint("run a check of the store; update the row's source text to write its vector again");
  };
  if (bytes.size() != index.dimension() * sizeof(float))
    return damaged("has " + std::to_string(bytes.size()) + " bytes; dimension " + std::to_string(index.dimension()) +
                   " has " + std::to_string(index.dimension() * sizeof(float)));
  buffer.resize(index.dimension());  // the bytes of a row lie at any address
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  auto put = index.put(row_id, buffer);
  if (!put.ok()) return damaged("cannot be indexed: " + put.error().message());
  return {};
}

/// Reads (row id, vector or NULL) rows into the index: NULL is a row that has no vector any more.
Result<void> fold(vector::FlatIndex& index, Cursor& cursor, const VectorTable& vectors, const Context& context) {
  constexpr int rows_between_checks = 1024;
  std::vector<float> buffer;
  for (int rows = 1;; ++rows) {
    LOAM_TRY(bool more, cursor.next());
    if (!more) return {};
    if (rows % rows_between_checks == 0) LOAM_TRY(context.check("load vectors"));
    if (cursor.is_null(1))
      index.erase(cursor.int64(0));
    else
      LOAM_TRY(put_stored(index, cursor.int64(0), cursor.text(1), vectors, buffer));
  }
}

std::string changed_rows_sql(const VectorTable& vectors) {
  return "SELECT changed.row_id, " + vectors.sql +
         ".vector FROM (SELECT DISTINCT row_id FROM loam_changes WHERE table_id = ? AND seq > ?)"
         " AS changed LEFT JOIN " +
         vectors.sql + " ON " + vectors.sql + ".row_id = changed.row_id";
}

std::string all_rows_sql(const VectorTable& vectors) {
  return "SELECT row_id, vector FROM " + vectors.sql + " ORDER BY row_id";
}

bool nearer(const vector::Neighbour& a, const vector::Neighbour& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

}  // namespace

vector::Distance distance_of(Metric metric) {
  switch (metric) {
    case Metric::cosine: return vector::Distance::cosine;
    case Metric::euclidean: return vector::Distance::euclidean;
    case Metric::inner_product: return vector::Distance::inner_product;
    case Metric::manhattan: return vector::Distance::manhattan;
  }
  return vector::Distance::cosine;
}

VectorCache::VectorCache(LayoutPtr layout, std::size_t column)
    : layout_(std::move(layout)),
      vectors_(*layout_->vector_table(column)),
      distance_(distance_of(layout_->schema.columns[column].metric)),
      index_(layout_->schema.columns[column].dimension, distance_) {}

Result<VectorCache::Pin> VectorCache::pin(const TableSession& session, const Context& begin, const Context& context) {
  // The lock comes before the snapshot, so that the index can be behind it but never ahead. After two rounds in which others
  // wrote between the two locks, the search itself runs under the exclusive one: a steady stream of writes cannot starve it.
  constexpr int rounds_max = 3;
  for (int round = 1;; ++round) {
    Pin pin;
    pin.cache_ = this;
    {
      pin.shared_ = std::shared_lock(mutex_);
      LOAM_TRY(pin.snapshot_, session.begin_snapshot(begin));
      LOAM_TRY(ChangeLogState log, read_change_log(*pin.snapshot_, *layout_, context));
      if (log.last == applied_) return pin;
      pin.snapshot_.reset();
      pin.shared_ = {};
    }
    pin.exclusive_ = std::unique_lock(mutex_);
    LOAM_TRY(pin.snapshot_, session.begin_snapshot(begin));
    LOAM_TRY(ChangeLogState log, read_change_log(*pin.snapshot_, *layout_, context));
    LOAM_TRY(catch_up(*pin.snapshot_, log, context));
    if (round == rounds_max) return pin;
  }
}

Result<void> VectorCache::catch_up(SqlSession& snapshot, const ChangeLogState& log, const Context& context) {
  if (log.last == applied_) return {};
  if (applied_ < 0 || applied_ < log.floor) {
    LOAM_TRY(load_all(snapshot, context));
  } else {
    // When this fails half way, applied_ stays: the same rows are read again next time, and no search is answered before.
    LOAM_TRY(auto cursor,
             snapshot.open_cursor(changed_rows_sql(vectors_), std::vector<Value>{layout_->id, applied_}, context));
    LOAM_TRY(fold(index_, *cursor, vectors_, context));
  }
  applied_ = log.last;
  return {};
}

Result<void> VectorCache::load_all(SqlSession& snapshot, const Context& context) {
  applied_ = -1;
  index_.clear();
  LOAM_TRY(auto cursor, snapshot.open_cursor(all_rows_sql(vectors_), {}, context));
  return fold(index_, *cursor, vectors_, context);
}

/// True when the transaction's snapshot holds everything that the index has folded: the log goes in commit order, so seeing
/// the last folded change means seeing all before it.
Result<bool> VectorCache::reaches(SqlSession& transaction, const Context& context) const {
  if (applied_ < 0) return false;
  if (applied_ == 0) return true;
  LOAM_TRY(auto seen,
           transaction.query("SELECT 1 FROM loam_changes WHERE table_id = ? AND seq = ?", {layout_->id, applied_}, context));
  return !seen.rows.empty();
}

void VectorCache::refresh(Database& db, const Context& context) {
  // Best effort, and never for long: the transaction holds a connection, and may hold the last one. What the index lacks is
  // read inside the transaction.
  constexpr std::int64_t connection_timeout_ms = 100;
  Context begin = Context(context).deadline_at(context.deadline_within_ms(connection_timeout_ms));
  (void)pin(TableSession(db), begin, context);
}

Result<vector::FlatSearchResult> VectorCache::search_in(Transaction& transaction, Database& db, std::span<const float> query,
                                                        const vector::FlatSearchOptions& options, const Context& context) {
  refresh(db, context);
  std::shared_lock lock(mutex_);
  LOAM_TRY(ChangeLogState log, read_change_log(transaction, *layout_, context));
  LOAM_TRY(bool usable, reaches(transaction, context));
  vector::FlatIndex own(index_.dimension(), distance_);
  std::unordered_set<std::int64_t> changed;
  if (usable && applied_ >= log.floor && log.last > applied_) {
    LOAM_TRY(auto cursor,
             transaction.open_cursor(changed_rows_sql(vectors_), std::vector<Value>{layout_->id, applied_}, context));
    std::vector<float> buffer;
    for (;;) {
      LOAM_TRY(bool more, cursor->next());
      if (!more) break;
      changed.insert(cursor->int64(0));
      if (!cursor->is_null(1)) LOAM_TRY(put_stored(own, cursor->int64(0), cursor->text(1), vectors_, buffer));
      if (changed.size() > overlay_rows_max) break;
    }
  }
  if (!usable || applied_ < log.floor || changed.size() > overlay_rows_max) {
    lock.unlock();
    own.clear();
    LOAM_TRY(auto cursor, transaction.open_cursor(all_rows_sql(vectors_), {}, context));
    LOAM_TRY(fold(own, *cursor, vectors_, context));
    return own.search(query, options, context);
  }
  if (changed.empty()) return index_.search(query, options, context);

  vector::FlatSearchOptions wider = options;
  wider.k = options.k + changed.size();
  LOAM_TRY(auto base, index_.search(query, wider, context));
  std::erase_if(base.neighbours, [&](const vector::Neighbour& n) { return changed.contains(n.id); });
  LOAM_TRY(auto overlay, own.search(query, options, context));
  base.neighbours.insert(base.neighbours.end(), overlay.neighbours.begin(), overlay.neighbours.end());
  std::sort(base.neighbours.begin(), base.neighbours.end(), nearer);
  if (base.neighbours.size() > options.k) base.neighbours.resize(options.k);
  base.distances_computed += overlay.distances_computed;
  return base;
}

Result<std::vector<std::string>> VectorCache::problems(const TableSession& session, const Context& context) {
  std::vector<std::string> found;
  {
    std::shared_lock lock(mutex_);
    if (applied_ < 0) return found;
  }
  LOAM_TRY(Pin pinned, pin(session, context));
  // What the index would hold for each stored vector, one at a time.
  vector::FlatIndex one(index_.dimension(), distance_);
  std::vector<float> buffer;
  std::size_t rows = 0;
  LOAM_TRY(auto cursor, pinned.snapshot().open_cursor(all_rows_sql(vectors_), {}, context));
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) break;
    ++rows;
    std::int64_t row_id = cursor->int64(0);
    if (!put_stored(one, row_id, cursor->text(1), vectors_, buffer).ok()) continue;  // reported where the rows are checked
    const float* held = index_.find(row_id);
    if (held == nullptr || std::memcmp(held, one.find(row_id), index_.dimension() * sizeof(float)) != 0)
      found.push_back(vectors_.name + ": the index in memory " + (held == nullptr ? "lacks" : "holds another vector for") +
                      " row " + std::to_string(row_id));
    one.erase(row_id);
  }
  if (index_.size() > rows)
    found.push_back(vectors_.name + ": the index in memory holds " + std::to_string(index_.size()) + " vectors, the table " +
                    std::to_string(rows));
  return found;
}

std::size_t VectorCache::bytes() const {
  std::shared_lock lock(mutex_);
  return index_.bytes();
}

std::shared_ptr<VectorCache> VectorCaches::of(const LayoutPtr& layout, std::size_t column) {
  std::lock_guard lock(mutex_);
  auto& cache = caches_[{layout->id, column}];
  if (cache == nullptr) cache = std::make_shared<VectorCache>(layout, column);
  return cache;
}

void VectorCaches::forget(std::int64_t table_id) {
  std::lock_guard lock(mutex_);
  std::erase_if(caches_, [&](const auto& entry) { return entry.first.first == table_id; });
}

std::size_t VectorCaches::bytes() const {
  std::vector<std::shared_ptr<VectorCache>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [_, cache] : caches_) all.push_back(cache);
  }
  std::size_t total = 0;  // outside the lock: a cache that is being loaded keeps its own for long
  for (const auto& cache : all) total += cache->bytes();
  return total;
}

}  // namespace loam::relational
