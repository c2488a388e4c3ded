#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "loam/core/limits.hpp"
#include "loam/query/filter_error.hpp"
#include "loam/query/filter_lexer.hpp"
#include "loam/query/filter_parse.hpp"
#include "loam/query/filter_words.hpp"
#include "loam/query/json_reader.hpp"
#include "loam/query/like.hpp"
#include "loam/query/nearest.hpp"
#include "loam/query/number.hpp"

namespace loam {
namespace {

constexpr std::string_view field_operators[] = {"$eq",  "$ne",   "$gt",      "$gte",      "$lt",   "$lte",    "$in",
                                                "$nin", "$like", "$between", "$contains", "$null", "$exists", "$not"};
constexpr std::string_view logical_operators[] = {"$and", "$or", "$not"};

std::optional<FilterOp> operator_of(std::string_view word) {
  for (FilterOp op : {FilterOp::eq, FilterOp::ne, FilterOp::lt, FilterOp::le, FilterOp::gt, FilterOp::ge, FilterOp::in,
                      FilterOp::like, FilterOp::between, FilterOp::contains, FilterOp::is_null, FilterOp::exists})
    if (json_word(op) == word) return op;
  return std::nullopt;
}

std::optional<LiteralType> literal_type(std::string_view key) {
  if (key == "$timestamp") return LiteralType::timestamp;
  if (key == "$decimal") return LiteralType::decimal;
  if (key == "$bytes") return LiteralType::bytes;
  return std::nullopt;
}

/// Recursive descent over the JSON text itself, so that every error has its place and no key is seen twice.
class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : reader_(text) {}

  Result<Filter> parse() {
    LOAM_TRY(Filter filter, object());
    if (reader_.peek() != JsonToken::end) return unexpected("the end of the filter");
    return filter;
  }

 private:
  using Keys = std::unordered_set<std::string>;

  Error error_at(std::size_t offset, std::string_view message) const {
    return filter_error(reader_.text(), offset, message);
  }
  Error unexpected(std::string_view expected) {
    bool end = reader_.peek() == JsonToken::end;
    std::string found = end ? "the end of the filter" : excerpt(reader_.text().substr(reader_.offset(), 12));
    return error_at(reader_.offset(), "expected " + std::string(expected) + ", found " + found);
  }

  Result<void> expect(JsonToken token, std::string_view what) {
    if (reader_.peek() != token) return unexpected(what);
    reader_.take();
    return {};
  }

  /// A node of the tree begins here.
  Result<void> count_node() {
    if (++nodes_ > limits::filter_nodes_max)
      return error_at(reader_.offset(), "a filter has at most " + std::to_string(limits::filter_nodes_max) + " conditions");
    return {};
  }
  Result<void> descend() {
    if (++depth_ > limits::filter_depth_max)
      return error_at(reader_.offset(),
                      "a filter is nested at most " + std::to_string(limits::filter_depth_max) + " levels deep");
    return {};
  }

  Result<std::string> string(std::string_view what) {
    if (reader_.peek() != JsonToken::string) return unexpected(what);
    std::size_t begin = reader_.offset();
    std::string text;
    if (!reader_.read_string(text)) return error_at(reader_.offset(), "this is not a JSON string");
    if (text.find('\0') != text.npos) return error_at(begin, "a filter cannot hold the character U+0000");
    return text;
  }

  /// Calls `member(key, offset of the key)` for each member of the object that begins here.
  template <typename Member>
  Result<void> members(Member member) {
    LOAM_TRY(expect(JsonToken::object_begin, "an object"));
    Keys seen;
    while (reader_.peek() != JsonToken::object_end) {
      if (!seen.empty()) LOAM_TRY(expect(JsonToken::comma, "a comma or }"));
      reader_.peek();
      std::size_t begin = reader_.offset();
      LOAM_TRY(std::string key, string(seen.empty() ? "a key in double quotes or }" : "a key in double quotes"));
      LOAM_TRY(expect(JsonToken::colon, "a colon after the key"));
      if (!seen.insert(key).second) return error_at(begin, "the key " + excerpt(key) + " is there twice");
      LOAM_TRY(member(key, begin));
    }
    reader_.take();
    return {};
  }

