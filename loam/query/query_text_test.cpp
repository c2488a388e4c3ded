/// The small parts under the filter language: numbers, JSON, words, ranges of LIKE.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "loam/query/code_points.hpp"
#include "loam/query/filter_generators.hpp"
#include "loam/query/json_find.hpp"
#include "loam/query/json_text.hpp"
#include "loam/query/like.hpp"
#include "loam/query/nearest.hpp"
#include "loam/query/number.hpp"
#include "loam/query/words.hpp"

namespace loam {
namespace {

TEST(DecimalText, ComparesDigitByDigit) {
  struct Case {
    const char* a;
    const char* b;
    int sign;
  };
  const Case cases[] = {
      {"1", "1.0", 0},
      {"0", "-0", 0},
      {"0.0", "0e5", 0},
      {"10", "1e1", 0},
      {"0.1", "1e-1", 0},
      {"-1", "1", -1},
      {"-2", "-1", -1},
      {"2", "10", -1},
      {"0.9", "1", -1},
      {"1e400", "1", 1},
      {"1e-400", "0", 1},
      {"1.50", "1.5", 0},
      {"001", "1", 0},
      {"123456789012345678901234567890", "123456789012345678901234567891", -1},
      {"1e999999999999999999999", "1e5", 1},
      {"1e-999999999999999999999", "0", 1},
      {"-1e999999999999999999999", "1e-99999999999999999999", -1},
      {"0e99999999999", "0", 0},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(compare_decimal_texts(c.a, c.b), c.sign) << c.a << " and " << c.b;
    EXPECT_EQ(compare_decimal_texts(c.b, c.a), -c.sign) << c.b << " and " << c.a;
  }
}

TEST(DecimalText, OfADoubleIsTheShortestWithoutExponent) {
  EXPECT_EQ(decimal_text(0.1), "0.1");
  EXPECT_EQ(decimal_text(-0.0), "0");
  EXPECT_EQ(decimal_text(1e23), "1" + std::string(23, '0'));
  EXPECT_EQ(decimal_text(-12.5), "-12.5");
  EXPECT_EQ(decimal_text(1e-7), "0.0000001");
  EXPECT_EQ(decimal_text(123456.0), "123456");
  EXPECT_EQ(decimal_text(5e-324).size(), 326u);
}

RC_GTEST_PROP(DecimalText, OfADoubleReadsBackAsIt, (std::uint64_t bits)) {
  double number = 0;
  std::memcpy(&number, &bits, sizeof number);
  RC_PRE(std::isfinite(number));
  std::string text = decimal_text(number);
  RC_ASSERT(is_decimal(text));
  RC_ASSERT(std::strtod(text.c_str(), nullptr) == number);
}

RC_GTEST_PROP(CompareExactly, AgreesWithLongDouble, (std::int64_t a, std::uint64_t bits)) {
  double b = 0;
  std::memcpy(&b, &bits, sizeof b);
  if (*rc::gen::inRange(0, 2) == 0) b = static_cast<double>(a) + *rc::gen::inRange(-2, 3) * 0.5;
  RC_PRE(!std::isnan(b));
  auto wide = static_cast<long double>(a);  // 64 bits of mantissa hold every int64
  RC_ASSERT(compare_exactly(a, b) == (wide < b ? -1 : wide > b ? 1 : 0));
}

RC_GTEST_PROP(JsonFind, FindsWhatADocumentTreeHolds, ()) {
  std::string text = *test::json_documents();
  auto tree = nlohmann::json::parse(text, nullptr, false);
  RC_PRE(!tree.is_discarded());  // numbers beyond a double's range, which the library refuses and we keep
  std::vector<std::string> path;
  const nlohmann::json* expected = &tree;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    path.push_back(*rc::gen::element<std::string>("a", "b", "0", "1", "x.y", "", "q\"q", "日本"));
    if (expected != nullptr && expected->is_object()) {
      auto found = expected->find(path.back());
      expected = found == expected->end() ? nullptr : &*found;
    } else if (expected != nullptr && expected->is_array() && (path.back() == "0" || path.back() == "1")) {
      std::size_t index = path.back() == "0" ? 0 : 1;
      expected = index < expected->size() ? &(*expected)[index] : nullptr;
    } else {
      expected = nullptr;
    }
  }
  auto found = find_json(text, path);
  RC_ASSERT(found.has_value() == (expected != nullptr));
  if (found) RC_ASSERT(nlohmann::json::parse(found->text) == *expected);
}

RC_GTEST_PROP(JsonReader, TakesJustWhatIsJson, ()) {
  std::string text = *test::json_documents();
  if (!text.empty() && *rc::gen::inRange(0, 3) > 0) {
    auto at = static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(text.size())));
    text[at] = *rc::gen::element('{', '}', '[', ']', ',', ':', '"', '\\', '0', '-', 'e', 'n', ' ', 'u');
  }
  // The library checks UTF-8 and the range of doubles, which this reader leaves alone.
  RC_PRE(text.find("1e400") == text.npos && text.find("1e300") == text.npos);
  bool valid = nlohmann::json::accept(text);
  bool taken = find_json(text, {}).has_value();
  if (valid != taken) {
    try {
      auto tree = nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& error) {
      std::string reason = error.what();
      RC_PRE(reason.find("number overflow") == reason.npos && reason.find("UTF-8") == reason.npos);
      RC_FAIL(text + "\n" + reason);
    }
    RC_FAIL(text + "\nis JSON and was refused");
  }
}

