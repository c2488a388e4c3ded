#pragma once

/// Internal to the filter language: reading JSON (RFC 8259) token by token, without a tree. The texts are filters, which
/// need positions and the spelling of numbers, and stored documents, of which a filter wants one leaf.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace loam {

enum class JsonToken : unsigned char {
  object_begin,
  object_end,
  array_begin,
  array_end,
  colon,
  comma,
  string,
  number,
  boolean,
  null,
  end,
  malformed,
};

/// After anything returned false or nullopt, offset() is where the text went wrong. UTF-8 inside strings is not checked.
/// *needs external synchronization*
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// What comes next, by its first byte; blanks are passed over.
  JsonToken peek() noexcept;
  /// Where the next read begins; the start of the token after peek().
  std::size_t offset() const noexcept { return at_; }
  std::string_view text() const noexcept { return text_; }

  /// Passes over the structural character that peek() announced.
  void take() noexcept { ++at_; }
  /// The decoded string; false for bad escapes, lone surrogates, control characters and missing ends.
  bool read_string(std::string& decoded);
  /// The number as it is written.
  std::optional<std::string_view> read_number() noexcept;
  /// `true`, `false` or `null`; the boolean, or false for null.
  std::optional<bool> read_word() noexcept;
  /// A key and its colon.
  bool read_key(std::string& decoded);
  /// One whole value of any depth, checked; no recursion.
  bool skip_value();

 private:
  bool skip_string() noexcept;
  bool read_escape(std::string& decoded);
  std::optional<char32_t> read_hex4() noexcept;

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace loam
