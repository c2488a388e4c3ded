#include "loam/adapters/postgres/translate.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace loam::postgres {
namespace {

struct SqlStateRule {
  std::string_view prefix;
  ErrorCode code;
  Outcome outcome = Outcome::not_applied;
};

// Longest prefix wins. The classes are those of the manual's appendix A.
constexpr SqlStateRule rules[] = {
    {"03", ErrorCode::invalid_argument},                  // the statement is not complete
    {"08", ErrorCode::unavailable, Outcome::unknown},     // connection lost: the statement may have run
    {"08001", ErrorCode::unavailable},                    // never connected: nothing ran
    {"08004", ErrorCode::unavailable},                    // the server refused the connection
    {"0A", ErrorCode::unsupported},                       // feature not supported
    {"0L", ErrorCode::permission_denied},                 // invalid grantor
    {"0P", ErrorCode::invalid_argument},                  // no such role
    {"20", ErrorCode::invalid_argument},                  // CASE without a match
    {"21", ErrorCode::invalid_argument},                  // a subquery gave more than one row
    {"22", ErrorCode::invalid_argument},                  // data exception: range, format, encoding, division by zero
    {"23", ErrorCode::failed_precondition},               // NOT NULL, CHECK, foreign key, exclusion
    {"23505", ErrorCode::already_exists},                 // unique
    {"24", ErrorCode::failed_precondition},               // cursor state
    {"25", ErrorCode::failed_precondition},               // transaction state; 25006 is a write in a read-only one
    {"25P03", ErrorCode::unavailable},                    // the server ended a session idle in its transaction
    {"25P04", ErrorCode::deadline_exceeded},              // the server's transaction_timeout
    {"26", ErrorCode::unavailable},                       // a prepared statement is gone; the session is replaced
    {"27", ErrorCode::failed_precondition},               // triggered data change
    {"28", ErrorCode::unauthenticated},                   // unknown role, wrong password, pg_hba
    {"2B", ErrorCode::failed_precondition},               // other objects depend on it
    {"2D", ErrorCode::failed_precondition},               // transaction termination not allowed here
    {"34", ErrorCode::invalid_argument},                  // no such cursor
    {"3B", ErrorCode::failed_precondition},               // no such savepoint
    {"3D", ErrorCode::not_found},                         // no such database
    {"3F", ErrorCode::invalid_argument},                  // no such schema
    {"40", ErrorCode::conflict},                          // rolled back by the server: run the transaction again
    {"40002", ErrorCode::failed_precondition},            // rolled back by a constraint checked at commit
    {"40003", ErrorCode::unavailable, Outcome::unknown},  // statement completion unknown
    {"42", ErrorCode::invalid_argument},                  // syntax, unknown or ambiguous names, wrong types
    {"42501", ErrorCode::permission_denied},
    {"42P03", ErrorCode::already_exists},                 // cursor
    {"42P04", ErrorCode::already_exists},                 // database
    {"42P06", ErrorCode::already_exists},                 // schema
    {"42P07", ErrorCode::already_exists},                 // table, index
    {"42701", ErrorCode::already_exists},                 // column
    {"42710", ErrorCode::already_exists},                 // other object
    {"42723", ErrorCode::already_exists},                 // function
    {"44", ErrorCode::failed_precondition},               // WITH CHECK OPTION
    {"53", ErrorCode::resource_exhausted},                // disk, memory
    {"53300", ErrorCode::unavailable},                    // too many connections: retry later
    {"54", ErrorCode::invalid_argument},                  // statement too large or complex, too many columns
    {"55", ErrorCode::failed_precondition},               // object not in the state needed, or in use
    {"55P03", ErrorCode::unavailable},                    // lock not available
    {"57", ErrorCode::unavailable},                       // operator intervention
    {"57014", ErrorCode::cancelled},                      // query cancelled (our own cancels are told apart before)
    {"57P01", ErrorCode::unavailable, Outcome::unknown},  // session ended by an administrator
    {"57P02", ErrorCode::unavailable, Outcome::unknown},  // session ended because another backend crashed
    {"57P03", ErrorCode::unavailable},                    // starting up or shutting down: never connected
    {"57P04", ErrorCode::unavailable, Outcome::unknown},  // the database was dropped
    {"57P05", ErrorCode::unavailable},                    // idle session timeout
    {"58", ErrorCode::internal},                          // system error
    {"58030", ErrorCode::unavailable},                    // I/O error
    {"72", ErrorCode::conflict},                          // snapshot too old: run the transaction again
    {"F0", ErrorCode::internal},                          // configuration file
    {"HV", ErrorCode::unavailable},                       // foreign data wrapper
    {"P0", ErrorCode::failed_precondition},               // RAISE in a function or trigger
    {"XX", ErrorCode::internal},
    {"XX001", ErrorCode::data_corruption},
    {"XX002", ErrorCode::data_corruption},  // index corrupted
};

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? std::string_view(text) : std::string_view();
}

