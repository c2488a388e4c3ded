#include "apps/loam/json_writer.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

template <typename Number>
void append_shortest(std::string& out, Number number) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out.append(buffer, end);
}

void append_float(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  std::size_t start = out.size();
  append_shortest(out, number);
  if (out.find_first_of(".eE", start) == std::string::npos) out += ".0";
}

/// The document without white space between its tokens: a stored one may span lines, a line of JSONL may not.
void append_compact(std::string& out, std::string_view json) {
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    out += c;
    if (in_string && c == '\\' && i + 1 < json.size())
      out += json[++i];
    else if (c == '"')
      in_string = !in_string;
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // start of the run that needs no escape
  std::size_t at = 0;
  auto copy_plain = [&] { out.append(text.substr(plain, at - plain)); };
  while (at < text.size()) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\') {
      ++at;
      continue;
    }
    if (byte >= 0x80) {
      CodePoint c = first_code_point(text.substr(at));
      if (!c.valid) {
        copy_plain();
        out += "\xEF\xBF\xBD";
        plain = at + 1;
      }
      at += c.bytes;
      continue;
    }
    copy_plain();
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
        out += buffer;
      }
    }
    plain = ++at;
  }
  copy_plain();
  out += '"';
}

void JsonWriter::separate() {
  if (comma_) text_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(text_, name);
  text_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(text_, text);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  separate();
  append_shortest(text_, number);
  return *this;
}

JsonWriter& JsonWriter::number(double number) {
  separate();
  append_float(text_, number);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  text_ += json;
  return *this;
}

JsonWriter& JsonWriter::value(const Value& value) {
  switch (value.kind()) {
    case ValueKind::null: return null();
    case ValueKind::boolean: return boolean(value.as<bool>());
    case ValueKind::int64: return integer(value.as<std::int64_t>());
    case ValueKind::float64: return number(value.as<double>());
    case ValueKind::json:
      separate();
      append_compact(text_, value.as<Json>().text);
      return *this;
    case ValueKind::vector:
      begin_array();
      for (float element : value.as<Vector>()) {
        separate();
        if (std::isfinite(element))
          append_shortest(text_, element);
        else
          text_ += "null";
      }
      return end_array();
    case ValueKind::decimal:
    case ValueKind::string:
    case ValueKind::bytes:
    case ValueKind::timestamp: return string(value.to_display());
  }
  return null();
}

std::string JsonWriter::take() {
  std::string text = std::move(text_);
  text_.clear();
  comma_ = false;
  return text;
}

}  // namespace loam::cli
