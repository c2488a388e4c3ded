#include "loam/core/utf8.hpp"

#include <gtest/gtest.h>

namespace loam {
namespace {

TEST(Utf8, AcceptsEveryLengthOfSequenceAndNul) {
  using namespace std::string_literals;
  for (const std::string& text : {""s, "plain ascii, longer than eight bytes"s, "\0"s, "\u00e9"s, "\u20ac"s, "\U0001f642"s,
                                  "12345678\u00e9"s, "\xED\x9F\xBF"s, "\xEE\x80\x80"s, "\xF4\x8F\xBF\xBF"s})
    EXPECT_TRUE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, RefusesWhatIsCutOverlongOrASurrogate) {
  for (std::string_view text :
       {"\x80", "\xC3", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xC3(", "12345678\xE9"})
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, LowersAsciiAndNothingElse) { EXPECT_EQ(ascii_lower("AbZ-\u00c9"), "abz-\u00c9"); }

}  // namespace
}  // namespace loam
