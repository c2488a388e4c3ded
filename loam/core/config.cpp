#include "loam/core/config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "loam/core/json_internal.hpp"

namespace loam {
namespace {

Error bad_field(std::string_view field, std::string_view origin, std::string_view why) {
  return invalid_argument("the setting " + std::string(field) + " (from " + std::string(origin) + ") " + std::string(why));
}

std::string variable_name(std::string_view field) {
  std::string name = "LOAM_";
  for (char c : field) name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return name;
}

/// Walks a JSON object and hands out dotted names with scalar values as text.
Result<void> flatten(const nlohmann::ordered_json& object, const std::string& prefix, const std::string& origin,
                     const std::function<void(std::string, std::string)>& take) {
  for (const auto& [name, value] : object.items()) {
    std::string field = prefix.empty() ? name : prefix + '.' + name;
    if (value.is_object()) {
      LOAM_TRY(flatten(value, field, origin, take));
    } else if (value.is_string()) {
      take(field, value.get<std::string>());
    } else if (value.is_array()) {
      return bad_field(field, origin, "is a list; a single value is expected");
    } else if (!value.is_null()) {
      take(field, value.dump());
    }
  }
  return {};
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string shown(double number) {
  std::string text = std::to_string(number);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    bool point = text.back() == '.';
    text.pop_back();
    if (point) break;
  }
  return text;
}

}  // namespace

Config::Layer& Config::table_layer() { return layers_.emplace_back(); }

Result<void> Config::add_json(std::string_view text, std::string origin) {
  Result<nlohmann::ordered_json> tree = parse_json_strict(text);
  if (!tree.ok()) return invalid_argument(origin + ": " + tree.error().message());
  if (!tree->is_object()) return invalid_argument(origin + " holds no JSON object of settings");
  Layer layer;
  LOAM_TRY(flatten(*tree, "", origin, [&](std::string field, std::string value) {
    layer.entries[std::move(field)] = {std::move(value), origin};
  }));
  layers_.push_back(std::move(layer));
  return {};
}

void Config::add_environment(Environment environment) {
  if (!environment) environment = [](const char* name) { return std::getenv(name); };
  layers_.emplace_back().environment = std::move(environment);
}

Result<void> Config::add_url(const Url& url) {
  Layer& layer = table_layer();
  for (const auto& [key, value] : url.query) layer.entries[key] = {value, "the URL's parameter " + key};
  return {};
}

void Config::set(std::string field, std::string value, std::string origin) {
  table_layer().entries[std::move(field)] = {std::move(value), std::move(origin)};
}

std::optional<Config::Entry> Config::find(std::string_view field) {
  asked_.emplace(field);
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    if (auto entry = layer->entries.find(field); entry != layer->entries.end()) return entry->second;
    if (!layer->environment) continue;
    std::string name = variable_name(field);
    const char* value = layer->environment(name.c_str());
    if ((value == nullptr || *value == '\0') && field == "store") {
      name = "DATABASE_URL";
      value = layer->environment(name.c_str());
    }
    if (value != nullptr && *value != '\0') return Entry{value, "environment " + name};
  }
  return std::nullopt;
}

Result<std::optional<std::string>> Config::text(std::string_view field) {
  auto entry = find(field);
  if (!entry) return std::optional<std::string>();
  return std::optional<std::string>(std::move(entry->value));
}

Result<std::optional<std::int64_t>> Config::integer(std::string_view field, std::int64_t least, std::int64_t most) {
  auto entry = find(field);
  if (!entry) return std::optional<std::int64_t>();
  auto number = parse_number<std::int64_t>(entry->value);
  if (!number || *number < least || *number > most)
    return bad_field(field, entry->origin,
                     "is not a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return number;
}

Result<std::optional<double>> Config::number(std::string_view field, double least, double most) {
  auto entry = find(field);
  if (!entry) return std::optional<double>();
  auto number = parse_number<double>(entry->value);
  if (!number || !std::isfinite(*number) || *number < least || *number > most)
    return bad_field(field, entry->origin, "is not a number from " + shown(least) + " to " + shown(most));
  return number;
}

Result<std::optional<bool>> Config::boolean(std::string_view field) {
  auto entry = find(field);
  if (!entry) return std::optional<bool>();
  const std::string& value = entry->value;
  if (value == "true" || value == "1" || value == "yes" || value == "on") return std::optional<bool>(true);
  if (value == "false" || value == "0" || value == "no" || value == "off") return std::optional<bool>(false);
  return bad_field(field, entry->origin, "is neither true nor false");
}

Result<std::optional<std::string>> Config::choice(std::string_view field, std::initializer_list<std::string_view> allowed) {
  auto entry = find(field);
  if (!entry) return std::optional<std::string>();
  if (std::find(allowed.begin(), allowed.end(), entry->value) != allowed.end())
    return std::optional<std::string>(std::move(entry->value));
  std::string names;
  for (std::string_view name : allowed) names += (names.empty() ? "" : ", ") + std::string(name);
  return bad_field(field, entry->origin, "is none of " + names);
}

Result<std::optional<Secret>> Config::secret(std::string_view field) {
  auto entry = find(field);
  if (!entry) return std::optional<Secret>();
  return std::optional<Secret>(Secret(std::move(entry->value)));
}

Result<void> Config::finish() const {
  for (const Layer& layer : layers_)
    for (const auto& [field, entry] : layer.entries) {
      if (asked_.contains(field)) continue;
      Error error = bad_field(field, entry.origin, "is not known");
      auto near = nearest_name(field, {asked_.begin(), asked_.end()});
      return near ? std::move(error).hint("did you mean " + *near + "?") : std::move(error);
    }
  return {};
}

std::string Config::origin_of(std::string_view field) {
  auto entry = find(field);
  return entry ? entry->origin : "";
}

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr std::size_t compared_bytes_max = 128;  // the table below is quadratic
  if (name.size() > compared_bytes_max) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > compared_bytes_max) continue;
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        std::size_t substituted = diagonal + (name[i - 1] != candidate[j - 1]);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace loam
