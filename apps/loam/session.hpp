#pragma once

/// One run of one command: its arguments, where its answer goes, and how it reaches stores.

#include <memory>
#include <string>
#include <string_view>

#include "apps/loam/arguments.hpp"
#include "apps/loam/json_writer.hpp"
#include "apps/loam/output.hpp"
#include "apps/loam/progress.hpp"
#include "loam/registry/registry.hpp"
#include "loam/store/store.hpp"

namespace loam::cli {

enum class StoreUse {
  read,    ///< opened read-only; not_found when it is not there
  change,  ///< not_found when it is not there
  create,  ///< made when it is not there
};

/// *needs external synchronization*, but context() and note() are thread-safe.
class Session {
 public:
  /// invalid_argument for a global option that makes no sense.
  static Result<std::unique_ptr<Session>> create(const CommandSpec& command, Arguments arguments,
                                                 const Cancellation& cancellation, Sink& out);

  const CommandSpec& command() const noexcept { return command_; }
  const Arguments& arguments() const noexcept { return arguments_; }
  const Registry& registry() const noexcept { return registry_; }

  /// Ends at --deadline and at Ctrl-C.
  Context context() const { return context_; }
  bool interrupted() const noexcept { return cancellation_.cancelled(); }

  Result<std::unique_ptr<Store>> open_store(StoreUse use) const;
  /// The embedder that the table was made with; null for a table without one.
  Result<std::shared_ptr<Embedder>> embedder_of(const TableSchema& schema) const;
  /// With its own embedder. not_found lists the tables there are.
  Result<std::unique_ptr<Table>> open_table(Store& store) const;
  Result<TableSchema> schema_of(Store& store, std::string_view table) const;

  Sink& out() noexcept { return out_; }
  const Terminal& out_terminal() const noexcept { return out_terminal_; }
  const Terminal& error_terminal() const noexcept { return error_terminal_; }

  /// --format, or table on a terminal and json elsewhere.
  Format format() const noexcept { return format_; }
  /// --format was given as json, jsonl or csv: also commands that answer with one plain value answer in that format.
  bool format_is_for_programs() const noexcept { return format_given_ && format_ != Format::table; }
  std::unique_ptr<RowWriter> rows(std::vector<std::string> columns) {
    return make_row_writer(format_, std::move(columns), out_, out_terminal_);
  }

  /// One fact about what was done: a line on standard error for people, the object on standard output for programs.
  Result<void> done(std::string_view line, JsonWriter object);
  /// Field by field: aligned lines for people, one object for programs.
  Result<void> print_fields(const std::vector<std::pair<std::string, Value>>& fields);

  /// A line on standard error, unless --quiet.
  void note(std::string_view line) const;
  bool quiet() const noexcept { return quiet_; }
  ProgressOptions progress(std::string label, std::string unit) const {
    return standard_progress(progress_, error_terminal_, std::move(label), std::move(unit));
  }

 private:
  Session(const CommandSpec& command, Arguments arguments, const Cancellation& cancellation, Sink& out)
      : command_(command), arguments_(std::move(arguments)), cancellation_(cancellation), out_(out) {}
  Result<void> configure();

  const CommandSpec& command_;
  Arguments arguments_;
  Cancellation cancellation_;
  Context context_;
  Registry registry_;
  Sink& out_;
  Terminal out_terminal_;
  Terminal error_terminal_;
  Format format_ = Format::table;
  bool format_given_ = false;
  bool quiet_ = false;
  ProgressMode progress_ = ProgressMode::automatic;
};

/// The whole program: parses, runs, reports; returns the exit code.
int run(int argument_count, char** argument_values);

}  // namespace loam::cli
