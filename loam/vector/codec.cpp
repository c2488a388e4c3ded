// Compiled with -ffp-contract=off: a fused multiply-add rounds once where two operations round twice.
#include "loam/vector/codec.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "loam/core/assert.hpp"
#include "loam/vector/code_kernels.hpp"

namespace loam::vector {
namespace {

constexpr float component_max = 1e16F;
constexpr float component_min = 1e-30F;

// Rows whose sums are computed before any estimate.
constexpr std::size_t batch_max = 64;

// Beyond these, the hardware sees by itself where a row goes on, and prefetching gets in its way.
constexpr std::size_t narrow_prefetch_bytes_max = 256;
constexpr std::size_t wide_prefetch_bytes = 64;

// What is needed of a vector while it is coded.
struct Scratch {
  std::vector<float> rotated;
  std::vector<std::int16_t> fine;
  std::vector<std::int16_t> part;  // the components of the narrow code, where these are not all
  std::vector<std::uint8_t> codes;
};

Scratch& scratch_for(std::size_t dimension) {
  thread_local Scratch scratch;
  const std::size_t padded = (dimension + fine_padding - 1) / fine_padding * fine_padding;
  if (scratch.rotated.size() < padded) {
    scratch.rotated.resize(padded);
    scratch.fine.resize(padded);
    scratch.part.resize(padded);
    scratch.codes.resize(padded);
  }
  return scratch;
}

std::size_t padded_to(std::size_t count, std::size_t multiple) { return (count + multiple - 1) / multiple * multiple; }

// NaN becomes a bound as well.
float limited(float value) {
  const float below = value < component_max ? value : component_max;
  return below > -component_max ? below : -component_max;
}

float to_float(double value) {
  constexpr double greatest = std::numeric_limits<float>::max();
  return static_cast<float>(std::max(-greatest, std::min(greatest, value)));
}

template <class Factors>
Factors factors_at(const std::uint8_t* at) {
  Factors factors;
  std::memcpy(&factors, at, sizeof(factors));
  return factors;
}

// Each factor of many records by itself, so that several records are computed with at once.
struct ManyWideFactors {
  void set(std::size_t i, const WideFactors& factors) {
    scale[i] = factors.scale;
    square[i] = factors.square;
    extra[i] = factors.extra;
  }

