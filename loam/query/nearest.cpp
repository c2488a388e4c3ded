#include "loam/query/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "loam/core/utf8.hpp"

namespace loam {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t bytes_max = 128;
  if (a.size() > bytes_max || b.size() > bytes_max) return a == b ? 0 : bytes_max;
  std::string left = ascii_lower(a), right = ascii_lower(b);
  std::vector<std::size_t> row(right.size() + 1);  // distances of left[0, i) to each start of right
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < right.size(); ++j) {
      std::size_t changed = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::vector<std::string_view> by_distance(std::string_view name, std::vector<std::string_view> known) {
  std::stable_sort(known.begin(), known.end(),
                   [&](std::string_view a, std::string_view b) { return edit_distance(name, a) < edit_distance(name, b); });
  return known;
}

}  // namespace loam
