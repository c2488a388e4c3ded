/// Servers that die, networks that lose, passwords that are wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "loam/adapters/postgres/postgres.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/tcp_proxy.hpp"

namespace loam {
namespace {

using test::TcpProxy;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

bool eventually(const std::function<bool()>& condition) {
  auto deadline = Clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class PostgresFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    LOAM_SHARED_POSTGRES(server);
    server_ = &server;
    auto proxy = TcpProxy::start(server.port());
    ASSERT_TRUE(proxy.ok()) << proxy.error().to_string();
    proxy_ = std::move(proxy).value();
    options_ = parse_postgres_url(server.fresh_schema()).value();
    options_.application_name = "victim";
    options_.pool.connections_min = 1;
    db_ = open(options_);
    ASSERT_NE(db_, nullptr);
    ASSERT_TRUE(db_->execute("CREATE TABLE t(i int)").ok());
  }

  std::unique_ptr<Database> open(const PostgresOptions& options) {
    auto opened = open_postgres(options);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().to_string());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }
  /// The same database through the proxy.
  std::unique_ptr<Database> open_through_proxy() {
    PostgresOptions options = options_;
    options.port = proxy_->port();
    return open(options);
  }

  /// Ends every session of the test's databases and waits until they are gone.
  void terminate_all() {
    ASSERT_TRUE(
        server_->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'").ok());
    ASSERT_TRUE(eventually([&] { return victims() == "0"; }));
  }
  std::string victims() {
    return server_->sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim'").value();
  }
  void wait_until_active() {
    ASSERT_TRUE(eventually([&] {
      return server_
                 ->sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim' AND wait_event = 'PgSleep'")
                 .value() == "1";
    }));
  }
  std::int64_t rows() {
    auto counted = db_->query("SELECT count(*) FROM t");
    return counted.ok() ? counted->at(0, 0).as<std::int64_t>() : -1;
  }

  test::PostgresServer* server_ = nullptr;
  std::unique_ptr<TcpProxy> proxy_;
  PostgresOptions options_;
  std::unique_ptr<Database> db_;
};

TEST_F(PostgresFaults, AnIdleConnectionThatWasKilledIsReplacedUnseen) {
  terminate_all();
  EXPECT_EQ(rows(), 0);
  EXPECT_GE(db_->pool_stats().replaced, 1u);
}

TEST_F(PostgresFaults, WithoutPrePingAKilledConnectionIsKnownBeforeAnythingIsSent) {
  options_.pool.pre_ping = false;
  db_ = open(options_);
  ASSERT_EQ(rows(), 0);
  terminate_all();
  auto failed = db_->execute("INSERT INTO t VALUES (1)");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(failed.error().outcome(), Outcome::not_applied);
  EXPECT_EQ(rows(), 0);
}

TEST_F(PostgresFaults, AReadWhoseSessionDiesIsNotAppliedAndAWriteIsUnknown) {
  for (bool writes : {false, true}) {
    std::thread killer([&] {
      wait_until_active();
      terminate_all();
    });
    auto begun = db_->pool_stats();
    Outcome outcome = Outcome::not_applied;
    ErrorCode code = ErrorCode::internal;
    if (writes) {
      auto done = db_->execute("INSERT INTO t SELECT 1 FROM pg_sleep(60)");
      ASSERT_FALSE(done.ok());
      code = done.error().code(), outcome = done.error().outcome();
    } else {
      auto done = db_->query("SELECT pg_sleep(60)");
      ASSERT_FALSE(done.ok());
      code = done.error().code(), outcome = done.error().outcome();
    }
    killer.join();
    EXPECT_EQ(code, ErrorCode::unavailable);
    EXPECT_EQ(outcome, writes ? Outcome::unknown : Outcome::not_applied);
    EXPECT_EQ(rows(), 0);
    EXPECT_GT(db_->pool_stats().replaced, begun.replaced);
  }
}

TEST_F(PostgresFaults, ATransactionIsNeverContinuedOnAnotherConnection) {
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  terminate_all();
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto failed = transaction->execute("INSERT INTO t VALUES (2)");
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code(), ErrorCode::unavailable) << failed.error().to_string();
    EXPECT_EQ(failed.error().outcome(), Outcome::not_applied);
  }
  EXPECT_FALSE(transaction->commit().ok());
  EXPECT_TRUE(transaction->rollback().ok());
  EXPECT_EQ(rows(), 0);
}

