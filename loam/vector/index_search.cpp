#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "loam/core/limits.hpp"
#include "loam/vector/exact.hpp"
#include "loam/vector/index_state.hpp"
#include "loam/vector/values.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

/// A filter that passes at most so many slots is answered by a scan of their codes: below that it costs less than walking
/// the graph past everything the filter refuses (measured; see ARCHITECTURE.md).
constexpr std::size_t scan_max = 24'000;
/// Candidates are refined as long as their estimate, less so many deviations of the error seen, could be among the first k.
constexpr float refine_deviations = 2.5F;
constexpr float exact_deviations = 4.0F;
/// So many measured candidates show how large errors are.
constexpr std::size_t error_sample = 10;
constexpr std::size_t batch = 32;
/// How often a filtered walk looks whether it is in the right place, and from which share of the global pass rate on it is.
constexpr std::size_t expansions_between_looks = 32;
constexpr double poor_share = 0.4;
/// A range search that finds more than this compares everything.
constexpr std::size_t range_walk_max = 2048;

struct Ranked {
  float distance;  // in estimate()'s terms
  Slot slot;
  friend bool operator<(const Ranked& a, const Ranked& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  }
};

/// The k-th smallest of a growing list.
class Threshold {
 public:
  explicit Threshold(std::size_t k) : k_(k) {}
  void add(float value) {
    if (heap_.size() == k_) {
      if (value >= heap_.front()) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = value;
    } else {
      heap_.push_back(value);
    }
    std::push_heap(heap_.begin(), heap_.end());
  }
  float value() const noexcept { return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front(); }

 private:
  std::size_t k_;
  std::vector<float> heap_;
};

/// Mean and deviation of what a coarser distance said too little.
class ErrorSeen {
 public:
  void add(float coarse, float fine) noexcept {
    const double error = static_cast<double>(fine) - static_cast<double>(coarse);
    ++count_;
    sum_ += error;
    squares_ += error * error;
  }
  /// A fine distance is hardly ever below the coarse one plus this.
  float least(float deviations) const noexcept {
    return count_ == 0 ? 0 : static_cast<float>(sum_ / count_) - deviations * deviation();
  }
  float deviation() const noexcept {
    if (count_ == 0) return 0;
    const double mean = sum_ / count_;
    return static_cast<float>(std::sqrt(std::max(0.0, squares_ / count_ - mean * mean)));
  }

 private:
  double count_ = 0;
  double sum_ = 0;
  double squares_ = 0;
};

}  // namespace

/// One search: who may be answered, and the steps from codes to exact distances.
class Index::Search {
 public:
  Search(const State& state, std::span<const float> query, std::size_t k, std::size_t ef, const SlotBitmap* filter,
         const std::function<bool(std::int64_t)>* predicate, const Context& context)
      : state_(state),
        context_(context),
        pin_(state.epochs),
        scratch_(state.scratch_of(pin_)),
        sequence_(state.sequence.load(std::memory_order_acquire)),
        graph_(state.graph.load(std::memory_order_acquire)),
        query_(state.ready(query)),
        exact_query_(state.options.distance, query_),
        wanted_(k),
        k_(state.moving.load() ? 2 * k : k),
        ef_(std::min(std::max(ef, k_), slot_count_max)),
        filter_(filter),
        predicate_(predicate) {}

  Result<SearchResult> run(bool exact) {
    SearchResult result;
    result.sequence = sequence_;
    if (exact || graph_ == nullptr) {
      LOAM_TRY(exact_scan(result));
      return result;
    }
    graph_->codec().prepare(query_.data(), scratch_.query);
    if (filter_ != nullptr && filter_->cardinality() <= scan_max) {
      LOAM_TRY(code_scan(result));
      return result;
    }
    LOAM_TRY(walk(result));
    // Few pass, or what has come since the search began took the place of answers.
    if (result.neighbours.size() < k_) LOAM_TRY(code_scan(result));
    return result;
  }

 private:
  bool wants_predicate() const noexcept { return predicate_ != nullptr && *predicate_; }

  bool passes(Slot slot) const {
    if (filter_ != nullptr && !filter_->contains(slot)) return false;
    return !wants_predicate() || (*predicate_)(state_.full.id(slot));
  }
  bool visible(Slot slot) const { return state_.visible_at(sequence_, slot, state_.state_of(slot)); }
  bool answers(Slot slot) const { return passes(slot) && visible(slot); }

