#pragma once

/// Text to lower-case words, without tables of Unicode: enough for the hash embedder, and the same on every machine.
/// Internal.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loam::hash {

/// Simple lower-casing of ASCII, Latin-1, Latin Extended-A and Additional, Greek, Cyrillic and Armenian; other code points
/// as they are. The final sigma becomes the usual one.
char32_t lower(char32_t code);

/// ASCII letters and digits, and all beyond ASCII except the usual punctuation, spaces and U+FFFD.
bool is_word(char32_t code);

/// A word between two marks, which no word contains: "\x02word\x03".
inline constexpr char word_begin = '\x02';
inline constexpr char word_end = '\x03';

/// Where a marked word stands in Words::text.
struct WordPlace {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
};

/// The marked words of a text, one after the other.
struct Words {
  std::string text;
  std::vector<WordPlace> places;
};

/// Replaces `words`, keeping its memory. Bytes that are not UTF-8 separate words. `text` is below 2 GiB.
void split_words(std::string_view text, Words& words);

}  // namespace loam::hash