TEST_F(PostgresFaults, ACommitOnAConnectionThatIsKnownToBeGoneIsNotApplied) {
  auto transaction = db_->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  terminate_all();
  auto done = transaction->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome(), Outcome::not_applied) << done.error().to_string();
  EXPECT_EQ(rows(), 0);
}

TEST_F(PostgresFaults, ACommitWhoseReplyIsLostIsUnknownAndStored) {
  auto through = open_through_proxy();
  auto transaction = through->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  proxy_->cut_at("COMMIT", TcpProxy::Cut::after_the_reply_was_made);
  auto done = transaction->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(done.error().outcome(), Outcome::unknown);
  EXPECT_FALSE(done.error().retryable());
  EXPECT_EQ(rows(), 1);
  EXPECT_TRUE(transaction->rollback().ok()) << "there is nothing to roll back any more";
}

TEST_F(PostgresFaults, ACommitThatNeverArrivedIsUnknownTooAndNotStored) {
  auto through = open_through_proxy();
  auto transaction = through->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  proxy_->cut_at("COMMIT", TcpProxy::Cut::before_the_request_arrives);
  auto done = transaction->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome(), Outcome::unknown) << "the two cannot be told apart from here";
  EXPECT_EQ(rows(), 0);
}

TEST_F(PostgresFaults, AReadOnlyCommitWhoseReplyIsLostHasNothingToApply) {
  auto through = open_through_proxy();
  auto transaction = through->begin({.access = Access::read_only}).value();
  ASSERT_TRUE(transaction->query("SELECT i FROM t").ok());
  proxy_->cut_at("COMMIT", TcpProxy::Cut::after_the_reply_was_made);
  EXPECT_EQ(transaction->commit().error().outcome(), Outcome::not_applied);
}

TEST_F(PostgresFaults, AWriteWhoseReplyIsLostIsUnknownAndStored) {
  auto through = open_through_proxy();
  // Twice, so that the statement is prepared and the reply that is lost is that of the execution.
  ASSERT_TRUE(through->execute("INSERT INTO t VALUES (?)", {1}).ok());
  proxy_->cut_at("loam_", TcpProxy::Cut::after_the_reply_was_made);
  auto done = through->execute("INSERT INTO t VALUES (?)", {2});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome(), Outcome::unknown);
  EXPECT_THAT(done.error().hint(), HasSubstr("read what the statement was to change"));
  EXPECT_EQ(rows(), 2);
}

TEST_F(PostgresFaults, AStatementInATransactionThatIsCutOffIsNotApplied) {
  auto through = open_through_proxy();
  auto transaction = through->begin().value();
  proxy_->cut_at("INSERT", TcpProxy::Cut::after_the_reply_was_made);
  auto done = transaction->execute("INSERT INTO t VALUES (1)");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(done.error().outcome(), Outcome::not_applied);
  transaction.reset();
  EXPECT_EQ(rows(), 0);
}

TEST_F(PostgresFaults, ABlackHoleDoesNotOutlastTheDeadline) {
  auto through = open_through_proxy();
  ASSERT_TRUE(through->execute("INSERT INTO t VALUES (1)").ok());
  proxy_->freeze(true);
  auto begun = Clock::now();
  auto read = through->query("SELECT i FROM t", {}, Context().deadline_in_ms(100));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::deadline_exceeded) << read.error().to_string();
  EXPECT_EQ(read.error().outcome(), Outcome::not_applied);
  EXPECT_LT(Clock::now() - begun, std::chrono::seconds(10)) << "it would hang for minutes";
  EXPECT_EQ(through->pool_stats().in_use, 0u);
  proxy_->freeze(false);
  EXPECT_TRUE(through->query("SELECT i FROM t").ok());
}

