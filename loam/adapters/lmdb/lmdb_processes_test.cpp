#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "loam/adapters/lmdb/environment.hpp"
#include "loam/adapters/lmdb/lmdb.hpp"
#include "loam/adapters/lmdb/lmdb_internal.hpp"
#include "loam/ports/contract/kv_contract.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace loam {
namespace {

using test::ChildProcess;
using test::must;
using test::outcome_of;
using test::ProcessSignal;

class LmdbProcesses : public testing::Test {
 protected:
  LmdbOptions options() const {
    return {.path = directory_ / "kv",
            .durability = Durability::normal,
            .map_bytes_initial = 256u << 10,
            .write_timeout_ms = 10'000};
  }
  std::unique_ptr<KeyValue> open() { return must(must(open_lmdb(options()))->open("n")); }

  test::TemporaryDirectory directory_;
};

void count_up(KeyValue& kv, int increments) {
  for (int done = 0; done < increments;) {
    std::string seen = must(kv.get("counter")).value_or("0");
    std::optional<std::string_view> expected = seen == "0" ? std::nullopt : std::optional<std::string_view>(seen);
    done += must(kv.compare_and_set("counter", expected, std::to_string(std::stoi(seen) + 1))).applied;
  }
}

TEST_F(LmdbProcesses, ACounterOfTwoProcessesSumsExactly) {
  ChildProcess child([&] {
    count_up(*open(), 200);
    return testing::Test::HasFailure() ? 1 : 0;
  });
  count_up(*open(), 200);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(must(open()->get("counter")), std::optional<std::string>("400"));
}

TEST_F(LmdbProcesses, AMapGrownByAnotherProcessIsAdoptedByReadsAndWrites) {
  auto kv = open();
  must(kv->set("small", "v"));
  ChildProcess child([&] {
    must(open()->set("big", std::string(5u << 20, 'b')));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  ASSERT_EQ(child.wait(), 0);
  EXPECT_EQ(must(kv->get("big"))->size(), 5u << 20);
  ChildProcess again([&] {
    must(open()->set("bigger", std::string(20u << 20, 'b')));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  ASSERT_EQ(again.wait(), 0);
  must(kv->set("small", "w"));
  EXPECT_EQ(must(kv->get("bigger"))->size(), 20u << 20);
}

TEST_F(LmdbProcesses, WhatWasInheritedThroughForkSaysSoAndOpeningAnewWorks) {
  auto store = must(open_lmdb(options()));
  auto kv = must(store->open("n"));
  must(kv->set("k", "parent"));
  ChildProcess child([&] {
    if (outcome_of(kv->get("k")) != "failed_precondition") return 1;
    if (outcome_of(kv->set("k", "child")) != "failed_precondition") return 2;
    kv.reset();
    store.reset();  // must leave the parent's environment alone
    auto own = open();
    if (must(own->get("k")) != std::optional<std::string>("parent")) return 3;
    must(own->set("from child", "v"));
    return testing::Test::HasFailure() ? 4 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(must(kv->get("k")), std::optional<std::string>("parent"));
  EXPECT_EQ(must(kv->get("from child")), std::optional<std::string>("v"));
  must(kv->set("k", "parent again"));
}

// A reader that was killed keeps its place in the reader table, and with it every page of its snapshot: the file grew
// without end until somebody cleared the table by hand.
TEST_F(LmdbProcesses, PagesOfAKilledReaderComeBack) {
  LmdbOptions tight = options();
  tight.map_bytes_initial = tight.map_bytes_max = 1u << 20;
  auto kv = must(must(open_lmdb(tight))->open("n"));
  auto overwrite = [&] {
    std::vector<std::string> keys;
    for (int i = 0; i < 25; ++i) keys.push_back(std::to_string(i));
    const std::string value(7'000, 'v');
    std::vector<KvWrite> writes;
    for (const std::string& key : keys) writes.push_back({key, value});
    return kv->set_many(writes);
  };
  must(overwrite());
  ProcessSignal reading;
  ChildProcess reader([&] {
    auto environment = must(lmdb::Environment::open(tight, lmdb::chunk_bytes_default));
    auto snapshot = environment->read();
    reading.give();
    if (snapshot.ok()) ::pause();
    return 1;
  });
  reading.await();
  std::string refused = "ok";
  for (int i = 0; i < 10 && refused == "ok"; ++i) refused = outcome_of(overwrite());
  EXPECT_EQ(refused, "resource_exhausted") << "the living reader did not pin its pages: this test proves nothing";
  reader.kill();
  EXPECT_EQ(reader.wait(), 128 + SIGKILL);
  for (int i = 0; i < 10; ++i) must(overwrite());
}

TEST_F(LmdbProcesses, AWriterThatWaitsKeepsItsDeadlineAndNamesTheHolder) {
  auto kv = open();
  must(kv->set("k", "before"));
  ProcessSignal writing;
  ChildProcess writer([&] {
    auto environment = must(lmdb::Environment::open(options(), lmdb::chunk_bytes_default));
    must(environment->write({}, [&](MDB_txn*) -> Result<lmdb::Environment::Verdict> {
      writing.give();
      ::pause();
      return lmdb::Environment::Verdict::roll_back;
    }));
    return 1;
  });
  writing.await();
  auto late = kv->set("k", "late", {}, Context().deadline_in_ms(30));
  EXPECT_EQ(outcome_of(late), "deadline_exceeded");
  EXPECT_NE(late.error().message().find(std::to_string(writer.pid())), std::string::npos) << late.error().to_string();
  Cancellation cancel;
  std::thread canceller([&] { cancel.cancel(); });
  EXPECT_EQ(outcome_of(kv->set("k", "cancelled", {}, Context().cancelled_by(cancel))), "cancelled");
  canceller.join();
  EXPECT_EQ(must(kv->get("k")), std::optional<std::string>("before")) << "readers do not wait";
  writer.kill();
  EXPECT_EQ(writer.wait(), 128 + SIGKILL);
  must(kv->set("k", "after"));
  EXPECT_EQ(must(kv->get("k")), std::optional<std::string>("after"));
}

// In a child, since the limit holds for a whole process.
TEST_F(LmdbProcesses, AWriteThatTheDiskCannotTakeHasNotHappenedAndTheStoreWorksOn) {
  ChildProcess child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    auto kv = open();
    must(kv->set("before", "v"));
    rlimit whole = {}, small = {};
    ::getrlimit(RLIMIT_FSIZE, &whole);
    for (rlim_t limit = 40'000; limit < 400'000; limit += 4'099) {
      small = {limit, whole.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &small);
      auto refused = kv->set("big", std::string(2u << 20, 'b'));
      ::setrlimit(RLIMIT_FSIZE, &whole);
      if (refused.ok()) return 1;
      if (refused.error().outcome() != Outcome::not_applied) return 2;
      if (must(kv->exists("big")) || must(kv->get("before")) != std::optional<std::string>("v")) return 3;
      must(kv->set("after", std::to_string(limit)));
    }
    must(kv->set("big", std::string(2u << 20, 'b')));
    return testing::Test::HasFailure() ? 4 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(must(open()->get("big"))->size(), 2u << 20);
}

TEST_F(LmdbProcesses, WhatWasAcknowledgedSurvivesKills) {
  constexpr int kills = 15;
  int killed = 0;
  std::int64_t acknowledged = 0;
  for (int round = 0; round < kills; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const std::int64_t first = acknowledged;
    ChildProcess writer([&] {
      auto kv = open();
      for (std::int64_t next = first;; ++next) {
        // Two keys in one batch: both or none, large enough for pages to split and free pages to be used again.
        const std::string key = std::to_string(next % 50), twin = key + "/twin",
                          value = std::to_string(next) + std::string(3'000, '.');
        if (!kv->set_many(std::vector<KvWrite>{{key, value}, {twin, value}}).ok()) return 1;
        (void)!::write(pipe_ends[1], &next, sizeof next);
      }
    });
    std::int64_t last = 0;
    for (int i = 0; i < 5 + round * 7; ++i)
      ASSERT_EQ(::read(pipe_ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
    writer.kill();
    killed += writer.wait() == 128 + SIGKILL;
    ::close(pipe_ends[1]);
    while (::read(pipe_ends[0], &last, sizeof last) > 0) {
    }
    ::close(pipe_ends[0]);
    acknowledged = last + 1;

    auto kv = open();
    for (std::int64_t i = std::max<std::int64_t>(0, acknowledged - 50); i < acknowledged; ++i) {
      const std::string key = std::to_string(i % 50);
      std::string value = must(kv->get(key)).value_or("");
      EXPECT_EQ(must(kv->get(key + "/twin")), value) << "half a batch";
      // The write after the last acknowledged one may have been stored too.
      EXPECT_TRUE(std::stoll("0" + value) == i || std::stoll("0" + value) == acknowledged) << i << " of " << acknowledged;
    }
  }
  EXPECT_EQ(killed, kills) << "a run without kills proves nothing";
}

}  // namespace
}  // namespace loam
