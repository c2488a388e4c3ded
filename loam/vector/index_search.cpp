#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "loam/core/limits.hpp"
#include "loam/vector/exact.hpp"
#include "loam/vector/filtered_walk.hpp"
#include "loam/vector/found_kernels.hpp"
#include "loam/vector/index_state.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/values.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

/// A search expands the more, the more there is that is about as far as the k-th (reach()): so many times ef at most. The
/// exponent is two over the dimension of what the vectors lie on, fitted so that ef are expanded on average of embeddings of
/// real text. Where they lie on more, up to `most_per_ef` times ef are; where on less, half of what ef adds to k.
constexpr std::size_t most_per_ef = 4;
constexpr double stretch_exponent = .09;
/// A filtered walk compares about so many codes for each candidate kept (ef) where everything passes, and 1 / sqrt(share)
/// times as many where a share does. In this time a scan compares twice as many. Both fitted to the sweep over filters of
/// vector_index_bench.cpp, which shows what comes of it.
constexpr double walk_estimates = 16;
constexpr double estimates_per_scanned = 2;
/// After so many estimates for each candidate kept, a filtered walk looks whether a scan costs less, and whether what is
/// near is kept out though much passes; whether anything passes here; gives up walking through everything; gives up walking
/// among answers. Fitted to the sweep, where a tenth passes far from the query.
constexpr std::size_t first_look = 6;
constexpr std::size_t second_look = 32;
constexpr std::size_t last_look = 75;
constexpr std::size_t among_look = 115;
/// What is kept of a walk among answers, whose estimates are few: of one that begins at answers found near the query, and of
/// one that begins anywhere.
constexpr std::size_t among_ef = 6;
constexpr std::size_t among_ef_anywhere = 4;
/// Where more than such a share passes and nothing is found at the first look, the filter keeps out what is near the query.
constexpr double afar_share = 1.0 / 3;
/// Candidates are refined as long as their estimate, less so many deviations of the error seen, could be among the first k.
constexpr float refine_deviations = 2.5F;
constexpr float exact_deviations = 4.0F;
/// So many candidates show how large errors are.
constexpr std::size_t error_sample = 10;
/// At most so many full vectors are compared for each candidate kept.
constexpr std::size_t compared_per_kept = 4;
/// Where more than so many for each candidate kept could be among the first k, they are a crowd: equally far, to the third
/// digit. Whatever is spent, most of the first k stay unknown, so that only a quarter is refined and half as many compared.
constexpr std::size_t crowd_per_kept = 16;
constexpr std::size_t crowd_refined_per_kept = crowd_per_kept / 4;
constexpr std::size_t crowd_compared_per_kept = compared_per_kept / 2;
constexpr std::size_t batch = 32;
constexpr std::size_t scan_batch = 64;
/// A range search that finds more than this compares everything.
constexpr std::size_t range_walk_max = 2048;

/// Lists that may grow to k begin with room for at most so many.
constexpr std::size_t reserved_max = 1024;
/// Up to so many answers are sorted by kernels.
constexpr std::size_t sorted_by_kernels_max = 1024;

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
  explicit Threshold(std::size_t k) : k_(k) { heap_.reserve(std::min(k, reserved_max)); }
  void add(float value) {
    if (heap_.size() < k_) {
      heap_.push_back(value);
      if (heap_.size() == k_) std::make_heap(heap_.begin(), heap_.end());
    } else if (value < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = value;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }
  void clear() noexcept { heap_.clear(); }
  float value() const noexcept { return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front(); }

 private:
  std::size_t k_;
  std::vector<float> heap_;
};

