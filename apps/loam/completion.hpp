#pragma once

#include <string>

namespace loam::cli {

/// Scripts made from the command table: commands, options, the choices of options, files and directories.
std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace loam::cli
