#include "apps/loam/completion.hpp"
#include "apps/loam/handlers.hpp"
#include "apps/loam/help.hpp"
#include "apps/loam/session.hpp"

namespace loam::cli {

Result<void> run_completion(Session& session) {
  const std::string& shell = session.arguments().at("SHELL");
  if (shell == "bash") return session.out().write(bash_completion());
  if (shell == "zsh") return session.out().write(zsh_completion());
  if (shell == "fish") return session.out().write(fish_completion());
  return invalid_argument("no completion for \"" + shell + "\": bash, zsh or fish");
}

Result<void> run_help(Session& session) {
  if (session.arguments().flag("--markdown")) return session.out().write(markdown_reference());
  std::vector<std::string> words;
  for (const char* name : {"COMMAND", "VERB"})
    if (auto word = session.arguments().text(name)) words.push_back(*word);
  LOAM_TRY(CommandLine line, split_command_line(words));
  if (line.command == nullptr) return session.out().write(overview(session.out_terminal(), line.group));
  return session.out().write(command_help(*line.command, session.out_terminal()));
}

Result<void> run_version(Session& session) {
  if (!session.format_is_for_programs()) return session.out().write(version_line() + "\n");
  std::string schemes;
  for (const std::string& scheme : session.registry().schemes()) schemes += (schemes.empty() ? "" : ",") + scheme;
  return session.print_fields({{"version", Value(LOAM_VERSION)}, {"schemes", Value(schemes)}});
}

std::string version_line() { return std::string("loam ") + LOAM_VERSION; }

}  // namespace loam::cli