  float scale[batch_max];
  float square[batch_max];
  float extra[batch_max];
};

// Of what two wide codes stand for, from the sum of their products.
float squared_distance(const WideFactors& mine, const WideFactors& other, std::int32_t sum) {
  const float beyond = std::abs(mine.extra - other.extra);
  const float product = mine.scale * other.scale * static_cast<float>(sum);
  return std::max(0.0F, mine.square + other.square - 2 * product) + beyond * beyond;
}

// The same bits, of one and of many.
void squared_distances(const WideFactors& mine, const ManyWideFactors& others, const std::int32_t* sums, std::size_t count,
                       float* out) {
  for (std::size_t i = 0; i < count; ++i)
    out[i] = squared_distance(mine, {others.scale[i], others.square[i], others.extra[i], 0}, sums[i]);
}

// A uniform grid of magnitudes with cells `step` wide, as level_sums() wants it.
LevelGrid grid_of(double step, unsigned level_max, bool narrow) {
  step = std::clamp(step, 1.0, 65535.0);
  LevelGrid grid;
  grid.shift = std::bit_width(static_cast<unsigned>(step)) - 1;
  const auto numerator = static_cast<double>(std::uint64_t{1} << (16 + grid.shift));
  grid.multiplier = static_cast<std::uint16_t>(std::min(65535.0, numerator / step));
  grid.level_max = static_cast<std::uint16_t>(level_max);
  if (narrow) {
    // A level l stands for (2 l + 1) / 2.
    grid.weight_step = 2;
    grid.weight_first = 1;
  } else {
    grid.rounding = static_cast<std::uint16_t>((1U << grid.shift) / 2);
  }
  return grid;
}

struct Search {
  LevelGrid grid;
  LevelSums sums;
};

// The grid, of those with the given steps, whose levels have the smallest angle with the vector.
template <class Steps>
Search best_grid(const CodeKernels& kernels, const std::int16_t* fine, std::size_t components, const Steps& steps,
                 unsigned level_max, bool narrow) {
  const std::size_t padded = padded_to(components, fine_padding);
  Search best;
  double best_score = -1;
  for (const double step : steps) {
    const LevelGrid grid = grid_of(step, level_max, narrow);
    LevelSums sums = kernels.level_sums(fine, padded, grid);
    sums.square -= static_cast<std::int64_t>(padded - components) * grid.weight_first;
    const auto product = static_cast<double>(sums.product);
    const double score = sums.square == 0 ? 0 : product * product / static_cast<double>(sums.square);
    if (score > best_score) {
      best_score = score;
      best = {grid, sums};
    }
  }
  return best;
}

// Levels on both sides of zero, and the scale that leaves the least error.
struct Levels {
  LevelGrid grid;
  std::int64_t square = 0;
  double scale = 0;
};

Levels signed_levels(const CodeKernels& kernels, const std::int16_t* fine, std::size_t components, std::int32_t level_max) {
  const double widest = static_cast<double>(fine_max) / level_max;
  const std::array steps = {widest, 0.9 * widest, 0.8 * widest, 0.7 * widest};
  const Search found = best_grid(kernels, fine, components, steps, static_cast<unsigned>(level_max), false);
  const auto square = static_cast<double>(found.sums.square);
  return {found.grid, found.sums.square, square > 0 ? static_cast<double>(found.sums.product) / square : 0};
}

// What all but one in a thousand components of v - c stay below, or the greatest where that is 0.
float common_magnitude(std::span<const float> rows, const std::vector<float>& centre) {
  constexpr std::size_t values_max = std::size_t{1} << 20;
  const std::size_t dimension = centre.size();
  const std::size_t step = std::max<std::size_t>(1, rows.size() / values_max);
  std::vector<float> magnitudes;
  for (std::size_t row = 0; row < rows.size(); row += step * dimension)
    for (std::size_t i = 0; i < dimension; ++i) magnitudes.push_back(std::abs(limited(rows[row + i]) - centre[i]));
  const auto at = magnitudes.begin() + static_cast<std::ptrdiff_t>(magnitudes.size() - 1 - magnitudes.size() / 1000);
  std::nth_element(magnitudes.begin(), at, magnitudes.end());
  return *at > 0 ? *at : *std::max_element(at, magnitudes.end());
}

// Code = the integer part of (v - c) * cells + middle, within [least, greatest].
struct UniformGrid {
  double cells = 0;
  float least = 0;
  float greatest = 0;
  double middle = 0;
};

// Writes one code a component, and returns how far components lie beyond the half width in sum.
float grid_codes(const float* vector, const std::vector<float>& centre, double half_width, const UniformGrid& grid,
                 std::uint8_t* out) {
  const auto cells = static_cast<float>(grid.cells);
  const auto middle = static_cast<float>(grid.middle);
  const auto half = static_cast<float>(half_width);
  std::array<double, lane_count> beyond{};
  for (std::size_t i = 0; i < centre.size(); ++i) {
    const float difference = limited(vector[i]) - centre[i];
    out[i] = static_cast<std::uint8_t>(std::max(grid.least, std::min(grid.greatest, difference * cells + middle)));
    beyond[i % lane_count] += static_cast<double>(std::max(0.0F, std::abs(difference) - half));
  }
  return to_float(lane_total(beyond.data()));
}

}  // namespace

struct Codec::Centred {
  double square = 0;                   // |v - c|^2
  double centre_product = 0;           // <c, v - c>
  double length_square = 0;            // |v|^2
  double unit = 0;                     // r is unit * fine; 0 when r is 0
  const std::int16_t* fine = nullptr;  // r in integers
};

CodeFrame measure_frame(Distance distance, std::span<const float> rows, std::size_t dimension) {
  CodeFrame frame;
  frame.centre.assign(dimension, 0.0F);
  if (rows.empty()) return frame;
  std::vector<double> sums(dimension);
  double square_max = 0;
  for (std::size_t row = 0; row < rows.size(); row += dimension) {
    double square = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double value = limited(rows[row + i]);
      sums[i] += value;
      square += value * value;
    }
    square_max = std::max(square_max, square);
  }
  const auto count = static_cast<double>(rows.size() / dimension);
  for (std::size_t i = 0; i < dimension; ++i) frame.centre[i] = static_cast<float>(sums[i] / count);
  if (distance == Distance::inner_product) frame.length_max = to_float(std::sqrt(square_max));
  if (distance == Distance::manhattan) frame.length_max = common_magnitude(rows, frame.centre);
  return frame;
}

