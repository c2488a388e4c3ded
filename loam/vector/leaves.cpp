#include "loam/vector/leaves.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string_view>

#include "loam/vector/prefetch.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t pivot_max = 64;
/// Vectors that are compared with the pivots together.
constexpr std::size_t strip = 4;
/// Where parts shrink so slowly that it takes more divisions than these, the rest goes by lot.
constexpr unsigned depth_max = 16;
/// What a division counts for those it leaves together that are most of all: another one will hardly part them either.
constexpr unsigned depth_of_a_crowd = 4;
/// Parts this small are divided by one thread, several of them at once.
constexpr std::size_t part_alone_max = 1u << 14;

constexpr std::string_view operation = "dividing vectors";

struct Part {
  std::size_t first;
  std::size_t last;
  unsigned depth;
  std::size_t size() const noexcept { return last - first; }
};

// The first place of the least. In lanes, which a compiler makes one instruction of.
std::uint8_t place_of_least(std::span<const float> values) {
  constexpr std::size_t lanes = 4;
  float least[lanes];
  std::int32_t places[lanes] = {0, 1, 2, 3};
  std::fill_n(least, lanes, std::numeric_limits<float>::infinity());
  const auto take = [&](std::size_t first, std::size_t count) {
    for (std::size_t lane = 0; lane < count; ++lane) {
      const bool less = values[first + lane] < least[lane];
      least[lane] = less ? values[first + lane] : least[lane];
      places[lane] = less ? static_cast<std::int32_t>(first + lane) : places[lane];
    }
  };
  std::size_t first = 0;
  for (; first + lanes <= values.size(); first += lanes) take(first, lanes);
  take(first, values.size() - first);
  std::size_t best = 0;
  for (std::size_t lane = 1; lane < lanes; ++lane)
    if (least[lane] < least[best] || (least[lane] == least[best] && places[lane] < places[best])) best = lane;
  return static_cast<std::uint8_t>(places[best]);
}

class Division {
 public:
  Division(const Codec& codec, std::span<const std::uint8_t* const> wide, std::uint64_t seed)
      : codec_(codec), wide_(wide), seed_(seed), members_(wide.size()), nearest_(wide.size()), moved_(wide.size()) {
    std::iota(members_.begin(), members_.end(), 0u);
  }

  Result<Leaves> run(std::size_t threads, const Context& context) {
    std::vector<Part> large{{0, members_.size(), 0}};
    std::vector<Part> small;
    while (!large.empty()) {
      const Part part = large.back();
      large.pop_back();
      if (part.size() <= part_alone_max) {
        small.push_back(part);
        continue;
      }
      const Pivots pivots = pivots_of(part);
      const auto compare = [&](const ParallelBlock& block) -> Result<void> {
        find_nearest(pivots, part.first + block.first, part.first + block.last);
        return {};
      };
      LOAM_TRY(parallel_for({.count = part.size(), .block_size = 256, .threads = threads, .operation = operation}, context,
                            compare));
      move_to_pivots(part, pivots.size(), large);
    }
    std::vector<std::vector<Part>> leaves(small.size());
    LOAM_TRY(parallel_for({.count = small.size(), .threads = threads, .operation = operation}, context,
                          [&](const ParallelBlock& block) -> Result<void> {
                            for (std::size_t i = block.first; i < block.last; ++i) divide(small[i], leaves[i]);
                            return {};
                          }));
    return collect(leaves);
  }

 private:
  using Pivots = std::vector<const std::uint8_t*>;

  std::mt19937_64 random_for(const Part& part) const {
    return std::mt19937_64(seed_ * 0x9E3779B97F4A7C15u + (part.first << 8) + part.depth);
  }

  Pivots pivots_of(const Part& part) const {
    std::mt19937_64 random = random_for(part);
    Pivots pivots(std::clamp<std::size_t>(2 * part.size() / leaf_max, 2, pivot_max));
    for (const std::uint8_t*& pivot : pivots) pivot = wide_[members_[part.first + random() % part.size()]];
    return pivots;
  }

