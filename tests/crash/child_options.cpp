#include "tests/crash/child_options.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>

namespace loam::crash {
namespace {

constexpr std::pair<Plant, const char*> plant_names[] = {{Plant::none, "none"},
                                                         {Plant::ack_early, "ack-early"},
                                                         {Plant::half_transaction, "half-transaction"},
                                                         {Plant::lose_write, "lose-write"}};

[[noreturn]] void refuse(const std::string& argument) {
  std::fprintf(stderr, "unknown or incomplete argument: %s\n", argument.c_str());
  std::exit(2);
}

}  // namespace

Plant parse_plant(const std::string& name) {
  for (auto [plant, known] : plant_names)
    if (name == known) return plant;
  refuse(name);
}

std::string to_string(Plant plant) {
  for (auto [known, name] : plant_names)
    if (plant == known) return name;
  return "none";
}

std::vector<std::string> to_arguments(const ChildOptions& options) {
  const std::pair<const char*, std::string> values[] = {
      {"--store", options.store},
      {"--oracle", options.oracle},
      {"--seed", std::to_string(options.seed)},
      {"--ops", std::to_string(options.ops)},
      {"--lane-first", std::to_string(options.lane_first)},
      {"--lane-end", std::to_string(options.lane_end)},
      {"--backup", options.backup},
      {"--checkpoint-pages", std::to_string(options.checkpoint_pages)},
      {"--plant", to_string(options.plant)},
      {"--compact", std::to_string(options.compact)},
      {"--restore", std::to_string(options.restore)},
  };
  std::vector<std::string> arguments;
  for (const auto& [name, value] : values) arguments.insert(arguments.end(), {name, value});
  return arguments;
}

ChildOptions parse_child_options(int argc, char** argv) {
  ChildOptions options;
  auto number = [](const std::string& value) { return std::strtoull(value.c_str(), nullptr, 10); };
  const std::map<std::string, std::function<void(const std::string&)>> setters = {
      {"--store", [&](const std::string& value) { options.store = value; }},
      {"--oracle", [&](const std::string& value) { options.oracle = value; }},
      {"--seed", [&](const std::string& value) { options.seed = number(value); }},
      {"--ops", [&](const std::string& value) { options.ops = number(value); }},
      {"--lane-first", [&](const std::string& value) { options.lane_first = number(value); }},
      {"--lane-end", [&](const std::string& value) { options.lane_end = number(value); }},
      {"--backup", [&](const std::string& value) { options.backup = value; }},
      {"--checkpoint-pages",
       [&](const std::string& value) { options.checkpoint_pages = static_cast<std::int64_t>(number(value)); }},
      {"--plant", [&](const std::string& value) { options.plant = parse_plant(value); }},
      {"--compact", [&](const std::string& value) { options.compact = value == "1"; }},
      {"--restore", [&](const std::string& value) { options.restore = value == "1"; }},
  };
  for (int i = 1; i < argc; i += 2) {
    auto setter = setters.find(argv[i]);
    if (setter == setters.end() || i + 1 == argc) refuse(argv[i]);
    setter->second(argv[i + 1]);
  }
  return options;
}

}  // namespace loam::crash
