#include "loam/query/words.hpp"

#include <unordered_set>

#include "loam/query/code_points.hpp"

namespace loam {

std::vector<std::string_view> distinct_words(std::string_view text) {
  std::vector<std::string_view> words;
  std::unordered_set<std::string_view> seen;
  std::size_t word_begin = 0;
  auto end_word = [&](std::size_t at) {
    std::string_view word = text.substr(word_begin, at - word_begin);
    if (!word.empty() && seen.insert(word).second) words.push_back(word);
  };
  for (std::size_t at = 0; at < text.size();) {
    CodePointStep step = first_code_point(text.substr(at));
    if (!step.well_formed || !is_word_code_point(step.code_point)) {
      end_word(at);
      word_begin = at + step.bytes;
    }
    at += step.bytes;
  }
  end_word(text.size());
  return words;
}

}  // namespace loam
