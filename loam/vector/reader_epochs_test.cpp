#include "loam/vector/reader_epochs.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace loam::vector {
namespace {

TEST(ReaderEpochs, WithoutReadersAllIsSettled) {
  ReaderEpochs epochs;
  const std::uint64_t first = epochs.advance();
  const std::uint64_t second = epochs.advance();

  EXPECT_GT(second, first);
  EXPECT_GE(epochs.settled(), second);
}

TEST(ReaderEpochs, APinHoldsBackWhatIsRetiredAfterIt) {
  ReaderEpochs epochs;
  const std::uint64_t before = epochs.advance();
  std::optional<ReaderEpochs::Pin> pin(std::in_place, epochs);
  const std::uint64_t after = epochs.advance();

  EXPECT_GE(epochs.settled(), before) << "made unreachable before the pin";
  EXPECT_LT(epochs.settled(), after);
  {
    const ReaderEpochs::Pin later(epochs);
    EXPECT_LT(epochs.settled(), after) << "the first one counts";
  }
  pin.reset();
  EXPECT_GE(epochs.settled(), after);
}

TEST(ReaderEpochs, PinsAtTheSameTimeHaveDifferentCells) {
  ReaderEpochs epochs;
  std::vector<std::unique_ptr<ReaderEpochs::Pin>> pins;
  std::set<std::size_t> cells;
  for (std::size_t i = 0; i < ReaderEpochs::reader_count_max; ++i) {
    pins.push_back(std::make_unique<ReaderEpochs::Pin>(epochs));
    EXPECT_LT(pins.back()->cell(), ReaderEpochs::reader_count_max);
    EXPECT_TRUE(cells.insert(pins.back()->cell()).second);
  }
}

TEST(ReaderEpochs, OneMoreThanThereIsRoomForWaits) {
  ReaderEpochs epochs;
  std::deque<ReaderEpochs::Pin> pins;
  for (std::size_t i = 0; i < ReaderEpochs::reader_count_max; ++i) pins.emplace_back(epochs);
  std::atomic<bool> inside = false;
  std::thread late([&] {
    const ReaderEpochs::Pin pin(epochs);
    inside.store(true);
  });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();

  EXPECT_FALSE(inside.load());
  pins.pop_front();
  late.join();

  EXPECT_TRUE(inside.load());
}

// A writer replaces an object and frees the former one when it is settled; readers never meet a freed one.
TEST(ReaderEpochs, NobodyReadsWhatWasFreed) {
  ReaderEpochs epochs;
  constexpr std::size_t places = 64;
  std::vector<std::atomic<bool>> freed(places);
  std::atomic<std::size_t> current = 0;
  std::atomic<bool> stop = false;
  const auto read = [&] {
    while (!stop.load()) {
      const ReaderEpochs::Pin pin(epochs);
      const std::size_t mine = current.load();
      for (int i = 0; i < 10; ++i) ASSERT_FALSE(freed[mine].load());
    }
  };
  std::thread readers[] = {std::thread(read), std::thread(read), std::thread(read)};

  std::deque<std::pair<std::size_t, std::uint64_t>> retired;
  std::vector<std::size_t> unused;
  for (std::size_t i = 1; i < places; ++i) {
    freed[i].store(true);
    unused.push_back(i);
  }
  for (int changes = 0; changes < 20'000;) {
    while (!retired.empty() && retired.front().second <= epochs.settled()) {
      freed[retired.front().first].store(true);
      unused.push_back(retired.front().first);
      retired.pop_front();
    }
    if (unused.empty()) {
      std::this_thread::yield();
      continue;
    }
    const std::size_t fresh = unused.back();
    unused.pop_back();
    freed[fresh].store(false);
    const std::size_t former = current.exchange(fresh);
    retired.emplace_back(former, epochs.advance());
    ++changes;
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace loam::vector
