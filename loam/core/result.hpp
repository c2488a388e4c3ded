#pragma once

/// A value or the Error that prevented it.
///
///   Result<std::optional<std::string>> hit = kv.get("user/42");
///   if (!hit.ok()) return hit.error();
///   LOAM_TRY(auto rows, table.scan({.limit = 10}));   // the same, in one line
///
/// There is no conversion to bool: absence is a value (`Result<std::optional<T>>`), failure is `!ok()`. Reading the value
/// of a failed Result, or the error of a good one, is a bug and asserts in every build. *needs external synchronization*

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "loam/core/assert.hpp"
#include "loam/core/error.hpp"

namespace [[gnu::visibility("default")]] loam {

template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_reference_v<T> && !std::is_same_v<std::remove_cv_t<T>, Error>);

 public:
  using value_type = T;

  template <typename U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return state_.index() == 0; }

  T& value() & {
    LOAM_ASSERT(ok(), "value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    LOAM_ASSERT(ok(), "value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    LOAM_ASSERT(ok(), "value() of a failed Result");
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  template <typename U>
  T value_or(U&& fallback) && {
    return ok() ? std::move(*this).value() : static_cast<T>(std::forward<U>(fallback));
  }

  const Error& error() const& {
    LOAM_ASSERT(!ok(), "error() of a good Result");
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    LOAM_ASSERT(!ok(), "error() of a good Result");
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const noexcept { return !error_.has_value(); }
  void value() const { LOAM_ASSERT(ok(), "value() of a failed Result"); }

  const Error& error() const& {
    LOAM_ASSERT(!ok(), "error() of a good Result");
    return *error_;
  }
  Error&& error() && {
    LOAM_ASSERT(!ok(), "error() of a good Result");
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace loam

/// LOAM_TRY(expr) returns expr's error from the calling function; LOAM_TRY(declaration, expr) else binds its value.
#define LOAM_TRY(...) LOAM_TRY_PICK(__VA_ARGS__, LOAM_TRY_BIND, LOAM_TRY_ONLY, )(__VA_ARGS__)
#define LOAM_TRY_PICK(a, b, macro, ...) macro
#define LOAM_TRY_ONLY(expression)                                     \
  do {                                                                \
    auto LOAM_TRY_NAME = (expression);                                \
    if (!LOAM_TRY_NAME.ok()) return std::move(LOAM_TRY_NAME).error(); \
  } while (false)
#define LOAM_TRY_BIND(declaration, expression)                      \
  auto LOAM_TRY_NAME = (expression);                                \
  if (!LOAM_TRY_NAME.ok()) return std::move(LOAM_TRY_NAME).error(); \
  declaration = std::move(LOAM_TRY_NAME).value()
#define LOAM_TRY_NAME LOAM_TRY_JOIN(loam_try_, __LINE__)
#define LOAM_TRY_JOIN(a, b) LOAM_TRY_JOIN_(a, b)
#define LOAM_TRY_JOIN_(a, b) a##b