  // Cheap enough for every candidate: the live bit first, the state only where it is off.
  bool admitted(Slot slot) const {
    if (graph_->anchors(slot)) {
      if (answers(slot)) return true;
      bool some = false;
      graph_->for_chain(slot, [&](Slot member) { return !(some = answers(member)); });
      return some;
    }
    if (filter_ != nullptr && !filter_->contains(slot)) return false;
    if (!state_.live.get(slot) && !visible(slot)) return false;
    return !wants_predicate() || (*predicate_)(state_.full.id(slot));
  }

  template <class Body>
  Result<void> for_answers(Body body) {
    const Slot end = state_.slot_end.load(std::memory_order_acquire);
    const std::size_t words = (static_cast<std::size_t>(end) + 63) / 64;
    for (std::size_t i = 0; i < words; ++i) {
      if (i % 256 == 0) LOAM_TRY(context_.check("vector search"));
      std::uint64_t wanted = ~std::uint64_t{0};
      if (filter_ != nullptr) wanted = i < filter_->word_count() ? filter_->words()[i] : 0;
      if (i == words - 1 && end % 64 != 0) wanted &= (std::uint64_t{1} << (end % 64)) - 1;
      if (wanted == 0) continue;
      for (std::uint64_t left = wanted; left != 0; left &= left - 1) {
        const Slot slot = static_cast<Slot>(i * 64 + static_cast<std::size_t>(std::countr_zero(left)));
        if (visible(slot) && (!wants_predicate() || (*predicate_)(state_.full.id(slot)))) body(slot);
      }
    }
    return {};
  }

  Result<void> exact_scan(SearchResult& result) {
    result.plan = Plan::scan;
    Exact exact(*this);
    Slot slots[batch];
    std::size_t count = 0;
    LOAM_TRY(for_answers([&](Slot slot) {
      slots[count++] = slot;
      if (count < batch) return;
      exact.add(slots, count);
      count = 0;
    }));
    exact.add(slots, count);
    result.neighbours = exact.finish();
    result.distances += exact.count();
    return {};
  }

  Result<void> code_scan(SearchResult& result) {
    result.plan = Plan::scan;
    result.neighbours.clear();
    // Enough that the noise of the codes does not push an answer out; refinement stops where it can.
    const std::size_t keep = std::max<std::size_t>({ef_, 8 * k_, 128});
    std::vector<Ranked> best;
    best.reserve(std::min<std::size_t>(2 * keep, state_.slot_end.load(std::memory_order_relaxed)) + batch);
    float bound = std::numeric_limits<float>::infinity();
    Slot slots[2][batch];
    std::size_t filled = 0;
    int current = 0;
    std::size_t waiting = 0;
    const auto score = [&](const Slot* from, std::size_t count) {
      const std::uint8_t* records[batch];
      float distances[batch];
      for (std::size_t i = 0; i < count; ++i) records[i] = graph_->narrow(from[i]);
      graph_->codec().estimate(scratch_.query, records, count, distances);
      result.estimates += count;
      for (std::size_t i = 0; i < count; ++i)
        if (distances[i] < bound) best.push_back({distances[i], from[i]});
      if (best.size() >= 2 * keep) {
        std::nth_element(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(keep - 1), best.end());
        best.resize(keep);
        bound = best.back().distance;
      }
    };
    LOAM_TRY(for_answers([&](Slot slot) {
      graph_->prefetch_narrow(slot);
      slots[current][filled++] = slot;
      if (filled < batch) return;
      if (waiting > 0) score(slots[1 - current], waiting);
      waiting = filled;
      current = 1 - current;
      filled = 0;
    }));
    if (waiting > 0) score(slots[1 - current], waiting);
    if (filled > 0) score(slots[current], filled);
    std::sort(best.begin(), best.end());
    if (best.size() > keep) best.resize(keep);
    rank(best, result);
    return {};
  }

  Result<void> walk(SearchResult& result) {
    graph_->descend(scratch_);
    if (filter_ == nullptr && !wants_predicate()) {
      result.plan = Plan::graph;
      graph_->search(
          scratch_, ef_, 4 * ef_ + 1024, [this](Slot slot) { return admitted(slot); },
          [](Node, const Edges&) { return true; }, result.estimates);
    } else {
      result.plan = Plan::filtered_graph;
      if (!walk_filtered(result)) return {};
    }
    rank(answers_found(), result);
    return {};
  }

