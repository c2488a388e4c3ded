#pragma once

/// The one place where PostgreSQL's errors become Loam's. Internal to the adapter.

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>

#include "loam/core/error.hpp"

namespace loam::postgres {

struct ResultDeleter {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultPointer = std::unique_ptr<PGresult, ResultDeleter>;

struct Translation {
  ErrorCode code;
  /// unknown: when the statement could commit, it may have. Else a statement that failed with it is not applied.
  Outcome outcome_when_committing;
};

/// By the longest listed prefix of the SQLSTATE; unlisted ones are internal.
Translation translate_sqlstate(std::string_view sqlstate) noexcept;

/// What the server said about a failed statement. `commits`: a COMMIT or a write outside a transaction.
Error statement_error(const PGresult* result, bool commits);

/// True when the session ends with this message (FATAL, PANIC), so that a commit under way may or may not have happened.
bool ends_session(const PGresult* result) noexcept;

/// The connection ended before the answer came.
Error connection_lost(const PGconn* connection, bool commits);

/// A connection could not be made. The message names host, port, database and user, never the password.
Error connect_error(const PGconn* connection, const std::string& where);

/// libpq's message for people: one line, no trailing line break, no "connection to server .. failed:" prefix.
std::string tidy_message(std::string_view message);

}  // namespace loam::postgres
