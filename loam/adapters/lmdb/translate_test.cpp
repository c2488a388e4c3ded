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
  Outcome of_commit;
};

constexpr Outcome nothing = Outcome::not_applied, unknown = Outcome::unknown;

constexpr Expectation expectations[] = {
    {MDB_KEYEXIST, ErrorCode::internal, false, unknown},
    {MDB_NOTFOUND, ErrorCode::internal, false, unknown},
    {MDB_PAGE_NOTFOUND, ErrorCode::data_corruption, false, unknown},
    {MDB_CORRUPTED, ErrorCode::data_corruption, false, unknown},
    {MDB_PANIC, ErrorCode::failed_precondition, false, nothing},
    {MDB_VERSION_MISMATCH, ErrorCode::failed_precondition, false, unknown},
    {MDB_INVALID, ErrorCode::failed_precondition, false, unknown},
    {MDB_MAP_FULL, ErrorCode::resource_exhausted, false, nothing},
    {MDB_DBS_FULL, ErrorCode::internal, false, unknown},
    {MDB_READERS_FULL, ErrorCode::unavailable, true, unknown},
    {MDB_TLS_FULL, ErrorCode::resource_exhausted, false, unknown},
    {MDB_TXN_FULL, ErrorCode::resource_exhausted, false, nothing},
    {MDB_CURSOR_FULL, ErrorCode::internal, false, unknown},
    {MDB_PAGE_FULL, ErrorCode::internal, false, unknown},
    {MDB_MAP_RESIZED, ErrorCode::unavailable, true, unknown},
    {MDB_INCOMPATIBLE, ErrorCode::failed_precondition, false, unknown},
    {MDB_BAD_RSLOT, ErrorCode::internal, false, unknown},
    {MDB_BAD_TXN, ErrorCode::internal, false, unknown},
    {MDB_BAD_VALSIZE, ErrorCode::internal, false, unknown},
    {MDB_BAD_DBI, ErrorCode::internal, false, unknown},
    {ENOENT, ErrorCode::not_found, false, unknown},
    {ENOTDIR, ErrorCode::failed_precondition, false, unknown},
    {EACCES, ErrorCode::permission_denied, false, unknown},
    {EPERM, ErrorCode::permission_denied, false, unknown},
    {EROFS, ErrorCode::permission_denied, false, unknown},
    {ENOSPC, ErrorCode::resource_exhausted, false, nothing},
    {EDQUOT, ErrorCode::resource_exhausted, false, nothing},
    {EFBIG, ErrorCode::resource_exhausted, false, nothing},
    {ENOMEM, ErrorCode::resource_exhausted, false, nothing},
    {EMFILE, ErrorCode::resource_exhausted, false, unknown},
    {ENFILE, ErrorCode::resource_exhausted, false, unknown},
    {EAGAIN, ErrorCode::unavailable, true, unknown},
    {EBUSY, ErrorCode::unavailable, true, unknown},
    {EIO, ErrorCode::unavailable, true, unknown},
    {EINVAL, ErrorCode::internal, false, unknown},
    {12345, ErrorCode::internal, false, unknown},
};

TEST(LmdbTranslate, EveryCodeHasItsMeaningAndOutcome) {
  for (const Expectation& expected : expectations) {
    SCOPED_TRACE(mdb_strerror(expected.code));
    Error error = translate(expected.code, "read");
    EXPECT_EQ(error.code(), expected.meaning);
    EXPECT_EQ(error.retryable(), expected.retryable);
    EXPECT_EQ(error.outcome(), Outcome::not_applied);
    ASSERT_NE(error.native(), nullptr);
    EXPECT_EQ(error.native()->system, "lmdb");
    EXPECT_EQ(error.native()->code, std::to_string(expected.code));
    EXPECT_EQ(translate_commit(expected.code).outcome(), expected.of_commit);
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
