#include "loam/query/json_find.hpp"

namespace loam {
namespace {

/// The value that begins here, checked to its end.
std::optional<JsonLeaf> read_leaf(JsonReader& reader) {
  JsonToken type = reader.peek();
  std::size_t begin = reader.offset();
  if (!reader.skip_value()) return std::nullopt;
  return JsonLeaf{type, reader.text().substr(begin, reader.offset() - begin)};
}

/// Walks the members of an object or the elements of an array: visit(key, value) until it returns false. The text has been
/// checked by read_leaf().
template <typename Visit>
void walk(const JsonLeaf& container, Visit visit) {
  JsonReader reader(container.text);
  bool object = reader.peek() == JsonToken::object_begin;
  reader.take();
  std::string key;
  for (;;) {
    JsonToken token = reader.peek();
    if (token == JsonToken::object_end || token == JsonToken::array_end || token == JsonToken::end) return;
    if (token == JsonToken::comma) {
      reader.take();
      continue;
    }
    if (object && !reader.read_key(key)) return;
    auto value = read_leaf(reader);
    if (!value || !visit(std::string_view(key), *value)) return;
  }
}

std::optional<JsonLeaf> member(const JsonLeaf& object, std::string_view key) {
  std::optional<JsonLeaf> found;
  walk(object, [&](std::string_view name, const JsonLeaf& value) {
    if (name == key) found = value;
    return true;
  });
  return found;
}

std::optional<JsonLeaf> element(const JsonLeaf& array, std::string_view part) {
  auto index = array_index(part);
  if (!index) return std::nullopt;
  std::optional<JsonLeaf> found;
  std::size_t at = 0;
  walk(array, [&](std::string_view, const JsonLeaf& value) {
    if (at++ == *index) found = value;
    return !found;
  });
  return found;
}

}  // namespace

std::optional<std::size_t> array_index(std::string_view part) noexcept {
  if (part.empty() || part.size() > 9 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
  std::size_t index = 0;
  for (char c : part) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  return index;
}

std::optional<JsonLeaf> find_json(std::string_view document, const std::vector<std::string>& path) {
  JsonReader reader(document);
  auto leaf = read_leaf(reader);
  if (!leaf || reader.peek() != JsonToken::end) return std::nullopt;
  for (const std::string& part : path) {
    if (!leaf) return std::nullopt;
    if (leaf->type == JsonToken::object_begin) {
      leaf = member(*leaf, part);
    } else if (leaf->type == JsonToken::array_begin) {
      leaf = element(*leaf, part);
    } else {
      return std::nullopt;
    }
  }
  return leaf;
}

std::string_view json_string(const JsonLeaf& leaf, std::string& buffer) {
  std::string_view inside = leaf.text.substr(1, leaf.text.size() - 2);
  if (inside.find('\\') == inside.npos) return inside;
  JsonReader reader(leaf.text);
  (void)reader.read_string(buffer);  // checked when the leaf was found
  return buffer;
}

void for_each_element(const JsonLeaf& array, const std::function<bool(const JsonLeaf&)>& visit) {
  walk(array, [&](std::string_view, const JsonLeaf& value) { return visit(value); });
}

}  // namespace loam