  template <typename Element>
  Result<void> elements(std::string_view what, Element element) {
    LOAM_TRY(expect(JsonToken::array_begin, what));
    for (bool first = true; reader_.peek() != JsonToken::array_end; first = false) {
      if (!first) LOAM_TRY(expect(JsonToken::comma, "a comma or ]"));
      LOAM_TRY(element());
    }
    reader_.take();
    return {};
  }

  /// {"field": .., "$and": [..]}: all of them.
  Result<Filter> object() {
    LOAM_TRY(descend());
    LOAM_TRY(count_node());
    std::vector<Filter> parts;
    LOAM_TRY(members([&](const std::string& key, std::size_t begin) -> Result<void> {
      LOAM_TRY(Filter part, key.starts_with('$') ? logical(key, begin) : field(key, begin));
      parts.push_back(std::move(part));
      return {};
    }));
    --depth_;
    return joined(FilterOp::logical_and, std::move(parts));
  }

  Result<Filter> logical(const std::string& key, std::size_t begin) {
    if (key == "$not") {
      LOAM_TRY(Filter child, object());
      return negated(std::move(child));
    }
    if (key != "$and" && key != "$or") return unknown_operator(key, begin, logical_operators, "in place of a column");
    std::vector<Filter> children;
    LOAM_TRY(elements("an array of filters after " + key, [&]() -> Result<void> {
      LOAM_TRY(Filter child, object());
      children.push_back(std::move(child));
      return {};
    }));
    return joined(key == "$and" ? FilterOp::logical_and : FilterOp::logical_or, std::move(children));
  }

  Error unknown_operator(const std::string& key, std::size_t begin, std::span<const std::string_view> known,
                         std::string_view where) {
    std::string list;
    for (std::string_view name : known) (list += list.empty() ? "" : ", ") += name;
    return error_at(begin, excerpt(key) + " is not an operator that can stand " + std::string(where) + "; did you mean " +
                               std::string(by_distance(key, {known.begin(), known.end()}).front()) + "? There are " + list);
  }

  Result<Filter> field(const std::string& key, std::size_t begin) {
    auto path = FilterLexer::field_of_json_key(key);
    if (!path.ok()) return error_at(begin, path.error().message());
    JsonToken token = reader_.peek();
    if (token == JsonToken::object_begin) return conditions(*path);
    if (token == JsonToken::array_begin)
      return error_at(reader_.offset(),
                      "expected a value or an object of operators, found an array; membership is {\"$in\": [..]}");
    LOAM_TRY(count_node());
    return condition(*path, FilterOp::eq);
  }

  static Filter leaf(FilterOp op, FieldPath field, std::vector<Value> values) {
    return Filter{.op = op, .field = std::move(field), .values = std::move(values), .children = {}};
  }

  /// {"$gt": 1, "$lt": 5} of one field: all of them.
  Result<Filter> conditions(const FieldPath& path) {
    LOAM_TRY(descend());
    std::size_t start = reader_.offset();
    std::vector<Filter> parts;
    std::optional<Value> typed;
    LOAM_TRY(members([&](const std::string& key, std::size_t begin) -> Result<void> {
      if (typed) return error_at(begin, "a typed value has one key only");
      if (auto type = literal_type(key)) {
        if (!parts.empty()) return error_at(begin, excerpt(key) + " is a value, not an operator; write {\"$eq\": {..}}");
        LOAM_TRY(typed, typed_value(*type, key));
        return {};
      }
      LOAM_TRY(Filter part, operation(path, key, begin));
      parts.push_back(std::move(part));
      return {};
    }));
    --depth_;
    if (typed) return leaf(FilterOp::eq, path, {std::move(*typed)});
    if (parts.empty())
      return error_at(start, "expected an operator such as {\"$gt\": 1} for " + to_string(path) + ", found {}");
    return joined(FilterOp::logical_and, std::move(parts));
  }

  Result<Filter> operation(const FieldPath& path, const std::string& key, std::size_t begin) {
    LOAM_TRY(count_node());
    if (key == "$not") {
      LOAM_TRY(Filter child, conditions(path));
      return negated(std::move(child));
    }
    if (key == "$nin") {
      LOAM_TRY(Filter child, condition(path, FilterOp::in));
      return negated(std::move(child));
    }
    if (auto op = operator_of(key)) return condition(path, *op);
    if (key.starts_with('$')) return unknown_operator(key, begin, field_operators, "below a column");
    return error_at(begin, "expected an operator that begins with $, found " + excerpt(key) +
                               "; a path into JSON is one key: " + excerpt(to_string(path) + '.' + key));
  }

