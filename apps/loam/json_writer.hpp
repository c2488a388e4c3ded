#pragma once

/// JSON text, written without a tree in between: stable key order, shortest numbers that read back the same.

#include <cstdint>
#include <string>
#include <string_view>

#include "loam/core/value.hpp"

namespace loam::cli {

/// Calls in the order of the text; commas come by themselves. *needs external synchronization*
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  /// Bytes that are not UTF-8 become U+FFFD: JSON has no other way.
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t number);
  /// Always with a point or an exponent, so that it is read back as the same kind; null for NaN and infinity.
  JsonWriter& number(double number);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// JSON text that is well formed already.
  JsonWriter& raw(std::string_view json);
  /// decimal as a string, bytes as hexadecimal, timestamp as RFC 3339, json as itself, vector as an array.
  JsonWriter& value(const Value& value);

  std::size_t size() const noexcept { return text_.size(); }
  std::string take();

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool comma_ = false;
};

/// Appends `text` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view text);

}  // namespace loam::cli