Codec::Codec(const CodecOptions& options, std::vector<float> centre, float length_max)
    : options_(options),
      centre_(std::move(centre)),
      length_max_(std::max(0.0F, std::min(1e19F, length_max))),
      narrow_code_bytes_(0),
      wide_code_bytes_(padded_to(options.dimension, code_block_bytes)),
      rotation_(options.dimension, options.seed),
      kernels_(&code_kernels()) {
  const bool manhattan = options_.distance == Distance::manhattan;
  LOAM_ASSERT(options_.dimension > 0, "a codec needs a dimension");
  LOAM_ASSERT(centre_.size() == options_.dimension, "the centre of a codec has its dimension");
  LOAM_ASSERT(manhattan ? options_.bits == 4 || options_.bits == 8 : options_.bits >= 1 && options_.bits <= 4,
              "there is no narrow code of so many bits");
  LOAM_ASSERT(options_.code_dimension <= options_.dimension, "a narrow code holds at most all components");
  if (options_.code_dimension == 0 || manhattan) options_.code_dimension = options_.dimension;
  narrow_code_bytes_ = packed_code_bytes(options_.code_dimension, options_.bits);
  narrow_prefetch_bytes_ = std::min(narrow_prefetch_bytes_max, narrow_bytes());
  for (float& value : centre_) {
    value = limited(value);
    centre_square_ += static_cast<double>(value) * static_cast<double>(value);
  }
}

Codec::Centred Codec::centre_and_rotate(const float* vector, float* rotated) const {
  const std::size_t dimension = options_.dimension;
  const CentredSums sums = kernels_->centre(vector, centre_.data(), dimension, component_max, rotated);
  Centred centred;
  centred.square = sums.square;
  centred.centre_product = sums.centre_product;
  centred.length_square = sums.length_square;

  rotation_.apply(rotated);
  Scratch& scratch = scratch_for(dimension);
  const float greatest = kernels_->greatest(rotated, dimension);
  const bool visible = greatest > component_min;
  const float factor = visible ? static_cast<float>(fine_max) / greatest : 0.0F;
  kernels_->to_fine(rotated, dimension, factor, padded_to(dimension, fine_padding), scratch.fine.data());
  centred.unit = visible ? static_cast<double>(greatest) / fine_max : 0;
  centred.fine = scratch.fine.data();
  return centred;
}

void Codec::encode_narrow(const Centred& centred, std::uint8_t* narrow) const {
  const std::size_t components = options_.code_dimension;
  Scratch& scratch = scratch_for(options_.dimension);
  const std::int16_t* fine = centred.fine;
  const std::size_t padded = padded_to(components, fine_padding);
  if (components < options_.dimension) {
    std::fill(std::copy_n(fine, components, scratch.part.begin()),
              scratch.part.begin() + static_cast<std::ptrdiff_t>(padded), std::int16_t{0});
    fine = scratch.part.data();
  }
  // Levels of this grid are the components themselves, nearly.
  constexpr double fine_step = 256;
  const LevelSums squares = kernels_->level_sums(fine, padded, grid_of(fine_step, 127, false));
  const double deviation = std::sqrt(fine_step * static_cast<double>(squares.product) / static_cast<double>(components));

  // Around the best uniform grid for normal components (Max, IRE Transactions on Information Theory, 1960).
  constexpr std::array<double, 5> best_step = {1, 1, 0.9957, 0.5860, 0.3352};
  const unsigned half = 1U << (options_.bits - 1);
  Search found;
  if (options_.bits == 1) {
    found = best_grid(*kernels_, fine, components, std::array{deviation}, 0, true);
  } else {
    std::array<double, 10> steps;
    for (std::size_t i = 0; i < steps.size(); ++i)
      steps[i] = deviation * best_step[options_.bits] * (0.7 + 0.08 * static_cast<double>(i));
    found = best_grid(*kernels_, fine, components, steps, half - 1, true);
  }
  kernels_->to_codes(fine, padded, found.grid, static_cast<std::uint8_t>(half), static_cast<std::uint8_t>(half - 1),
                     scratch.codes.data());
  pack_codes(scratch.codes.data(), components, options_.bits, narrow);

  const double product = centred.unit * static_cast<double>(found.sums.product) / 2;  // <u', r>
  const double factor = product > 0 ? centred.square / product : 0;
  NarrowFactors factors;
  if (options_.distance == Distance::euclidean) {
    factors.offset = to_float(centred.square);
    factors.scale = to_float(2 * factor);
  } else {
    factors.offset = to_float(-centred.centre_product);
    factors.scale = to_float(factor);
  }
  std::memcpy(narrow + narrow_code_bytes_, &factors, sizeof(factors));
}