  Result<Filter> condition(const FieldPath& path, FilterOp op) {
    if (op == FilterOp::is_null || op == FilterOp::exists) return flag(path, op);
    if (op == FilterOp::in || op == FilterOp::between) return list(path, op);
    reader_.peek();
    std::size_t begin = reader_.offset();
    LOAM_TRY(Value value, literal());
    if (value.is_null()) {
      if (op == FilterOp::eq) return leaf(FilterOp::is_null, path, {});
      if (op == FilterOp::ne) return negated(leaf(FilterOp::is_null, path, {}));
      return error_at(begin, "null cannot be compared; {\"$null\": true} finds rows without a value");
    }
    if (op == FilterOp::like) {
      const auto* pattern = value.get_if<std::string>();
      if (pattern == nullptr) return error_at(begin, "expected a string after $like");
      if (!is_like_pattern(*pattern)) return error_at(begin, "a LIKE pattern cannot end in a lone \\");
    }
    return leaf(op, path, {std::move(value)});
  }

  Result<Filter> flag(const FieldPath& path, FilterOp op) {
    if (reader_.peek() != JsonToken::boolean) return unexpected("true or false after " + std::string(json_word(op)));
    auto wanted = reader_.read_word();
    if (!wanted) return unexpected("true or false after " + std::string(json_word(op)));
    Filter filter = leaf(op, path, {});
    return *wanted ? std::move(filter) : negated(std::move(filter));
  }

  Result<Filter> list(const FieldPath& path, FilterOp op) {
    reader_.peek();
    std::size_t begin = reader_.offset();
    std::vector<Value> values;
    LOAM_TRY(elements("an array of values after " + std::string(json_word(op)), [&]() -> Result<void> {
      LOAM_TRY(Value value, literal());
      values.push_back(std::move(value));
      return {};
    }));
    if (op == FilterOp::between) {
      bool two = values.size() == 2 && !values[0].is_null() && !values[1].is_null();
      if (!two) return error_at(begin, "expected the two ends of the range after $between: [low, high]");
    }
    return leaf(op, path, std::move(values));
  }

  Result<Value> literal() {
    std::size_t begin = (reader_.peek(), reader_.offset());
    switch (reader_.peek()) {
      case JsonToken::string: {
        LOAM_TRY(std::string text, string("a string"));
        return Value(std::move(text));
      }
      case JsonToken::number: {
        auto text = reader_.read_number();
        if (!text) return error_at(reader_.offset(), "this is not a JSON number");
        auto value = number_literal(*text);
        if (!value) return error_at(begin, number_refused(*text));
        return std::move(*value);
      }
      case JsonToken::boolean:
      case JsonToken::null: {
        bool null = reader_.peek() == JsonToken::null;
        auto word = reader_.read_word();
        if (!word) return unexpected("true, false or null");
        return null ? Value() : Value(*word);
      }
      case JsonToken::object_begin: return typed_object();
      default: return unexpected("a value");
    }
  }

  Result<Value> typed_object() {
    std::optional<Value> value;
    std::size_t start = reader_.offset();
    LOAM_TRY(members([&](const std::string& key, std::size_t begin) -> Result<void> {
      auto type = literal_type(key);
      if (!type || value)
        return error_at(
            begin,
            "expected a value; an object is one only as {\"$timestamp\": ..}, {\"$decimal\": ..} or {\"$bytes\": ..}");
      LOAM_TRY(value, typed_value(*type, key));
      return {};
    }));
    if (!value) return error_at(start, "expected a value, found {}");
    return std::move(*value);
  }

  Result<Value> typed_value(LiteralType type, const std::string& key) {
    reader_.peek();
    std::size_t begin = reader_.offset();
    LOAM_TRY(std::string text, string("a string after " + key));
    auto value = typed_literal(type, text);
    if (!value.ok()) return error_at(begin, value.error().message());
    return value;
  }

  JsonReader reader_;
  std::size_t depth_ = 0;
  std::size_t nodes_ = 0;
};

}  // namespace

Result<Filter> parse_json_filter(std::string_view text) { return JsonParser(text).parse(); }

}  // namespace loam