  // Everything is walked and only what passes is kept, as long as what passes is found here about as often as everywhere.
  // Where it is not (the filter keeps what is far from the query), the walk goes on among what passes alone: there it lies
  // together, so that the graph between it is dense. Neither may cost more than a scan; false when it would have.
  bool walk_filtered(SearchResult& result) {
    const std::size_t all = std::max<std::size_t>(state_.slot_end.load(std::memory_order_relaxed), 1);
    const std::size_t passing = filter_ != nullptr ? filter_->cardinality() : all;
    const double rate = std::min(1.0, static_cast<double>(passing) / static_cast<double>(all));
    std::size_t offered = 0;
    std::size_t kept = 0;
    std::size_t expanded = 0;
    bool elsewhere = false;
    const auto admit = [&](Slot slot) {
      ++offered;
      const bool good = admitted(slot);
      kept += good ? 1 : 0;
      return good;
    };
    const auto decide = [&](Node, const Edges&) {
      if (++expanded % expansions_between_looks == 0 && filter_ != nullptr)
        elsewhere = static_cast<double>(kept) < rate * poor_share * static_cast<double>(offered);
      return !elsewhere && result.estimates < passing;
    };
    graph_->search(scratch_, ef_, std::numeric_limits<std::size_t>::max(), admit, decide, result.estimates);
    if (!elsewhere) return result.estimates < passing || scratch_.pool.eligible() >= k_;

    sample_passing();
    graph_->search_among(
        scratch_, ef_, [this](Slot slot) { return admitted(slot); },
        [&](Node, const Edges&) { return result.estimates < passing; }, result.estimates);
    return result.estimates < passing;
  }

  // Entries: of some slots that pass, spread over all of them, the nearest ones.
  void sample_passing() {
    constexpr std::size_t sample_count = 256;
    constexpr std::size_t kept_count = 12;
    const std::size_t words =
        std::min<std::size_t>(filter_->word_count(), (state_.slot_end.load(std::memory_order_acquire)) / 64);
    std::vector<Ranked> sample;
    std::size_t word = 0;
    for (std::size_t i = 0; i < sample_count && words > 0; ++i) {
      word = (word + words * 40503 / 65536 + 1) % words;
      for (std::size_t tries = 0; tries < 64 && filter_->words()[word] == 0; ++tries) word = (word + 1) % words;
      const std::uint64_t bits = filter_->words()[word];
      if (bits == 0) continue;
      const Slot slot = static_cast<Slot>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      const NodeState node = graph_->state(slot);
      if (!state_.visible_at(sequence_, slot, node) || node.protected_edges() == Graph::chain_mark || node.closing())
        continue;
      graph_->prefetch_narrow(slot);
      sample.push_back({0, slot});
    }
    for (std::size_t at = 0; at < sample.size(); at += batch) {
      const std::size_t count = std::min(batch, sample.size() - at);
      const std::uint8_t* records[batch];
      float distances[batch];
      for (std::size_t i = 0; i < count; ++i) records[i] = graph_->narrow(sample[at + i].slot);
      graph_->codec().estimate(scratch_.query, records, count, distances);
      for (std::size_t i = 0; i < count; ++i) sample[at + i].distance = distances[i];
    }
    std::sort(sample.begin(), sample.end());
    scratch_.entries.clear();
    for (std::size_t i = 0; i < std::min(kept_count, sample.size()); ++i) scratch_.entries.push_back(sample[i].slot);
  }

  // What the pool holds, with the chains that hang on it.
  std::vector<Ranked> answers_found() const {
    std::vector<Ranked> candidates;
    candidates.reserve(scratch_.pool.items().size());
    for (const Found found : scratch_.pool.items()) {
      if (!found.eligible()) continue;
      const Slot slot = found.node();
      if (!graph_->anchors(slot)) {
        candidates.push_back({found.distance(), slot});
        continue;
      }
      if (answers(slot)) candidates.push_back({found.distance(), slot});
      // k of them are enough: they are all at the same distance.
      std::size_t members = 0;
      graph_->for_chain(slot, [&](Slot member) {
        if (!answers(member)) return true;
        candidates.push_back({found.distance(), member});
        return ++members < k_;
      });
    }
    return candidates;
  }

  /// Exact distances, the k nearest kept.
  class Exact {
   public:
    explicit Exact(Search& search) : search_(search), threshold_(search.k_) {}
    /// Distances of up to `batch` slots, into last().
    void add(const Slot* slots, std::size_t count) {
      search_.distances_to(slots, count, last_);
      count_ += count;
      for (std::size_t i = 0; i < count; ++i) {
        const float seen = narrow(search_.state_.options.distance, last_[i]);
        threshold_.add(seen);
        if (seen <= threshold_.value()) found_.push_back({search_.state_.full.id(slots[i]), seen});
      }
      if (found_.size() > 4 * search_.k_ + 256) cut();
    }
    std::vector<Neighbour> finish() {
      cut();
      if (search_.k_ != search_.wanted_) {
        const auto same = [](const Neighbour& a, const Neighbour& b) { return a.id == b.id; };
        found_.erase(std::unique(found_.begin(), found_.end(), same), found_.end());
        found_.resize(std::min(found_.size(), search_.wanted_));
      }
      return std::move(found_);
    }
    const double* last() const noexcept { return last_; }
    std::size_t count() const noexcept { return count_; }

