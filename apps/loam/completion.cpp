#include "apps/loam/completion.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "apps/loam/command.hpp"

namespace loam::cli {
namespace {

std::vector<OptionSpec> all_options(const CommandSpec& command) {
  std::vector<OptionSpec> options(command.options);
  options.insert(options.end(), global_options().begin(), global_options().end());
  return options;
}

std::string joined_choices(std::string_view choices) {
  std::string words(choices);
  std::replace(words.begin(), words.end(), '|', ' ');
  return words;
}

std::vector<std::string_view> first_words() {
  std::vector<std::string_view> words;
  for (const CommandSpec& command : commands()) {
    std::string_view first = command.path.substr(0, command.path.find(' '));
    if (!command.hidden && std::find(words.begin(), words.end(), first) == words.end()) words.push_back(first);
  }
  return words;
}

/// The verbs of a group; empty for a command that is none.
std::vector<std::string_view> verbs(std::string_view group) {
  std::vector<std::string_view> words;
  for (const CommandSpec& command : commands())
    if (command.path.starts_with(std::string(group) + " ")) words.push_back(command.path.substr(group.size() + 1));
  return words;
}

template <typename Words>
std::string spaced(const Words& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

std::string option_names(const CommandSpec& command) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : all_options(command)) names.push_back(option.name);
  return spaced(names);
}

/// In single quotes of a POSIX shell.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

/// `case` arms "option) what to offer;;" shared by all commands: an option means the same wherever it stands.
std::string bash_value_cases() {
  std::vector<std::string_view> seen;
  std::string arms;
  auto add = [&](const OptionSpec& option) {
    if (option.value.empty() || std::find(seen.begin(), seen.end(), option.name) != seen.end()) return;
    seen.push_back(option.name);
    arms += "    " + std::string(option.name) + ") ";
    if (!option.choices.empty())
      arms += "COMPREPLY=($(compgen -W \"" + joined_choices(option.choices) + "\" -- \"$word\"))";
    else if (option.completes != Completes::nothing)
      arms += "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"))";
    else
      arms += "COMPREPLY=()";
    arms += "; return;;\n";
  };
  for (const CommandSpec& command : commands())
    for (const OptionSpec& option : all_options(command)) add(option);
  return arms;
}

}  // namespace

std::string bash_completion() {
  std::string script =
      "# bash completion of loam; made by `loam completion bash`\n_loam() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" first=\"\" command=\"\" i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [[ ${COMP_WORDS[i]} == -* ]] && continue\n"
      "    if [[ -z $first ]]; then first=\"${COMP_WORDS[i]}\"; command=\"$first\"\n"
      "    elif [[ $command == \"$first\" ]]; then command=\"$first ${COMP_WORDS[i]}\"; fi\n"
      "  done\n  case \"$before\" in\n" +
      bash_value_cases() + "  esac\n";
  script += "  if [[ -z $first && $word != -* ]]; then COMPREPLY=($(compgen -W \"" + spaced(first_words()) +
            "\" -- \"$word\")); return; fi\n";
  for (std::string_view group : first_words())
    if (auto words = verbs(group); !words.empty())
      script += "  if [[ $command == " + std::string(group) + " ]]; then COMPREPLY=($(compgen -W \"" + spaced(words) +
                "\" -- \"$word\")); return; fi\n";
  script += "  if [[ $word == -* ]]; then\n    local options=\"\"\n    case \"$command \" in\n";
  for (const CommandSpec& command : commands())
    if (!command.hidden)
      script += "      " + quoted(std::string(command.path) + " ") + "*) options=\"" + option_names(command) + "\";;\n";
  script +=
      "    esac\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\")); return\n  fi\n"
      "  if [[ $first == help ]]; then COMPREPLY=($(compgen -W \"" +
      spaced(first_words()) +
      "\" -- \"$word\")); return; fi\n"
      "  if [[ $first == completion ]]; then COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$word\")); return; fi\n"
      "  compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"))\n}\ncomplete -F _loam loam\n";
  return script;
}

