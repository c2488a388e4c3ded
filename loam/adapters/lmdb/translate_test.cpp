#include "loam/adapters/lmdb/translate.hpp"

#include <lmdb.h>

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

namespace loam::lmdb {
namespace {

struct Expectation {
  int code;
  ErrorCode meaning;
  bool retryable;
};

constexpr Expectation expectations[] = {
    {MDB_KEYEXIST, ErrorCode::internal, false},
    {MDB_NOTFOUND, ErrorCode::internal, false},
    {MDB_PAGE_NOTFOUND, ErrorCode::data_corruption, false},
    {MDB_CORRUPTED, ErrorCode::data_corruption, false},
    {MDB_PANIC, ErrorCode::failed_precondition, false},
    {MDB_VERSION_MISMATCH, ErrorCode::failed_precondition, false},
    {MDB_INVALID, ErrorCode::failed_precondition, false},
    {MDB_MAP_FULL, ErrorCode::resource_exhausted, false},
    {MDB_DBS_FULL, ErrorCode::internal, false},
    {MDB_READERS_FULL, ErrorCode::unavailable, true},
    {MDB_TLS_FULL, ErrorCode::resource_exhausted, false},
    {MDB_TXN_FULL, ErrorCode::resource_exhausted, false},
    {MDB_CURSOR_FULL, ErrorCode::internal, false},
    {MDB_PAGE_FULL, ErrorCode::internal, false},
    {MDB_MAP_RESIZED, ErrorCode::unavailable, true},
    {MDB_INCOMPATIBLE, ErrorCode::failed_precondition, false},
    {MDB_BAD_RSLOT, ErrorCode::internal, false},
    {MDB_BAD_TXN, ErrorCode::internal, false},
    {MDB_BAD_VALSIZE, ErrorCode::internal, false},
    {MDB_BAD_DBI, ErrorCode::internal, false},
    {ENOENT, ErrorCode::not_found, false},
    {ENOTDIR, ErrorCode::failed_precondition, false},
    {EACCES, ErrorCode::permission_denied, false},
    {EPERM, ErrorCode::permission_denied, false},
    {EROFS, ErrorCode::permission_denied, false},
    {ENOSPC, ErrorCode::resource_exhausted, false},
    {EDQUOT, ErrorCode::resource_exhausted, false},
    {EFBIG, ErrorCode::resource_exhausted, false},
    {ENOMEM, ErrorCode::resource_exhausted, false},
    {EMFILE, ErrorCode::resource_exhausted, false},
    {ENFILE, ErrorCode::resource_exhausted, false},
    {EAGAIN, ErrorCode::unavailable, true},
    {EBUSY, ErrorCode::unavailable, true},
    {EIO, ErrorCode::unavailable, true},
    {EINVAL, ErrorCode::internal, false},
    {12345, ErrorCode::internal, false},
};

TEST(LmdbTranslate, EveryCodeHasItsMeaning) {
  for (const Expectation& expected : expectations) {
    SCOPED_TRACE(mdb_strerror(expected.code));
    Error error = translate(expected.code, "read");
    EXPECT_EQ(error.code(), expected.meaning);
    EXPECT_EQ(error.retryable(), expected.retryable);
    EXPECT_EQ(error.outcome(), Outcome::not_applied);
    ASSERT_NE(error.native(), nullptr);
    EXPECT_EQ(error.native()->system, "lmdb");
    EXPECT_EQ(error.native()->code, std::to_string(expected.code));
  }
}

TEST(LmdbTranslate, NoCodeOfTheLibraryIsMissingFromTheTable) {
  for (int code = MDB_KEYEXIST; code <= MDB_LAST_ERRCODE; ++code) {
    bool listed = false;
    for (const Expectation& expected : expectations) listed |= expected.code == code;
    EXPECT_TRUE(listed) << mdb_strerror(code);
  }
}

TEST(LmdbTranslate, OnlyAFullMapIsAFullMap) {
  EXPECT_TRUE(is_map_full(translate(MDB_MAP_FULL, "write")));
  EXPECT_FALSE(is_map_full(translate(ENOSPC, "write")));
  EXPECT_FALSE(is_map_full(invalid_argument("x")));
}

}  // namespace
}  // namespace loam::lmdb
