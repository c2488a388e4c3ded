#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "loam/ports/contract/kv_contract.hpp"

namespace loam::test {
namespace {

/// Runs `work(i)` on that many threads at once.
template <typename Work>
void on_threads(int count, Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(KvContract, K6ACounterOfEightThreadsSumsExactly) {
  constexpr int thread_count = 8, increments = 25;
  must(kv_->set("counter", "0"));
  on_threads(thread_count, [&](int) {
    for (int done = 0; done < increments;) {
      std::string seen = must(kv_->get("counter")).value_or("0");
      auto result = kv_->compare_and_set("counter", seen, std::to_string(std::stoi(seen) + 1));
      if (!result.ok()) {
        // Losing a race may be said as a retryable error; anything else is a defect.
        ASSERT_TRUE(result.error().retryable()) << result.error().to_string();
        continue;
      }
      done += result->applied;
      ASSERT_EQ(result->applied, result->actual == seen);
    }
  });
  EXPECT_EQ(must(kv_->get("counter")), std::to_string(thread_count * increments));
}

TEST_P(KvContract, K6ExactlyOneThreadCreatesAKey) {
  for (int round = 0; round < 10; ++round) {
    std::string key = "round/" + std::to_string(round);
    std::atomic<int> winners = 0;
    on_threads(8, [&](int i) {
      for (;;) {
        auto result = kv_->compare_and_set(key, std::nullopt, std::to_string(i));
        if (!result.ok()) {
          ASSERT_TRUE(result.error().retryable()) << result.error().to_string();
          continue;
        }
        winners += result->applied;
        return;
      }
    });
    EXPECT_EQ(winners, 1);
  }
}

TEST_P(KvContract, K2BatchesOfOppositeOrderNeverDeadlockAndNeverMix) {
  // Each batch writes one value to all keys; a reader that finds two values has seen half a batch.
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<std::string_view> views(keys.begin(), keys.end());
  std::atomic<int> writers_left = 4;
  on_threads(6, [&](int i) {
    if (i < 4) {
      std::vector<std::string_view> order = views;
      if (i % 2 == 1) std::reverse(order.begin(), order.end());
      for (int round = 0; round < 15; ++round) {
        std::string value = std::to_string(i) + "/" + std::to_string(round);
        std::vector<KvWrite> writes;
        for (std::string_view key : order) writes.push_back({key, value});
        auto written = kv_->set_many(writes);
        ASSERT_TRUE(written.ok() || written.error().retryable()) << written.error().to_string();
      }
      --writers_left;
      return;
    }
    do {
      auto values = must(kv_->get_many(views));
      ASSERT_EQ(values.size(), keys.size());
      for (const auto& value : values) ASSERT_EQ(value, values.front());
      KvPage page = must(kv_->list());
      for (const KvEntry& entry : page.entries) ASSERT_EQ(entry.value, page.entries.front().value);
    } while (writers_left > 0);
  });
  auto values = must(kv_->get_many(views));
  EXPECT_EQ(std::count(values.begin(), values.end(), values.front()), static_cast<std::ptrdiff_t>(keys.size()));
}

TEST_P(KvContract, K4EntriesThatStayAreListedOnceWhileOthersComeAndGo) {
  std::vector<std::string> stay;
  for (int i = 0; i < 200; ++i) stay.push_back("stay/" + std::to_string(1000 + i));
  std::vector<KvWrite> writes;
  for (const std::string& key : stay) writes.push_back({key, "v"});
  must(kv_->set_many(writes));
  std::atomic<bool> stop = false;
  std::thread churn([&] {
    for (int i = 0; !stop; ++i) {
      std::string key = "stay/" + std::to_string(1000 + i % 200) + "x";
      if (i / 200 % 2 == 0) {
        must(kv_->set(key, "v"));
      } else {
        must(kv_->erase(key));
      }
    }
  });
  for (int walk = 0; walk < 8; ++walk) {
    std::vector<std::string> seen, stayed;
    std::string cursor;
    do {
      KvPage page = must(kv_->list({.prefix = "stay/", .limit = 23, .cursor = cursor}));
      for (KvEntry& entry : page.entries) seen.push_back(std::move(entry.key));
      cursor = page.next_cursor.value_or("");
    } while (!cursor.empty());
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end()) << "a key was listed twice";
    std::copy_if(seen.begin(), seen.end(), std::back_inserter(stayed),
                 [](const std::string& key) { return key.back() != 'x'; });
    EXPECT_EQ(stayed, stay);
  }
  stop = true;
  churn.join();
}

TEST_P(KvContract, K3AWriteIsSeenByTheNextReadOfAnyThread) {
  for (int i = 0; i < 30; ++i) {
    std::string value = std::to_string(i);
    must(kv_->set("k", value));
    std::thread([&] { EXPECT_EQ(must(kv_->get("k")), value); }).join();
  }
}

}  // namespace
}  // namespace loam::test
