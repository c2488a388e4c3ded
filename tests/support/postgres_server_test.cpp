#include "tests/support/postgres_server.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

namespace loam::test {
namespace {

bool eventually(const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

TEST(PostgresServer, EachFreshDatabaseIsEmpty) {
  LOAM_SHARED_POSTGRES(server);
  std::string first = server.fresh_database().value();
  std::string second = server.fresh_database().value();
  EXPECT_NE(first, second);
  std::string name = second.substr(second.rfind('/') + 1);
  EXPECT_EQ(server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name).value(), "0");
}

TEST(PostgresServer, KeepsItsDataOverAKillAndARestart) {
  LOAM_SHARED_POSTGRES(server);
  ASSERT_TRUE(server.sql("CREATE TABLE kept(i int)").ok());
  ASSERT_TRUE(server.sql("CHECKPOINT").ok());  // the shared server does not sync its commits
  ASSERT_TRUE(server.stop(StopMode::kill).ok());
  EXPECT_FALSE(server.sql("SELECT 1").ok());
  ASSERT_TRUE(server.restart().ok());
  auto count = server.sql("SELECT count(*) FROM kept");
  ASSERT_TRUE(count.ok()) << count.error().to_string();
  EXPECT_EQ(*count, "0");
}

TEST(PostgresServer, DoesNotOutliveAProgramThatIsKilled) {
  // A forked copy plays the program: it starts a server, tells where, and dies by SIGKILL without any clean-up.
  LOAM_SHARED_POSTGRES(needed);  // skips or fails here when there is no PostgreSQL at all
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t program = fork();
  ASSERT_GE(program, 0);
  if (program == 0) {
    auto server = PostgresServer::start();
    std::string told = server.ok() ? std::to_string((*server)->pid()) + " " + (*server)->socket_directory() : "";
    (void)!write(ends[1], told.c_str(), told.size());
    kill(getpid(), SIGKILL);
  }
  close(ends[1]);
  char buffer[4096];
  std::string told;
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) told.append(buffer, static_cast<std::size_t>(size));
  close(ends[0]);
  waitpid(program, nullptr, 0);
  ASSERT_FALSE(told.empty());
  std::string pid = told.substr(0, told.find(' '));
  std::string directory = told.substr(told.find(' ') + 1);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(directory); })) << directory;
  // Gone, or a zombie of a parent that does not reap.
  EXPECT_TRUE(eventually([&] {
    std::error_code gone;
    return std::filesystem::read_symlink("/proc/" + pid + "/exe", gone).empty();
  }));
}

}  // namespace
}  // namespace loam::test