void Codec::encode_wide(const Centred& centred, std::uint8_t* wide) const {
  const Levels found = signed_levels(*kernels_, centred.fine, options_.dimension, 127);
  kernels_->to_codes(centred.fine, wide_code_bytes_, found.grid, 128, 128, wide + sizeof(WideFactors));
  WideFactors factors;
  factors.scale = to_float(centred.unit * found.scale);
  // As between() computes the product of two: a vector is at 0 from itself.
  factors.square = factors.scale * factors.scale * static_cast<float>(found.square);
  if (options_.distance == Distance::cosine || options_.distance == Distance::inner_product)
    factors.bias = to_float((static_cast<double>(factors.square) - centred.length_square) / 2);
  if (options_.distance == Distance::inner_product) {
    const double longest = static_cast<double>(length_max_) * static_cast<double>(length_max_);
    factors.extra = to_float(std::sqrt(std::max(0.0, longest - centred.length_square)));
  }
  std::memcpy(wide, &factors, sizeof(factors));
}

void Codec::encode(const float* vector, std::uint8_t* narrow, std::uint8_t* wide) const {
  if (options_.distance == Distance::manhattan) return encode_grid(vector, narrow, wide);
  const Centred centred = centre_and_rotate(vector, scratch_for(options_.dimension).rotated.data());
  encode_narrow(centred, narrow);
  encode_wide(centred, wide);
}

// Of a code of 1 bit so much is missing that a query of 5 bits does no harm: its error adds half a percent.
void Codec::prepare_narrow(const Centred& centred, CodeQuery& out) const {
  const std::size_t components = options_.code_dimension;
  const std::uint8_t* codes = out.wide.data() + sizeof(WideFactors);
  out.step = factors_at<WideFactors>(out.wide.data()).scale;
  if (options_.bits == 1) {
    Scratch& scratch = scratch_for(options_.dimension);
    const Levels found = signed_levels(*kernels_, centred.fine, options_.dimension, plane_query_max);
    kernels_->to_codes(centred.fine, wide_code_bytes_, found.grid, 128, 128, scratch.codes.data());
    codes = scratch.codes.data();
    out.step = to_float(centred.unit * found.scale);
  }
  out.narrow.resize(padded_to(components, code_query_padding));
  std::int8_t* values = out.narrow.data();
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < components; ++i) sum += codes[i] - 128;
  for (std::size_t i = 0; i < components; ++i) values[i] = static_cast<std::int8_t>(codes[i] - 128);
  std::fill(out.narrow.begin() + static_cast<std::ptrdiff_t>(components), out.narrow.end(), std::int8_t{0});
  out.sum = sum;
  if (options_.bits == 1) {
    out.planes.resize(query_plane_count * narrow_code_bytes_);
    pack_planes(out.narrow.data(), components, out.planes.data());
  }
}

void Codec::prepare(const float* query, CodeQuery& out) const {
  if (options_.distance == Distance::manhattan) return prepare_grid(query, out);
  const std::size_t dimension = options_.dimension;
  out.rotated.resize(dimension);
  out.wide.resize(wide_bytes());
  const Centred centred = centre_and_rotate(query, out.rotated.data());
  encode_wide(centred, out.wide.data());
  prepare_narrow(centred, out);
  // <q, v> = <q, c> + <q - c, v - c> + <c, v - c>, and the query's part of it is <q, c> = |c|^2 + <c, q - c>.
  if (options_.distance == Distance::euclidean) {
    out.base = to_float(centred.square);
    out.floor = 0;
  } else {
    out.base = to_float(-(centre_square_ + centred.centre_product));
    const bool normalized = options_.distance == Distance::cosine;
    out.floor = normalized ? -1 : to_float(-std::sqrt(centred.length_square) * static_cast<double>(length_max_));
  }
}

