#include "loam/vector/leaves.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string_view>

#include "loam/vector/group_by_place.hpp"
#include "loam/vector/prefetch.hpp"
#include "loam/vector/worker_pool.hpp"

namespace loam::vector {
namespace {

constexpr std::size_t pivot_max = 64;
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
    std::vector<Part> parts;
    LOAM_TRY(divide({0, members_.size(), 0}, part_alone_max, threads, context, parts));
    std::vector<std::vector<Part>> leaves(parts.size());
    LOAM_TRY(parallel_for({.count = parts.size(), .threads = threads, .operation = operation}, context,
                          [&](const ParallelBlock& block) -> Result<void> {
                            for (std::size_t i = block.first; i < block.last; ++i)
                              LOAM_TRY(divide(parts[i], leaf_max, 1, context, leaves[i]));
                            return {};
                          }));
    return collect(leaves);
  }

 private:
  using Pivots = std::vector<const std::uint8_t*>;

  // Into parts of at most `enough`, which are added to `done`.
  Result<void> divide(const Part& whole, std::size_t enough, std::size_t threads, const Context& context,
                      std::vector<Part>& done) {
    std::vector<Part> open{whole};
    while (!open.empty()) {
      const Part part = open.back();
      open.pop_back();
      if (part.size() <= enough) {
        done.push_back(part);
        continue;
      }
      const Pivots pivots = pivots_of(part);
      const auto compare = [&](const ParallelBlock& block) -> Result<void> {
        find_nearest(pivots, part.first + block.first, part.first + block.last);
        return {};
      };
      LOAM_TRY(parallel_for({.count = part.size(), .block_size = 256, .threads = threads, .operation = operation}, context,
                            compare));
      move_to_pivots(part, pivots.size(), open);
    }
    return {};
  }

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
    float distances[compared_together * pivot_max];
    const std::uint8_t* records[compared_together];
    for (std::size_t at = first; at < last; at += compared_together) {
      const std::size_t count = std::min(compared_together, last - at);
      for (std::size_t i = 0; i < count; ++i) {
        records[i] = wide_[members_[at + i]];
        if (const std::size_t next = at + i + compared_together; next < last)
          prefetch_bytes(wide_[members_[next]], codec_.wide_bytes());
      }
      codec_.between_all({records, count}, pivots, distances);
      for (std::size_t i = 0; i < count; ++i) {
        nearest_[at + i] = place_of_least({distances + i * pivots.size(), pivots.size()});
      }
    }
  }

  // The members of one pivot follow those of another, and are a part of `parts`.
  void move_to_pivots(const Part& part, std::size_t pivot_count, std::vector<Part>& parts) {
    const std::span<std::uint32_t> members = std::span(members_).subspan(part.first, part.size());
    const std::vector<std::size_t> begins = group_by_place(members, std::span(nearest_).subspan(part.first), pivot_count,
                                                           std::span(moved_).subspan(part.first, part.size()));
    const std::size_t first = parts.size();
    for (std::size_t i = 0; i < pivot_count; ++i) {
      const Part some{part.first + begins[i], part.first + begins[i + 1], part.depth + 1};
      if (some.size() > 0) parts.push_back(some);
    }
    if (parts.size() == first + 1 || part.depth >= depth_max) {
      parts.resize(first);
      divide_by_lot(part, parts);
      return;
    }
    for (std::size_t i = first; i < parts.size(); ++i)
      if (parts[i].size() > part.size() / 4 * 3) parts[i].depth = part.depth + depth_of_a_crowd;
  }

  void divide_by_lot(const Part& part, std::vector<Part>& parts) {
    std::mt19937_64 random = random_for(part);
    const auto first = members_.begin() + static_cast<std::ptrdiff_t>(part.first);
    for (std::size_t i = part.size() - 1; i > 0; --i)
      std::swap(first[static_cast<std::ptrdiff_t>(i)], first[static_cast<std::ptrdiff_t>(random() % (i + 1))]);
    for (std::size_t at = part.first; at < part.last; at += leaf_max)
      parts.push_back({at, std::min(at + leaf_max, part.last), part.depth + 1});
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
