#pragma once

/// One conversation with the server: some commands sent together, the results of one of them handed out. Internal to the
/// adapter.
///
///   Exchange exchange(connection, context, "query", Commits::no);
///   exchange.sql("BEGIN").execute(statement, parameters);
///   LOAM_TRY(exchange.send());                 // one round trip for all of it
///   for (;;) { LOAM_TRY(auto result, exchange.next()); if (!result) break; .. }
///
/// A single command goes out as such, several as a pipeline. sync() ends one implicit transaction and begins the next: an
/// error skips what follows up to the sync.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loam/adapters/postgres/connection.hpp"
#include "loam/adapters/postgres/translate.hpp"
#include "loam/adapters/postgres/types.hpp"

namespace loam::postgres {

/// Whether the conversation may make something durable: then a lost reply has an unknown outcome.
enum class Commits { no, yes };
enum class Rows {
  together,         ///< of the answering command, in one result
  one_by_one,       ///< of the answering command, a result for each row
  of_each_command,  ///< every command answers
};

/// *needs external synchronization*
class Exchange {
 public:
  /// `context` and `connection` must outlive it.
  Exchange(Connection& connection, const Context& context, std::string_view operation, Commits commits)
      : connection_(&connection), context_(&context), operation_(operation), commits_(commits == Commits::yes) {}

  /// One statement without parameters.
  Exchange& sql(std::string text);
  /// Statements without parameters in the simple protocol; must be alone.
  Exchange& script(std::string text);
  Exchange& prepare(std::string name, std::string text, std::vector<Oid> types);
  Exchange& describe(std::string name);
  /// `parameters` must live until send() returned.
  Exchange& execute(std::string name, const BoundParameters& parameters, bool binary);
  Exchange& sync();
  /// The command added last is the one whose results are handed out; without it, the last of all.
  Exchange& answers();

  /// Sends everything.
  Result<void> send(Rows rows = Rows::together);
  /// The next result of the answering command, null after all went well. After an error the connection is ready for the next
  /// exchange, or broken.
  Result<ResultPointer> next();
  /// next() until the end; keeps the last result.
  Result<ResultPointer> finish();
  bool finished() const { return finished_; }

  /// A result that is here already; null when none is, or at the end. Never waits.
  ResultPointer poll_next();

  /// The SQLSTATE of the server's error; empty when it was none.
  const std::string& sqlstate() const { return sqlstate_; }
  /// The number of the command that failed, from 0.
  std::size_t failed_command() const { return failed_command_; }

 private:
  struct Step {
    enum class Kind { sql, script, prepare, describe, execute, sync } kind;
    std::string text;  ///< SQL, or the statement's name
    std::string name = {};
    std::vector<Oid> types = {};
    const BoundParameters* parameters = nullptr;
    bool binary = false;
  };
  using time_point = std::chrono::steady_clock::time_point;

  bool send_step(const Step& step);
  Result<void> flush();
  Result<void> wait(short events);
  Result<void> wait_for_result();
  void interrupt(Error why);
  Error give_up();
  Error lost();
  void command_ended();
  void note_failure(ResultPointer result);
  Result<ResultPointer> end();
  std::optional<Result<ResultPointer>> take(ResultPointer result);
  bool one_by_one() const { return rows_ == Rows::one_by_one; }
  void ask_for_single_rows();

  Connection* connection_;
  const Context* context_;
  std::string_view operation_;
  bool commits_;
  Rows rows_ = Rows::together;
  bool pipelined_ = false;
  bool finished_ = false;
  std::vector<Step> steps_;
  std::size_t commands_ = 0, commands_ended_ = 0;
  std::size_t syncs_ = 0, syncs_ended_ = 0;
  std::optional<std::size_t> answering_;  ///< a command's number
  std::size_t failed_command_ = 0;
  std::string sqlstate_;
  ResultPointer failure_;
  std::optional<Error> interruption_;  ///< the deadline passed or the caller cancelled
  time_point grace_end_;               ///< how long we wait for the server to confirm that it stopped
};

}  // namespace loam::postgres
