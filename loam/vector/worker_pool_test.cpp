#include "loam/vector/worker_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace loam::vector {
namespace {

using testing::Each;
using testing::Eq;

Result<void> refused(const ParallelBlock& block) { return invalid_argument("block " + std::to_string(block.first)); }

TEST(RunOnWorkers, RunsAtLeastOnTheCaller) {
  for (const std::size_t helpers : {0u, 1u, 3u}) {
    std::atomic<std::size_t> runs = 0;
    std::atomic<bool> on_caller = false;
    const auto caller = std::this_thread::get_id();

    run_on_workers(helpers, [&] {
      ++runs;
      if (std::this_thread::get_id() == caller) on_caller = true;
    });

    EXPECT_TRUE(on_caller);
    EXPECT_LE(runs, helpers + 1);
  }
}

TEST(ParallelFor, CallsEveryBlockOnce) {
  for (const std::size_t threads : {0u, 1u, 2u, 8u}) {
    for (const std::size_t count : {0u, 1u, 9u, 10u, 11u, 1000u}) {
      for (const std::size_t block_size : {1u, 10u, 5000u}) {
        std::vector<std::atomic<int>> calls(count);

        const auto done = parallel_for({.count = count, .block_size = block_size, .threads = threads}, Context(),
                                       [&](const ParallelBlock& block) -> Result<void> {
                                         EXPECT_LT(block.first, block.last);
                                         EXPECT_LE(block.last - block.first, block_size);
                                         for (std::size_t i = block.first; i < block.last; ++i) ++calls[i];
                                         return {};
                                       });

        EXPECT_TRUE(done.ok());
        EXPECT_THAT(calls, Each(Eq(1))) << count << " by " << block_size << " on " << threads;
      }
    }
  }
}

TEST(ParallelFor, TheLargestBlockDoesNotOverflow) {
  std::atomic<std::size_t> seen = 0;

  const auto done = parallel_for({.count = 5, .block_size = std::numeric_limits<std::size_t>::max(), .threads = 4},
                                 Context(), [&](const ParallelBlock& block) -> Result<void> {
                                   seen += block.last - block.first;
                                   return {};
                                 });

  EXPECT_TRUE(done.ok());
  EXPECT_EQ(seen, 5u);
}

TEST(ParallelFor, NoTwoBlocksAtOnceHaveTheSameWorker) {
  constexpr std::size_t threads = 4;
  std::vector<std::mutex> busy(threads);

  const auto done =
      parallel_for({.count = 2000, .threads = threads}, Context(), [&](const ParallelBlock& block) -> Result<void> {
        if (block.worker >= threads) return refused(block);
        const std::unique_lock alone(busy[block.worker], std::try_to_lock);
        std::this_thread::yield();
        if (!alone.owns_lock()) return refused(block);
        return {};
      });

  EXPECT_TRUE(done.ok()) << done.error().to_string();
}

TEST(ParallelFor, ReturnsTheLowestFailureWhateverTheThreads) {
  for (const std::size_t threads : {1u, 2u, 8u}) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      const auto done = parallel_for({.count = 1000, .block_size = 3, .threads = threads}, Context(),
                                     [&](const ParallelBlock& block) -> Result<void> {
                                       if (block.first == 300) std::this_thread::yield();
                                       if (block.first >= 300) return refused(block);
                                       return {};
                                     });

      ASSERT_FALSE(done.ok());
      ASSERT_EQ(done.error().message(), "block 300");
    }
  }
}

TEST(ParallelFor, BeginsNothingAfterAFailure) {
  std::size_t calls = 0;

  const auto done = parallel_for({.count = 1000, .threads = 1}, Context(), [&](const ParallelBlock& block) -> Result<void> {
    ++calls;
    if (block.first == 4) return refused(block);
    return {};
  });

  EXPECT_FALSE(done.ok());
  EXPECT_EQ(calls, 5u);
}

TEST(ParallelFor, ThrowsWhatABlockThrows) {
  for (const std::size_t threads : {1u, 4u}) {
    EXPECT_THROW(static_cast<void>(parallel_for({.count = 100, .threads = threads}, Context(),
                                                [](const ParallelBlock& block) -> Result<void> {
                                                  if (block.first == 20) throw std::length_error("twenty");
                                                  return {};
                                                })),
                 std::length_error);
  }
}

TEST(ParallelFor, StopsWhenItIsCancelled) {
  for (const std::size_t threads : {1u, 4u}) {
    Cancellation cancel;
    std::atomic<std::size_t> calls = 0;

    const auto done = parallel_for({.count = 100'000, .threads = threads, .operation = "count"},
                                   Context().cancelled_by(cancel), [&](const ParallelBlock&) -> Result<void> {
                                     if (++calls == 10) cancel.cancel();
                                     return {};
                                   });

    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code(), ErrorCode::cancelled);
    EXPECT_THAT(done.error().to_string(), testing::HasSubstr("count"));
    EXPECT_LT(calls, 100u);
  }
}

TEST(ParallelFor, RunsInsideItself) {
  std::atomic<std::size_t> calls = 0;

  const auto done = parallel_for({.count = 8, .threads = 4}, Context(), [&](const ParallelBlock&) -> Result<void> {
    return parallel_for({.count = 8, .threads = 4}, Context(), [&](const ParallelBlock&) -> Result<void> {
      ++calls;
      return {};
    });
  });

  EXPECT_TRUE(done.ok());
  EXPECT_EQ(calls, 64u);
}

}  // namespace
}  // namespace loam::vector
