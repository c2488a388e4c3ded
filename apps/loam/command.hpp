#pragma once

/// What a command is: its words, arguments and options as data. Help, completion, suggestions and docs/cli.md are all made
/// from it, so that they cannot disagree.

#include <span>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"

namespace loam::cli {

class Session;

/// What a shell completes a word with.
enum class Completes { nothing, file, directory };

struct ArgumentSpec {
  std::string_view name;  ///< "STORE"
  std::string_view summary;
  Completes completes = Completes::nothing;
  bool optional = false;
};

struct OptionSpec {
  std::string_view name;   ///< "--limit"
  std::string_view value;  ///< "N"; empty for a flag
  std::string_view summary;
  std::string_view choices = {};  ///< "json|csv": nothing else is taken
  Completes completes = Completes::nothing;
  char short_name = 0;
};

struct ExampleSpec {
  std::string_view command;
  std::string_view summary;
};

using Handler = Result<void> (*)(Session&);

struct CommandSpec {
  std::string_view path;     ///< "import", "kv get"
  std::string_view summary;  ///< one line, a sentence without its full stop
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  std::vector<ExampleSpec> examples;  ///< at least two
  std::string_view details = {};      ///< more lines of help
  Handler handler = nullptr;
  bool hidden = false;  ///< not in help: the command's own machinery
};

/// Every command, in the order of help.
std::span<const CommandSpec> commands();
/// Options that every command takes.
std::span<const OptionSpec> global_options();

/// By its words; null when there is none.
const CommandSpec* find_command(std::string_view path);
/// "kv" is a group: its commands are "kv get", ..
bool is_group(std::string_view word);

}  // namespace loam::cli