  void find_nearest(const Pivots& pivots, std::size_t first, std::size_t last) {
    float distances[strip * pivot_max];
    const std::uint8_t* records[strip];
    for (std::size_t at = first; at < last; at += strip) {
      const std::size_t count = std::min(strip, last - at);
      for (std::size_t i = 0; i < count; ++i) {
        records[i] = wide_[members_[at + i]];
        if (at + i + strip < last) prefetch_bytes(wide_[members_[at + i + strip]], codec_.wide_bytes());
      }
      codec_.between_all({records, count}, pivots, distances);
      for (std::size_t i = 0; i < count; ++i) {
        nearest_[at + i] = place_of_least({distances + i * pivots.size(), pivots.size()});
      }
    }
  }

  // The members of one pivot follow those of another, and are a part of `parts`.
  void move_to_pivots(const Part& part, std::size_t pivot_count, std::vector<Part>& parts) {
    std::size_t begins[pivot_max + 1] = {};
    for (std::size_t i = part.first; i < part.last; ++i) ++begins[nearest_[i] + 1u];
    std::partial_sum(begins, begins + pivot_count + 1, begins);
    const bool divided = std::none_of(begins, begins + pivot_count,
                                      [&](const std::size_t& begin) { return (&begin)[1] - begin == part.size(); });
    if (!divided || part.depth == depth_max) {
      divide_by_lot(part, parts);
      return;
    }
    std::size_t to[pivot_max];
    std::copy(begins, begins + pivot_count, to);
    for (std::size_t i = part.first; i < part.last; ++i) moved_[part.first + to[nearest_[i]]++] = members_[i];
    const auto first = static_cast<std::ptrdiff_t>(part.first);
    std::copy(moved_.begin() + first, moved_.begin() + static_cast<std::ptrdiff_t>(part.last), members_.begin() + first);
    for (std::size_t i = 0; i < pivot_count; ++i) {
      const std::size_t size = begins[i + 1] - begins[i];
      const unsigned depth = part.depth + (size > part.size() / 4 * 3 ? depth_of_a_crowd : 1);
      if (size > 0) parts.push_back({part.first + begins[i], part.first + begins[i + 1], std::min(depth, depth_max)});
    }
  }

  void divide_by_lot(const Part& part, std::vector<Part>& parts) {
    std::mt19937_64 random = random_for(part);
    const auto first = members_.begin() + static_cast<std::ptrdiff_t>(part.first);
    for (std::size_t i = part.size() - 1; i > 0; --i)
      std::swap(first[static_cast<std::ptrdiff_t>(i)], first[static_cast<std::ptrdiff_t>(random() % (i + 1))]);
    for (std::size_t at = part.first; at < part.last; at += leaf_max)
      parts.push_back({at, std::min(at + leaf_max, part.last), part.depth + 1});
  }

  void divide(const Part& whole, std::vector<Part>& leaves) {
    std::vector<Part> open{whole};
    while (!open.empty()) {
      const Part part = open.back();
      open.pop_back();
      if (part.size() <= leaf_max) {
        leaves.push_back(part);
        continue;
      }
      const Pivots pivots = pivots_of(part);
      find_nearest(pivots, part.first, part.last);
      move_to_pivots(part, pivots.size(), open);
    }
  }

  Leaves collect(const std::vector<std::vector<Part>>& leaves) {
    Leaves result;
    for (const auto& some : leaves)
      for (const Part& leaf : some) result.begins.push_back(leaf.first);
    std::sort(result.begins.begin(), result.begins.end());
    result.begins.push_back(members_.size());
    result.members = std::move(members_);
    return result;
  }

  const Codec& codec_;
  const std::span<const std::uint8_t* const> wide_;
  const std::uint64_t seed_;
  std::vector<std::uint32_t> members_;
  std::vector<std::uint8_t> nearest_;  // pivot of the member at this place
  std::vector<std::uint32_t> moved_;
};

}  // namespace

Result<Leaves> divide_into_leaves(const Codec& codec, std::span<const std::uint8_t* const> wide, std::uint64_t seed,
                                  std::size_t threads, const Context& context) {
  if (wide.empty()) return Leaves{.members = {}, .begins = {0}};
  return Division(codec, wide, seed).run(threads, context);
}

}  // namespace loam::vector
