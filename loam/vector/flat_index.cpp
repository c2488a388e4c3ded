#include "loam/vector/flat_index.hpp"

#include <algorithm>
#include <utility>

#include "loam/core/assert.hpp"
#include "loam/core/limits.hpp"
#include "loam/vector/exact.hpp"
#include "loam/vector/flat_scan.hpp"
#include "loam/vector/row_store.hpp"
#include "loam/vector/values.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

/// Below this dimension the padded codes of a row are not much smaller than its floats.
constexpr std::size_t coded_dimension_min = 64;
/// Below this many rows the exact distances are computed by one thread.
constexpr std::size_t shared_score_min = 1024;

bool coded(std::size_t dimension, Distance distance) {
  // One scale for each row bounds dot products and lengths, not sums of absolute differences.
  return dimension >= coded_dimension_min && distance != Distance::manhattan;
}

}  // namespace

struct FlatIndex::State {
  State(std::size_t size, Distance metric) : dimension(size), distance(metric), rows(size, coded(size, metric)) {}

  // Cosine works on unit vectors; the other metrics on what was given.
  std::vector<float> prepared(std::span<const float> values) const {
    std::vector<float> copy(values.begin(), values.end());
    if (distance == Distance::cosine) normalize(copy);
    return copy;
  }

  std::size_t dimension;
  Distance distance;
  RowStore rows;
};

FlatIndex::FlatIndex(std::size_t dimension, Distance distance) : state_(std::make_unique<State>(dimension, distance)) {
  LOAM_ASSERT(dimension > 0 && dimension <= limits::dimension_max, "FlatIndex: dimension out of range");
}
FlatIndex::~FlatIndex() = default;
FlatIndex::FlatIndex(FlatIndex&&) noexcept = default;
FlatIndex& FlatIndex::operator=(FlatIndex&&) noexcept = default;

Result<void> FlatIndex::put(std::int64_t id, std::span<const float> values) {
  LOAM_TRY(check_values(values, state_->dimension, "the vector"));
  if (state_->distance == Distance::cosine)
    state_->rows.put(id, state_->prepared(values));
  else
    state_->rows.put(id, values);
  return {};
}

bool FlatIndex::erase(std::int64_t id) { return state_->rows.erase(id); }
void FlatIndex::clear() { state_->rows.clear(); }

Result<FlatSearchResult> FlatIndex::search(std::span<const float> query, const FlatSearchOptions& options,
                                           const Context& context) const {
  LOAM_TRY(context.check("vector search"));
  LOAM_TRY(check_values(query, state_->dimension, "the query vector"));
  if (options.only_ids && !std::is_sorted(options.only_ids->begin(), options.only_ids->end()))
    return invalid_argument("only_ids of a vector search must ascend");
  if (options.k == 0 || size() == 0 || (options.only_ids && options.only_ids->empty())) return FlatSearchResult{};

  const std::vector<float> prepared = state_->prepared(query);
  FlatScan scan(state_->rows, state_->distance, prepared, options, context);
  const std::size_t threads = std::clamp<std::size_t>(options.threads, 1, scan.helpful_threads());
  run_on_workers(threads - 1, [&] { scan.scan(); });
  const std::size_t left = scan.keep_nearest();
  run_on_workers(left < shared_score_min ? 0 : threads - 1, [&] { scan.score(); });
  return scan.result();
}

std::size_t FlatIndex::size() const noexcept { return state_->rows.size(); }
std::size_t FlatIndex::dimension() const noexcept { return state_->dimension; }
bool FlatIndex::contains(std::int64_t id) const { return state_->rows.slot_of(id).has_value(); }

const float* FlatIndex::find(std::int64_t id) const {
  const auto slot = state_->rows.slot_of(id);
  return slot ? state_->rows.row(*slot) : nullptr;
}

std::size_t FlatIndex::bytes() const noexcept { return sizeof(State) + state_->rows.bytes(); }

}  // namespace loam::vector
