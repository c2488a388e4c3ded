/// What needs no server: URLs, placeholders, the error map, numbers and times.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loam/adapters/postgres/placeholders.hpp"
#include "loam/adapters/postgres/postgres.hpp"
#include "loam/adapters/postgres/statement_cache.hpp"
#include "loam/adapters/postgres/translate.hpp"
#include "loam/adapters/postgres/types.hpp"

namespace loam::postgres {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PostgresUrl, EveryPartIsRead) {
  auto options = parse_postgres_url(
      "postgres://us%40er:p%3Aw@db.example:5433/"
      "my%2Fdb?sslmode=verify-full&schema=a%20b&application_name=app&connect_timeout=3&"
      "pool_min=2&pool_max=7&acquire_timeout_ms=50");
  ASSERT_TRUE(options.ok()) << options.error().to_string();
  EXPECT_EQ(options->user, "us@er");
  EXPECT_EQ(options->password.reveal(), "p:w");
  EXPECT_EQ(options->host, "db.example");
  EXPECT_EQ(options->port, 5433);
  EXPECT_EQ(options->database, "my/db");
  EXPECT_EQ(options->ssl_mode, "verify-full");
  EXPECT_EQ(options->schema, "a b");
  EXPECT_EQ(options->application_name, "app");
  EXPECT_EQ(options->connect_timeout_ms, 3'000);
  EXPECT_EQ(options->pool.connections_min, 2u);
  EXPECT_EQ(options->pool.connections_max, 7u);
  EXPECT_EQ(options->pool.acquire_timeout_ms, 50);
}

TEST(PostgresUrl, WhatIsLeftOutHasItsDefault) {
  auto options = parse_postgres_url("postgresql:///");
  ASSERT_TRUE(options.ok()) << options.error().to_string();
  EXPECT_EQ(options->host, "127.0.0.1");
  EXPECT_EQ(options->port, 5432);
  EXPECT_EQ(options->database, "postgres");
  EXPECT_EQ(parse_postgres_url("postgresql:///db?host=%2Frun%2Fpg").value().host, "/run/pg");
}

TEST(PostgresUrl, AnErrorNamesThePartAndNeverThePassword) {
  const std::pair<const char*, const char*> wrong[] = {
      {"mysql://u:secret@h/d", "scheme"},
      {"postgresql://u:secret@h:99999/d", "port"},
      {"postgresql://u:secret@h:x/d", "port"},
      {"postgresql://u:secret%zz@h/d", "password"},
      {"postgresql://u:secret@h/d?ssl=on", "ssl"},
      {"postgresql://u:secret@h/d?sslmode=off", "sslmode"},
      {"postgresql://u:secret@h/d?password=secret", "password is not known"},
      {"postgresql://u:secret@h/d?pool_max=0", "pool_max"},
      {"postgresql://u:secret@h/d?pool_max=2&pool_min=3", "connections_min"},
      {"postgresql://u:secret@h/d?connect_timeout=soon", "connect_timeout"},
      {"postgresql://u:secret@h/d#secret", "fragment"},
      {"postgresql://u:secret@h/d?schema=1&schema=2", "schema"},
      {"postgresql://u:secret@h/%00", "path"},
      {"postgresql://u:secret@h/d?schema=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "schema"},
  };
  for (const auto& [url, part] : wrong) {
    auto options = parse_postgres_url(url);
    ASSERT_FALSE(options.ok()) << url;
    EXPECT_EQ(options.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(options.error().to_string(), HasSubstr(part));
    EXPECT_THAT(options.error().to_string(), Not(HasSubstr("secret")));
  }
}

TEST(PostgresPlaceholders, OnlyThoseOutsideOfQuotesAndCommentsAreParameters) {
  const std::pair<const char*, const char*> table[] = {
      {"SELECT ?, ?", "SELECT $1, $2"},
      {"SELECT '?', 'it''s ?', ?", "SELECT '?', 'it''s ?', $1"},
      {"SELECT E'\\'?', ?", "SELECT E'\\'?', $1"},
      {"SELECT '\\', ?", "SELECT '\\', $1"},  // standard strings know no backslash
      {"SELECT some_E'\\', ?", "SELECT some_E'\\', $1"},
      {"SELECT \"?\"\"?\", ?", "SELECT \"?\"\"?\", $1"},
      {"SELECT $$?$$, $t$ $$ ? $t$, ?", "SELECT $$?$$, $t$ $$ ? $t$, $1"},
      {"SELECT a$b$c, ?, d$b$", "SELECT a$b$c, $1, d$b$"},  // a $ inside a word opens nothing
      {"SELECT ? -- ? '\n, ?", "SELECT $1 -- ? '\n, $2"},
      {"SELECT /* ? /* ? */ ' ? */ ?", "SELECT /* ? /* ? */ ' ? */ $1"},
      {"SELECT U&'?', B'?', ?", "SELECT U&'?', B'?', $1"},
      {"SELECT 1?", "SELECT 1$1"},
      {"SELECT 'open ?", "SELECT 'open ?"},
      {"SELECT $x$ open ?", "SELECT $x$ open ?"},
      {"SELECT /* open ?", "SELECT /* open ?"},
      {"?", "$1"},
      {"", ""},
  };
  for (const auto& [sql, expected] : table) EXPECT_EQ(rewrite_placeholders(sql).value().text, expected);
}

TEST(PostgresPlaceholders, TheFirstWordIsFoundBehindCommentsAndBrackets) {
  EXPECT_EQ(rewrite_placeholders(" /* BEGIN */ -- END\n ((select 1))").value().first_word, "SELECT");
  EXPECT_EQ(rewrite_placeholders(" -- nothing").value().first_word, "");
}

TEST(PostgresPlaceholders, NulForeignParametersAndHugeTextsAreRefused) {
  EXPECT_FALSE(rewrite_placeholders("SELECT \0"s).ok());
  EXPECT_FALSE(rewrite_placeholders("SELECT $1").ok());
  EXPECT_FALSE(rewrite_placeholders(std::string((1u << 20) + 1, ' ')).ok());
  EXPECT_TRUE(rewrite_placeholders(std::string(1u << 20, ' ')).ok());
}

TEST(PostgresTranslate, EveryClassHasItsMeaning) {
  struct Row {
    const char* sqlstate;
    ErrorCode code;
    Outcome outcome_when_committing;
  };
  constexpr Outcome not_applied = Outcome::not_applied, unknown = Outcome::unknown;
  const Row table[] = {
      {"08006", ErrorCode::unavailable, unknown},
      {"08001", ErrorCode::unavailable, not_applied},
      {"0A000", ErrorCode::unsupported, not_applied},
      {"22003", ErrorCode::invalid_argument, not_applied},
      {"22021", ErrorCode::invalid_argument, not_applied},
      {"23502", ErrorCode::failed_precondition, not_applied},
      {"23503", ErrorCode::failed_precondition, not_applied},
      {"23505", ErrorCode::already_exists, not_applied},
      {"23514", ErrorCode::failed_precondition, not_applied},
      {"25006", ErrorCode::failed_precondition, not_applied},
      {"25P02", ErrorCode::failed_precondition, not_applied},
      {"28P01", ErrorCode::unauthenticated, not_applied},
      {"28000", ErrorCode::unauthenticated, not_applied},
      {"3D000", ErrorCode::not_found, not_applied},
      {"40001", ErrorCode::conflict, not_applied},
      {"40P01", ErrorCode::conflict, not_applied},
      {"40003", ErrorCode::unavailable, unknown},
      {"42601", ErrorCode::invalid_argument, not_applied},
      {"42P01", ErrorCode::invalid_argument, not_applied},
      {"42P07", ErrorCode::already_exists, not_applied},
      {"42501", ErrorCode::permission_denied, not_applied},
      {"53100", ErrorCode::resource_exhausted, not_applied},
      {"53300", ErrorCode::unavailable, not_applied},
      {"54001", ErrorCode::invalid_argument, not_applied},
      {"55P03", ErrorCode::unavailable, not_applied},
      {"57014", ErrorCode::cancelled, not_applied},
      {"57P01", ErrorCode::unavailable, unknown},
      {"57P02", ErrorCode::unavailable, unknown},
      {"57P03", ErrorCode::unavailable, not_applied},
      {"58030", ErrorCode::unavailable, not_applied},
      {"P0001", ErrorCode::failed_precondition, not_applied},
      {"XX000", ErrorCode::internal, not_applied},
      {"XX001", ErrorCode::data_corruption, not_applied},
      {"ZZ999", ErrorCode::internal, unknown},
      {"", ErrorCode::internal, unknown},
  };
  for (const Row& row : table) {
    Translation meaning = translate_sqlstate(row.sqlstate);
    EXPECT_EQ(to_string(meaning.code), to_string(row.code)) << row.sqlstate;
    EXPECT_EQ(meaning.outcome_when_committing, row.outcome_when_committing) << row.sqlstate;
  }
}

TEST(PostgresTypes, BinaryNumericBecomesItsDigits) {
  auto numeric = [](std::initializer_list<int> words) {
    std::string bytes;
    for (int word : words) bytes += {static_cast<char>(word >> 8), static_cast<char>(word)};
    return numeric_text(bytes);
  };
  EXPECT_EQ(numeric({0, 0, 0, 0}), "0");
  EXPECT_EQ(numeric({0, 0, 0, 2}), "0.00");
  EXPECT_EQ(numeric({2, 0, 0x4000, 2, 12, 5000}), "-12.50");
  EXPECT_EQ(numeric({1, 2, 0, 0, 1}), "100000000");
  EXPECT_EQ(numeric({1, -2, 0, 8, 1}), "0.00000001");
  EXPECT_EQ(numeric({0, 0, 0xC000, 0}), "NaN");
  EXPECT_EQ(numeric({9, 0, 0, 0}), "0") << "fewer digits than it says";
  EXPECT_EQ(numeric_text("abc"), "0");
}

TEST(PostgresTypes, ServerTimesAreReadFarBeyondTheUsualYears) {
  auto micros = [](std::string_view text) {
    Timestamp time{-7};
    return parse_server_time(text, time) ? time.micros : -7;
  };
  EXPECT_EQ(micros("1970-01-01 00:00:00+00"), 0);
  EXPECT_EQ(micros("1969-12-31 23:59:59.999999+00"), -1);
  EXPECT_EQ(micros("2026-11-21 06:45:00.1+00"), parse_timestamp("2026-11-21T06:45:00.1Z").value().micros);
  EXPECT_EQ(micros("0001-01-01 00:00:00 BC"), -62'167'219'200'000'000 + 0);
  EXPECT_EQ(micros("10000-01-01 00:00:00+00"), 253'402'300'800'000'000);
  EXPECT_EQ(micros("infinity"), std::numeric_limits<std::int64_t>::max());
  for (const char* bad : {"", "x", "2026", "2026-01-01", "2026-01-01 00:00:00+01", "999999999999-01-01 00:00:00+00"})
    EXPECT_EQ(micros(bad), -7) << bad;
}

TEST(PostgresTypes, MalformedFieldsReadAsNothingAndNeverOutOfBounds) {
  for (Oid type : {oid::boolean, oid::bytea, oid::int8, oid::int4, oid::int2, oid::text, oid::float4, oid::float8,
                   oid::float4_array, oid::timestamptz, oid::numeric, oid::jsonb})
    for (bool binary : {false, true})
      for (std::size_t size = 0; size <= 24; ++size) {
        std::string bytes(size, '\x7F');
        Field field{bytes, type, binary};
        std::string scratch;
        (void)read_value(field);
        (void)read_int64(field);
        (void)read_float64(field);
        (void)read_text(field, scratch);
      }
}

TEST(PostgresStatements, AKindThatCannotShareAStatementGetsItsOwn) {
  StatementCache cache;
  auto* entry = cache.find("INSERT INTO t VALUES (?)").value();
  Prepared* number = cache.add(*entry, {.name = "n", .requested = {oid::int8}, .types = {oid::int8}});
  std::vector<Value> one{1}, half{0.5}, null{Value()}, text{"x"};
  EXPECT_TRUE(number->accepts(one));
  EXPECT_TRUE(number->accepts(null));
  EXPECT_FALSE(number->accepts(half));
  EXPECT_FALSE(number->accepts(text));
  // Prepared for a NULL, the server found a bigint: integers may use it.
  Prepared* inferred = cache.add(*entry, {.name = "i", .requested = {oid::unspecified}, .types = {oid::int8}});
  EXPECT_TRUE(inferred->accepts(one));
  EXPECT_TRUE(inferred->accepts(text)) << "as a quoted literal would be";
  EXPECT_FALSE(inferred->accepts(half));
}

TEST(PostgresStatements, TheLeastRecentlyUsedGoesFirst) {
  StatementCache cache;
  for (int i = 0; i < 256; ++i) {
    auto* entry = cache.find("SELECT " + std::to_string(i)).value();
    cache.add(*entry, {.name = "s" + std::to_string(i)});
  }
  EXPECT_FALSE(cache.has_dropped());
  (void)cache.find("SELECT 0");
  (void)cache.find("SELECT 256");
  EXPECT_THAT(cache.take_dropped(), ::testing::ElementsAre("s1"));
  EXPECT_EQ(cache.find("SELECT 0").value()->variants.size(), 1u);
}

}  // namespace
}  // namespace loam::postgres
