#include "apps/loam/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "apps/loam/suggest.hpp"

namespace loam::cli {
namespace {

std::vector<OptionSpec> options_of(const CommandSpec& command) {
  std::vector<OptionSpec> options(command.options);
  options.insert(options.end(), global_options().begin(), global_options().end());
  return options;
}

std::string help_hint(const CommandSpec& command) {
  return "loam " + std::string(command.path) + " --help shows its options and examples";
}

bool is_option_word(std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return false;
  double number = 0;  // "-5" is a value
  auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
  return code != std::errc() || end != word.data() + word.size();
}

const OptionSpec* find_option(const std::vector<OptionSpec>& options, std::string_view word) {
  for (const OptionSpec& option : options)
    if (word == option.name || (word.size() == 2 && word[0] == '-' && word[1] == option.short_name)) return &option;
  return nullptr;
}

/// "--where=" and "--where=a=b" as two words each, because CLI11 takes an empty value for an absent one.
std::vector<std::string> separate_values(const std::vector<OptionSpec>& options, const std::vector<std::string>& words) {
  std::vector<std::string> separated;
  bool options_ended = false;
  for (const std::string& word : words) {
    std::size_t equals = options_ended ? std::string::npos : word.find('=');
    const OptionSpec* option =
        word.starts_with("--") && equals != std::string::npos ? find_option(options, word.substr(0, equals)) : nullptr;
    if (option != nullptr && !option->value.empty()) {
      separated.push_back(word.substr(0, equals));
      separated.push_back(word.substr(equals + 1));
    } else {
      separated.push_back(word);
    }
    options_ended = options_ended || word == "--";
  }
  return separated;
}

Error unknown_option(const CommandSpec& command, const std::vector<OptionSpec>& options, const std::string& word) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : options) names.push_back(option.name);
  std::string close = nearest(word.substr(0, word.find('=')), names);
  Error error = invalid_argument("loam " + std::string(command.path) + " has no option \"" + word + "\"");
  return std::move(error).hint(close.empty() ? help_hint(command) : "did you mean " + close + "?");
}

Result<void> check_choice(const OptionSpec& option, const std::string& value) {
  if (option.choices.empty()) return {};
  std::vector<std::string_view> choices;
  for (std::size_t start = 0; start <= option.choices.size();) {
    std::size_t end = std::min(option.choices.find('|', start), option.choices.size());
    choices.push_back(option.choices.substr(start, end - start));
    start = end + 1;
  }
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
  std::string close = nearest(value, choices);
  Error error = invalid_argument(std::string(option.name) + ": \"" + value + "\" is none of " + std::string(option.choices));
  return close.empty() ? std::move(error) : std::move(error).hint("did you mean " + close + "?");
}

/// What CLI11 left over: the arguments in order.
Result<std::vector<std::string>> positional_words(const CommandSpec& command, const std::vector<OptionSpec>& options,
                                                  const std::vector<std::string>& remaining) {
  std::vector<std::string> words;
  bool options_ended = false;
  for (const std::string& word : remaining) {
    if (!options_ended && word == "--") {
      options_ended = true;
    } else if (!options_ended && is_option_word(word)) {
      return unknown_option(command, options, word);
    } else {
      words.push_back(word);
    }
  }
  return words;
}

Error not_a_value(std::string_view option, const std::string& value, const std::string& wanted) {
  return invalid_argument(std::string(option) + ": \"" + value + "\" is not " + wanted);
}

}  // namespace

Result<Arguments> Arguments::parse(const CommandSpec& command, const std::vector<std::string>& words) {
  Arguments arguments;
  std::vector<OptionSpec> options = options_of(command);
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const OptionSpec& option : options) {
    std::string name = (option.short_name != 0 ? std::string("-") + option.short_name + "," : "") + std::string(option.name);
    auto keep = [&arguments, key = std::string(option.name)](const CLI::results_t& results) {
      arguments.values_[key] = results.empty() ? "" : results.front();
      return true;
    };
    if (option.value.empty())
      app.add_flag_function(name, [keep](std::int64_t times) {
        if (times > 0) keep({});
      });
    else
      app.add_option(name, CLI::callback_t(keep));
  }
  std::vector<std::string> reversed = separate_values(options, words);
  std::reverse(reversed.begin(), reversed.end());  // the order CLI11 wants
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return invalid_argument(std::string("loam ") + std::string(command.path) + ": " + error.what()).hint(help_hint(command));
  }
  for (const OptionSpec& option : options)
    if (auto value = arguments.text(option.name); value && !option.value.empty()) LOAM_TRY(check_choice(option, *value));

  LOAM_TRY(std::vector<std::string> positional, positional_words(command, options, app.remaining()));
  if (arguments.flag("--help") || arguments.flag("--version")) return arguments;
  std::size_t next = 0;
  for (const ArgumentSpec& argument : command.arguments) {
    if (next < positional.size())
      arguments.values_[std::string(argument.name)] = positional[next++];
    else if (!argument.optional)
      return invalid_argument("loam " + std::string(command.path) + " needs " + std::string(argument.name) + ": " +
                              std::string(argument.summary))
          .hint(help_hint(command));
  }
  if (next < positional.size())
    return invalid_argument("loam " + std::string(command.path) + ": the argument \"" + positional[next] +
                            "\" is one too many")
        .hint(help_hint(command));
  return arguments;
}

