#include "loam/adapters/hash/words.hpp"

namespace loam::hash {
namespace {

constexpr char32_t replacement = 0xFFFD;

bool between(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }
bool even(char32_t code) { return code % 2 == 0; }

char32_t lower_latin(char32_t code) {
  if (between(code, 0xC0, 0xDE)) return code == 0xD7 ? code : code + 0x20;
  if (code < 0x100 || code == 0x138 || code == 0x149) return code;
  if (code == 0x130) return U'i';
  if (code == 0x178) return 0xFF;
  if (code == 0x17F) return U's';
  // Capital and small letters alternate, starting on an odd code in two of the runs.
  if (between(code, 0x139, 0x148) || between(code, 0x179, 0x17E)) return even(code) ? code : code + 1;
  return even(code) ? code + 1 : code;
}

char32_t lower_greek(char32_t code) {
  if (between(code, 0x391, 0x3AB)) return code == 0x3A2 ? code : code + 0x20;
  if (code == 0x386) return 0x3AC;
  if (between(code, 0x388, 0x38A)) return code + 0x25;
  if (code == 0x38C) return 0x3CC;
  if (between(code, 0x38E, 0x38F)) return code + 0x3F;
  return code == 0x3C2 ? char32_t{0x3C3} : code;
}

char32_t lower_cyrillic(char32_t code) {
  if (between(code, 0x400, 0x40F)) return code + 0x50;
  if (between(code, 0x410, 0x42F)) return code + 0x20;
  if (code == 0x4C0) return 0x4CF;
  if (between(code, 0x4C1, 0x4CE)) return even(code) ? code : code + 1;
  if (between(code, 0x460, 0x481) || between(code, 0x48A, 0x4BF) || between(code, 0x4D0, 0x52F))
    return even(code) ? code + 1 : code;
  return code;
}

char32_t lower_latin_additional(char32_t code) {
  if (code == 0x1E9E) return 0xDF;
  if (between(code, 0x1E96, 0x1E9F)) return code;
  return even(code) ? code + 1 : code;
}

// Reads one code point; U+FFFD, one byte long, for what is not UTF-8 (overlong forms, surrogates and codes above 10FFFF
// included).
struct Decoded {
  char32_t code;
  std::size_t size;
};

Decoded decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  if (size == 1 || text.size() < size) return {first < 0x80 ? first : replacement, 1};
  char32_t code = first & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {replacement, 1};
    code = code << 6 | (next & 0x3F);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || between(code, 0xD800, 0xDFFF) || code > 0x10FFFF) return {replacement, 1};
  return {code, size};
}

void append_utf8(char32_t code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

char32_t lower(char32_t code) {
  if (code < 0x80) return between(code, U'A', U'Z') ? code + 0x20 : code;
  if (code < 0x180) return lower_latin(code);
  if (between(code, 0x370, 0x3FF)) return lower_greek(code);
  if (between(code, 0x400, 0x52F)) return lower_cyrillic(code);
  if (between(code, 0x531, 0x556)) return code + 0x30;
  if (between(code, 0x1E00, 0x1EFF)) return lower_latin_additional(code);
  return code;
}

bool is_word(char32_t code) {
  if (code < 0x80) return between(code, U'a', U'z') || between(code, U'0', U'9') || between(code, U'A', U'Z');
  if (code < 0xC0) return code == 0xAA || code == 0xB5 || code == 0xBA;
  if (code == 0xD7 || code == 0xF7 || code == replacement || code == 0xFEFF) return false;
  return !between(code, 0x2000, 0x206F) && !between(code, 0x2190, 0x23FF) && !between(code, 0x2500, 0x27BF) &&
         !between(code, 0x2E00, 0x2E7F) && !between(code, 0x3000, 0x303F) && !between(code, 0xFF00, 0xFF0F) &&
         !between(code, 0xFF1A, 0xFF20);
}

void split_words(std::string_view text, Words& words) {
  words.text.clear();
  words.places.clear();
  bool inside = false;
  const auto close = [&] {
    if (!inside) return;
    words.text += word_end;
    words.places.back().size = static_cast<std::uint32_t>(words.text.size()) - words.places.back().begin;
    inside = false;
  };
  while (!text.empty()) {
    const Decoded next = decode(text);
    text.remove_prefix(next.size);
    if (!is_word(next.code)) {
      close();
      continue;
    }
    if (!inside) {
      words.places.push_back({static_cast<std::uint32_t>(words.text.size()), 0});
      words.text += word_begin;
      inside = true;
    }
    append_utf8(lower(next.code), words.text);
  }
  close();
}

}  // namespace loam::hash
