#include "tests/crash/harness.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace loam::crash {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t lane_count = 4;
constexpr std::uint64_t rounds_per_world = 15;
constexpr std::int64_t patience_ms = 60'000;
constexpr std::uint64_t start_window_us = 40'000;
constexpr std::uint64_t work_window_us = 120'000;

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> names_with(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path().string());
  std::sort(found.begin(), found.end());
  return found;
}

void remove_all(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

std::vector<Scenario> all_scenarios() {
  return {
      {.name = "random, while opening", .from_start = true},
      {.name = "random, at work"},
      {.name = "random, compacting", .work = Work::compacting},
      {.name = "random, backing up", .work = Work::backing_up},
      {.name = "random, two processes", .work = Work::two_processes},
      {.name = "random, restoring", .work = Work::restoring, .from_start = true},
      {.name = "two processes, holding the lock",
       .work = Work::two_processes,
       .point = "sqlite.before_commit",
       .nth_max = 40},
      {.name = "sqlite.before_commit", .point = "sqlite.before_commit", .nth_max = 60},
      {.name = "sqlite.after_commit", .point = "sqlite.after_commit", .nth_max = 60},
      {.name = "sqlite.before_checkpoint", .point = "sqlite.before_checkpoint", .nth_max = 20, .checkpoint_pages = 1},
      {.name = "sqlite.after_checkpoint", .point = "sqlite.after_checkpoint", .nth_max = 20, .checkpoint_pages = 1},
      {.name = "store.before_create", .point = "store.before_create", .fresh = true},
      {.name = "migration.before_commit", .point = "migration.before_commit", .nth_max = 2, .fresh = true},
      {.name = "migration.after_commit", .point = "migration.after_commit", .nth_max = 2, .fresh = true},
      {.name = "backup.after_copy", .work = Work::backing_up, .point = "backup.after_copy", .nth_max = 2},
      {.name = "backup.before_rename", .work = Work::backing_up, .point = "backup.before_rename", .nth_max = 2},
      {.name = "backup.after_rename", .work = Work::backing_up, .point = "backup.after_rename", .nth_max = 2},
      {.name = "restore.after_copy", .work = Work::restoring, .point = "restore.after_copy"},
      {.name = "restore.before_rename", .work = Work::restoring, .point = "restore.before_rename"},
      {.name = "restore.before_exchange", .work = Work::restoring, .point = "restore.before_exchange"},
      {.name = "restore.after_exchange", .work = Work::restoring, .point = "restore.after_exchange"},
      {.name = "restore.after_rename", .work = Work::restoring_new, .point = "restore.after_rename"},
  };
}

Harness::Harness(HarnessOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      named_(all_scenarios()),
      families_(all_families()),
      model_(options_.seed, lane_count, families_.size()) {
  for (std::size_t i = named_.size(); i > 1; --i) std::swap(named_[i - 1], named_[random_.below(i)]);
}

bool Harness::run() {
  new_world();
  while (kills_ < options_.kills && problems_.empty()) {
    const Scenario scenario = next_scenario();
    std::size_t before = problems_.size();
    run_scenario(scenario);
    if (problems_.size() > before)
      problems_.insert(problems_.begin() + static_cast<std::ptrdiff_t>(before),
                       "in round " + std::to_string(rounds_) + " (" + scenario.name + "), store " + store_);
  }
  if (problems_.empty()) remove_all(world_);
  return problems_.empty();
}

void Harness::new_world() {
  if (!world_.empty()) remove_all(world_);
  world_ = options_.directory + "/world-" + std::to_string(++worlds_);
  fs::create_directory(world_);
  store_ = world_ + "/app.loam";
  rounds_in_world_ = 0;
  saved_.reset();
  model_ = Model(mix(options_.seed, worlds_), lane_count, families_.size());
}

/// By turns the next of all scenarios, so that each comes up, and one at a random time.
const Scenario& Harness::next_scenario() {
  static const Scenario at_work{.name = "random, at work"};
  if (options_.plant != Plant::none || rounds_ % 2 == 1) return at_work;
  return named_[next_named_++ % named_.size()];
}

void Harness::run_scenario(const Scenario& scenario) {
  if (scenario.fresh || rounds_in_world_ >= rounds_per_world) new_world();
  ++rounds_;
  ++rounds_in_world_;
  oracle_path_ = world_ + "/oracle";
  oracle_ = std::make_unique<Oracle>(oracle_path_, true);
  for (std::size_t lane = 0; lane < lane_count; ++lane) oracle_->lane(lane).first = model_.next_op[lane];
  switch (scenario.work) {
    case Work::two_processes: run_two_processes(scenario); break;
    case Work::restoring:
    case Work::restoring_new: run_restore(scenario); break;
    default: run_lanes(scenario); break;
  }
  oracle_.reset();
  if (!problems_.empty()) return;  // what was found stays as it is
  fs::remove(oracle_path_);
  if (!saved_ && random_.one_in(3)) save_backup();
}

void Harness::run_lanes(const Scenario& scenario) {
  ChildOptions options = child_options(scenario, 0, lane_count);
  Model before = model_;
  {
    auto child = start(options, scenario);
    let_die(*child, scenario);
  }
  verify_round();
  if (scenario.work == Work::backing_up) verify_backups(before, options.backup);
}

void Harness::run_two_processes(const Scenario& scenario) {
  auto first = start(child_options(scenario, 0, lane_count / 2), scenario);
  auto second = start(child_options(scenario, lane_count / 2, lane_count), {.name = scenario.name});
  let_die(*first, scenario);
  survivor_goes_on(lane_count / 2, lane_count);
  sleep_us(static_cast<std::int64_t>(random_.below(30'000)));
  second->kill_now();
  note_death(second->await_death(patience_ms), scenario);
  verify_round();
}

void Harness::run_restore(const Scenario& scenario) {
  if (!saved_) save_backup();
  if (!problems_.empty()) return;
  ChildOptions options;
  options.restore = true;
  options.backup = saved_->backup;
  options.store = scenario.work == Work::restoring ? store_ : world_ + "/restored";
  {
    auto child = start(options, scenario);
    let_die(*child, scenario);
  }
  verify_restored(scenario, options.store);
  if (problems_.empty()) saved_.reset();
}

ChildOptions Harness::child_options(const Scenario& scenario, std::size_t lane_first, std::size_t lane_end) {
  ChildOptions options;
  options.store = store_;
  options.oracle = oracle_path_;
  options.seed = model_.seed;
  options.ops = ops_max;
  options.lane_first = lane_first;
  options.lane_end = lane_end;
  options.checkpoint_pages = scenario.checkpoint_pages;
  options.compact = scenario.work == Work::compacting;
  if (scenario.work == Work::backing_up) options.backup = world_ + "/backup-" + std::to_string(rounds_);
  options.plant = options_.plant;
  return options;
}

std::unique_ptr<Child> Harness::start(const ChildOptions& options, const Scenario& scenario) {
  std::string kill_at;
  if (!scenario.point.empty()) kill_at = scenario.point + ":" + std::to_string(1 + random_.below(scenario.nth_max));
  return std::make_unique<Child>(options_.child, to_arguments(options), kill_at, world_ + "/log");
}

void Harness::let_die(Child& child, const Scenario& scenario) {
  if (scenario.point.empty()) {
    std::uint64_t opened_before = 0;
    if (!scenario.from_start && !await([&] { return oracle_->file().opened.load() > opened_before; }, patience_ms))
      problem("the store was not opened in " + std::to_string(patience_ms) + " ms: " + text_of(world_ + "/log"));
    sleep_us(static_cast<std::int64_t>(random_.below(scenario.from_start ? start_window_us : work_window_us)));
    child.kill_now();
  }
  note_death(child.await_death(patience_ms), scenario);
}

void Harness::note_death(const Death& death, const Scenario& scenario) {
  if (death.signal == SIGKILL) {
    ++kills_;
    ++kills_by_scenario_[scenario.name];
    return;
  }
  // A restore may end before a random kill meets it; that round then proves that it works, and counts no kill.
  if (death.ended && death.signal == 0 && death.exit_code == 0 && scenario.work == Work::restoring && scenario.point.empty())
    return;
  if (!death.ended)
    problem("the kill point " + scenario.point + " was not reached in " + std::to_string(patience_ms) + " ms");
  else if (death.signal != 0)
    problem("the child died of signal " + std::to_string(death.signal));
  else
    problem("the child ended with exit code " + std::to_string(death.exit_code) + " before it could be killed");
  problem("its log: " + text_of(world_ + "/log"));
}

std::uint64_t Harness::begun(std::size_t lane) const {
  std::uint64_t count = 0;
  while (count < ops_max && oracle_->state(lane, count) != OpState::none) ++count;
  return count;
}

/// The lock of a dead process must be free at once: its waiters go on.
void Harness::survivor_goes_on(std::size_t lane_first, std::size_t lane_end) {
  std::vector<std::uint64_t> before;
  for (std::size_t lane = lane_first; lane < lane_end; ++lane) before.push_back(begun(lane));
  bool goes_on = await(
      [&] {
        for (std::size_t lane = lane_first; lane < lane_end; ++lane)
          if (begun(lane) < before[lane - lane_first] + 2) return false;
        return true;
      },
      20'000);
  if (!goes_on) problem("the surviving process did not go on within 20 s after the other one was killed");
}

std::optional<Found> Harness::open_and_read(const std::string& path) {
  auto begin = std::chrono::steady_clock::now();
  auto store = Store::open(path, {.durability = Durability::normal, .search_threads = 1});
  auto took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin);
  slowest_open_ms_ = std::max(slowest_open_ms_, took.count());
  if (!store.ok()) {
    problem("the store does not open: " + store.error().to_string());
    return std::nullopt;
  }
  auto found = read_store(**store, families_, problems_, counts_);
  if (found.ok()) return std::move(found).value();
  problem("reading failed: " + found.error().to_string());
  return std::nullopt;
}

void Harness::verify_round() {
  if (!problems_.empty()) return;
  auto found = open_and_read(store_);
  if (found) compare_round(model_, *oracle_, *found, problems_, counts_);
}

/// What bears a backup's final name must be whole, and one moment of the store.
void Harness::verify_backups(const Model& before, const std::string& prefix) {
  for (const std::string& path : names_with(world_, fs::path(prefix).filename().string())) {
    if (path.find(".partial-") == std::string::npos && problems_.empty()) {
      std::string copy = path + ".copy";
      auto restored = restore_backup(path, copy);
      if (!restored.ok())
        problem("the backup " + path + " cannot be restored: " + restored.error().to_string());
      else if (auto found = open_and_read(copy))
        compare_some_moment(before, *oracle_, *found, problems_);
      ++backups_verified_;
      if (problems_.empty()) remove_all(copy);
    }
    if (problems_.empty()) remove_all(path);
  }
}

void Harness::save_backup() {
  std::string path = world_ + "/saved-" + std::to_string(++backups_saved_);
  auto store = Store::open(store_);
  auto taken = store.ok() ? (*store)->backup(path) : Result<BackupReport>(store.error());
  if (!taken.ok()) return problem("cannot take a backup: " + taken.error().to_string());
  saved_ = Saved{path, model_};
}

bool Harness::matches(const Model& model, const Found& found) const {
  std::vector<std::string> differences;
  compare_exactly(model, found, differences);
  return differences.empty();
}

/// Either the store as it was or the backup, never anything else; at a named point it is known which.
void Harness::verify_restored(const Scenario& scenario, const std::string& target) {
  if (!problems_.empty()) return;
  auto verified = verify_backup(saved_->backup);
  if (!verified.ok()) problem("the backup was changed by its restore: " + verified.error().to_string());
  auto found = open_and_read(target);
  if (!found) return;
  bool is_new = matches(saved_->model, *found);
  bool is_old = matches(model_, *found);
  bool after = scenario.point.find(".after_rename") != std::string::npos || scenario.point == "restore.after_exchange";
  if (!is_new && !is_old) problem("after a killed restore the store is neither the old one nor the backup");
  if (!scenario.point.empty() && after && !is_new)
    problem("the restore was past its last step and the store is the old one");
  if (!scenario.point.empty() && !after && !is_old) problem("the restore was not finished and the store is not the old one");
  if (scenario.point == "restore.after_exchange") verify_former_store(model_);
  if (!problems_.empty()) return;
  for (const std::string& leftover : names_with(world_, "app.loam.")) remove_all(leftover);
  remove_all(world_ + "/restored");
  if (target != store_ || is_old) return;
  auto next_op = model_.next_op;  // operation numbers are never used again
  model_ = saved_->model;
  model_.next_op = next_op;
}

void Harness::verify_former_store(const Model& expected) {
  auto kept = names_with(world_, "app.loam.before-restore-");
  if (kept.size() != 1) return problem("there are " + std::to_string(kept.size()) + " former stores after a restore");
  auto found = open_and_read(kept.front());
  if (found && !matches(expected, *found)) problem("the former store was not kept as it was");
}

bool Harness::found_loss() const {
  return std::any_of(problems_.begin(), problems_.end(), [](const std::string& text) {
    return text.find("does not hold what was acknowledged") != std::string::npos ||
           text.starts_with("the shared counter is");
  });
}

std::string Harness::summary() const {
  std::ostringstream text;
  text << kills_ << " kills in " << rounds_ << " rounds on " << worlds_ << " stores; " << counts_.acked
       << " operations acknowledged, " << counts_.in_flight << " in flight at a kill (" << counts_.in_flight_present
       << " found stored), " << counts_.unknown << " unknown; " << backups_verified_ << " backups restored; "
       << counts_.rows_checked << " rows checked; slowest open " << static_cast<int>(slowest_open_ms_) << " ms\n";
  for (const auto& [name, count] : kills_by_scenario_) text << "  " << count << "  " << name << "\n";
  return text.str();
}

std::string Harness::vacuous() const {
  if (kills_ == 0) return "nothing was killed";
  if (counts_.acked == 0) return "no operation was acknowledged before a kill";
  if (counts_.in_flight == 0) return "no kill met an operation";
  if (kills_ < 2 * named_.size()) return {};  // too short to come round
  for (const Scenario& scenario : named_)
    if (!scenario.point.empty() && kills_by_scenario_.count(scenario.name) == 0) return "never killed: " + scenario.name;
  return {};
}

}  // namespace loam::crash
