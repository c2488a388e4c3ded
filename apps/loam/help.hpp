#pragma once

/// Help texts and lists, made from the command table.

#include <string>
#include <string_view>

#include "apps/loam/command.hpp"
#include "apps/loam/terminal.hpp"

namespace loam::cli {

/// "loam import STORE TABLE FILE [options]".
std::string usage_line(const CommandSpec& command);
/// Everything about one command, its examples included.
std::string command_help(const CommandSpec& command, const Terminal& terminal);
/// Usage and options only: what -h prints.
std::string short_help(const CommandSpec& command);
/// All commands; of one group ("kv") when it is named.
std::string overview(const Terminal& terminal, std::string_view group = {});
/// The reference part of docs/cli.md.
std::string markdown_reference();
/// "loam 0.1.0".
std::string version_line();

}  // namespace loam::cli