TEST_F(PostgresFaults, AWriteIntoABlackHoleIsUnknownAtItsDeadline) {
  auto through = open_through_proxy();
  auto transaction = through->begin().value();
  ASSERT_TRUE(transaction->execute("INSERT INTO t VALUES (1)").ok());
  proxy_->freeze(true);
  auto done = transaction->commit(Context().deadline_in_ms(50));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_EQ(done.error().outcome(), Outcome::unknown);
  proxy_->freeze(false);
}

TEST_F(PostgresFaults, ACancelledCallerDoesNotWaitForABlackHole) {
  auto through = open_through_proxy();
  ASSERT_TRUE(through->query("SELECT i FROM t").ok());
  proxy_->freeze(true);
  Cancellation cancel;
  std::thread canceller([&] {
    eventually([&] { return through->pool_stats().in_use == 1; });
    cancel.cancel();
  });
  auto done = through->query("SELECT i FROM t", {}, Context().cancelled_by(cancel));
  canceller.join();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::cancelled);
  proxy_->freeze(false);
}

TEST_F(PostgresFaults, ConnectingToABlackHoleEndsAtTheConnectTimeout) {
  proxy_->freeze(true);
  options_.port = proxy_->port();
  options_.connect_timeout_ms = 100;
  auto opened = open_postgres(options_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(opened.error().message(), HasSubstr("within 100 ms"));
}

TEST_F(PostgresFaults, AStatementThatWasStoppedLeavesItsConnectionUsable) {
  // On a busy machine the server's confirmation may come after our patience, and then the outcome is rightly unknown.
  for (int attempt = 0; attempt < 100; ++attempt) {
    Value before = db_->query("SELECT pg_backend_pid()")->at(0, 0);
    auto stopped = db_->execute("INSERT INTO t SELECT 1 FROM pg_sleep(60)", {}, Context().deadline_in_ms(50));
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code(), ErrorCode::deadline_exceeded);
    if (stopped.error().outcome() == Outcome::unknown) continue;
    EXPECT_EQ(db_->query("SELECT pg_backend_pid()")->at(0, 0), before);
    EXPECT_EQ(rows(), 0);
    return;
  }
  FAIL() << "the server never confirmed in time that it had stopped";
}

