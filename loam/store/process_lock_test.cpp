#include "loam/store/process_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "loam/store/store_test_support.hpp"

namespace loam {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<ProcessLock> open_lock(const std::string& directory, ProcessLockOptions options = {}) {
  auto lock = ProcessLock::open(directory, options);
  EXPECT_TRUE(lock.ok()) << (lock.ok() ? "" : lock.error().to_string());
  return lock.ok() ? *lock : nullptr;
}

std::unique_ptr<WriteGate::Lease> take(ProcessLock& lock, const Context& context = {}) {
  auto lease = lock.acquire(context);
  EXPECT_TRUE(lease.ok()) << (lease.ok() ? "" : lease.error().to_string());
  return lease.ok() ? std::move(lease).value() : nullptr;
}

/// Adds one to a number in a file in two steps that only the lock keeps together.
void increment(const std::string& path) {
  std::string before = file_text(path);
  write_text(path, std::to_string((before.empty() ? 0 : std::stol(before)) + 1));
}

/// True when the thread waits in the kernel: here, in line for the lock.
bool asleep(pid_t thread) {
  std::string stat = file_text("/proc/self/task/" + std::to_string(thread) + "/stat");
  return stat.find(") S") != std::string::npos;
}

TEST(ProcessLock, TwoProcessesLoseNoIncrement) {
  PrivateDirectory directory;
  constexpr int each = 400;
  auto work = [&] {
    auto lock = ProcessLock::open(directory.path());
    for (int i = 0; i < each; ++i) {
      auto lease = (*lock)->acquire({});
      if (!lease.ok()) return 1;
      increment(directory / "counter");
    }
    return 0;
  };

  ChildProcess first(work), second(work);

  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(file_text(directory / "counter"), std::to_string(2 * each));
}

TEST(ProcessLock, ThreadsOfOneObjectLoseNoIncrement) {
  PrivateDirectory directory;
  auto lock = open_lock(directory.path());
  long counter = 0;

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto lease = take(*lock);
        ++counter;
      }
    });
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(counter, 2000);
  EXPECT_EQ(lock->epoch(), 1u) << "the holder never changed";
}

TEST(ProcessLock, ThreadsAreServedInTheOrderOfTheirComing) {
  PrivateDirectory directory;
  auto lock = open_lock(directory.path());
  std::vector<int> order;
  auto held = take(*lock);

  std::vector<std::thread> threads;
  std::atomic<pid_t> arrived{0};
  for (int t = 0; t < 5; ++t) {
    arrived = 0;
    threads.emplace_back([&, t] {
      arrived = ::gettid();
      auto lease = take(*lock);
      order.push_back(t);
    });
    while (arrived == 0 || !asleep(arrived)) std::this_thread::yield();
  }
  held.reset();
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(ProcessLock, TwoObjectsOfOneProcessExcludeEachOther) {
  PrivateDirectory directory;
  auto one = open_lock(directory.path());
  auto two = open_lock(directory.path());
  auto held = take(*one);

  auto refused = two->acquire(Context().deadline_in_ms(20));

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().to_string().find("another store object of this process"), std::string::npos)
      << refused.error().to_string();
  held.reset();
  auto now_free = take(*two);
  EXPECT_EQ(one->epoch(), 1u);
  EXPECT_EQ(two->epoch(), 2u) << "another holder, another epoch";
}

TEST(ProcessLock, KilledHolderFreesItAtOnce) {
  PrivateDirectory directory;
  Signal holding;
  ChildProcess child([&] {
    auto lock = ProcessLock::open(directory.path());
    auto lease = (*lock)->acquire({});
    holding.give();
    for (;;) ::pause();
    return 0;
  });
  holding.await();
  auto lock = open_lock(directory.path());

  child.send(SIGKILL);
  child.wait();
  auto lease = take(*lock, Context().deadline_in_ms(0));

  EXPECT_EQ(lock->epoch(), 2u);
}

