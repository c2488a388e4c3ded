#pragma once

/// The words of one command line, checked against the command's table.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/loam/command.hpp"
#include "apps/loam/terminal.hpp"

namespace loam::cli {

/// *const methods are thread-safe*
class Arguments {
 public:
  /// Takes the words that follow the command's own. Options may stand anywhere; `--` ends them. invalid_argument naming the
  /// word: unknown option (the nearest one suggested), a missing or superfluous argument, a value that is none of the
  /// choices.
  static Result<Arguments> parse(const CommandSpec& command, const std::vector<std::string>& words);

  /// Of a positional argument, by the name in the table; it is there unless optional.
  const std::string& at(std::string_view argument) const;
  bool has(std::string_view name) const { return values_.contains(name); }
  bool flag(std::string_view option) const { return values_.contains(option); }

  /// Of an option or argument; nullopt when it was not given.
  std::optional<std::string> text(std::string_view name) const;
  /// Parts between commas, without blanks around them; an empty part is invalid_argument.
  Result<std::vector<std::string>> list(std::string_view option) const;
  /// invalid_argument unless it is a whole number from least to greatest.
  Result<std::int64_t> integer(std::string_view option, std::int64_t fallback, std::int64_t least,
                               std::int64_t greatest) const;
  Result<std::optional<double>> number(std::string_view option) const;
  /// "30", "30s", "500ms", "2m", "1h" as milliseconds.
  Result<std::optional<std::int64_t>> duration_ms(std::string_view option) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// The command of a whole command line, and its words: the command's and its group's taken out.
struct CommandLine {
  const CommandSpec* command = nullptr;  ///< null: no command was given
  std::string group;                     ///< "kv" when only the group was given
  std::vector<std::string> words;
};
/// invalid_argument for a command that does not exist, the nearest one suggested.
Result<CommandLine> split_command_line(const std::vector<std::string>& words);

/// What the words say about the form of errors: known before they are parsed, so that a wrong command line is reported as
/// asked.
bool asks_for_json(const std::vector<std::string>& words);
ColorChoice asked_color(const std::vector<std::string>& words);

}  // namespace loam::cli