const std::string& Arguments::at(std::string_view argument) const {
  auto found = values_.find(argument);
  LOAM_ASSERT(found != values_.end(), "an argument that is not in the command's table");
  return found->second;
}

std::optional<std::string> Arguments::text(std::string_view name) const {
  auto found = values_.find(name);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::vector<std::string>> Arguments::list(std::string_view option) const {
  std::vector<std::string> parts;
  std::optional<std::string> value = text(option);
  if (!value) return parts;
  for (std::size_t start = 0; start <= value->size();) {
    std::size_t end = std::min(value->find(',', start), value->size());
    std::string part = value->substr(start, end - start);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    if (part.empty()) return not_a_value(option, *value, "a list of names with commas between them");
    parts.push_back(std::move(part));
    start = end + 1;
  }
  return parts;
}

Result<std::int64_t> Arguments::integer(std::string_view option, std::int64_t fallback, std::int64_t least,
                                        std::int64_t greatest) const {
  std::optional<std::string> value = text(option);
  if (!value) return fallback;
  std::int64_t number = 0;
  auto [end, code] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (code != std::errc() || end != value->data() + value->size() || number < least || number > greatest)
    return not_a_value(option, *value, "a whole number from " + std::to_string(least) + " to " + std::to_string(greatest));
  return number;
}

Result<std::optional<double>> Arguments::number(std::string_view option) const {
  std::optional<std::string> value = text(option);
  if (!value) return std::optional<double>();
  double number = 0;
  auto [end, code] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (code != std::errc() || end != value->data() + value->size() || !std::isfinite(number))
    return not_a_value(option, *value, "a number");
  return std::optional(number);
}

Result<std::optional<std::int64_t>> Arguments::duration_ms(std::string_view option) const {
  std::optional<std::string> value = text(option);
  if (!value) return std::optional<std::int64_t>();
  double number = 0;
  auto [end, code] = std::from_chars(value->data(), value->data() + value->size(), number);
  std::string_view unit(end, static_cast<std::size_t>(value->data() + value->size() - end));
  double factor = unit == "ms" ? 1 : unit.empty() || unit == "s" ? 1e3 : unit == "m" ? 60e3 : unit == "h" ? 3600e3 : 0;
  constexpr double duration_ms_max = 366.0 * 24 * 3600e3;
  if (code != std::errc() || factor == 0 || !(number > 0) || number * factor > duration_ms_max)
    return not_a_value(option, *value, "a time like 30s, 500ms, 2m or 1h");
  return std::optional(std::max<std::int64_t>(1, static_cast<std::int64_t>(number * factor)));
}

namespace {

/// Where the next word that is no global option stands.
std::size_t next_plain_word(const std::vector<std::string>& words, std::size_t from) {
  std::vector<OptionSpec> globals(global_options().begin(), global_options().end());
  for (std::size_t i = from; i < words.size(); ++i) {
    if (words[i].size() < 2 || words[i][0] != '-') return i;
    const OptionSpec* option = find_option(globals, words[i]);
    if (option != nullptr && !option->value.empty()) ++i;
  }
  return words.size();
}

Error unknown_command(const std::string& path, const std::string& group) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : commands())
    if (!command.hidden) names.push_back(command.path);
  if (group.empty()) names.push_back("kv");
  std::string close = nearest(path, names);
  Error error = invalid_argument("there is no command \"" + path + "\"");
  return std::move(error).hint(close.empty() ? "loam help lists them" : "did you mean loam " + close + "?");
}

}  // namespace

Result<CommandLine> split_command_line(const std::vector<std::string>& words) {
  CommandLine line{.words = words};
  std::size_t first = next_plain_word(words, 0);
  if (first == words.size()) return line;
  std::string path = words[first];
  line.words.erase(line.words.begin() + static_cast<std::ptrdiff_t>(first));
  if (is_group(path)) {
    line.group = path;
    std::size_t second = next_plain_word(line.words, first);
    if (second == line.words.size()) return line;
    path += " " + line.words[second];
    line.words.erase(line.words.begin() + static_cast<std::ptrdiff_t>(second));
  }
  line.command = find_command(path);
  if (line.command == nullptr) return unknown_command(path, line.group);
  return line;
}

namespace {

/// The last value of an option that stands before "--"; empty without one.
std::string value_among(const std::vector<std::string>& words, const std::string& option) {
  std::string value;
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i].starts_with(option + "=")) value = words[i].substr(option.size() + 1);
    if (words[i] == option && i + 1 < words.size()) value = words[i + 1];
  }
  return value;
}

}  // namespace

bool asks_for_json(const std::vector<std::string>& words) { return value_among(words, "--format").starts_with("json"); }

ColorChoice asked_color(const std::vector<std::string>& words) {
  std::string choice = value_among(words, "--color");
  return choice == "always" ? ColorChoice::always : choice == "never" ? ColorChoice::never : ColorChoice::automatic;
}

}  // namespace loam::cli