TEST_F(PostgresFaults, ARestartOfTheServerIsSurvived) {
  ASSERT_TRUE(server_->stop(test::StopMode::immediate).ok());
  HealthStatus status = db_->health();
  EXPECT_EQ(status.status, Health::unhealthy);
  EXPECT_FALSE(status.error.empty());
  EXPECT_EQ(db_->execute("INSERT INTO t VALUES (1)").error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(server_->restart().ok());
  EXPECT_TRUE(db_->query("SELECT 1").ok());
  EXPECT_EQ(db_->health().status, Health::healthy);
}

TEST_F(PostgresFaults, ABackendKilledHardTakesTheOthersAlongAndThePoolRecovers) {
  const auto checkpointer = [&] {
    return server_->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
  };
  const std::string former = checkpointer().value();
  auto transaction = db_->begin().value();
  auto pid = transaction->query("SELECT pg_backend_pid()")->at(0, 0).as<std::int64_t>();
  ASSERT_EQ(kill(static_cast<pid_t>(pid), SIGKILL), 0);
  Result<void> done = [&]() -> Result<void> {
    for (;;) LOAM_TRY(transaction->execute("SELECT 1"));
  }();
  EXPECT_EQ(done.error().code(), ErrorCode::unavailable);
  transaction.reset();
  // Connections may still be taken for a moment before the server ends all of its processes.
  EXPECT_TRUE(eventually([&] {
    const auto now = checkpointer();
    return now.ok() && !now.value().empty() && now.value() != former;
  }));
  EXPECT_TRUE(eventually([&] { return db_->query("SELECT 1").ok(); }));
}

TEST_F(PostgresFaults, AForkedChildConnectsAnewAndLeavesTheParentsSessionAlone) {
  Value before = db_->query("SELECT pg_backend_pid()")->at(0, 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto mine = db_->query("SELECT pg_backend_pid()");
    bool anew = mine.ok() && mine->at(0, 0) != before;
    db_.reset();
    _exit(anew ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(db_->query("SELECT pg_backend_pid()")->at(0, 0), before);
}

class PostgresSecrets : public PostgresFaults {
 protected:
  static constexpr std::string_view canary = "c4nary:p@ss/w\xC3\xB6rd?#'\"\\";

  void SetUp() override {
    PostgresFaults::SetUp();
    options_.user = test::PostgresServer::password_role;
    (void)server_->sql("CREATE ROLE needs_password LOGIN SUPERUSER");
    ASSERT_TRUE(
        server_
            ->sql(
                "SET standard_conforming_strings = on; ALTER ROLE needs_password PASSWORD 'c4nary:p@ss/w\xC3\xB6rd?#''\"\\'")
            .ok());
  }
  Error failure(const PostgresOptions& options) {
    auto opened = open_postgres(options);
    if (opened.ok()) return internal_error("it opened");
    EXPECT_THAT(opened.error().to_string(), Not(HasSubstr("c4nary")));
    return opened.error();
  }
};

TEST_F(PostgresSecrets, ThePasswordOpensAndIsNowhereToBeRead) {
  auto parsed = parse_postgres_url("postgresql://needs_password:c4nary%3Ap%40ss%2Fw%C3%B6rd%3F%23'%22%5C@127.0.0.1:" +
                                   std::to_string(server_->port()) + "/postgres?schema=" + options_.schema);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->password.reveal(), canary);
  auto db = open(*parsed);
  ASSERT_NE(db, nullptr);
  EXPECT_THAT(to_json(db->health()), Not(HasSubstr("c4nary")));
  EXPECT_THAT(db->query("SELECT broken").error().to_string(), Not(HasSubstr("c4nary")));
  ASSERT_TRUE(server_->stop(test::StopMode::immediate).ok());
  EXPECT_THAT(to_json(db->health()), Not(HasSubstr("c4nary")));
  ASSERT_TRUE(server_->restart().ok());
}

TEST_F(PostgresSecrets, EachReasonNotToConnectIsToldApart) {
  PostgresOptions options = options_;
  options.password = Secret("wrong c4nary");
  Error error = failure(options);
  EXPECT_EQ(error.code(), ErrorCode::unauthenticated) << error.to_string();
  EXPECT_THAT(error.to_string(), HasSubstr("needs_password"));
  EXPECT_EQ(error.native()->code, "28P01");

  options.password = {};
  EXPECT_THAT(failure(options).to_string(), HasSubstr("password"));

  options.password = Secret(std::string(canary));
  options.database = "nowhere";
  error = failure(options);
  EXPECT_EQ(error.code(), ErrorCode::not_found) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("nowhere"));

  options.database = "postgres";
  options.user = "nobody_known";
  EXPECT_EQ(failure(options).code(), ErrorCode::unauthenticated);

  options.user = test::PostgresServer::password_role;
  options.ssl_mode = "require";  // the test server has no TLS
  error = failure(options);
  EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("SSL"));

  options.ssl_mode = "prefer";
  std::unique_ptr<TcpProxy> gone = TcpProxy::start(1).value();
  options.port = gone->port();
  gone.reset();
  error = failure(options);
  EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr(std::to_string(options.port)));
}

TEST_F(PostgresSecrets, TheSocketDirectoryIsAHost) {
  options_.user = "postgres";
  options_.host = server_->socket_directory();
  EXPECT_NE(open(options_), nullptr);
}

}  // namespace
}  // namespace loam
