#include "loam/adapters/sqlite/translate.hpp"

#include <algorithm>
#include <iterator>

namespace loam::sqlite {
namespace {

#define LOAM_RULE(code, error) {code, #code, ErrorCode::error}
constexpr CodeRule rules[] = {
    LOAM_RULE(SQLITE_ERROR, invalid_argument),  // syntax, unknown names, a function that refused its argument
    LOAM_RULE(SQLITE_ERROR_SNAPSHOT, conflict),
    LOAM_RULE(SQLITE_INTERNAL, internal),
    LOAM_RULE(SQLITE_PERM, permission_denied),
    LOAM_RULE(SQLITE_ABORT, failed_precondition),  // the transaction of a cursor was rolled back under it
    LOAM_RULE(SQLITE_BUSY, unavailable),
    LOAM_RULE(SQLITE_BUSY_SNAPSHOT, conflict),  // another writer came between the read and the write
    LOAM_RULE(SQLITE_LOCKED, unavailable),
    LOAM_RULE(SQLITE_NOMEM, resource_exhausted),
    LOAM_RULE(SQLITE_READONLY, failed_precondition),
    LOAM_RULE(SQLITE_INTERRUPT, cancelled),
    LOAM_RULE(SQLITE_IOERR, unavailable),
    LOAM_RULE(SQLITE_IOERR_SHORT_READ, data_corruption),
    LOAM_RULE(SQLITE_IOERR_CORRUPTFS, data_corruption),
    LOAM_RULE(SQLITE_IOERR_DATA, data_corruption),
    LOAM_RULE(SQLITE_IOERR_NOMEM, resource_exhausted),
    LOAM_RULE(SQLITE_CORRUPT, data_corruption),
    LOAM_RULE(SQLITE_NOTFOUND, internal),
    LOAM_RULE(SQLITE_FULL, resource_exhausted),
    LOAM_RULE(SQLITE_CANTOPEN, unavailable),
    LOAM_RULE(SQLITE_CANTOPEN_ISDIR, failed_precondition),
    LOAM_RULE(SQLITE_CANTOPEN_SYMLINK, permission_denied),
    LOAM_RULE(SQLITE_PROTOCOL, unavailable),
    LOAM_RULE(SQLITE_SCHEMA, unavailable),
    LOAM_RULE(SQLITE_TOOBIG, resource_exhausted),
    LOAM_RULE(SQLITE_CONSTRAINT, failed_precondition),
    LOAM_RULE(SQLITE_CONSTRAINT_UNIQUE, already_exists),
    LOAM_RULE(SQLITE_CONSTRAINT_PRIMARYKEY, already_exists),
    LOAM_RULE(SQLITE_CONSTRAINT_ROWID, already_exists),
    LOAM_RULE(SQLITE_MISMATCH, invalid_argument),
    LOAM_RULE(SQLITE_MISUSE, internal),
    LOAM_RULE(SQLITE_NOLFS, resource_exhausted),
    LOAM_RULE(SQLITE_AUTH, permission_denied),
    LOAM_RULE(SQLITE_FORMAT, failed_precondition),
    LOAM_RULE(SQLITE_RANGE, invalid_argument),
    LOAM_RULE(SQLITE_NOTADB, failed_precondition),
};
#undef LOAM_RULE

const CodeRule* rule_of(int result_code) {
  auto by_code = [](int code) {
    return std::find_if(std::begin(rules), std::end(rules), [code](const CodeRule& rule) { return rule.code == code; });
  };
  auto found = by_code(result_code);
  if (found == std::end(rules)) found = by_code(result_code & 0xff);
  return found == std::end(rules) ? nullptr : found;
}

/// CREATE of a name that is taken has no code of its own.
bool says_already_exists(std::string_view text) { return text.ends_with(" already exists"); }

std::string hint_of(int result_code) {
  switch (result_code & 0xff) {
    case SQLITE_BUSY: return "another connection or process is writing; try again";
    case SQLITE_FULL: return "free disk space and try again";
    case SQLITE_CORRUPT: return "restore a backup; `loam check` lists what is damaged";
    case SQLITE_NOTADB: return "the file is not an SQLite database, or it is encrypted";
    default: return "";
  }
}

}  // namespace

std::span<const CodeRule> code_rules() { return rules; }

ErrorCode error_code_of(int result_code) {
  const CodeRule* rule = rule_of(result_code);
  return rule != nullptr ? rule->error : ErrorCode::internal;
}

std::string code_name(int result_code) {
  const CodeRule* rule = rule_of(result_code);
  std::string name = rule != nullptr ? rule->name : "SQLITE";
  if (rule == nullptr || rule->code != result_code) name += " (" + std::to_string(result_code) + ")";
  return name;
}

Error translate(sqlite3* db, int result_code) {
  std::string text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(result_code);
  ErrorCode code = error_code_of(result_code);
  if (result_code == SQLITE_ERROR && says_already_exists(text)) code = ErrorCode::already_exists;
  std::string message = text;
  if (int offset = db != nullptr ? sqlite3_error_offset(db) : -1; offset >= 0)
    message += " (at character " + std::to_string(offset + 1) + " of the SQL)";
  Error error(code, std::move(message));
  std::string hint = hint_of(result_code);
  if (!hint.empty()) error = std::move(error).hint(std::move(hint));
  return std::move(error).native({"sqlite", code_name(result_code), std::move(text)});
}

Outcome commit_outcome(int result_code) {
  switch (result_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
    case SQLITE_FULL:
    case SQLITE_INTERRUPT:
    case SQLITE_ERROR: return Outcome::not_applied;
    default: return Outcome::unknown;
  }
}

}  // namespace loam::sqlite
