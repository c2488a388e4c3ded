// loam_crash_child: the process that is killed. It opens a store and does what it is told until it dies, is told to stop, or
// has no operation left; the oracle file is the only thing that outlives it.

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/child_options.hpp"
#include "tests/crash/family.hpp"
#include "tests/crash/oracle.hpp"

namespace loam::crash {
namespace {

constexpr std::string_view planned_failure = "this operation fails on purpose";

class Worker {
 public:
  Worker(const ChildOptions& options, Oracle& oracle, Store& store, std::vector<std::unique_ptr<CrashFamily>>& families)
      : options_(options), oracle_(oracle), store_(store), families_(families) {}

  void run_lane(std::size_t lane) {
    std::uint64_t first = oracle_.lane(lane).first.load();
    for (std::uint64_t i = 0; i < options_.ops && oracle_.file().stop.load() == 0; ++i) {
      Op op = plan_op(options_.seed, lane, first + i, families_.size());
      oracle_.set(lane, i, OpState::invoked);
      if (options_.plant == Plant::ack_early) oracle_.set(lane, i, OpState::acked);
      Result<void> done = run(op);
      oracle_.set(lane, i, state_of(done));
      if (done.ok() || done.error().message() == planned_failure) continue;
      oracle_.set_text(lane, "operation " + std::to_string(first + i) + ": " + done.error().to_string());
      return;
    }
  }

 private:
  static OpState state_of(const Result<void>& done) {
    if (done.ok()) return OpState::acked;
    return done.error().outcome() == Outcome::unknown ? OpState::unknown : OpState::failed;
  }

  Result<void> run(const Op& op) {
    if (op.kind == OpKind::call) {
      if (options_.plant == Plant::lose_write && op.style % 20 == 0) return {};
      const FamilyWrites& only = op.kept.front();
      return families_[only.family]->apply(store_, only.writes, op.style);
    }
    if (options_.plant == Plant::half_transaction && op.kind == OpKind::transaction) return run_in_halves(op);
    return store_.transaction([&](StoreTransaction& transaction) { return run_inside(op, transaction); });
  }

  Result<void> run_inside(const Op& op, StoreTransaction& transaction) {
    LOAM_TRY(write_all(op.kept, op.style, transaction));
    if (op.counts) LOAM_TRY(add_to_counter(transaction));
    if (op.kind == OpKind::rolled_back) {
      LOAM_TRY(write_all(op.undone, op.style, transaction));
      return failed_precondition(std::string(planned_failure));
    }
    if (op.kind != OpKind::savepoint) return {};
    auto undone = transaction.savepoint([&]() -> Result<void> {
      LOAM_TRY(write_all(op.undone, op.style, transaction));
      return failed_precondition(std::string(planned_failure));
    });
    if (undone.ok()) return internal_error("a savepoint whose function failed returned ok");
    return undone.error().message() == planned_failure ? Result<void>() : std::move(undone);
  }

  Result<void> write_all(const std::vector<FamilyWrites>& all, std::uint64_t style, StoreTransaction& transaction) {
    for (const FamilyWrites& one : all) LOAM_TRY(families_[one.family]->apply_in(transaction, one.writes, style));
    return {};
  }

  /// The planted bug: what should be one transaction is one for each family.
  Result<void> run_in_halves(const Op& op) {
    for (const FamilyWrites& one : op.kept) LOAM_TRY(families_[one.family]->apply(store_, one.writes, op.style));
    return store_.transaction([&](StoreTransaction& transaction) { return add_to_counter(transaction); });
  }

  const ChildOptions& options_;
  Oracle& oracle_;
  Store& store_;
  std::vector<std::unique_ptr<CrashFamily>>& families_;
};

/// Options that must not matter: drawn anew at each open.
StoreOptions random_store_options(Random& random, std::int64_t checkpoint_pages) {
  constexpr std::int64_t choices[] = {1, 16, 200, 4'000};
  std::int64_t drawn = choices[random.below(std::size(choices))];
  return {.durability = random.one_in(4) ? Durability::normal : Durability::full,
          .search_threads = 1,
          .checkpoint_pages = checkpoint_pages != 0 ? checkpoint_pages : drawn};
}

int fail(const Error& error) {
  std::fprintf(stderr, "loam_crash_child: %s\n", error.to_string().c_str());
  return 3;
}

/// Until the lanes end: takes backups, or moves free pages to the file system, over and over.
void disturb(const ChildOptions& options, Store& store, Oracle& oracle, const std::atomic<bool>& done) {
  for (int i = 0; !done && oracle.file().stop.load() == 0; ++i) {
    if (!options.backup.empty()) {
      auto taken = store.backup(options.backup + "-" + std::to_string(i));
      if (!taken.ok()) oracle.set_text(options.lane_first, "backup: " + taken.error().to_string());
    }
    if (options.compact) {
      auto compacted = store.compact();
      if (!compacted.ok()) oracle.set_text(options.lane_first, "compact: " + compacted.error().to_string());
    }
    std::this_thread::yield();
  }
}

int work(const ChildOptions& options) {
  Oracle oracle(options.oracle, false);
  Random random(mix(options.seed, oracle.lane(options.lane_first).first.load()));
  auto store = Store::open(options.store, random_store_options(random, options.checkpoint_pages));
  if (!store.ok()) return fail(store.error());
  auto families = all_families();
  for (auto& family : families) {
    auto prepared = family->prepare(**store);
    if (!prepared.ok()) return fail(prepared.error());
  }
  oracle.file().opened.fetch_add(1);

  Worker worker(options, oracle, **store, families);
  std::atomic<bool> done{false};
  std::thread disturber;
  if (options.compact || !options.backup.empty()) disturber = std::thread([&] { disturb(options, **store, oracle, done); });
  std::vector<std::thread> threads;
  for (std::size_t lane = options.lane_first; lane < options.lane_end; ++lane)
    threads.emplace_back([&worker, lane] { worker.run_lane(lane); });
  for (auto& thread : threads) thread.join();
  done = true;
  if (disturber.joinable()) disturber.join();
  return 0;
}

int restore(const ChildOptions& options) {
  auto restored = restore_backup(options.backup, options.store, {.replace = true});
  return restored.ok() ? 0 : fail(restored.error());
}

}  // namespace
}  // namespace loam::crash

int main(int argc, char** argv) {
  auto options = loam::crash::parse_child_options(argc, argv);
  return options.restore ? loam::crash::restore(options) : loam::crash::work(options);
}