   private:
    void cut() {
      std::sort(found_.begin(), found_.end(), [](const Neighbour& a, const Neighbour& b) {
        return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
      });
      if (found_.size() > search_.k_) found_.resize(search_.k_);
    }
    Search& search_;
    Threshold threshold_;
    std::vector<Neighbour> found_;
    std::size_t count_ = 0;
    double last_[batch];
  };

  void distances_to(const Slot* slots, std::size_t count, double* out) const {
    if (state_.full.elements() == Elements::f32) {
      const float* rows[batch];
      for (std::size_t i = 0; i < count; ++i) rows[i] = state_.full.f32(slots[i]);
      exact_distances(exact_query_, rows, count, out);
    } else {
      const Half* rows[batch];
      for (std::size_t i = 0; i < count; ++i) rows[i] = state_.full.f16(slots[i]);
      exact_distances(exact_query_, rows, count, out);
    }
  }

  // An exact distance in estimate()'s terms.
  float ordering(double distance) const noexcept {
    switch (state_.options.distance) {
      case Distance::euclidean: return static_cast<float>(distance * distance);
      case Distance::cosine: return static_cast<float>(distance - 1);
      case Distance::inner_product:
      case Distance::manhattan: break;
    }
    return static_cast<float>(distance);
  }

  // Candidates ascend by estimate. The first k are measured exactly, and show how far estimates and wide codes err; of the
  // rest, those that may still be nearer are sifted by wide codes, since a full vector is four times as much to read.
  void rank(const std::vector<Ranked>& candidates, SearchResult& result) {
    Exact exact(*this);
    Threshold nearest(k_);
    ErrorSeen estimate_error;
    ErrorSeen wide_error;
    std::size_t at = 0;
    const std::size_t sample = std::max(k_, error_sample);
    for (std::size_t kept = 0; kept < sample && at < candidates.size();) {
      const std::size_t to = std::min(at + std::min(batch, sample - kept), candidates.size());
      const std::size_t count = measure(candidates, at, to, exact, nearest, estimate_error);
      if (kept == 0 && at < candidates.size()) learn_wide_error(std::min(count, error_sample), exact, wide_error);
      kept += count;
    }

    std::vector<Ranked> refined;
    while (at < candidates.size() && candidates[at].distance + estimate_error.least(refine_deviations) <= nearest.value()) {
      Slot slots[batch];
      float distances[batch];
      const std::size_t count = std::min(batch, candidates.size() - at);
      for (std::size_t i = 0; i < count; ++i) slots[i] = candidates[at + i].slot;
      refine(slots, count, distances);
      const float limit = nearest.value() - wide_error.least(exact_deviations);
      for (std::size_t i = 0; i < count; ++i)
        if (distances[i] <= limit) refined.push_back({distances[i], slots[i]});
      at += count;
    }
    std::sort(refined.begin(), refined.end());
    for (std::size_t next = 0; next < refined.size();) {
      if (refined[next].distance + wide_error.least(exact_deviations) > nearest.value()) break;
      measure(refined, next, std::min<std::size_t>(next + 4, refined.size()), exact, nearest, wide_error);
    }
    result.distances += exact.count();
    result.neighbours = exact.finish();
  }

  void refine(const Slot* slots, std::size_t count, float* out) const {
    const std::uint8_t* records[batch];
    for (std::size_t i = 0; i < count; ++i) {
      if (i < rows_ahead) graph_->prefetch_wide(slots[i]);
      records[i] = graph_->wide(slots[i]);
    }
    graph_->codec().refine(scratch_.query, records, count, out);
  }

  // Of the first `count` slots that were measured last.
  void learn_wide_error(std::size_t count, const Exact& exact, ErrorSeen& error) const {
    float distances[batch];
    refine(measured_, count, distances);
    for (std::size_t i = 0; i < count; ++i) error.add(distances[i], ordering(exact.last()[i]));
  }

