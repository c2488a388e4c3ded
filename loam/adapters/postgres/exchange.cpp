#include "loam/adapters/postgres/exchange.hpp"

#include <poll.h>

#include <algorithm>

namespace loam::postgres {
namespace {

using Clock = std::chrono::steady_clock;

/// How often a cancellation is looked for while waiting.
constexpr auto cancellation_poll = std::chrono::milliseconds(10);
/// How long after its deadline a call waits for the server to confirm the cancel.
constexpr auto cancel_grace = std::chrono::milliseconds(35);
constexpr auto forever = std::chrono::hours(24 * 365);

}  // namespace

Exchange& Exchange::sql(std::string text) {
  steps_.push_back({.kind = Step::Kind::sql, .text = std::move(text)});
  return *this;
}
Exchange& Exchange::script(std::string text) {
  steps_.push_back({.kind = Step::Kind::script, .text = std::move(text)});
  return *this;
}
Exchange& Exchange::prepare(std::string name, std::string text, std::vector<Oid> types) {
  steps_.push_back(
      {.kind = Step::Kind::prepare, .text = std::move(text), .name = std::move(name), .types = std::move(types)});
  return *this;
}
Exchange& Exchange::describe(std::string name) {
  steps_.push_back({.kind = Step::Kind::describe, .text = {}, .name = std::move(name)});
  return *this;
}
Exchange& Exchange::execute(std::string name, const BoundParameters& parameters, bool binary) {
  steps_.push_back(
      {.kind = Step::Kind::execute, .text = {}, .name = std::move(name), .parameters = &parameters, .binary = binary});
  return *this;
}
Exchange& Exchange::sync() {
  steps_.push_back({.kind = Step::Kind::sync, .text = {}});
  ++syncs_;
  return *this;
}
Exchange& Exchange::answers() {
  answering_ = steps_.size() - syncs_ - 1;
  return *this;
}

Result<void> Exchange::send(Rows rows) {
  LOAM_TRY(context_->check(operation_));
  if (!connection_->cancel_settled(cancel_grace)) connection_->mark_broken();
  if (!connection_->looks_alive()) {
    connection_->mark_broken();
    finished_ = true;
    return Error(ErrorCode::unavailable, "the server closed the connection before the statement was sent")
        .native({"postgres", "08003", tidy_message(PQerrorMessage(connection_->raw()))});
  }
  PGconn* handle = connection_->raw();
  rows_ = rows;
  pipelined_ = steps_.size() > 1;
  if (pipelined_ && steps_.back().kind != Step::Kind::sync) sync();
  commands_ = steps_.size() - syncs_;
  if (!answering_) answering_ = commands_ - 1;

  bool sent = !pipelined_ || PQenterPipelineMode(handle) == 1;
  connection_->set_busy(true);
  for (const Step& step : steps_) sent = sent && send_step(step);
  if (!sent) {
    // Nothing has left: libpq refused it, or had no memory. A part of a pipeline may stand in its buffer.
    connection_->mark_broken();
    finished_ = true;
    return Error(ErrorCode::unavailable, "the statement could not be sent: " + tidy_message(PQerrorMessage(handle)));
  }
  ask_for_single_rows();
  return flush();
}

bool Exchange::send_step(const Step& step) {
  PGconn* handle = connection_->raw();
  switch (step.kind) {
    case Step::Kind::sql: return PQsendQueryParams(handle, step.text.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
    case Step::Kind::script: return PQsendQuery(handle, step.text.c_str()) == 1;
    case Step::Kind::prepare:
      return PQsendPrepare(handle, step.name.c_str(), step.text.c_str(), static_cast<int>(step.types.size()),
                           step.types.data()) == 1;
    case Step::Kind::describe: return PQsendDescribePrepared(handle, step.name.c_str()) == 1;
    case Step::Kind::execute:
      return PQsendQueryPrepared(handle, step.name.c_str(), step.parameters->count(), step.parameters->pointers(),
                                 step.parameters->lengths(), step.parameters->formats(), step.binary ? 1 : 0) == 1;
    case Step::Kind::sync: return PQpipelineSync(handle) == 1;
  }
  return false;
}

/// Pushes out what stands in libpq's buffer. The server may be sending too and stop reading until we read.
Result<void> Exchange::flush() {
  for (;;) {
    int left = PQflush(connection_->raw());
    if (left == 0) return {};
    if (left < 0) return {};  // the connection is lost: next() tells how, after the server's last words
    LOAM_TRY(wait(POLLIN | POLLOUT));
    if (PQconsumeInput(connection_->raw()) == 0) return {};
  }
}

/// Until the socket is ready. After the deadline it asks the server to stop and waits a little for its answer, so that most
/// calls end with a known outcome and a usable connection.
Result<void> Exchange::wait(short events) {
  for (;;) {
    if (!interruption_ && !context_->unbounded())
      if (Result<void> wanted = context_->check(operation_); !wanted.ok()) interrupt(std::move(wanted).error());
    auto now = Clock::now();
    if (interruption_ && now >= grace_end_) return give_up();
    auto until = interruption_ ? grace_end_ : now + forever;
    if (!interruption_ && context_->deadline()) until = *context_->deadline();
    if (!interruption_ && !context_->unbounded()) until = std::min(until, now + cancellation_poll);
    if (poll_socket(PQsocket(connection_->raw()), events, until)) return {};
  }
}

void Exchange::interrupt(Error why) {
  interruption_ = std::move(why);
  grace_end_ = Clock::now() + cancel_grace;
  connection_->request_cancel();
}

/// The server did not even answer the cancel request.
Error Exchange::give_up() {
  connection_->mark_broken();
  finished_ = true;
  Error error = *std::move(interruption_);
  if (!commits_ || failure_) return error;
  return std::move(error).outcome(Outcome::unknown).hint("read what the statement was to change before trying again");
}

Error Exchange::lost() {
  connection_->mark_broken();
  finished_ = true;
  // A statement that failed before the end came did not commit; the server's last words (FATAL) say no such thing.
  if (failure_ && !ends_session(failure_.get())) return statement_error(failure_.get(), commits_);
  if (failure_) {
    Error error = statement_error(failure_.get(), commits_);
    return commits_ ? std::move(error).outcome(Outcome::unknown) : std::move(error);
  }
  return connection_lost(connection_->raw(), commits_);
}

Result<void> Exchange::wait_for_result() {
  PGconn* handle = connection_->raw();
  while (PQisBusy(handle) != 0) {
    LOAM_TRY(wait(POLLIN));
    if (PQconsumeInput(handle) == 0) return {};  // PQgetResult says what happened
  }
  return {};
}

Result<ResultPointer> Exchange::next() {
  while (!finished_) {
    LOAM_TRY(wait_for_result());
    if (auto taken = take(ResultPointer(PQgetResult(connection_->raw())))) return std::move(*taken);
  }
  return ResultPointer();
}

ResultPointer Exchange::poll_next() {
  while (!finished_ && PQisBusy(connection_->raw()) == 0) {
    auto taken = take(ResultPointer(PQgetResult(connection_->raw())));
    if (taken && taken->ok()) return std::move(*taken).value();
  }
  return {};
}

/// What one PQgetResult() means; nothing when there is more to read first.
std::optional<Result<ResultPointer>> Exchange::take(ResultPointer result) {
  if (!result) {
    if (PQstatus(connection_->raw()) == CONNECTION_BAD) return Result<ResultPointer>(lost());
    command_ended();
    if (!pipelined_) return end();
    return std::nullopt;
  }
  switch (PQresultStatus(result.get())) {
    case PGRES_PIPELINE_SYNC:
      if (++syncs_ended_ == syncs_) return end();
      ask_for_single_rows();
      return std::nullopt;
    case PGRES_FATAL_ERROR:
      if (PQstatus(connection_->raw()) == CONNECTION_BAD) {
        if (PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) != nullptr) note_failure(std::move(result));
        return Result<ResultPointer>(lost());
      }
      note_failure(std::move(result));
      return std::nullopt;
    case PGRES_PIPELINE_ABORTED: return std::nullopt;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      connection_->mark_broken();
      finished_ = true;
      return Result<ResultPointer>(unsupported("COPY is not available through this interface").hint("use execute_many()"));
    default: break;
  }
  bool handed_out = rows_ == Rows::of_each_command || commands_ended_ == *answering_;
  bool stale = interruption_ && one_by_one();  // the caller gets the deadline's error, not more rows
  if (!handed_out || stale) return std::nullopt;
  return Result<ResultPointer>(std::move(result));
}

void Exchange::command_ended() {
  ++commands_ended_;
  if (pipelined_) ask_for_single_rows();
}

/// libpq takes the wish only for the command whose results come next; it refuses it, without harm, where a sync comes first.
void Exchange::ask_for_single_rows() {
  if (one_by_one() && commands_ended_ == *answering_) PQsetSingleRowMode(connection_->raw());
}

void Exchange::note_failure(ResultPointer result) {
  if (failure_) return;
  if (const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE)) sqlstate_ = sqlstate;
  failed_command_ = commands_ended_;
  failure_ = std::move(result);
}

Result<ResultPointer> Exchange::end() {
  finished_ = true;
  if (pipelined_ && PQexitPipelineMode(connection_->raw()) != 1) connection_->mark_broken();
  connection_->set_busy(false);
  if (failure_) {
    constexpr std::string_view query_canceled = "57014";
    if (interruption_ && sqlstate_ == query_canceled) return *std::move(interruption_);
    return statement_error(failure_.get(), commits_);
  }
  if (interruption_ && one_by_one()) return *std::move(interruption_);
  return ResultPointer();
}

Result<ResultPointer> Exchange::finish() {
  ResultPointer last;
  for (;;) {
    LOAM_TRY(ResultPointer result, next());
    if (!result) return last;
    last = std::move(result);
  }
}

}  // namespace loam::postgres
