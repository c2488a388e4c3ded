#pragma once

/// The tables that exist: one row each in `loam_tables`, and the log of changes of their vectors, `loam_changes`.

#include <optional>
#include <string_view>
#include <vector>

#include "loam/ports/database.hpp"
#include "loam/relational/tables_layout.hpp"

namespace loam::relational {

/// Creates or migrates both tables.
Result<void> open_catalogue(Database& db);

/// Null when no table has exactly this name.
Result<LayoutPtr> find_layout(SqlSession& session, std::string_view name, const Context& context);
/// Sorted by name, as bytes.
Result<std::vector<LayoutPtr>> all_layouts(SqlSession& session, const Context& context);

/// Records the schema and creates the table's SQL tables; inside the caller's transaction. already_exists.
Result<LayoutPtr> create_table(SqlSession& session, const TableSchema& schema, Timestamp now, const Context& context);
Result<void> drop_table(SqlSession& session, const TableLayout& layout, const Context& context);

/// failed_precondition when the handle's table was dropped meanwhile, even if another of its name exists.
Result<void> check_exists(SqlSession& session, const TableLayout& layout, const Context& context);

/// How far the change log of a table reaches.
struct ChangeLogState {
  std::int64_t last = 0;   ///< the newest change; 0: none yet
  std::int64_t floor = 0;  ///< changes up to this one are no longer in the log
};
/// As check_exists(), and the state.
Result<ChangeLogState> read_change_log(SqlSession& session, const TableLayout& layout, const Context& context);

/// Bounds the log, now and then: cuts it to its newest `entries_max` when one of the `written` last changes falls on a
/// multiple of a fixed number. Called at the end of a writing transaction.
Result<void> trim_change_log(SqlSession& session, const TableLayout& layout, std::int64_t written, std::size_t entries_max,
                             const Context& context);

}  // namespace loam::relational
