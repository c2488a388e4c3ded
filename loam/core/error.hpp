#pragma once

/// Why a call failed, and what the caller can do about it.
///
///   return Error(ErrorCode::not_found, "no table \"packages\" in app.loam").hint("loam tables app.loam lists them");
///
/// An Error renders as `code: operation "resource" on adapter: message [native] (outcome unknown); hint`.

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] loam {

/// Chosen by what the caller does next.
enum class ErrorCode : std::uint8_t {
  invalid_argument,     ///< the arguments are wrong whatever the state: correct them
  not_found,            ///< the named thing does not exist
  already_exists,       ///< the named thing exists and the call was to create it
  conflict,             ///< another writer came between: read again, run the transaction again
  failed_precondition,  ///< the state forbids it: change the state first, do not retry
  resource_exhausted,   ///< a limit, quota, disk or memory is used up
  unavailable,          ///< the backend or a lock cannot be had now: retry later
  deadline_exceeded,    ///< the deadline of the call passed
  cancelled,            ///< the caller cancelled
  permission_denied,    ///< this caller may not do it
  unauthenticated,      ///< the backend does not know this caller
  unsupported,          ///< this adapter or build cannot do it; see its capabilities
  data_corruption,      ///< stored bytes are not what was written
  internal,             ///< a bug, here or in the backend
};

/// What is known about the effect of a failed call.
enum class Outcome : std::uint8_t {
  not_applied,  ///< nothing of the call is stored
  unknown,      ///< it may or may not be stored (the reply of a commit was lost): read before trying again
};

/// The same word in errors, logs, JSON and the command line: "invalid_argument".
std::string_view to_string(ErrorCode code) noexcept;
std::string_view to_string(Outcome outcome) noexcept;

/// What the backend itself said, such as {"postgres", "08006", "server closed the connection"}.
struct NativeError {
  std::string system;
  std::string code;
  std::string text;
};

/// One level of "while doing what, where, on what". Frames are added on the way out, innermost first.
struct ErrorFrame {
  std::string operation;
  std::string adapter;
  std::string resource;
};

/// One owning pointer; copying copies the whole error. *const methods are thread-safe*
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message, std::source_location where = std::source_location::current());
  Error(const Error& other);
  Error& operator=(const Error& other);
  Error(Error&&) noexcept;
  Error& operator=(Error&&) noexcept;
  ~Error();

  Error&& outcome(Outcome outcome) &&;
  Error&& native(NativeError native) &&;
  /// What to do next, as a short sentence without a full stop.
  Error&& hint(std::string hint) &&;
  Error&& frame(ErrorFrame frame) &&;

  ErrorCode code() const noexcept;
  Outcome outcome() const noexcept;
  const std::string& message() const noexcept;
  const std::string& hint() const noexcept;
  const std::vector<ErrorFrame>& frames() const noexcept;
  /// Null when no backend was involved.
  const NativeError* native() const noexcept;
  std::source_location location() const noexcept;

  /// True when the same call may succeed later without a change: unavailable or conflict, with nothing applied.
  bool retryable() const noexcept;

  /// One line for people; holds no secret as long as messages hold none.
  std::string to_string() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Shorthand for the most frequent kinds.
Error invalid_argument(std::string message, std::source_location where = std::source_location::current());
Error not_found(std::string message, std::source_location where = std::source_location::current());
Error failed_precondition(std::string message, std::source_location where = std::source_location::current());
Error unsupported(std::string message, std::source_location where = std::source_location::current());
Error data_corruption(std::string message, std::source_location where = std::source_location::current());
Error internal_error(std::string message, std::source_location where = std::source_location::current());

}  // namespace loam
