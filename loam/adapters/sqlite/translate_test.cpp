#include "loam/adapters/sqlite/translate.hpp"

#include <gtest/gtest.h>

#include <set>

namespace loam::sqlite {
namespace {

TEST(SqliteTranslate, EveryCodeHasItsMeaning) {
  struct Row {
    int code;
    ErrorCode expected;
  };
  const Row table[] = {
      {SQLITE_ERROR, ErrorCode::invalid_argument},
      {SQLITE_INTERNAL, ErrorCode::internal},
      {SQLITE_PERM, ErrorCode::permission_denied},
      {SQLITE_ABORT, ErrorCode::failed_precondition},
      {SQLITE_ABORT_ROLLBACK, ErrorCode::failed_precondition},
      {SQLITE_BUSY, ErrorCode::unavailable},
      {SQLITE_BUSY_RECOVERY, ErrorCode::unavailable},
      {SQLITE_BUSY_TIMEOUT, ErrorCode::unavailable},
      {SQLITE_BUSY_SNAPSHOT, ErrorCode::conflict},
      {SQLITE_LOCKED, ErrorCode::unavailable},
      {SQLITE_NOMEM, ErrorCode::resource_exhausted},
      {SQLITE_READONLY, ErrorCode::failed_precondition},
      {SQLITE_READONLY_DBMOVED, ErrorCode::failed_precondition},
      {SQLITE_INTERRUPT, ErrorCode::cancelled},
      {SQLITE_IOERR, ErrorCode::unavailable},
      {SQLITE_IOERR_READ, ErrorCode::unavailable},
      {SQLITE_IOERR_FSYNC, ErrorCode::unavailable},
      {SQLITE_IOERR_SHORT_READ, ErrorCode::data_corruption},
      {SQLITE_IOERR_CORRUPTFS, ErrorCode::data_corruption},
      {SQLITE_IOERR_DATA, ErrorCode::data_corruption},
      {SQLITE_IOERR_NOMEM, ErrorCode::resource_exhausted},
      {SQLITE_CORRUPT, ErrorCode::data_corruption},
      {SQLITE_CORRUPT_VTAB, ErrorCode::data_corruption},
      {SQLITE_CORRUPT_INDEX, ErrorCode::data_corruption},
      {SQLITE_NOTFOUND, ErrorCode::internal},
      {SQLITE_FULL, ErrorCode::resource_exhausted},
      {SQLITE_CANTOPEN, ErrorCode::unavailable},
      {SQLITE_CANTOPEN_ISDIR, ErrorCode::failed_precondition},
      {SQLITE_CANTOPEN_SYMLINK, ErrorCode::permission_denied},
      {SQLITE_PROTOCOL, ErrorCode::unavailable},
      {SQLITE_SCHEMA, ErrorCode::unavailable},
      {SQLITE_TOOBIG, ErrorCode::resource_exhausted},
      {SQLITE_CONSTRAINT, ErrorCode::failed_precondition},
      {SQLITE_CONSTRAINT_UNIQUE, ErrorCode::already_exists},
      {SQLITE_CONSTRAINT_PRIMARYKEY, ErrorCode::already_exists},
      {SQLITE_CONSTRAINT_ROWID, ErrorCode::already_exists},
      {SQLITE_CONSTRAINT_NOTNULL, ErrorCode::failed_precondition},
      {SQLITE_CONSTRAINT_CHECK, ErrorCode::failed_precondition},
      {SQLITE_CONSTRAINT_FOREIGNKEY, ErrorCode::failed_precondition},
      {SQLITE_CONSTRAINT_TRIGGER, ErrorCode::failed_precondition},
      {SQLITE_MISMATCH, ErrorCode::invalid_argument},
      {SQLITE_MISUSE, ErrorCode::internal},
      {SQLITE_NOLFS, ErrorCode::resource_exhausted},
      {SQLITE_AUTH, ErrorCode::permission_denied},
      {SQLITE_FORMAT, ErrorCode::failed_precondition},
      {SQLITE_RANGE, ErrorCode::invalid_argument},
      {SQLITE_NOTADB, ErrorCode::failed_precondition},
      {99, ErrorCode::internal},
  };
  std::set<int> primary;
  for (const Row& row : table) {
    EXPECT_EQ(to_string(error_code_of(row.code)), to_string(row.expected)) << code_name(row.code);
    EXPECT_EQ(translate(nullptr, row.code).outcome(), Outcome::not_applied);
    primary.insert(row.code & 0xff);
  }
  for (int code = SQLITE_ERROR; code <= SQLITE_NOTADB; ++code) {
    if (code == SQLITE_EMPTY) continue;  // not used by SQLite
    EXPECT_EQ(primary.count(code), 1u) << sqlite3_errstr(code) << " is not in this table";
  }
}

TEST(SqliteTranslate, RulesNameEachCodeOnce) {
  std::set<int> seen;
  for (const CodeRule& rule : code_rules()) EXPECT_TRUE(seen.insert(rule.code).second) << rule.name;
}

TEST(SqliteTranslate, NativeErrorsKeepTheExtendedCode) {
  EXPECT_EQ(code_name(SQLITE_BUSY_SNAPSHOT), "SQLITE_BUSY_SNAPSHOT");
  EXPECT_EQ(code_name(SQLITE_CONSTRAINT_CHECK), "SQLITE_CONSTRAINT (275)");
  ASSERT_NE(translate(nullptr, SQLITE_FULL).native(), nullptr);
  EXPECT_EQ(translate(nullptr, SQLITE_FULL).native()->code, "SQLITE_FULL");
}

TEST(SqliteTranslate, OnlyACommitThatSurelyWroteNothingIsNotApplied) {
  for (int code : {SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_FULL, SQLITE_INTERRUPT})
    EXPECT_EQ(to_string(commit_outcome(code)), to_string(Outcome::not_applied)) << code_name(code);
  for (int code :
       {SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMMAP, SQLITE_NOMEM, SQLITE_IOERR_NOMEM, SQLITE_CORRUPT, 99})
    EXPECT_EQ(to_string(commit_outcome(code)), to_string(Outcome::unknown)) << code_name(code);
}

}  // namespace
}  // namespace loam::sqlite
