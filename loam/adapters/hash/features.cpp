#include "loam/adapters/hash/features.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace loam::hash {
namespace {

// Part of the model "v1": another value is another model.
constexpr std::uint64_t word_seed = 0x6c6f616d776f7264;  // "loamword"
constexpr std::uint64_t gram_seed = 0x6c6f616d6772616d;  // "loamgram"
constexpr std::int64_t word_weight = 1 << 12;
constexpr std::int64_t grams_weight = word_weight * 6 / 10;
constexpr std::int64_t function_word_weight = word_weight / 8;
constexpr int word_components = 16;
constexpr std::int64_t word_components_root = 4;
constexpr std::size_t gram_size_min = 3;
constexpr std::size_t gram_size_max = 5;
constexpr std::size_t gram_code_points_max = 256;  // of one word; what follows is in its word feature alone

constexpr std::array<std::int64_t, 16> one_plus_log{0,   256, 433, 537, 611, 668, 715, 754,
                                                    788, 818, 845, 870, 892, 913, 932, 949};
constexpr std::int64_t log_two = 45426;  // in 1/65536

constexpr std::array<std::string_view, 33> function_words{
    "a",    "all", "an", "and", "any", "are", "as", "at", "be",   "by",  "can",  "for", "from",  "has",  "have", "if", "in",
    "into", "is",  "it", "its", "not", "of",  "on", "or", "that", "the", "this", "to",  "which", "will", "with", "you"};
static_assert(std::is_sorted(function_words.begin(), function_words.end()));

// The largest whole number whose square is not above `square`.
std::int64_t integer_root(std::int64_t square) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 20; bit > 0; bit >>= 1)
    if ((root + bit) * (root + bit) <= square) root += bit;
  return root;
}

// Each of `count` independent n-grams, so that their sum has the length grams_weight.
std::int64_t gram_weight(std::size_t count) {
  return integer_root(grams_weight * grams_weight / static_cast<std::int64_t>(count));
}

bool is_function_word(std::string_view marked) {
  return std::binary_search(function_words.begin(), function_words.end(), marked.substr(1, marked.size() - 2));
}

void add_to_component(std::uint64_t hash, std::int64_t weight, std::span<std::int64_t> sums) {
  const std::uint64_t component = (hash >> 32) * sums.size() >> 32;
  sums[component] += (hash & 1) != 0 ? weight : -weight;
}

// The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Spread over several components, two words that meet in one are still told apart by the others.
void add_word_feature(std::uint64_t hash, std::int64_t weight, std::span<std::int64_t> sums) {
  for (int i = 0; i < word_components; ++i) {
    hash += 0x9e3779b97f4a7c15;
    add_to_component(mixed(hash), weight / word_components_root, sums);
  }
}

}  // namespace

std::int64_t term_frequency(std::uint64_t count) {
  const int halvings = std::max(0, static_cast<int>(std::bit_width(count)) - 4);
  return one_plus_log[count >> halvings] + (halvings * log_two >> 8);
}

void FeatureHasher::add(const Words& words, std::span<std::int64_t> sums) {
  count_distinct(words);
  for (const Distinct& word : distinct_) add_word(words, word, sums);
}

// Two words with one 64-bit hash would be counted as one, on every machine alike.
void FeatureHasher::count_distinct(const Words& words) {
  distinct_.clear();
  table_.assign(std::bit_ceil(words.places.size() * 2 + 1), 0);
  const std::size_t mask = table_.size() - 1;
  for (const WordPlace& place : words.places) {
    const std::uint64_t hash = XXH64(words.text.data() + place.begin, place.size, word_seed);
    std::size_t at = hash & mask;
    while (table_[at] != 0 && distinct_[table_[at] - 1].hash != hash) at = (at + 1) & mask;
    if (table_[at] == 0) {
      distinct_.push_back({hash, place, 0});
      table_[at] = static_cast<std::uint32_t>(distinct_.size());
    }
    ++distinct_[table_[at] - 1].count;
  }
}

void FeatureHasher::add_word(const Words& words, const Distinct& word, std::span<std::int64_t> sums) {
  const std::string_view marked(words.text.data() + word.place.begin, word.place.size);
  const std::int64_t frequency = term_frequency(word.count);
  if (is_function_word(marked)) return add_word_feature(word.hash, frequency * function_word_weight, sums);
  add_word_feature(word.hash, frequency * word_weight, sums);

  const std::size_t length = find_code_points(marked);
  std::size_t gram_count = 0;
  for (std::size_t size = gram_size_min; size <= gram_size_max && size <= length; ++size) gram_count += length - size + 1;
  if (gram_count == 0) return;
  const std::int64_t weight = frequency * gram_weight(gram_count);
  for (std::size_t size = gram_size_min; size <= gram_size_max && size <= length; ++size) {
    for (std::size_t i = 0; i + size <= length; ++i) {
      const std::uint32_t begin = code_points_[i];
      const std::uint64_t hash = XXH64(marked.data() + begin, code_points_[i + size] - begin, gram_seed);
      add_to_component(hash, weight, sums);
    }
  }
}

// Leaves one start more than it returns: that is where the last one ends.
std::size_t FeatureHasher::find_code_points(std::string_view marked) {
  code_points_.clear();
  for (std::uint32_t i = 0; i < marked.size() && code_points_.size() <= gram_code_points_max; ++i)
    if ((static_cast<unsigned char>(marked[i]) & 0xC0) != 0x80) code_points_.push_back(i);
  if (code_points_.size() <= gram_code_points_max) code_points_.push_back(static_cast<std::uint32_t>(marked.size()));
  return code_points_.size() - 1;
}

}  // namespace loam::hash
