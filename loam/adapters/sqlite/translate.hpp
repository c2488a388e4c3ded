#pragma once

/// The one map from SQLite's result codes to Loam's errors. Internal to the adapter.

#include <sqlite3.h>

#include <span>
#include <string>
#include <string_view>

#include "loam/core/error.hpp"

namespace loam::sqlite {

struct CodeRule {
  int code;          ///< primary or extended result code
  const char* name;  ///< as sqlite3.h spells it
  ErrorCode error;
};

/// Every rule, for the table test. An extended code without a rule of its own has that of its primary code.
std::span<const CodeRule> code_rules();

ErrorCode error_code_of(int result_code);
std::string code_name(int result_code);

/// The error of the last call on `db` (null when there is no connection), which returned `result_code`. Outcome not_applied:
/// a failing COMMIT is judged by commit_outcome().
Error translate(sqlite3* db, int result_code);

/// Whether a COMMIT that returned `result_code` may have stored the transaction.
///
/// A full disk cuts the commit frame short, and a refused or busy COMMIT wrote none: not applied. Any other failure can come
/// after the commit frame reached the file (fsync, the shared index), where a recovery would find it.
Outcome commit_outcome(int result_code);

}  // namespace loam::sqlite
