#include "tests/crash/child_options.hpp"

#include <cstdio>
#include <cstdlib>
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
  std::vector<std::string> arguments = {"--store",      options.store,
                                        "--oracle",     options.oracle,
                                        "--seed",       std::to_string(options.seed),
                                        "--ops",        std::to_string(options.ops),
                                        "--lane-first", std::to_string(options.lane_first),
                                        "--lane-end",   std::to_string(options.lane_end),
                                        "--backup",     options.backup,
                                        "--plant",      to_string(options.plant),
                                        "--checkpoint-pages", std::to_string(options.checkpoint_pages)};
  if (options.compact) arguments.push_back("--compact");
  if (options.restore) arguments.push_back("--restore");
  return arguments;
}

ChildOptions parse_child_options(int argc, char** argv) {
  ChildOptions options;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "--compact") {
      options.compact = true;
      continue;
    }
    if (name == "--restore") {
      options.restore = true;
      continue;
    }
    if (i + 1 == argc) refuse(name);
    std::string value = argv[++i];
    auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
    if (name == "--store") options.store = value;
    else if (name == "--oracle") options.oracle = value;
    else if (name == "--seed") options.seed = number();
    else if (name == "--ops") options.ops = number();
    else if (name == "--lane-first") options.lane_first = number();
    else if (name == "--lane-end") options.lane_end = number();
    else if (name == "--backup") options.backup = value;
    else if (name == "--checkpoint-pages") options.checkpoint_pages = static_cast<std::int64_t>(number());
    else if (name == "--plant") options.plant = parse_plant(value);
    else refuse(name);
  }
  return options;
}

}  // namespace loam::crash