double Codec::half_width(unsigned bits) const noexcept {
  constexpr double component_min_visible = 1e-30;
  return std::max(component_min_visible, (bits == 8 ? 1.2 : 0.8) * static_cast<double>(length_max_));
}

void Codec::encode_grid(const float* vector, std::uint8_t* narrow, std::uint8_t* wide) const {
  Scratch& scratch = scratch_for(options_.dimension);
  const double wide_half = half_width(8);
  std::uint8_t* wide_codes = wide + sizeof(WideFactors);
  WideFactors factors;
  factors.scale = to_float(wide_half / 127);
  factors.extra = grid_codes(vector, centre_, wide_half, {127 / wide_half, 1, 255, 128.5}, wide_codes);
  std::fill(wide_codes + options_.dimension, wide_codes + wide_code_bytes_, std::uint8_t{0});
  std::memcpy(wide, &factors, sizeof(factors));

  NarrowFactors narrow_factors;
  if (options_.bits == 8) {
    std::copy_n(wide_codes, narrow_code_bytes_, narrow);
    narrow_factors = {factors.extra, factors.scale};
  } else {
    const double half = half_width(4);
    narrow_factors.offset = grid_codes(vector, centre_, half, {8 / half, 0, 15, 8}, scratch.codes.data());
    narrow_factors.scale = to_float(half / 128);
    pack_codes(scratch.codes.data(), options_.dimension, 4, narrow);
  }
  std::memcpy(narrow + narrow_code_bytes_, &narrow_factors, sizeof(narrow_factors));
}

void Codec::prepare_grid(const float* query, CodeQuery& out) const {
  out.floor = 0;
  out.wide.resize(wide_bytes());
  const double wide_half = half_width(8);
  std::uint8_t* wide_codes = out.wide.data() + sizeof(WideFactors);
  WideFactors factors;
  factors.scale = to_float(wide_half / 127);
  factors.extra = grid_codes(query, centre_, wide_half, {127 / wide_half, 1, 255, 128.5}, wide_codes);
  std::fill(wide_codes + options_.dimension, wide_codes + wide_code_bytes_, std::uint8_t{0});
  std::memcpy(out.wide.data(), &factors, sizeof(factors));

  if (options_.bits == 8) {
    out.grid.assign(wide_codes, wide_codes + wide_code_bytes_);
    out.base = factors.extra;
    return;
  }
  // Sixteen times finer than the codes, which are in the middle of their cells.
  const double half = half_width(4);
  out.grid.resize(2 * narrow_code_bytes_);
  out.base = grid_codes(query, centre_, half, {128 / half, 0, 255, 128.5}, out.grid.data());
  std::fill(out.grid.begin() + static_cast<std::ptrdiff_t>(options_.dimension), out.grid.end(), std::uint8_t{8});
}

void Codec::estimate(const CodeQuery& query, const std::uint8_t* const* narrow, std::size_t count, float* out) const {
  for (std::size_t begin = 0; begin < count; begin += batch_max)
    estimate_batch(query, {narrow + begin, std::min(batch_max, count - begin), 0, narrow_prefetch_bytes_}, out + begin);
}

void Codec::estimate_batch(const CodeQuery& query, const CodeRows& rows, float* out) const {
  std::array<std::int32_t, batch_max> sums;
  if (options_.distance == Distance::manhattan) {
    const auto sum = options_.bits == 8 ? kernels_->differences : kernels_->nibble_differences;
    sum(query.grid.data(), rows, narrow_code_bytes_, sums.data());
    for (std::size_t i = 0; i < rows.count; ++i) {
      const auto factors = factors_at<NarrowFactors>(rows.rows[i] + narrow_code_bytes_);
      out[i] = std::abs(query.base - factors.offset) + factors.scale * static_cast<float>(sums[i]);
    }
    return;
  }
  kernels_->dot[options_.bits]({query.narrow.data(), query.planes.data()}, rows, options_.code_dimension, sums.data());
  // <u', q'> = step (sum - mean of u times the sum of q), twice of it in integers.
  const std::int32_t mean = static_cast<std::int32_t>((1U << options_.bits) - 1) * query.sum;
  const float half_step = query.step / 2;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto factors = factors_at<NarrowFactors>(rows.rows[i] + narrow_code_bytes_);
    out[i] = query.base + factors.offset - factors.scale * (half_step * static_cast<float>(2 * sums[i] - mean));
  }
}