  // Exact distances of candidates [from, to) that are in the answer's state; advances `from`, says how many they were.
  std::size_t measure(const std::vector<Ranked>& candidates, std::size_t& from, std::size_t to, Exact& exact,
                      Threshold& nearest, ErrorSeen& error) {
    float coarse[batch];
    std::size_t count = 0;
    for (; from < to; ++from) {
      const Slot slot = candidates[from].slot;
      if (!visible(slot)) continue;
      state_.full.prefetch(slot);
      measured_[count] = slot;
      coarse[count++] = candidates[from].distance;
    }
    exact.add(measured_, count);
    for (std::size_t i = 0; i < count; ++i) {
      const float seen = ordering(exact.last()[i]);
      nearest.add(seen);
      error.add(coarse[i], seen);
    }
    return count;
  }

  const State& state_;
  const Context& context_;
  const ReaderEpochs::Pin pin_;
  Scratch& scratch_;
  const std::uint64_t sequence_;  // read while pinned
  const Graph* const graph_;
  const std::vector<float> query_;
  const ExactQuery exact_query_;
  const std::size_t wanted_;
  const std::size_t k_;  // twice as many while vectors may be in two slots
  const std::size_t ef_;
  const SlotBitmap* const filter_;
  const std::function<bool(std::int64_t)>* const predicate_;
  Slot measured_[batch];  // by the last measure()
};

Result<SearchResult> Index::search(std::span<const float> query, const SearchOptions& options,
                                   const Context& context) const {
  LOAM_TRY(context.check("vector search"));
  LOAM_TRY(check_values(query, state_->options.dimension, "the query vector"));
  if (options.k > limits::search_k_max)
    return invalid_argument("k is " + std::to_string(options.k) + ", at most " + std::to_string(limits::search_k_max) +
                            " neighbours are answered");
  if (options.filter != nullptr && options.predicate)
    return invalid_argument("a vector search takes a filter or a predicate, not both");
  SearchResult nothing;
  nothing.sequence = sequence();
  if (options.k == 0) return nothing;
  Search search(*state_, query, options.k, options.ef != 0 ? options.ef : state_->options.ef_search, options.filter,
                &options.predicate, context);
  return search.run(options.exact);
}

Result<RangeResult> Index::search_range(std::span<const float> query, const RangeOptions& options,
                                        const Context& context) const {
  LOAM_TRY(context.check("vector range search"));
  LOAM_TRY(check_values(query, state_->options.dimension, "the query vector"));
  if (std::isnan(options.radius)) return invalid_argument("the radius of a range search is NaN");
  if (options.limit == 0 || options.limit >= limits::search_k_max * 10)
    return invalid_argument("the limit of a range search is " + std::to_string(options.limit) + ", it must be 1 to " +
                            std::to_string(limits::search_k_max * 10 - 1));
  const std::size_t base_ef = options.ef != 0 ? options.ef : state_->options.ef_search;
  RangeResult range;
  // Twice as many until the farthest lies outside. Where nothing is inside, the first step ends it.
  for (std::size_t k = 16;; k *= 4) {
    k = std::min(k, options.limit + 1);
    const bool all = options.exact || k > range_walk_max;
    if (all) k = options.limit + 1;
    Search search(*state_, query, k, std::max(base_ef, k + k / 2), options.filter, nullptr, context);
    LOAM_TRY(SearchResult found, search.run(all));
    range.sequence = found.sequence;
    range.plan = found.plan;
    std::vector<Neighbour>& near = found.neighbours;
    const bool whole = near.size() < k || near.back().distance > options.radius;
    if (!whole && k <= options.limit) continue;
    while (!near.empty() && !(near.back().distance <= options.radius)) near.pop_back();
    range.limited = near.size() > options.limit;
    if (range.limited) near.resize(options.limit);
    range.neighbours = std::move(near);
    return range;
  }
}

Result<std::vector<SearchResult>> Index::search_many(std::span<const float> queries, const SearchOptions& options,
                                                     std::size_t threads, const Context& context) const {
  const std::size_t dimension = state_->options.dimension;
  if (queries.size() % dimension != 0)
    return invalid_argument("search_many was given " + std::to_string(queries.size()) + " floats, no multiple of " +
                            std::to_string(dimension));
  const std::size_t count = queries.size() / dimension;
  std::vector<SearchResult> results(count);
  std::atomic<std::size_t> next = 0;
  std::mutex failure_mutex;
  std::optional<Error> failure;
  run_on_workers(std::clamp<std::size_t>(threads, 1, worker_count_max) - 1, [&] {
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      auto result = search(queries.subspan(i * dimension, dimension), options, context);
      if (result.ok()) {
        results[i] = std::move(result).value();
        continue;
      }
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = result.error();
      next.store(count);
    }
  });
  if (failure) return std::move(*failure);
  return results;
}

}  // namespace loam::vector
