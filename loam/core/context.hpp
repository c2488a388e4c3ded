#pragma once

/// What a caller gives each call besides its arguments: how long it may take and whether it is still wanted.
///
///   Cancellation cancel;
///   kv.get("k", Context().deadline_in_ms(200).cancelled_by(cancel));

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

/// A switch that is thrown once. Copies share it. *thread-safe*
class Cancellation {
 public:
  Cancellation() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() noexcept { flag_->store(true); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

/// Cheap to copy. *const methods are thread-safe*
class Context {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  Context() = default;

  Context&& deadline_in_ms(std::int64_t timeout_ms) && {
    deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    return std::move(*this);
  }
  Context&& deadline_at(time_point deadline) && {
    deadline_ = deadline;
    return std::move(*this);
  }
  Context&& cancelled_by(Cancellation cancellation) && {
    cancellation_ = std::move(cancellation);
    return std::move(*this);
  }

  std::optional<time_point> deadline() const noexcept { return deadline_; }
  bool cancelled() const noexcept { return cancellation_ && cancellation_->cancelled(); }
  /// True when check() can never fail, so that a hot loop may skip it.
  bool unbounded() const noexcept { return !deadline_ && !cancellation_; }

  /// cancelled or deadline_exceeded, naming the operation; ok otherwise.
  Result<void> check(std::string_view operation) const;

  /// The earlier of the deadline and now + timeout_ms.
  time_point deadline_within_ms(std::int64_t timeout_ms) const;

 private:
  std::optional<time_point> deadline_;
  std::optional<Cancellation> cancellation_;
};

}  // namespace loam
