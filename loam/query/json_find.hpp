#pragma once

/// Internal to the filter language: one leaf of a stored JSON document.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loam/query/json_reader.hpp"

namespace loam {

/// A value inside a document: its first token (object_begin, array_begin, string, number, boolean, null) and its own text.
struct JsonLeaf {
  JsonToken type = JsonToken::null;
  std::string_view text;
};

/// The value at `path`; empty when the path is absent or the document is not JSON. A part that is an array index (digits, no
/// leading zero, at most nine) picks an element of an array; of a key that is there twice the last one counts, as in jsonb.
/// O(document * path), no allocation but for keys with escapes.
std::optional<JsonLeaf> find_json(std::string_view document, const std::vector<std::string>& path);

/// The content of a string leaf; `buffer` holds it when it has escapes.
std::string_view json_string(const JsonLeaf& leaf, std::string& buffer);

/// Calls `visit` with each element of an array leaf until it returns false.
void for_each_element(const JsonLeaf& array, const std::function<bool(const JsonLeaf&)>& visit);

/// The number that `part` is as an array index.
std::optional<std::size_t> array_index(std::string_view part) noexcept;

}  // namespace loam
