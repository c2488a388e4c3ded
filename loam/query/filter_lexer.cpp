#include "loam/query/filter_lexer.hpp"

#include <algorithm>

#include "loam/core/limits.hpp"
#include "loam/query/code_points.hpp"
#include "loam/query/filter_error.hpp"
#include "loam/query/filter_words.hpp"

namespace loam {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string upper(std::string_view word) {
  std::string result(word);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

std::string too_many_parts() { return "a path has at most " + std::to_string(limits::json_depth_max) + " parts"; }

}  // namespace

FilterToken FilterLexer::token(FilterToken::Kind kind, std::size_t begin, std::string word) const {
  FilterToken result;
  result.kind = kind;
  result.word = std::move(word);
  result.offset = begin;
  result.bytes = at_ - begin;
  return result;
}

Error FilterLexer::error_at(std::size_t offset, std::string_view message) const {
  return filter_error(text_, offset, message);
}

Result<FilterToken> FilterLexer::next() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  if (at_ == text_.size()) return token(FilterToken::Kind::end, at_, "");
  char c = text_[at_];
  if (c == '\'') return quoted_string();
  bool sign = (c == '-' || c == '+') && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
  if (is_digit(c) || sign) return number();
  if (c == '"' || is_name_code_point(first_code_point(text_.substr(at_)).code_point)) return name();
  return symbol();
}

Result<std::string> FilterLexer::quoted(char quote, std::string_view what) {
  std::size_t begin = at_++;
  std::string content;
  for (;;) {
    std::size_t end = text_.find(quote, at_);
    if (end == text_.npos) return error_at(begin, "this " + std::string(what) + " has no closing " + quote);
    content += text_.substr(at_, end - at_);
    at_ = end + 1;
    if (at_ == text_.size() || text_[at_] != quote) return content;
    content += quote;
    ++at_;
  }
}

Result<FilterToken> FilterLexer::quoted_string() {
  std::size_t begin = at_;
  LOAM_TRY(std::string content, quoted('\'', "string"));
  return token(FilterToken::Kind::string, begin, std::move(content));
}

Result<FilterToken> FilterLexer::number() {
  std::size_t begin = at_;
  if (text_[at_] == '+' || text_[at_] == '-') ++at_;
  auto digits = [&] {
    std::size_t first = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > first;
  };
  digits();
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (!digits()) return error_at(at_, "expected a digit after the point of a number");
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (!digits()) return error_at(at_, "expected a digit in the exponent of a number");
  }
  if (at_ < text_.size() && is_name_code_point(first_code_point(text_.substr(at_)).code_point))
    return error_at(at_, "expected a blank or an operator after the number " + excerpt(text_.substr(begin, at_ - begin)));
  std::size_t plus = text_[begin] == '+' ? 1 : 0;
  return token(FilterToken::Kind::number, begin, std::string(text_.substr(begin + plus, at_ - begin - plus)));
}

std::string_view FilterLexer::bare_part() noexcept {
  std::size_t begin = at_;
  while (at_ < text_.size()) {
    CodePointStep step = first_code_point(text_.substr(at_));
    if (!is_name_code_point(step.code_point)) break;
    at_ += step.bytes;
  }
  return text_.substr(begin, at_ - begin);
}

Result<FilterToken> FilterLexer::name() {
  std::size_t begin = at_;
  FieldPath field;
  if (text_[at_] == '"') {
    LOAM_TRY(field.column, quoted('"', "name"));
  } else {
    std::string_view word = bare_part();
    bool dotted = at_ < text_.size() && text_[at_] == '.';
    if (is_keyword(word) && !dotted) return token(FilterToken::Kind::keyword, begin, upper(word));
    field.column = word;
  }
  while (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (field.path.size() == limits::json_depth_max) return error_at(at_, too_many_parts());
    if (at_ < text_.size() && text_[at_] == '"') {
      LOAM_TRY(std::string part, quoted('"', "name"));
      field.path.push_back(std::move(part));
    } else {
      std::string_view part = bare_part();
      if (part.empty())
        return error_at(at_, "expected a name after the dot of " + excerpt(text_.substr(begin, at_ - begin)));
      field.path.emplace_back(part);
    }
  }
  FilterToken result = token(FilterToken::Kind::field, begin, "");
  result.field = std::move(field);
  return result;
}

Result<FilterToken> FilterLexer::symbol() {
  constexpr std::string_view symbols[] = {"==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","};
  std::string_view rest = text_.substr(at_);
  for (std::string_view symbol : symbols) {
    if (!rest.starts_with(symbol)) continue;
    std::size_t begin = at_;
    at_ += symbol.size();
    std::string_view usual = symbol == "==" ? "=" : symbol == "<>" ? "!=" : symbol;
    return token(FilterToken::Kind::symbol, begin, std::string(usual));
  }
  std::string character = excerpt(rest.substr(0, std::max<std::size_t>(first_code_point(rest).bytes, 1)));
  return error_at(at_, character + " does not belong into a filter outside of quotes");
}

Result<FieldPath> FilterLexer::field_of_json_key(std::string_view key) {
  FieldPath field;
  FilterLexer lexer(key);
  for (bool first = true;; first = false) {
    std::string part;
    if (lexer.at_ < key.size() && key[lexer.at_] == '"') {
      auto content = lexer.quoted('"', "name");
      if (!content.ok()) return invalid_argument("the key " + excerpt(key) + " has a quote that is not closed");
      part = std::move(content).value();
    } else {
      std::size_t end = std::min(key.find_first_of(".\"", lexer.at_), key.size());
      part = key.substr(lexer.at_, end - lexer.at_);
      if (part.empty() && !key.empty()) return invalid_argument("the key " + excerpt(key) + " has an empty part");
      lexer.at_ = end;
    }
    if (first) {
      field.column = std::move(part);
    } else {
      if (field.path.size() == limits::json_depth_max) return invalid_argument(too_many_parts());
      field.path.push_back(std::move(part));
    }
    if (lexer.at_ == key.size()) return field;
    if (key[lexer.at_++] != '.') return invalid_argument("the key " + excerpt(key) + " has a quote inside a part");
  }
}

}  // namespace loam
