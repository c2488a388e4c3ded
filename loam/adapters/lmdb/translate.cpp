#include "loam/adapters/lmdb/translate.hpp"

#include <lmdb.h>

#include <cerrno>
#include <string>

namespace loam::lmdb {
namespace {

struct Rule {
  int code;
  ErrorCode meaning;
  const char* hint;
};

constexpr Rule rules[] = {
    {MDB_PAGE_NOTFOUND, ErrorCode::data_corruption, "restore the store from a backup"},
    {MDB_CORRUPTED, ErrorCode::data_corruption, "restore the store from a backup"},
    {MDB_PANIC, ErrorCode::failed_precondition, "a write to the file failed before: close the store and open it again"},
    {MDB_VERSION_MISMATCH, ErrorCode::failed_precondition, "the file was made by another version of LMDB"},
    {MDB_INVALID, ErrorCode::failed_precondition, "the file is not an LMDB data file"},
    {MDB_MAP_FULL, ErrorCode::resource_exhausted, "delete entries or raise map_bytes_max"},
    {MDB_READERS_FULL, ErrorCode::unavailable, "too many reads at one moment: try again or raise readers_max"},
    {MDB_TLS_FULL, ErrorCode::resource_exhausted, ""},
    {MDB_TXN_FULL, ErrorCode::resource_exhausted, "split the batch into smaller ones"},
    {MDB_MAP_RESIZED, ErrorCode::unavailable, "another process grew the map: try again"},
    {MDB_INCOMPATIBLE, ErrorCode::failed_precondition, "the file was not written by this adapter"},
    {ENOENT, ErrorCode::not_found, ""},
    {ENOTDIR, ErrorCode::failed_precondition, "the path must be a directory"},
    {EACCES, ErrorCode::permission_denied, ""},
    {EPERM, ErrorCode::permission_denied, ""},
    {EROFS, ErrorCode::permission_denied, "the file system is read-only"},
    {ENOSPC, ErrorCode::resource_exhausted, "the disk is full"},
    {EDQUOT, ErrorCode::resource_exhausted, "the disk quota is used up"},
    {EFBIG, ErrorCode::resource_exhausted, "the file size limit is reached"},
    {ENOMEM, ErrorCode::resource_exhausted, "the map needs address space"},
    {EMFILE, ErrorCode::resource_exhausted, "too many open files"},
    {ENFILE, ErrorCode::resource_exhausted, "too many open files"},
    {EAGAIN, ErrorCode::unavailable, ""},
    {EBUSY, ErrorCode::unavailable, ""},
    {EIO, ErrorCode::unavailable, "the device reports an error, or the disk is full"},
};

const Rule* rule_of(int code) {
  for (const Rule& rule : rules)
    if (rule.code == code) return &rule;
  return nullptr;
}

}  // namespace

Error translate(int code, std::string_view operation) {
  const Rule* rule = rule_of(code);
  Error error = Error(rule != nullptr ? rule->meaning : ErrorCode::internal,
                      "lmdb could not " + std::string(operation) + ": " + mdb_strerror(code))
                    .native({"lmdb", std::to_string(code), mdb_strerror(code)});
  return rule != nullptr && *rule->hint != '\0' ? std::move(error).hint(rule->hint) : std::move(error);
}

bool is_map_full(const Error& error) {
  return error.native() != nullptr && error.native()->code == std::to_string(MDB_MAP_FULL);
}

}  // namespace loam::lmdb
