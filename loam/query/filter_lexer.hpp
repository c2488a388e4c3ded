#pragma once

/// Internal to the filter language: tokens of the SQL-like syntax.

#include <cstddef>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"
#include "loam/query/filter.hpp"

namespace loam {

struct FilterToken {
  enum class Kind : unsigned char {
    end,
    keyword,  ///< `word` in upper case
    field,    ///< a name with its path
    string,   ///< `word` without its quotes
    number,   ///< `word` as number_literal() takes it
    symbol,   ///< `word`: ( ) , = != < <= > >=, with == and <> brought to these
  };
  Kind kind = Kind::end;
  std::string word;
  FieldPath field;
  std::size_t offset = 0;
  std::size_t bytes = 0;

  bool is(Kind k, std::string_view w) const { return kind == k && word == w; }
};

/// The text is UTF-8 without NUL. *needs external synchronization*
class FilterLexer {
 public:
  explicit FilterLexer(std::string_view text) : text_(text) {}
  Result<FilterToken> next();

  /// Reads a field as it is written in a key of the JSON syntax: parts between dots, any characters in them, quoted where a
  /// dot or a quote is one. invalid_argument without a position.
  static Result<FieldPath> field_of_json_key(std::string_view key);

 private:
  Result<FilterToken> quoted_string();
  Result<FilterToken> number();
  Result<FilterToken> name();
  Result<FilterToken> symbol();
  Result<std::string> quoted(char quote, std::string_view what);
  std::string_view bare_part() noexcept;
  FilterToken token(FilterToken::Kind kind, std::size_t begin, std::string word) const;
  Error error_at(std::size_t offset, std::string_view message) const;

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace loam