std::string zsh_completion() {
  auto escaped = [](std::string_view text) {
    std::string out;
    for (char c : text) {
      if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  auto argument_lines = [&](const CommandSpec& command) {
    std::string lines;
    for (const OptionSpec& option : all_options(command)) {
      std::string spec = std::string(option.name) + "[" + escaped(option.summary) + "]";
      if (!option.value.empty()) {
        spec += ":" + escaped(option.value) + ":";
        if (!option.choices.empty())
          spec += "(" + joined_choices(option.choices) + ")";
        else if (option.completes != Completes::nothing)
          spec += "_files";
      }
      lines += " \\\n        " + quoted(spec);
    }
    return lines + " \\\n        '*:argument:_files'";
  };
  std::string script =
      "#compdef loam\n# zsh completion of loam; made by `loam completion zsh`\n_loam() {\n  local -a commands\n  "
      "commands=(\n";
  for (std::string_view word : first_words()) {
    const CommandSpec* command = find_command(word);
    script += "    " +
              quoted(escaped(word) + ":" + (command ? escaped(command->summary) : "commands on " + std::string(word))) +
              "\n";
  }
  script += "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n";
  for (std::string_view group : first_words()) {
    auto words = verbs(group);
    if (words.empty()) continue;
    script += "  if [[ $words[2] == " + std::string(group) + " ]] && (( CURRENT == 3 )); then compadd " + spaced(words) +
              "; return; fi\n";
  }
  script += "  case \"$words[2] $words[3]\" in\n";
  for (const CommandSpec& command : commands())
    if (!command.hidden && command.path.find(' ') != std::string_view::npos)
      script += "    " + quoted(command.path) + ") _arguments" + argument_lines(command) + " ;;\n";
  for (const CommandSpec& command : commands())
    if (!command.hidden && command.path.find(' ') == std::string_view::npos)
      script += "    " + quoted(std::string(command.path) + " ") + "*) _arguments" + argument_lines(command) + " ;;\n";
  return script + "  esac\n}\ncompdef _loam loam\n";
}

std::string fish_completion() {
  auto quoted_fish = [](std::string_view text) {
    std::string out = "'";
    for (char c : text) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    return out + "'";
  };
  auto option_line = [&](const std::string& condition, const OptionSpec& option) {
    std::string line = "complete -c loam" + condition + " -l " + std::string(option.name.substr(2));
    if (option.short_name != 0) line += std::string(" -s ") + option.short_name;
    if (!option.value.empty()) line += option.completes == Completes::nothing ? " -x" : " -r";
    if (!option.choices.empty()) line += " -a " + quoted_fish(joined_choices(option.choices));
    return line + " -d " + quoted_fish(option.summary) + "\n";
  };
  std::string script = "# fish completion of loam; made by `loam completion fish`\n";
  for (std::string_view word : first_words()) {
    const CommandSpec* command = find_command(word);
    std::string summary = command ? std::string(command->summary) : "commands on " + std::string(word);
    script += "complete -c loam -n __fish_use_subcommand -f -a " + std::string(word) + " -d " + quoted_fish(summary) + "\n";
    for (std::string_view verb : verbs(word))
      script += "complete -c loam -n '__fish_seen_subcommand_from " + std::string(word) +
                "; and not __fish_seen_subcommand_from " + spaced(verbs(word)) + "' -f -a " + std::string(verb) + "\n";
  }
  for (const CommandSpec& command : commands()) {
    if (command.hidden) continue;
    std::size_t space = command.path.find(' ');
    std::string condition = " -n '__fish_seen_subcommand_from " + std::string(command.path.substr(0, space));
    if (space != std::string_view::npos)
      condition += "; and __fish_seen_subcommand_from " + std::string(command.path.substr(space + 1));
    for (const OptionSpec& option : command.options) script += option_line(condition + "'", option);
  }
  for (const OptionSpec& option : global_options()) script += option_line("", option);
  return script;
}

}  // namespace loam::cli
