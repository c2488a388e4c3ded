#pragma once

/// The crash test: start children on a store, kill them, open the store, and compare with what the oracle says.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/child_options.hpp"
#include "tests/crash/model.hpp"
#include "tests/crash/process.hpp"

namespace loam::crash {

struct HarnessOptions {
  std::uint64_t seed = 0;
  std::uint64_t kills = 60;
  std::string child;      ///< the program loam_crash_child
  std::string directory;  ///< private; removed at the end unless something was wrong
  Plant plant = Plant::none;
};

enum class Work : std::uint8_t {
  lanes,          ///< one process, four threads
  compacting,     ///< the same, with the store compacted over and over
  backing_up,     ///< the same, with backups taken meanwhile
  two_processes,  ///< two processes of two threads: one dies, the other must go on, then dies too
  restoring,      ///< a backup is restored in place of the store
  restoring_new,  ///< a backup is restored to a new path
};

/// One way to kill. `point` empty: at a random time, counted from the start of the process or from its store being open.
struct Scenario {
  std::string name;
  Work work = Work::lanes;
  std::string point = {};
  std::uint64_t nth_max = 1;  ///< killed at the nth passage, nth drawn from 1 to this
  bool from_start = false;    ///< of a random time: from the start of the process, so that opening is met too
  bool fresh = false;         ///< on a store that does not exist yet
  std::int64_t checkpoint_pages = 0;
};

std::vector<Scenario> all_scenarios();

/// *needs external synchronization*
class Harness {
 public:
  explicit Harness(HarnessOptions options);

  /// Kills until the number is reached or something is wrong. True when all was well.
  bool run();
  const std::vector<std::string>& problems() const { return problems_; }
  /// True when contents differed from what was acknowledged; not when the harness itself stumbled.
  bool found_loss() const;
  std::string summary() const;
  /// Why a run that found nothing wrong proves nothing; empty when it does prove something.
  std::string vacuous() const;

 private:
  struct Saved {
    std::string backup;
    Model model;
  };

  void new_world();
  const Scenario& next_scenario();
  void run_scenario(const Scenario& scenario);
  void run_lanes(const Scenario& scenario);
  void run_two_processes(const Scenario& scenario);
  void run_restore(const Scenario& scenario);

  ChildOptions child_options(const Scenario& scenario, std::size_t lane_first, std::size_t lane_end);
  std::unique_ptr<Child> start(const ChildOptions& options, const Scenario& scenario);
  /// Waits for the named point, or kills at a random time.
  void let_die(Child& child, const Scenario& scenario);
  void note_death(const Death& death, const Scenario& scenario);
  void survivor_goes_on(std::size_t lane_first, std::size_t lane_end);

  std::optional<Found> open_and_read(const std::string& store);
  void verify_round();
  void verify_backups(const Model& before, const std::string& prefix);
  void save_backup();
  void verify_restored(const Scenario& scenario, const std::string& target);
  void verify_former_store(const Model& expected);
  bool matches(const Model& model, const Found& found) const;

  void problem(const std::string& text) { problems_.push_back(text); }
  std::uint64_t begun(std::size_t lane) const;

  HarnessOptions options_;
  Random random_;
  std::vector<Scenario> named_;
  std::size_t next_named_ = 0;
  std::vector<std::unique_ptr<CrashFamily>> families_;

  std::string world_;  ///< directory of the present store and its backups
  std::string store_;
  std::uint64_t worlds_ = 0;
  std::uint64_t rounds_ = 0;
  std::uint64_t rounds_in_world_ = 0;
  Model model_;
  std::optional<Saved> saved_;
  std::unique_ptr<Oracle> oracle_;
  std::string oracle_path_;

  std::uint64_t kills_ = 0;
  std::map<std::string, std::uint64_t> kills_by_scenario_;
  Counts counts_;
  std::uint64_t backups_saved_ = 0;
  std::uint64_t backups_verified_ = 0;
  double slowest_open_ms_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace loam::crash
