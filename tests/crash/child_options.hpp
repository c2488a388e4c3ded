#pragma once

/// How the parent tells a child what to do: its command line.

#include <cstdint>
#include <string>
#include <vector>

namespace loam::crash {

/// A bug on purpose, to see that the harness finds it.
enum class Plant : std::uint8_t {
  none,
  ack_early,         ///< says "acknowledged" before the call is made
  half_transaction,  ///< commits each family of a transaction by itself
  lose_write,        ///< says "acknowledged" for some calls and never makes them
};

struct ChildOptions {
  std::string store;
  std::string oracle;
  std::uint64_t seed = 0;
  std::uint64_t ops = 0;  ///< of each lane
  std::size_t lane_first = 0;
  std::size_t lane_end = 0;
  std::string backup;                 ///< take backups with this prefix meanwhile; of a restore: the backup to restore
  std::int64_t checkpoint_pages = 0;  ///< 0: drawn at random
  bool compact = false;               ///< compact the store over and over meanwhile
  bool restore = false;               ///< do nothing but restore_backup() in place of the store
  Plant plant = Plant::none;
};

/// "none", "ack-early", ..; exits the program with a message for another one.
Plant parse_plant(const std::string& name);
std::string to_string(Plant plant);

std::vector<std::string> to_arguments(const ChildOptions& options);
/// Exits the program with a message for what it does not know.
ChildOptions parse_child_options(int argc, char** argv);

}  // namespace loam::crash
