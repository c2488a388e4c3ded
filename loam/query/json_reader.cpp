#include "loam/query/json_reader.hpp"

#include "loam/query/code_points.hpp"

namespace loam {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

JsonToken JsonReader::peek() noexcept {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  if (at_ == text_.size()) return JsonToken::end;
  switch (text_[at_]) {
    case '{': return JsonToken::object_begin;
    case '}': return JsonToken::object_end;
    case '[': return JsonToken::array_begin;
    case ']': return JsonToken::array_end;
    case ':': return JsonToken::colon;
    case ',': return JsonToken::comma;
    case '"': return JsonToken::string;
    case 't':
    case 'f': return JsonToken::boolean;
    case 'n': return JsonToken::null;
    default: return text_[at_] == '-' || is_digit(text_[at_]) ? JsonToken::number : JsonToken::malformed;
  }
}

bool JsonReader::read_string(std::string& decoded) {
  decoded.clear();
  if (peek() != JsonToken::string) return false;
  ++at_;
  while (at_ < text_.size() && text_[at_] != '"') {
    auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte < 0x20) return false;
    if (byte == '\\') {
      if (!read_escape(decoded)) return false;
    } else {
      decoded += text_[at_++];
    }
  }
  if (at_ == text_.size()) return false;
  ++at_;
  return true;
}

bool JsonReader::read_escape(std::string& decoded) {
  constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  if (at_ + 1 == text_.size()) return false;
  char letter = text_[at_ + 1];
  if (letter != 'u') {
    std::size_t which = letters.find(letter);
    if (which == letters.npos) return false;
    decoded += meanings[which];
    at_ += 2;
    return true;
  }
  auto unit = read_hex4();
  if (!unit || (*unit >= 0xDC00 && *unit <= 0xDFFF)) return false;
  char32_t code_point = *unit;
  if (code_point >= 0xD800 && code_point <= 0xDBFF) {
    auto low = read_hex4();
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (*low - 0xDC00);
  }
  append_code_point(decoded, code_point);
  return true;
}

std::optional<char32_t> JsonReader::read_hex4() noexcept {
  if (text_.size() - at_ < 6 || text_[at_] != '\\' || text_[at_ + 1] != 'u') return std::nullopt;
  char32_t unit = 0;
  for (std::size_t i = at_ + 2; i < at_ + 6; ++i) {
    char c = text_[i];
    char lower = static_cast<char>(c | 0x20);
    if (!is_digit(c) && !(lower >= 'a' && lower <= 'f')) return std::nullopt;
    unit = unit << 4 | static_cast<char32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  at_ += 6;
  return unit;
}

std::optional<std::string_view> JsonReader::read_number() noexcept {
  if (peek() != JsonToken::number) return std::nullopt;
  std::size_t begin = at_;
  auto digits = [&] {
    std::size_t first = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ - first;
  };
  auto accept = [&](std::string_view set) {
    bool found = at_ < text_.size() && set.find(text_[at_]) != set.npos;
    if (found) ++at_;
    return found;
  };
  accept("-");
  bool leading_zero = at_ < text_.size() && text_[at_] == '0';
  std::size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return std::nullopt;
  if (accept(".") && digits() == 0) return std::nullopt;
  if (accept("eE")) {
    accept("+-");
    if (digits() == 0) return std::nullopt;
  }
  return text_.substr(begin, at_ - begin);
}

std::optional<bool> JsonReader::read_word() noexcept {
  peek();
  for (std::string_view word : {"true", "false", "null"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return word == "true";
  }
  return std::nullopt;
}

bool JsonReader::read_key(std::string& decoded) {
  if (!read_string(decoded) || peek() != JsonToken::colon) return false;
  take();
  return true;
}

bool JsonReader::skip_string() noexcept {
  std::size_t i = at_ + 1;
  for (; i < text_.size() && text_[i] != '"' && text_[i] != '\\'; ++i)
    if (static_cast<unsigned char>(text_[i]) < 0x20) return at_ = i, false;
  if (i < text_.size() && text_[i] == '"') return at_ = i + 1, true;
  std::string decoded;  // an escape: the slow way checks it
  return read_string(decoded);
}

bool JsonReader::skip_value() {
  std::string closers;  // of the containers that are open, innermost last
  std::string key;
  do {
    switch (peek()) {
      case JsonToken::object_begin:
        take();
        if (peek() == JsonToken::object_end) {
          take();
          break;
        }
        closers += '}';
        if (!read_key(key)) return false;
        continue;
      case JsonToken::array_begin:
        take();
        if (peek() == JsonToken::array_end) {
          take();
          break;
        }
        closers += ']';
        continue;
      case JsonToken::string:
        if (!skip_string()) return false;
        break;
      case JsonToken::number:
        if (!read_number()) return false;
        break;
      case JsonToken::boolean:
      case JsonToken::null:
        if (!read_word()) return false;
        break;
      default: return false;
    }
    while (!closers.empty()) {
      JsonToken token = peek();
      if (token == JsonToken::comma) {
        take();
        if (closers.back() == '}' && !read_key(key)) return false;
        break;
      }
      if (token != (closers.back() == '}' ? JsonToken::object_end : JsonToken::array_end)) return false;
      take();
      closers.pop_back();
    }
  } while (!closers.empty());
  return true;
}

}  // namespace loam