TEST(ProcessLock, StoppedHolderIsNamedAtTheDeadline) {
  PrivateDirectory directory;
  Signal holding;
  ChildProcess child([&] {
    auto lock = ProcessLock::open(directory.path());
    auto lease = (*lock)->acquire({});
    holding.give();
    for (;;) ::pause();
    return 0;
  });
  holding.await();
  child.send(SIGSTOP);
  auto lock = open_lock(directory.path());

  auto refused = lock->acquire(Context().deadline_in_ms(60));

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_TRUE(refused.error().retryable());
  std::string text = refused.error().to_string();
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  EXPECT_NE(text.find("process " + std::to_string(child.pid()) + " on " + std::string(host)), std::string::npos) << text;
  child.send(SIGCONT);
}

TEST(ProcessLock, OptionsLimitTheWaitWithoutADeadline) {
  PrivateDirectory directory;
  auto one = open_lock(directory.path());
  auto two = open_lock(directory.path(), {.timeout_ms = 10});
  auto held = take(*one);

  EXPECT_EQ(two->acquire({}).error().code(), ErrorCode::unavailable);
}

TEST(ProcessLock, WaitingEndsWhenTheCallerCancels) {
  PrivateDirectory directory;
  auto one = open_lock(directory.path());
  auto two = open_lock(directory.path());
  auto held = take(*one);
  Cancellation cancel;

  std::thread canceller([&] { cancel.cancel(); });
  auto between_processes = two->acquire(Context().cancelled_by(cancel));
  auto between_threads = one->acquire(Context().cancelled_by(cancel));
  canceller.join();

  EXPECT_EQ(between_processes.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(between_threads.error().code(), ErrorCode::cancelled);
}

// A process that releases the lock and wants it back at once would always win against one that polls.
TEST(ProcessLock, NeitherOfTwoBusyProcessesStarves) {
  PrivateDirectory directory;
  std::string log = directory / "log";
  Signal ready_a, ready_b, start_a, start_b;
  auto work = [&](char name, Signal& ready, Signal& start) {
    auto lock = ProcessLock::open(directory.path());
    int fd = ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
    ready.give();
    start.await();
    for (int i = 0; i < 200; ++i) {
      auto lease = (*lock)->acquire({});
      if (!lease.ok() || ::write(fd, &name, 1) != 1) return 1;
      std::this_thread::sleep_for(200us);  // the work under the lock
    }
    return 0;
  };
  ChildProcess a([&] { return work('a', ready_a, start_a); });
  ChildProcess b([&] { return work('b', ready_b, start_b); });
  ready_a.await();
  ready_b.await();
  start_a.give();
  start_b.give();
  EXPECT_EQ(a.wait(), 0);
  EXPECT_EQ(b.wait(), 0);

  std::string order = file_text(log);
  // While both have work left, count how often the holder changes.
  std::size_t both_busy = std::min(order.find_last_of('a'), order.find_last_of('b'));
  std::size_t changes = 0;
  for (std::size_t i = 1; i <= both_busy; ++i) changes += order[i] != order[i - 1];
  EXPECT_GT(changes, 100u) << order;
}

TEST(ProcessLock, NoContentsOfTheFileKeepAnybodyOut) {
  std::string good = encode_lock_record({7, 8, 9, {10}, "host"});
  std::vector<std::string> contents = {"", "x", std::string(5000, '\xff'), good.substr(0, 127), good + "tail"};
  for (std::size_t i = 0; i < good.size(); ++i) {
    contents.push_back(good);
    contents.back()[i] = static_cast<char>(contents.back()[i] ^ 0x20);
  }
  for (const std::string& bytes : contents) {
    PrivateDirectory directory;
    write_text(directory / "LOCK", bytes);
    auto lock = open_lock(directory.path());
    auto lease = take(*lock, Context().deadline_in_ms(0));
    EXPECT_GE(lock->epoch(), bytes == good + "tail" ? 8u : 1u);
    auto record = read_lock_record(directory.path());
    ASSERT_TRUE(record);
    EXPECT_EQ(record->pid, ::getpid());
    EXPECT_EQ(record->epoch, lock->epoch());
  }
}

TEST(ProcessLock, EpochGoesOnAfterTheRecordWasDamaged) {
  PrivateDirectory directory;
  auto lock = open_lock(directory.path());
  take(*lock).reset();
  auto other = open_lock(directory.path());
  take(*other).reset();
  auto before = other->epoch();

  write_text(directory / "LOCK", std::string(128, 'z'));
  take(*lock).reset();

  EXPECT_GT(lock->epoch(), before);
}

TEST(ProcessLock, RecordComesBackAsItWasWritten) {
  LockRecord record{1u << 20, 0xfedcba9876543210u, 4242, {1'700'000'000'000'000}, std::string(80, 'h')};

  auto back = decode_lock_record(encode_lock_record(record));

  ASSERT_TRUE(back);
  EXPECT_EQ(back->epoch, record.epoch);
  EXPECT_EQ(back->instance, record.instance);
  EXPECT_EQ(back->pid, record.pid);
  EXPECT_EQ(back->acquired_at, record.acquired_at);
  EXPECT_EQ(back->host, std::string(63, 'h'));
}

// howtocorrupt: a child that inherits the descriptor inherits the lock, so that both would believe to be alone.
TEST(ProcessLock, ChildOfForkMayNeitherTakeNorDropTheLockOfItsParent) {
  PrivateDirectory directory;
  auto lock = open_lock(directory.path());
  auto lease = take(*lock);

  ChildProcess child([&] {
    auto refused = lock->acquire(Context().deadline_in_ms(0));
    bool right = !refused.ok() && refused.error().code() == ErrorCode::failed_precondition;
    lease.reset();
    return right ? 0 : 1;
  });

  EXPECT_EQ(child.wait(), 0);
  auto other = open_lock(directory.path());
  EXPECT_EQ(other->acquire(Context().deadline_in_ms(0)).error().code(), ErrorCode::unavailable)
      << "the parent still holds it";
}

TEST(ProcessLock, DeletedLockFileDoesNotSplitTheWriters) {
  PrivateDirectory directory;
  auto old = open_lock(directory.path());
  take(*old).reset();
  std::filesystem::remove(directory / "LOCK");
  auto fresh = open_lock(directory.path());

  auto held = take(*old);

  EXPECT_EQ(fresh->acquire(Context().deadline_in_ms(0)).error().code(), ErrorCode::unavailable);
}

TEST(ProcessLock, WritingIntoADirectoryThatWasReplacedIsRefused) {
  PrivateDirectory directory;
  std::string store = directory / "store";
  std::filesystem::create_directory(store);
  auto lock = open_lock(store);
  std::filesystem::rename(store, directory / "elsewhere");
  EXPECT_EQ(lock->acquire({}).error().code(), ErrorCode::failed_precondition);

  std::filesystem::create_directory(store);
  auto other = open_lock(store);
  auto refused = lock->acquire({});

  EXPECT_EQ(refused.error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(refused.error().hint(), "open it again");
}

TEST(ProcessLock, LockFileIsPrivateWhateverTheUmask) {
  for (mode_t mask : {0000, 0777}) {
    PrivateDirectory directory;
    mode_t before = ::umask(mask);
    auto lock = ProcessLock::open(directory.path());
    ::umask(before);
    ASSERT_TRUE(lock.ok()) << lock.error().to_string();
    struct stat status;
    ASSERT_EQ(::stat((directory / "LOCK").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
  }
}

TEST(ProcessLock, LinkOrDirectoryInPlaceOfTheFileIsRefusedUntouched) {
  PrivateDirectory directory;
  write_text(directory / "victim", "precious");
  std::filesystem::create_symlink(directory / "victim", directory / "LOCK");
  EXPECT_EQ(ProcessLock::open(directory.path()).error().code(), ErrorCode::failed_precondition);
  EXPECT_EQ(file_text(directory / "victim"), "precious");

  PrivateDirectory other;
  std::filesystem::create_directory(other / "LOCK");
  EXPECT_EQ(ProcessLock::open(other.path()).error().code(), ErrorCode::failed_precondition);
}

}  // namespace
}  // namespace loam