void Codec::refine(const CodeQuery& query, const std::uint8_t* const* wide, std::size_t count, float* out) const {
  if (options_.distance == Distance::euclidean || options_.distance == Distance::manhattan)
    return between(query.wide.data(), wide, count, out);
  std::array<std::int32_t, batch_max> sums;
  const auto mine = factors_at<WideFactors>(query.wide.data());
  for (std::size_t begin = 0; begin < count; begin += batch_max) {
    const std::size_t batch = std::min(batch_max, count - begin);
    kernels_->dot_wide(query.wide.data() + sizeof(WideFactors),
                       {wide + begin, batch, sizeof(WideFactors), wide_prefetch_bytes}, wide_code_bytes_, sums.data());
    for (std::size_t i = 0; i < batch; ++i) {
      const auto other = factors_at<WideFactors>(wide[begin + i]);
      out[begin + i] = mine.bias + other.bias - mine.scale * other.scale * static_cast<float>(sums[i]);
    }
  }
}

void Codec::between(const std::uint8_t* wide, const std::uint8_t* const* others, std::size_t count, float* out) const {
  std::array<std::int32_t, batch_max> sums;
  const auto mine = factors_at<WideFactors>(wide);
  const bool manhattan = options_.distance == Distance::manhattan;
  const auto sum = manhattan ? kernels_->differences : kernels_->dot_wide;
  for (std::size_t begin = 0; begin < count; begin += batch_max) {
    const std::size_t batch = std::min(batch_max, count - begin);
    sum(wide + sizeof(WideFactors), {others + begin, batch, sizeof(WideFactors), wide_prefetch_bytes}, wide_code_bytes_,
        sums.data());
    for (std::size_t i = 0; i < batch; ++i) {
      const auto other = factors_at<WideFactors>(others[begin + i]);
      out[begin + i] = manhattan ? std::abs(mine.extra - other.extra) + mine.scale * static_cast<float>(sums[i])
                                 : squared_distance(mine, other, sums[i]);
    }
  }
}

void Codec::between_all(std::span<const std::uint8_t* const> wide, std::span<const std::uint8_t* const> others,
                        float* out) const {
  if (options_.distance == Distance::manhattan) {
    for (std::size_t i = 0; i < wide.size(); ++i) between(wide[i], others.data(), others.size(), out + i * others.size());
    return;
  }
  std::array<std::int32_t, compared_together * batch_max> sums;
  ManyWideFactors theirs;
  for (std::size_t first = 0; first < others.size(); first += batch_max) {
    const CodeRows rows{others.data() + first, std::min(batch_max, others.size() - first), sizeof(WideFactors), 0};
    for (std::size_t j = 0; j < rows.count; ++j) theirs.set(j, factors_at<WideFactors>(rows.rows[j]));
    for (std::size_t i = 0; i < wide.size(); i += compared_together) {
      const std::size_t strip = std::min(compared_together, wide.size() - i);
      kernels_->dot_wide_all(wide.data() + i, strip, rows, wide_code_bytes_, sums.data());
      for (std::size_t one = 0; one < strip; ++one) {
        const auto mine = factors_at<WideFactors>(wide[i + one]);
        float* const to = out + (i + one) * others.size() + first;
        squared_distances(mine, theirs, sums.data() + one * rows.count, rows.count, to);
      }
    }
  }
}

// Components are at most 1e16 and there are at most 65,536 of them, so that squares of lengths stay below 1e38 and what
// codes are multiplied by below 1e20.
bool Codec::plausible_narrow(const std::uint8_t* narrow) const noexcept {
  const auto factors = factors_at<NarrowFactors>(narrow + narrow_code_bytes_);
  return std::abs(factors.offset) <= 1e38F && factors.scale >= 0 && factors.scale <= 1e20F;
}

bool Codec::plausible_wide(const std::uint8_t* wide) const noexcept {
  const auto factors = factors_at<WideFactors>(wide);
  return factors.scale >= 0 && factors.scale <= 1e18F && factors.square >= 0 && factors.square <= 1e38F &&
         factors.extra >= 0 && factors.extra <= 1e22F && std::abs(factors.bias) <= 1e38F;
}

bool Codec::estimates_topology() const noexcept {
  return options_.distance != Distance::inner_product && (options_.distance != Distance::manhattan || options_.bits == 8);
}

}  // namespace loam::vector