std::string hint_for(std::string_view sqlstate) {
  if (sqlstate.starts_with("40")) return "run the transaction again";
  if (sqlstate == "25006") return "use execute() or a read-write transaction to write";
  if (sqlstate == "25P02") return "roll back to a savepoint, or end the transaction";
  if (sqlstate == "53300") return "lower pool.connections_max, or raise the server's max_connections";
  if (sqlstate == "53100") return "free disk space on the server";
  return {};
}

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

/// libpq 15 gives no SQLSTATE for a refused connection, but its verbose message has it: "FATAL:  28P01: password ..".
/// The word before is translated by the server's locale; the shape is not.
std::string_view find_sqlstate(std::string_view message) {
  std::string_view found;
  for (std::size_t at = message.find(":  "); at != std::string_view::npos; at = message.find(":  ", at + 1)) {
    std::string_view rest = message.substr(at + 3);
    if (rest.size() > 5 && rest[5] == ':' && is_sqlstate(rest.substr(0, 5))) found = rest.substr(0, 5);
  }
  return found;
}

/// Of a verbose message, what stands after the SQLSTATE on its line; else the whole.
std::string_view after_sqlstate(std::string_view message, std::string_view sqlstate) {
  if (sqlstate.empty()) return message;
  std::string_view rest = message.substr(static_cast<std::size_t>(sqlstate.end() - message.begin()));
  rest.remove_prefix(std::min<std::size_t>(2, rest.size()));
  return rest.substr(0, rest.find('\n'));
}

}  // namespace

Translation translate_sqlstate(std::string_view sqlstate) noexcept {
  const SqlStateRule* best = nullptr;
  for (const SqlStateRule& rule : rules)
    if (sqlstate.starts_with(rule.prefix) && (best == nullptr || rule.prefix.size() > best->prefix.size())) best = &rule;
  if (best == nullptr) return {ErrorCode::internal, Outcome::unknown};
  return {best->code, best->outcome};
}

bool ends_session(const PGresult* result) noexcept {
  std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == "FATAL" || severity == "PANIC";
}

Error statement_error(const PGresult* result, bool commits) {
  std::string sqlstate(field(result, PG_DIAG_SQLSTATE));
  std::string text(field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (text.empty()) text = tidy_message(PQresultErrorMessage(result));
  std::string message = text;
  if (std::string_view detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    message += ": " + std::string(detail);
  if (std::string_view position = field(result, PG_DIAG_STATEMENT_POSITION); !position.empty())
    message += " (at character " + std::string(position) + " of the statement)";

  Translation meaning = translate_sqlstate(sqlstate);
  Error error = Error(meaning.code, std::move(message)).native({"postgres", sqlstate, std::move(text)});
  if (commits) error = std::move(error).outcome(meaning.outcome_when_committing);
  std::string hint = hint_for(sqlstate);
  if (hint.empty()) hint = field(result, PG_DIAG_MESSAGE_HINT);
  if (hint.ends_with('.')) hint.pop_back();
  if (!hint.empty()) error = std::move(error).hint(std::move(hint));
  return error;
}

Error connection_lost(const PGconn* connection, bool commits) {
  std::string reason = tidy_message(PQerrorMessage(connection));
  Error error(ErrorCode::unavailable, "the connection was lost before the answer came");
  error = std::move(error).native({"postgres", "08006", std::move(reason)});
  if (!commits) return error;
  return std::move(error).outcome(Outcome::unknown).hint("read what the statement was to change before trying again");
}

Error connect_error(const PGconn* connection, const std::string& where) {
  std::string_view message = PQerrorMessage(connection);
  std::string_view sqlstate = find_sqlstate(message);
  std::string reason = tidy_message(after_sqlstate(message, sqlstate));
  // Without a SQLSTATE nobody answered as a server does: name resolution, TCP, TLS.
  std::string_view code = sqlstate.empty() ? std::string_view("08001") : sqlstate;
  Error error = Error(translate_sqlstate(code).code, "cannot connect to " + where + ": " + reason)
                    .native({"postgres", std::string(code), reason});
  std::string hint = sqlstate.empty() ? "check host, port and sslmode, and that the server runs" : hint_for(sqlstate);
  if (sqlstate.starts_with("28")) hint = "check user and password, and the server's pg_hba.conf";
  if (sqlstate == "3D000") hint = "create the database first";
  if (!hint.empty()) error = std::move(error).hint(std::move(hint));
  return error;
}

std::string tidy_message(std::string_view message) {
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.remove_suffix(1);
  std::string text(message);
  // A multi-line message (several addresses were tried, a hint of libpq) becomes one line.
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\t', ' ');
  return text;
}

}  // namespace loam::postgres