bool nearer(const Neighbour& a, const Neighbour& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

/// Few of them by the kernels for what a search finds, which do not branch on distances; 0 and -0 are equal.
void sort_nearest_first(std::vector<Neighbour>& found) {
  const std::size_t count = found.size();
  if (count < 2 || count > sorted_by_kernels_max) return std::sort(found.begin(), found.end(), nearer);
  Found order[sorted_by_kernels_max + found_room];
  for (std::size_t first = 0; first < count; first += met_max) {
    Found fresh[met_max];
    const std::size_t some = std::min(met_max, count - first);
    for (std::size_t i = 0; i < some; ++i)
      fresh[i] = Found(found[first + i].distance + 0.0F, static_cast<Node>(first + i), true);
    found_kernels().merge(order, first, fresh, some);
  }
  std::vector<Neighbour> sorted;
  sorted.reserve(count);
  for (std::size_t i = 0; i < count; ++i) sorted.push_back(found[order[i].node()]);
  for (auto run = sorted.begin(); run != sorted.end();) {
    const auto end = std::find_if(run, sorted.end(), [&](const Neighbour& one) { return one.distance != run->distance; });
    std::sort(run, end, nearer);
    run = end;
  }
  found.swap(sorted);
}

/// Mean and deviation of what a coarser distance said too little.
class ErrorSeen {
 public:
  void add(float coarse, float fine) noexcept {
    const double error = static_cast<double>(fine) - static_cast<double>(coarse);
    ++count_;
    sum_ += error;
    squares_ += error * error;
  }
  bool empty() const noexcept { return count_ == 0; }
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
    if (filter_ != nullptr && scan_costs_less(1)) {
      LOAM_TRY(code_scan(result));
      return result;
    }
    LOAM_TRY(walk(result));
    // Few pass, or what has come since the search began took the place of answers.
    if (result.neighbours.size() < wanted_) LOAM_TRY(code_scan(result));
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

  // The same, of what was just compared: the state lies beside the code and says of nearly all that they are live.
  bool admitted_beside_code(Slot slot) const {
    const NodeState node = graph_->state(slot);
    return node.live() && !node.chained() ? passes(slot) : admitted(slot);
  }

  // What a FilteredWalk asks for.
  struct Admission {
    const Search& search;
    bool operator()(Slot slot) const { return search.admitted(slot); }
    bool beside_code(Slot slot) const { return search.admitted_beside_code(slot); }
    [[gnu::always_inline]] void prefetch(Slot slot) const {
      prefetch_beside_code(slot);
      search.graph_->prefetch_anchors(slot);
    }
    [[gnu::always_inline]] void prefetch_beside_code(Slot slot) const {
      const SlotBitmap* const filter = search.filter_;
      if (filter != nullptr && slot < filter->slot_end()) prefetch_bytes(filter->words() + slot / 64, 1);
    }
  };

  // Calls body(slots, count) with up to `scan_batch` of what the filter passes, ascending: live now or when the search
  // began.
  template <class Meet, class Body>
  Result<void> for_slots(Meet meet, Body body) {
    const Slot end = state_.slot_end.load(std::memory_order_acquire);
    std::size_t words = (static_cast<std::size_t>(end) + 63) / 64;
    if (filter_ != nullptr) words = std::min(words, filter_->word_count());
    Slot slots[scan_batch];
    std::size_t count = 0;
    for (std::size_t i = 0; i < words; ++i) {
      if (i % 1024 == 0) LOAM_TRY(context_.check("vector search"));
      std::uint64_t left = filter_ != nullptr ? filter_->words()[i] : ~std::uint64_t{0};
      if ((i + 1) * 64 > end) left &= (std::uint64_t{1} << (end % 64)) - 1;
      for (; left != 0; left &= left - 1) {
        slots[count] = static_cast<Slot>(i * 64 + static_cast<std::size_t>(std::countr_zero(left)));
        // Not what a writer may be filling: only live slots, and those that were when the search began.
        if (!state_.live.get(slots[count]) && !visible(slots[count])) continue;
        if (count < rows_ahead) meet(slots[count]);
        if (++count < scan_batch) continue;
        body(slots, count);
        count = 0;
      }
    }
    if (count > 0) body(slots, count);
    return {};
  }

  // What for_slots() leaves open.
  bool scanned(Slot slot) const { return visible(slot) && (!wants_predicate() || (*predicate_)(state_.full.id(slot))); }

  Result<void> exact_scan(SearchResult& result) {
    result.plan = Plan::scan;
    Exact exact(*this);
    LOAM_TRY(for_slots([](Slot) {},
                       [&](Slot* slots, std::size_t count) {
                         Slot* const last = std::remove_if(slots, slots + count, [&](Slot slot) { return !scanned(slot); });
                         for (Slot* at = slots; at < last; at += batch)
                           exact.add(at, std::min<std::size_t>(batch, static_cast<std::size_t>(last - at)), Rows::in_order);
                       }));
    result.neighbours = exact.finish();
    result.distances += exact.count();
    return {};
  }

  // Narrow codes of everything. What is kept of it is what may still be among the first k, of a crowd the nearest: the
  // threshold comes from wide codes of the best ones so far, the error of the narrow codes from the first batch, which
  // nothing has selected. A slot's state lies beside its code, so that asking for it is cheap afterwards.
  Result<void> code_scan(SearchResult& result) {
    result.plan = Plan::scan;
    result.neighbours.clear();
    std::vector<Ranked> kept;
    std::size_t enough = std::max<std::size_t>(512, 8 * k_);
    kept.reserve(std::min<std::size_t>(enough, state_.slot_end.load(std::memory_order_relaxed)) + scan_batch);
    float bound = std::numeric_limits<float>::infinity();
    Threshold threshold(k_);
    ErrorSeen error;
    constexpr std::size_t sample_count = 32;
    std::size_t sampled = 0;
    const std::size_t crowd_min = crowd_per_kept * ef_;
    bool crowd = false;
    const auto cut = [&] {
      const std::span<Ranked> best = nearest_of(kept, std::min(kept.size(), k_ + k_ / 4 + 16));
      threshold.clear();
      refine_each(best, [&](const Ranked&, float fine) { threshold.add(fine); });
      bound = threshold.value() - error.least(refine_deviations);
      std::erase_if(kept, [&](const Ranked& one) { return one.distance > bound; });
      crowd = kept.size() > crowd_min;
      if (crowd) {
        bound = nearest_of(kept, crowd_min / 2).back().distance;
        kept.resize(crowd_min / 2);
      }
      enough = std::max(enough, 2 * kept.size());
    };
    const auto meet = [this](Slot slot) { graph_->prefetch_narrow(slot); };
    LOAM_TRY(for_slots(meet, [&](const Slot* slots, std::size_t count) {
      const std::uint8_t* records[scan_batch];
      float distances[scan_batch];
      for (std::size_t i = 0; i < count; ++i) records[i] = graph_->narrow(slots[i]);
      graph_->codec().estimate(scratch_.query, records, count, distances);
      result.estimates += count;
      for (std::size_t i = 0; i < count; ++i)
        if (distances[i] <= bound && scanned(slots[i])) kept.push_back({distances[i], slots[i]});
      if (const std::size_t sample = std::min(sample_count, kept.size()); sampled < sample) {
        const auto learn = [&](const Ranked& one, float fine) { error.add(one.distance, fine); };
        refine_each(std::span(kept).subspan(sampled, sample - sampled), learn);
        sampled = sample;
      }
      if (kept.size() >= enough) cut();
    }));
    rank(kept, {.crowd = crowd, .error = error}, result);
    return {};
  }

  Result<void> walk(SearchResult& result) {
    graph_->descend(scratch_);
    std::optional<std::vector<Ranked>> candidates;
    std::size_t ascending = 0;
    if (filter_ == nullptr && !wants_predicate()) {
      result.plan = Plan::graph;
      graph_->search(scratch_, reach(), [this](Slot slot) { return admitted_beside_code(slot); }, result.estimates);
      candidates = answers_of(scratch_.pool.items());
      ascending = candidates->size();
      add_answers_of(scratch_.pool.beyond(), *candidates);
    } else {
      result.plan = Plan::filtered_graph;
      candidates = walk_filtered(result);
      if (!candidates) return code_scan(result);
    }
    rank(*candidates, {.ascending = ascending}, result);
    return {};
  }

  // In m dimensions a ball s times as wide holds s^m times as many: `stretch` is about where ef lie, when k lie within the
  // k-th distance.
  Reach reach() const {
    const bool squared = state_.options.distance != Distance::manhattan;
    const double exponent = squared ? stretch_exponent : stretch_exponent / 2;
    const auto stretch = static_cast<float>(std::pow(static_cast<double>(ef_) / static_cast<double>(k_), exponent));
    const std::size_t most = most_per_ef * ef_;
    return {.k = k_,
            .least = k_ + (ef_ - k_) / 2,
            .most = most,
            .stretch = stretch,
            .stretch_kept = stretch * std::sqrt(stretch),
            .floor = scratch_.query.floor,
            .items_max = 4 * most + 1024};
  }

  // Everything is walked and only what passes is kept, as long as some of it is found where the query is. Where it is not
  // (the filter keeps what is far from the query), the walk goes on among what passes alone: there it lies together, so that
  // the graph between it is dense. Nothing when a scan costs less than what the walk has seen lets expect.
  std::optional<std::vector<Ranked>> walk_filtered(SearchResult& result) {
    FilteredWalk walk(*graph_, scratch_, k_ + k_ / 2, ef_ + ef_ / 2);
    const Admission admit{*this};
    walk.enter(scratch_.entries, admit);
    bool whole = false;
    if (filter_ == nullptr) {
      whole = walk.through_all(state_.slot_end.load(std::memory_order_relaxed) / 2, admit);
      if (!whole) return std::nullopt;
    } else {
      whole = walk.through_all(first_look * ef_, admit);
      if (!whole && scan_costs_less(walk.rate())) return std::nullopt;
      const bool afar = walk.found().empty() && share_passing() > afar_share;
      if (!afar) whole = whole || walk.through_all(second_look * ef_, admit);
      const bool some = !walk.found().empty();
      if (some) whole = whole || walk.through_all(last_look * ef_, admit);
      if (!whole) {
        sample_passing();
        walk.enter(scratch_.entries, admit);
        walk.among_answers((some ? among_ef : among_ef_anywhere) * ef_, among_look * ef_, admit);
      }
    }
    result.estimates += walk.estimates();
    return answers_of(walk.found());
  }

  // A walk where `rate` of the nodes pass, against a scan of what the filter passes.
  bool scan_costs_less(double rate) const {
    return static_cast<double>(filter_->cardinality()) <
           estimates_per_scanned * walk_estimates * static_cast<double>(ef_) / std::sqrt(rate);
  }

  // About, of the live slots: a filter may have members that are none.
  double share_passing() const {
    constexpr std::size_t sample_count = 64;
    const std::size_t words = (static_cast<std::size_t>(state_.slot_end.load(std::memory_order_acquire)) + 63) / 64;
    std::size_t live = 0;
    std::size_t passing = 0;
    for (std::size_t i = 0; i < sample_count; ++i) {
      const std::size_t word = i * words / sample_count;
      const std::uint64_t here = state_.live.word(word);
      live += static_cast<std::size_t>(std::popcount(here));
      if (word < filter_->word_count()) passing += static_cast<std::size_t>(std::popcount(here & filter_->words()[word]));
    }
    return live == 0 ? 0 : static_cast<double>(passing) / static_cast<double>(live);
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

  // The nodes that are answers, with the chains that hang on them, in the same order.
  std::vector<Ranked> answers_of(std::span<const Found> nodes) const {
    std::vector<Ranked> candidates;
    add_answers_of(nodes, candidates);
    return candidates;
  }
  void add_answers_of(std::span<const Found> nodes, std::vector<Ranked>& candidates) const {
    candidates.reserve(candidates.size() + nodes.size());
    for (const Found found : nodes) {
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
  }

  /// How the vectors lie that are compared one after the other.
  enum class Rows : std::uint8_t { in_order, anywhere };

  /// Exact distances, the k nearest kept.
  class Exact {
   public:
    explicit Exact(Search& search) : search_(search), threshold_(search.k_) {
      found_.reserve(std::min(search.k_ + search.k_ / 2 + batch, reserved_max));
    }
    /// Distances of up to `batch` slots.
    void add(const Slot* slots, std::size_t count, Rows rows) {
      search_.distances_to(slots, count, rows, last_);
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
    /// Distance of slot i of the last add(), in estimate()'s terms, as the next is.
    float last(std::size_t i) const noexcept { return search_.ordering(last_[i]); }
    /// Of the k-th nearest; infinite as long as there are fewer.
    float threshold() const noexcept {
      const float kth = threshold_.value();
      return std::isinf(kth) ? kth : search_.ordering(static_cast<double>(kth));
    }
    std::size_t count() const noexcept { return count_; }

   private:
    void cut() {
      sort_nearest_first(found_);
      if (found_.size() > search_.k_) found_.resize(search_.k_);
    }
    Search& search_;
    Threshold threshold_;
    std::vector<Neighbour> found_;
    std::size_t count_ = 0;
    double last_[batch];
  };

  // Rows that lie anywhere are asked for a few ahead: more of them would push each other out of the nearest cache.
  void distances_to(const Slot* slots, std::size_t count, Rows rows, double* out) const {
    const std::size_t together = rows == Rows::anywhere ? rows_ahead : count;
    const auto ask_for = [&](std::size_t first) {
      for (std::size_t i = first; i < std::min(first + together, count); ++i) state_.full.prefetch(slots[i]);
    };
    if (rows == Rows::anywhere) ask_for(0);
    for (std::size_t at = 0; at < count; at += together) {
      if (rows == Rows::anywhere) ask_for(at + together);
      distances_to(slots + at, std::min(together, count - at), out + at);
    }
  }
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

  // An exact distance in estimate()'s terms; what no float holds is the greatest one.
  float ordering(double distance) const noexcept {
    switch (state_.options.distance) {
      case Distance::euclidean: distance *= distance; break;
      case Distance::cosine: distance -= 1; break;
      case Distance::inner_product:
      case Distance::manhattan: break;
    }
    constexpr double greatest = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(distance, -greatest, greatest));
  }

  // What is known of candidates before they are ranked.
  struct Known {
    std::size_t ascending = 0;  ///< so many are in order, and nearer than the others
    bool crowd = false;         ///< they are the nearest of a crowd
    ErrorSeen error = {};       ///< of their estimates; empty: to be learned
  };

  // The first k by estimate are measured exactly, and show how far wide codes err. Of the rest, those that may still be
  // nearer are sifted by wide codes, since a full vector is four times as much to read. Reorders the candidates.
  void rank(std::vector<Ranked>& candidates, const Known& known, SearchResult& result) {
    Exact exact(*this);
    ErrorSeen wide_error;
    std::size_t at = 0;
    const std::size_t sample = std::max(k_, error_sample);
    std::size_t sorted = known.ascending;
    for (std::size_t kept = 0; kept < sample && at < candidates.size();) {
      sort_first(candidates, std::min(at + sample - kept, candidates.size()), sorted);
      const std::size_t to = std::min(at + std::min(batch, sample - kept), candidates.size());
      const std::size_t count = measure(candidates, at, to, exact);
      if (kept == 0 && at < candidates.size()) learn_wide_error(std::min(count, error_sample), exact, wide_error);
      kept += count;
    }

    const std::span<Ranked> rest = std::span(candidates).subspan(at);
    const ErrorSeen estimate_error = known.error.empty() ? error_of_some(rest) : known.error;
    const float limit = exact.threshold() - wide_error.least(exact_deviations);  // of a distance by wide codes
    std::span<Ranked> hopeful = within(rest, limit - estimate_error.least(refine_deviations));
    const bool crowd = known.crowd || hopeful.size() > crowd_per_kept * ef_;
    if (crowd) hopeful = nearest_of(hopeful, std::min(hopeful.size(), crowd_refined_per_kept * ef_));
    std::vector<Ranked> refined;
    refine_each(hopeful, [&](const Ranked& one, float fine) {
      if (fine <= limit) refined.push_back({fine, one.slot});
    });
    std::sort(refined.begin(), refined.end());
    refined.resize(std::min(refined.size(), (crowd ? crowd_compared_per_kept : compared_per_kept) * ef_));
    for (std::size_t next = 0; next < refined.size();) {
      if (refined[next].distance + wide_error.least(exact_deviations) > exact.threshold()) break;
      measure(refined, next, std::min<std::size_t>(next + 4, refined.size()), exact, &wide_error);
    }
    result.distances += exact.count();
    result.neighbours = exact.finish();
  }

  // Both: those come first, in no order, the last one of nearest_of() being the farthest.
  static std::span<Ranked> within(std::span<Ranked> candidates, float distance) {
    const auto end = std::partition(candidates.begin(), candidates.end(),
                                    [distance](const Ranked& one) { return !(one.distance > distance); });
    return candidates.first(static_cast<std::size_t>(end - candidates.begin()));
  }
  static std::span<Ranked> nearest_of(std::span<Ranked> candidates, std::size_t count) {
    if (count > 0)
      std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count - 1), candidates.end());
    return candidates.first(count);
  }

  // The nearest `count` candidates come first, in order; `sorted` of them do already.
  static void sort_first(std::vector<Ranked>& candidates, std::size_t count, std::size_t& sorted) {
    if (count <= sorted) return;
    const auto begin = candidates.begin() + static_cast<std::ptrdiff_t>(sorted);
    sorted = count;
    const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(sorted);
    if (end != candidates.end()) std::nth_element(begin, end, candidates.end());
    std::sort(begin, end);
  }

  // Calls body(candidate, distance) with the distances by wide codes.
  template <class Body>
  void refine_each(std::span<const Ranked> candidates, Body body) const {
    Slot slots[batch];
    float distances[batch];
    for (std::size_t at = 0; at < candidates.size(); at += batch) {
      const std::size_t count = std::min(batch, candidates.size() - at);
      for (std::size_t i = 0; i < count; ++i) slots[i] = candidates[at + i].slot;
      refine(slots, count, distances);
      for (std::size_t i = 0; i < count; ++i) body(candidates[at + i], distances[i]);
    }
  }

  void refine(const Slot* slots, std::size_t count, float* out) const {
    const std::uint8_t* records[batch];
    for (std::size_t i = 0; i < count; ++i) {
      if (i < rows_ahead) graph_->prefetch_wide(slots[i]);
      records[i] = graph_->wide(slots[i]);
    }
    graph_->codec().refine(scratch_.query, records, count, out);
  }

  // How far estimates err, compared with wide codes. Not of the nearest: what was chosen for its estimate errs downwards,
  // and in a clump of vectors all err alike.
  ErrorSeen error_of_some(std::span<const Ranked> candidates) const {
    Ranked some[error_sample];
    std::size_t count = 0;
    for (std::size_t i = 0; i < error_sample && i < candidates.size(); ++i) {
      const Ranked& one = candidates[i * candidates.size() / std::min(error_sample, candidates.size())];
      const bool of_one_chain = count > 0 && one.distance == some[count - 1].distance;
      if (!of_one_chain) some[count++] = one;
    }
    ErrorSeen error;
    refine_each(std::span(some, count), [&](const Ranked& one, float fine) { error.add(one.distance, fine); });
    return error;
  }

  // Of the first `count` slots that were measured last.
  void learn_wide_error(std::size_t count, const Exact& exact, ErrorSeen& error) const {
    float distances[batch];
    refine(measured_, count, distances);
    for (std::size_t i = 0; i < count; ++i) error.add(distances[i], exact.last(i));
  }

  // Exact distances of candidates [from, to) that are in the answer's state; advances `from`, says how many they were.
  std::size_t measure(const std::vector<Ranked>& candidates, std::size_t& from, std::size_t to, Exact& exact,
                      ErrorSeen* error = nullptr) {
    float coarse[batch];
    std::size_t count = 0;
    for (; from < to; ++from) {
      const Slot slot = candidates[from].slot;
      if (!visible(slot)) continue;
      measured_[count] = slot;
      coarse[count++] = candidates[from].distance;
    }
    exact.add(measured_, count, Rows::anywhere);
    if (error != nullptr)
      for (std::size_t i = 0; i < count; ++i) error->add(coarse[i], exact.last(i));
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
  // Four times as many until the farthest lies outside. Where nothing is inside, the first step ends it.
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
