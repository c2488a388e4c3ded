#include "loam/adapters/postgres/placeholders.hpp"

#include "loam/core/limits.hpp"

namespace loam::postgres {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '$'; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

/// Walks over the text token by token. What is not closed reaches to the end: the server says what is wrong with it.
class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  bool done() const { return at_ >= sql_.size(); }
  char here() const { return sql_[at_]; }
  char ahead(std::size_t n = 1) const { return at_ + n < sql_.size() ? sql_[at_ + n] : '\0'; }
  std::size_t position() const { return at_; }
  std::string_view since(std::size_t from) const { return sql_.substr(from, at_ - from); }
  void step() { ++at_; }

  void skip_quoted(char quote, bool backslashes) {
    for (++at_; !done(); ++at_) {
      if (backslashes && here() == '\\') {
        ++at_;
      } else if (here() == quote) {
        ++at_;
        if (done() || here() != quote) return;  // a doubled quote is one inside
      }
    }
  }
  void skip_line() {
    while (!done() && here() != '\n' && here() != '\r') ++at_;
  }
  void skip_block_comment() {
    int depth = 0;
    do {
      if (here() == '/' && ahead() == '*') {
        ++depth;
        at_ += 2;
      } else if (here() == '*' && ahead() == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (!done() && depth > 0);
  }
  /// At a `$`: true when it opens $tag$..$tag$, which is skipped.
  bool skip_dollar_quoted() {
    std::size_t end = at_ + 1;
    if (end < sql_.size() && is_letter(sql_[end]))
      while (end < sql_.size() && (is_letter(sql_[end]) || is_digit(sql_[end]))) ++end;
    if (end >= sql_.size() || sql_[end] != '$') return false;
    std::string_view tag = sql_.substr(at_, end + 1 - at_);
    std::size_t close = sql_.find(tag, end + 1);
    at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
    return true;
  }
  std::string_view take_word() {
    std::size_t from = at_;
    while (!done() && is_word(here())) ++at_;
    return since(from);
  }

 private:
  std::string_view sql_;
  std::size_t at_ = 0;
};

}  // namespace

Result<RewrittenSql> rewrite_placeholders(std::string_view sql) {
  if (sql.size() > limits::sql_bytes_max)
    return invalid_argument("the SQL text has " + std::to_string(sql.size()) + " bytes; the limit is " +
                            std::to_string(limits::sql_bytes_max))
        .hint("bind values as parameters, or use execute_many()");
  if (sql.find('\0') != std::string_view::npos) return invalid_argument("the SQL text contains a NUL byte");

  RewrittenSql result;
  result.text.reserve(sql.size() + 16);
  Scanner in(sql);
  while (!in.done()) {
    std::size_t from = in.position();
    char c = in.here();
    if (c == '?') {
      result.positions.push_back(result.text.size());
      result.text += '$' + std::to_string(++result.parameters);
      in.step();
      continue;
    }
    if (c == '\'' || c == '"') {
      in.skip_quoted(c, false);
    } else if (c == '-' && in.ahead() == '-') {
      in.skip_line();
    } else if (c == '/' && in.ahead() == '*') {
      in.skip_block_comment();
    } else if (c == '$' && is_digit(in.ahead())) {
      return invalid_argument("the SQL text contains $" + std::string(1, in.ahead()) + "; parameters are written ?");
    } else if (c == '$') {
      if (!in.skip_dollar_quoted()) in.step();
    } else if (is_letter(c)) {
      std::string_view word = in.take_word();
      if (result.first_word.empty())
        for (char letter : word.substr(0, 32)) result.first_word += upper(letter);
      bool escapes = word == "E" || word == "e";
      if (escapes && !in.done() && in.here() == '\'') in.skip_quoted('\'', true);
    } else if (is_digit(c)) {
      in.take_word();
    } else {
      in.step();
    }
    result.text += in.since(from);
  }
  return result;
}

std::string with_literal_nulls(const RewrittenSql& sql, const std::vector<bool>& literal_null) {
  std::string text;
  std::size_t from = 0, number = 0;
  for (std::size_t i = 0; i < sql.positions.size(); ++i) {
    text.append(sql.text, from, sql.positions[i] - from);
    // A blank on both sides: the text may have had a letter next to the `?`.
    text += literal_null[i] ? " NULL " : '$' + std::to_string(++number);
    from = sql.positions[i] + 1 + std::to_string(i + 1).size();
  }
  return text.append(sql.text, from);
}

}  // namespace loam::postgres