RC_GTEST_PROP(JsonText, StringsReadBack, ()) {
  std::string text = *test::awkward_strings();
  std::string written, read;
  append_json_string(written, text);
  RC_ASSERT(JsonReader(written).read_string(read));
  RC_ASSERT(read == text);
  RC_ASSERT(nlohmann::json::parse(written).get<std::string>() == text);
}

RC_GTEST_PROP(LikeRange, HoldsEveryMatch, ()) {
  std::string prefix = *test::awkward_strings();
  std::string pattern;
  for (char c : prefix) (c == '%' || c == '_' || c == '\\' ? pattern += '\\' : pattern) += c;
  std::string match = prefix + *test::awkward_strings();
  RC_ASSERT(like_matches(match, pattern + "%"));
  auto range = like_range(pattern + "%");
  if (range) RC_ASSERT(range->first <= match && match < range->end);
  if (range) RC_ASSERT(range->first == prefix);
}

TEST(LikeRange, IsEmptyWithoutALiteralStart) {
  EXPECT_FALSE(like_range("%a"));
  EXPECT_FALSE(like_range(""));
  EXPECT_FALSE(like_range("\U0010FFFF%"));
  EXPECT_EQ(like_range("ab\U0010FFFF%")->end, "ac");
  EXPECT_EQ(like_range("\u007F")->end, "\u0080");
  EXPECT_EQ(like_range("\uD7FF_")->end, "\uE000");
}

TEST(Words, AreRunsOfLettersDigitsAndMarks) {
  using List = std::vector<std::string_view>;
  EXPECT_EQ(distinct_words("Hello, wörld! foo-bar_baz 42"), (List{"Hello", "wörld", "foo", "bar", "baz", "42"}));
  EXPECT_EQ(distinct_words("a b a"), (List{"a", "b"}));
  EXPECT_EQ(distinct_words("東京、大阪").size(), 2u);
  EXPECT_EQ(distinct_words("e\u0301te\u0301").size(), 1u);
  EXPECT_TRUE(distinct_words("\" ' * ( ) : ^ + - AND\xff").size() == 1);
  EXPECT_TRUE(distinct_words(std::string_view("\0\0 😀 —", 10)).empty());
}

TEST(Nearest, OrdersByEditDistance) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("ABC", "abc"), 0u);
  EXPECT_EQ(by_distance("sise", {"name", "size", "flag"}).front(), "size");
  EXPECT_EQ(edit_distance(std::string(100'000, 'a'), std::string(100'000, 'b')), 128u);  // far, and at once
}

}  // namespace
}  // namespace loam
