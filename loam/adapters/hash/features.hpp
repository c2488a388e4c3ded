#pragma once

/// Words to a vector of integers: signed feature hashing. Internal.
///
/// A distinct word that occurs n times adds (1 + ln n) * (the word + 0.6 * its character n-grams together). xxHash64 chooses
/// the components and their signs: 16 for a word, 1 for an n-gram. The n-grams of a word are its runs of 3 to 5 code points
/// with the marks of its ends; together they weigh the same whatever the length of the word. Frequent English function words
/// weigh 1/8 and have no n-grams. All of it is integer arithmetic, so that the sums do not depend on the machine.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "loam/adapters/hash/words.hpp"

namespace loam::hash {

/// 1 + ln n in 1/256, rounded; n > 0. For n >= 16, ln n = ln(n / 2^j) + j ln 2 with n / 2^j cut to a whole number.
std::int64_t term_frequency(std::uint64_t count);

/// Reused from text to text for its memory. *needs external synchronization*
class FeatureHasher {
 public:
  /// Adds the features of the words to `sums`.
  void add(const Words& words, std::span<std::int64_t> sums);

 private:
  struct Distinct {
    std::uint64_t hash;
    WordPlace place;
    std::uint32_t count;
  };

  void count_distinct(const Words& words);
  void add_word(const Words& words, const Distinct& word, std::span<std::int64_t> sums);

  std::size_t find_code_points(std::string_view marked);

  std::vector<Distinct> distinct_;
  std::vector<std::uint32_t> table_;        // of indexes into distinct_, plus one; 0 is empty
  std::vector<std::uint32_t> code_points_;  // where those of a word start
};

}  // namespace loam::hash
