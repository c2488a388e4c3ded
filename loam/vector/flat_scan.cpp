#include "loam/vector/flat_scan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>

#include "loam/vector/kernels.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t block_rows = 256;
constexpr std::size_t score_step = 64;
/// Below this many components (about 30 us) a second thread costs more than it saves.
constexpr std::size_t components_per_thread = std::size_t{1} << 19;
/// The rows and the query of a cosine index have a length within this of 1 or 0.
constexpr double unit_slack = 1e-6;
constexpr double infinite = std::numeric_limits<double>::infinity();

/// What products too small for a normal float may lose, whether they become denormal or zero.
double underflow(std::size_t dimension) { return 4.0 * static_cast<double>(dimension) * std::numeric_limits<float>::min(); }

bool by_distance_and_id(const Neighbour& a, const Neighbour& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

}  // namespace

FlatScan::FlatScan(const RowStore& rows, Distance distance, std::span<const float> query, const FlatSearchOptions& options,
                   const Context& context)
    : rows_(rows),
      distance_(distance),
      query_(query),
      exact_query_(distance, query),
      context_(context),
      only_ids_(options.only_ids),
      item_count_(only_ids_ ? only_ids_->size() : rows.slot_end()),
      k_(std::min(options.k, item_count_)),
      query_length_(std::sqrt(squared_norm(query.data(), query.size()))),
      rounding_(summation_error(query.size())) {
  if (rows.code_bytes() > 0 && k_ < item_count_) coded_query_.emplace(query, rows.code_bytes());
}

std::size_t FlatScan::helpful_threads() const noexcept { return 1 + item_count_ * query_.size() / components_per_thread; }

/// Takes steps from the common counter. The context is looked at before each.
template <class Body>
void FlatScan::until_done(std::size_t end, std::size_t step, Body body) noexcept {
  try {
    while (!stop_.load(std::memory_order_relaxed)) {
      const std::size_t first = next_.fetch_add(step, std::memory_order_relaxed);
      if (first >= end) return;
      if (!context_.check("vector search").ok()) break;
      body(first, std::min(first + step, end));
    }
  } catch (const std::bad_alloc&) {
    out_of_memory_.store(true);
  }
  stop_.store(true);
}

void FlatScan::scan() noexcept {
  Found found;
  until_done(item_count_, block_rows, [&](std::size_t first, std::size_t last) { scan_into(found, first, last); });
  try {
    std::lock_guard lock(mutex_);
    uppers_.insert(uppers_.end(), found.uppers.begin(), found.uppers.end());
    candidates_.insert(candidates_.end(), found.candidates.begin(), found.candidates.end());
    scanned_ += found.scanned;
  } catch (const std::bad_alloc&) {
    out_of_memory_.store(true);
    stop_.store(true);
  }
}

void FlatScan::scan_into(Found& found, std::size_t first, std::size_t last) {
  std::array<std::uint32_t, block_rows> slots;
  std::size_t count = collect_slots(first, last, slots.data());
  found.scanned += static_cast<std::int64_t>(count);
  if (coded_query_) count = sieve_codes(slots.data(), count);
  sieve_floats(slots.data(), count, found);
}

std::size_t FlatScan::collect_slots(std::size_t first, std::size_t last, std::uint32_t* slots) const {
  std::size_t count = 0;
  if (!only_ids_) {
    for (std::size_t slot = first; slot < last; ++slot) {
      slots[count] = static_cast<std::uint32_t>(slot);
      count += rows_.live(slots[count]) ? 1 : 0;
    }
    return count;
  }
  for (std::size_t i = first; i < last; ++i) {
    if (i > 0 && (*only_ids_)[i] == (*only_ids_)[i - 1]) continue;
    if (const auto slot = rows_.slot_of((*only_ids_)[i])) slots[count++] = *slot;
  }
  return count;
}

std::size_t FlatScan::sieve_codes(std::uint32_t* slots, std::size_t count) const {
  std::array<const std::int8_t*, block_rows> codes{};
  std::array<std::int32_t, block_rows> dots;
  const float least_limit = limit();
  if (!(least_limit < std::numeric_limits<float>::infinity())) return count;
  for (std::size_t i = 0; i < count; ++i) codes[i] = rows_.codes(slots[i]);
  dot_codes(coded_query_->codes(), codes.data(), count, rows_.code_bytes(), dots.data());
  // A distance above the next float cannot be narrowed to the limit.
  const double beyond = std::nextafter(least_limit, std::numeric_limits<float>::infinity());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (!certainly_beyond(beyond, rows_.bounds(slots[i]), dots[i])) slots[kept++] = slots[i];
  return kept;
}

// Each comparison is false for NaN, which keeps the row.
bool FlatScan::certainly_beyond(double limit, const RowBounds& bounds, std::int32_t integer_dot) const {
  switch (distance_) {
    case Distance::cosine: return coded_query_->dot_upper_bound(bounds, integer_dot) < 1 - limit - unit_slack;
    case Distance::inner_product: return coded_query_->dot_upper_bound(bounds, integer_dot) < -limit;
    case Distance::euclidean: return coded_query_->farther_than(limit, bounds, integer_dot);
    case Distance::manhattan: return false;
  }
  return false;
}

