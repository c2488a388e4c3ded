// loam_crash: kills children at work on a store and looks whether anything that was acknowledged is gone. See README.md.

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/crash/harness.hpp"

namespace loam::crash {
namespace {

struct CommandLine {
  HarnessOptions harness;
  bool expect_loss = false;
};

constexpr const char* usage =
    "Usage: loam_crash [--kills N] [--seed S] [--directory DIR] [--plant BUG] [--expect-loss]\n"
    "  --kills N        how many processes to kill (default 60)\n"
    "  --seed S         of everything but the clock (default: drawn, and printed)\n"
    "  --directory DIR  where to work (default: /dev/shm or $TMPDIR; memory makes more kills, a disk also syncs)\n"
    "  --plant BUG      ack-early, half-transaction or lose-write: a bug in the child, on purpose\n"
    "  --expect-loss    succeed only when the harness finds something wrong\n";

[[noreturn]] void refuse() {
  std::fputs(usage, stderr);
  std::exit(2);
}

CommandLine parse(int argc, char** argv) {
  CommandLine line;
  line.harness.seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  line.harness.child = std::filesystem::read_symlink("/proc/self/exe").parent_path().string() + "/loam_crash_child";
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "--expect-loss") {
      line.expect_loss = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fputs(usage, name == "--help" ? stdout : stderr);
      std::exit(name == "--help" ? 0 : 2);
    }
    std::string value = argv[++i];
    if (name == "--kills")
      line.harness.kills = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--seed")
      line.harness.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--directory")
      line.harness.directory = value;
    else if (name == "--plant")
      line.harness.plant = parse_plant(value);
    else
      refuse();
  }
  return line;
}

std::string private_directory(const std::string& given) {
  const char* temporary = std::getenv("TMPDIR");
  std::string base = !given.empty()                    ? given
                     : ::access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                     : temporary != nullptr            ? temporary
                                                       : "/tmp";
  std::string path = base + "/loam-crash-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    std::perror(path.c_str());
    std::exit(2);
  }
  return path;
}

std::string replay_command(const CommandLine& line, const std::string& base) {
  std::string text =
      "loam_crash --seed " + std::to_string(line.harness.seed) + " --kills " + std::to_string(line.harness.kills);
  if (line.harness.plant != Plant::none) text += " --plant " + to_string(line.harness.plant);
  return base.empty() ? text : text + " --directory " + base;
}

}  // namespace
}  // namespace loam::crash

int main(int argc, char** argv) {
  auto line = loam::crash::parse(argc, argv);
  std::string replay = replay_command(line, line.harness.directory);
  line.harness.directory = loam::crash::private_directory(line.harness.directory);
  std::printf("replay: %s\n", replay.c_str());

  loam::crash::Harness harness(line.harness);
  bool well = harness.run();
  std::printf("%s", harness.summary().c_str());
  for (const std::string& problem : harness.problems()) std::printf("WRONG: %s\n", problem.c_str());
  std::string vacuous = harness.vacuous();
  if (!vacuous.empty()) std::printf("VACUOUS: %s\n", vacuous.c_str());
  if (well || line.expect_loss) std::filesystem::remove_all(line.harness.directory);
  if (line.expect_loss) {
    bool found = harness.found_loss();
    std::printf(found ? "the planted bug was found\n" : "NOT FOUND: the planted bug\n");
    return found ? 0 : 1;
  }
  return well && vacuous.empty() ? 0 : 1;
}
