#include <cstdio>
#include <string>
#include <vector>

#include "apps/loam/errors.hpp"
#include "apps/loam/exit_code.hpp"
#include "apps/loam/help.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/signals.hpp"

namespace loam::cli {
namespace {

/// The whole outcome of a run: what was written is flushed, and the reader's going away is nobody's failure.
int report(const Result<void>& result, const Sink& out, bool as_json, const Terminal& error_terminal) {
  if (out.closed()) return exit_broken_pipe;
  if (result.ok()) return exit_ok;
  std::string text = as_json ? render_error_json(result.error()) : render_error(result.error(), error_terminal);
  std::fwrite(text.data(), 1, text.size(), stderr);
  return exit_code(result.error().code());
}

Result<void> print(Sink& out, const std::string& text) {
  LOAM_TRY(out.write(text));
  return out.flush();
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  for (const std::string& w : words) {
    if (w == "--") return false;
    if (w == word) return true;
  }
  return false;
}

/// Help and version, which need neither arguments nor a store. True when it was one of them.
Result<bool> answer_without_running(const CommandLine& line, const std::vector<std::string>& words, Sink& out) {
  Terminal terminal = Terminal::detect(1, asked_color(words));
  std::string text;
  if (contains(words, "--version"))
    text = version_line() + "\n";
  else if (line.command == nullptr)
    text = overview(terminal, line.group);
  else if (contains(words, "--help"))
    text = command_help(*line.command, terminal);
  else if (contains(words, "-h"))
    text = short_help(*line.command);
  else
    return false;
  LOAM_TRY(print(out, text));
  return true;
}

/// A bare `loam` is a question; `loam --limit` is a mistake.
Result<void> check_words_without_command(const CommandLine& line, const std::vector<std::string>& words) {
  if (line.command != nullptr) return {};
  CommandSpec none{.path = line.group.empty() ? "COMMAND" : "kv COMMAND"};
  std::vector<std::string> rest;
  for (const std::string& word : words)
    if (word != "-h" && word != line.group) rest.push_back(word);
  LOAM_TRY(Arguments::parse(none, rest));
  return {};
}

Result<void> execute(const std::vector<std::string>& words, Sink& out) {
  LOAM_TRY(CommandLine line, split_command_line(words));
  LOAM_TRY(check_words_without_command(line, words));
  LOAM_TRY(bool answered, answer_without_running(line, words, out));
  if (answered) return {};
  LOAM_TRY(Arguments arguments, Arguments::parse(*line.command, line.words));
  LOAM_TRY(auto session, Session::create(*line.command, std::move(arguments), install_signal_handlers(), out));
  Result<void> result = line.command->handler(*session);
  Result<void> flushed = out.flush();
  return result.ok() ? flushed : result;
}

}  // namespace

int run(int argument_count, char** argument_values) {
  std::vector<std::string> words(argument_values + 1, argument_values + argument_count);
  install_signal_handlers();
  Sink out(1, "standard output");
  Result<void> result = execute(words, out);
  return report(result, out, asks_for_json(words), Terminal::detect(2, asked_color(words)));
}

}  // namespace loam::cli