void FlatScan::sieve_floats(const std::uint32_t* slots, std::size_t count, Found& found) {
  std::array<const float*, block_rows> rows{};
  std::array<float, block_rows> raw;
  for (std::size_t i = 0; i < count; ++i) rows[i] = rows_.row(slots[i]);
  raw_distances(rows.data(), count, raw.data());
  for (std::size_t i = 0; i < count; ++i) note(found, slots[i], bounds_of(slots[i], raw[i]));
}

void FlatScan::raw_distances(const float* const* rows, std::size_t count, float* raw) const {
  switch (distance_) {
    case Distance::cosine:
    case Distance::inner_product: return dot_rows(query_.data(), rows, count, query_.size(), raw);
    case Distance::euclidean: return squared_l2_rows(query_.data(), rows, count, query_.size(), raw);
    case Distance::manhattan: return l1_rows(query_.data(), rows, count, query_.size(), raw);
  }
}

FlatScan::Bounds FlatScan::bounds_of(std::uint32_t slot, float raw) const {
  const double tiny = underflow(query_.size());
  double low = -infinite;
  double high = infinite;
  if (distance_ == Distance::cosine) {
    const double width = rounding_ * (1 + unit_slack) * (1 + unit_slack) + tiny + unit_slack;
    low = 1 - static_cast<double>(raw) - width;
    high = 1 - static_cast<double>(raw) + width;
  } else if (distance_ == Distance::inner_product) {
    const double width = (rounding_ + slack) * query_length_ * static_cast<double>(rows_.bounds(slot).length) + tiny;
    low = -static_cast<double>(raw) - width;
    high = -static_cast<double>(raw) + width;
  } else {
    // Terms of one sign: the error is relative to the sum.
    low = std::max(0.0, raw * (1 - 2 * rounding_) - tiny);
    high = raw * (1 + 2 * rounding_) + tiny;
    if (distance_ == Distance::euclidean) {
      low = std::sqrt(low);
      high = std::sqrt(high);
    }
  }
  // A float sum that overflowed says nothing.
  if (!std::isfinite(raw) || !std::isfinite(low) || !std::isfinite(high)) {
    low = -infinite;
    high = infinite;
  }
  return {narrow(distance_, low), narrow(distance_, high)};
}

void FlatScan::note(Found& found, std::uint32_t slot, Bounds bounds) {
  if (bounds.lower > limit()) return;
  found.candidates.push_back({bounds.lower, slot});
  if (found.uppers.size() < k_) {
    found.uppers.push_back(bounds.upper);
    std::push_heap(found.uppers.begin(), found.uppers.end());
  } else if (bounds.upper < found.uppers.front()) {
    std::pop_heap(found.uppers.begin(), found.uppers.end());
    found.uppers.back() = bounds.upper;
    std::push_heap(found.uppers.begin(), found.uppers.end());
  }
  if (found.uppers.size() == k_) lower_limit(found.uppers.front());
  if (found.candidates.size() < found.prune_at) return;
  std::erase_if(found.candidates, [this](const Candidate& candidate) { return candidate.lower > limit(); });
  found.prune_at = std::max(found.prune_at, 2 * found.candidates.size());
}

void FlatScan::lower_limit(float candidate) {
  float seen = limit();
  while (candidate < seen && !limit_.compare_exchange_weak(seen, candidate, std::memory_order_relaxed)) {
  }
}

std::size_t FlatScan::keep_nearest() {
  if (stop_.load()) return 0;
  if (uppers_.size() >= k_ && k_ > 0) {
    const auto kth = uppers_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(uppers_.begin(), kth, uppers_.end());
    lower_limit(*kth);
  }
  std::erase_if(candidates_, [this](const Candidate& candidate) { return candidate.lower > limit(); });
  neighbours_.resize(candidates_.size());
  next_.store(0);
  return candidates_.size();
}

void FlatScan::score() noexcept {
  until_done(candidates_.size(), score_step, [&](std::size_t first, std::size_t last) {
    const float* rows[score_step];
    double distances[score_step];
    for (std::size_t i = first; i < last; ++i) rows[i - first] = rows_.row(candidates_[i].slot);
    exact_distances(exact_query_, rows, last - first, distances);
    for (std::size_t i = first; i < last; ++i)
      neighbours_[i] = {rows_.id(candidates_[i].slot), narrow(distance_, distances[i - first])};
  });
}

Result<FlatSearchResult> FlatScan::result() {
  if (out_of_memory_.load())
    return Error(ErrorCode::resource_exhausted, "vector search ran out of memory with k = " + std::to_string(k_))
        .hint("ask for fewer rows");
  if (stop_.load()) {
    LOAM_TRY(context_.check("vector search"));
    return internal_error("vector search stopped without a reason");
  }
  FlatSearchResult result;
  const std::size_t count = std::min(k_, neighbours_.size());
  std::partial_sort(neighbours_.begin(), neighbours_.begin() + static_cast<std::ptrdiff_t>(count), neighbours_.end(),
                    by_distance_and_id);
  neighbours_.resize(count);
  result.neighbours = std::move(neighbours_);
  result.distances_computed = scanned_;
  return result;
}

}  // namespace loam::vector
