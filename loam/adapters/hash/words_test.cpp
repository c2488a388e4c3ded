#include "loam/adapters/hash/words.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "loam/adapters/hash/features.hpp"

namespace loam::hash {
namespace {

// The words of a text, separated by '|'.
std::string split(std::string_view text) {
  Words words;
  split_words(text, words);
  std::string all;
  for (const WordPlace& place : words.places) {
    EXPECT_EQ(words.text[place.begin], word_begin);
    EXPECT_EQ(words.text[place.begin + place.size - 1], word_end);
    if (!all.empty()) all += '|';
    all += words.text.substr(place.begin + 1, place.size - 2);
  }
  return all;
}

TEST(HashWords, SplitAtWhatIsNoLetterAndNoDigit) {
  EXPECT_EQ(split("X11 client-side library, v2.0"), "x11|client|side|library|v2|0");
  EXPECT_EQ(split(""), "");
  EXPECT_EQ(split(" \t\n.,;"), "");
  EXPECT_EQ(split("a"), "a");
  EXPECT_EQ(split("\xE2\x80\x9Cquoted\xE2\x80\x9D\xE2\x80\xA6 text\xC2\xA0here"), "quoted|text|here");
}

TEST(HashWords, LowerCaseBeyondAscii) {
  EXPECT_EQ(split("GRÜSSE ÉCOLE ŁÓDŹ ŽIŽKA ŸES"), "grüsse|école|łódź|žižka|ÿes");
  EXPECT_EQ(split("ΕΛΛΆΔΑ ΌΣΟΣ όσος"), "ελλάδα|όσοσ|όσοσ");
  EXPECT_EQ(split("ПРИВЕТ ЁЛКА ЇЖАК"), "привет|ёлка|їжак");
  EXPECT_EQ(split("TIẾNG VIỆT"), "tiếng|việt");
  EXPECT_EQ(split("日本語のテキスト"), "日本語のテキスト");
}

TEST(HashWords, LowerCasingTwiceIsLowerCasingOnce) {
  for (char32_t code = 0; code < 0x11000; ++code)
    ASSERT_EQ(lower(lower(code)), lower(code)) << std::hex << static_cast<unsigned>(code);
}

TEST(HashWords, BytesThatAreNotUtf8SeparateWords) {
  EXPECT_EQ(split("ab\xFFzd"), "ab|zd");
  EXPECT_EQ(split("ab\xC3"), "ab") << "cut in the middle of a letter";
  EXPECT_EQ(split("ab\xE2\x82yz"), "ab|yz");
  EXPECT_EQ(split("ab\xC0\x80yz"), "ab|yz") << "an overlong NUL";
  EXPECT_EQ(split("ab\xED\xA0\x80yz"), "ab|yz") << "a surrogate";
  EXPECT_EQ(split("ab\xF4\x90\x80\x80yz"), "ab|yz") << "above the last code point";
  EXPECT_EQ(split(std::string_view("ab\0yz", 5)), "ab|yz");
}

TEST(HashWords, MarksInsideATextAreNoPartOfWords) { EXPECT_EQ(split("\x02pretend\x03"), "pretend"); }

TEST(HashFeatures, TermFrequencyFollowsTheLogarithm) {
  EXPECT_EQ(term_frequency(1), 256);
  std::int64_t last = 0;
  for (std::uint64_t count = 1; count < 100'000; ++count) {
    const std::int64_t now = term_frequency(count);
    ASSERT_GE(now, last) << count;
    ASSERT_NEAR(static_cast<double>(now), 256 * (1 + std::log(static_cast<double>(count))), 32) << count;
    last = now;
  }
  EXPECT_GT(term_frequency(UINT64_MAX), 256 * 44);
}

}  // namespace
}  // namespace loam::hash
