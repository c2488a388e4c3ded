#include "loam/core/error.hpp"

#include <utility>

#include "loam/core/assert.hpp"

namespace loam {

struct Error::State {
  ErrorCode code;
  Outcome outcome = Outcome::not_applied;
  std::string message;
  std::string hint;
  std::vector<ErrorFrame> frames;
  std::unique_ptr<NativeError> native;
  std::source_location where;

  State(ErrorCode c, std::string m, std::source_location w) : code(c), message(std::move(m)), where(w) {}
  State(const State& other)
      : code(other.code),
        outcome(other.outcome),
        message(other.message),
        hint(other.hint),
        frames(other.frames),
        native(other.native ? std::make_unique<NativeError>(*other.native) : nullptr),
        where(other.where) {}
};

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::failed_precondition: return "failed_precondition";
    case ErrorCode::resource_exhausted: return "resource_exhausted";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::deadline_exceeded: return "deadline_exceeded";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::permission_denied: return "permission_denied";
    case ErrorCode::unauthenticated: return "unauthenticated";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::data_corruption: return "data_corruption";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

std::string_view to_string(Outcome outcome) noexcept { return outcome == Outcome::unknown ? "unknown" : "not_applied"; }

Error::Error(ErrorCode code, std::string message, std::source_location where)
    : state_(std::make_unique<State>(code, std::move(message), where)) {}
Error::Error(const Error& other) : state_(std::make_unique<State>(*other.state_)) {}
Error& Error::operator=(const Error& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

Error&& Error::outcome(Outcome outcome) && {
  state_->outcome = outcome;
  return std::move(*this);
}
Error&& Error::native(NativeError native) && {
  state_->native = std::make_unique<NativeError>(std::move(native));
  return std::move(*this);
}
Error&& Error::hint(std::string hint) && {
  state_->hint = std::move(hint);
  return std::move(*this);
}
Error&& Error::frame(ErrorFrame frame) && {
  state_->frames.push_back(std::move(frame));
  return std::move(*this);
}

ErrorCode Error::code() const noexcept {
  LOAM_ASSERT(state_ != nullptr, "use of a moved-from Error");
  return state_->code;
}
Outcome Error::outcome() const noexcept { return state_->outcome; }
const std::string& Error::message() const noexcept { return state_->message; }
const std::string& Error::hint() const noexcept { return state_->hint; }
const std::vector<ErrorFrame>& Error::frames() const noexcept { return state_->frames; }
const NativeError* Error::native() const noexcept { return state_->native.get(); }
std::source_location Error::location() const noexcept { return state_->where; }

bool Error::retryable() const noexcept {
  return outcome() == Outcome::not_applied && (code() == ErrorCode::unavailable || code() == ErrorCode::conflict);
}

std::string Error::to_string() const {
  std::string text(loam::to_string(code()));
  text += ": ";
  for (auto frame = frames().rbegin(); frame != frames().rend(); ++frame) {
    if (!frame->adapter.empty()) text += frame->adapter + ' ';
    text += frame->operation;
    if (!frame->resource.empty()) text += " \"" + frame->resource + '"';
    text += ": ";
  }
  text += message();
  if (const NativeError* cause = native()) {
    text += " [" + cause->system;
    if (!cause->code.empty()) text += ' ' + cause->code;
    if (!cause->text.empty() && cause->text != message()) text += ": " + cause->text;
    text += ']';
  }
  if (outcome() == Outcome::unknown) text += " (outcome unknown)";
  if (!hint().empty()) text += "; " + hint();
  return text;
}

Error invalid_argument(std::string message, std::source_location where) {
  return Error(ErrorCode::invalid_argument, std::move(message), where);
}
Error not_found(std::string message, std::source_location where) {
  return Error(ErrorCode::not_found, std::move(message), where);
}
Error failed_precondition(std::string message, std::source_location where) {
  return Error(ErrorCode::failed_precondition, std::move(message), where);
}
Error unsupported(std::string message, std::source_location where) {
  return Error(ErrorCode::unsupported, std::move(message), where);
}
Error data_corruption(std::string message, std::source_location where) {
  return Error(ErrorCode::data_corruption, std::move(message), where);
}
Error internal_error(std::string message, std::source_location where) {
  return Error(ErrorCode::internal, std::move(message), where);
}

}  // namespace loam
