#include "apps/loam/help.hpp"

#include <algorithm>
#include <vector>

#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

std::string option_label(const OptionSpec& option) {
  std::string label = option.short_name != 0 ? std::string("-") + option.short_name + ", " : "";
  label += option.name;
  if (!option.value.empty()) label += " " + std::string(option.choices.empty() ? option.value : option.choices);
  return label;
}

/// Two columns; a label that is too wide gets a line of its own.
std::string two_columns(const std::vector<std::pair<std::string, std::string>>& lines, std::size_t label_width_max) {
  std::size_t width = 0;
  for (const auto& [label, text] : lines)
    if (display_width(label) <= label_width_max) width = std::max(width, display_width(label));
  std::string out;
  for (const auto& [label, text] : lines) {
    out += "  " + label;
    if (display_width(label) > width)
      out += "\n  " + std::string(width, ' ');
    else
      out += std::string(width - display_width(label), ' ');
    out += "  " + text + "\n";
  }
  return out;
}

std::string option_lines(std::span<const OptionSpec> options) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const OptionSpec& option : options) lines.emplace_back(option_label(option), option.summary);
  return two_columns(lines, 32);
}

std::string command_lines(std::string_view group) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const CommandSpec& command : commands()) {
    if (command.hidden || (!group.empty() && !command.path.starts_with(std::string(group) + " "))) continue;
    lines.emplace_back(std::string(command.path), std::string(command.summary));
  }
  return two_columns(lines, 24);
}

}  // namespace

std::string usage_line(const CommandSpec& command) {
  std::string line = "loam " + std::string(command.path);
  for (const ArgumentSpec& argument : command.arguments)
    line += argument.optional ? " [" + std::string(argument.name) + "]" : " " + std::string(argument.name);
  return line + (command.options.empty() ? "" : " [options]");
}

std::string short_help(const CommandSpec& command) {
  std::string text = usage_line(command) + "\n";
  if (!command.options.empty()) text += option_lines(command.options);
  return text + "loam " + std::string(command.path) + " --help says more\n";
}

std::string command_help(const CommandSpec& command, const Terminal& terminal) {
  std::string text =
      std::string(command.summary) + ".\n\n" + terminal.styled("1", "Usage") + "\n  " + usage_line(command) + "\n";
  if (!command.arguments.empty()) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const ArgumentSpec& argument : command.arguments)
      lines.emplace_back(std::string(argument.name), std::string(argument.summary));
    text += "\n" + terminal.styled("1", "Arguments") + "\n" + two_columns(lines, 24);
  }
  if (!command.options.empty()) text += "\n" + terminal.styled("1", "Options") + "\n" + option_lines(command.options);
  if (!command.details.empty()) text += "\n" + std::string(command.details) + "\n";
  text += "\n" + terminal.styled("1", "Examples") + "\n";
  for (const ExampleSpec& example : command.examples)
    text += "  " + std::string(example.command) + "\n      " + std::string(example.summary) + "\n";
  return text + "\nloam help lists the options that every command takes.\n";
}

std::string overview(const Terminal& terminal, std::string_view group) {
  std::string text = "Loam: key-value state, tables, full-text and vector search in one directory.\n\n" +
                     terminal.styled("1", "Usage") + "\n  loam " + (group.empty() ? "" : std::string(group) + " ") +
                     "COMMAND .. [options]\n\n" + terminal.styled("1", "Commands") + "\n" + command_lines(group) + "\n" +
                     terminal.styled("1", "Options of every command") + "\n" + option_lines(global_options()) + "\n";
  text +=
      "A STORE is a directory (app.loam) or a URL (postgresql://..). Answers go to standard output, all else to standard "
      "error.\n"
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 corruption, 6 unavailable, 7 permission, 130 "
      "Ctrl-C.\n"
      "loam COMMAND --help shows examples.\n";
  return text;
}

std::string markdown_reference() {
  std::string text;
  for (const CommandSpec& command : commands()) {
    if (command.hidden) continue;
    text += "### loam " + std::string(command.path) + "\n\n" + std::string(command.summary) + ".\n\n```\n" +
            usage_line(command) + "\n";
    std::vector<std::pair<std::string, std::string>> lines;
    for (const ArgumentSpec& argument : command.arguments)
      lines.emplace_back(std::string(argument.name), std::string(argument.summary));
    for (const OptionSpec& option : command.options) lines.emplace_back(option_label(option), option.summary);
    text += two_columns(lines, 32) + "```\n\n";
    if (!command.details.empty()) text += std::string(command.details) + "\n\n";
    text += "```sh\n";
    for (const ExampleSpec& example : command.examples)
      text += std::string(example.command) + "   # " + std::string(example.summary) + "\n";
    text += "```\n\n";
  }
  return text;
}

}  // namespace loam::cli
