#pragma once

/// Reading rows of a table: which columns a call asks for, rows by id, by key, by filter and page by page.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loam/ports/database.hpp"
#include "loam/relational/tables_layout.hpp"

namespace loam::relational {

/// The columns of an answer, and what a SELECT needs for them.
struct Selection {
  std::vector<std::size_t> columns;  ///< positions in the schema
  std::vector<std::string> names;
  std::string list;  ///< "t"."loam_row", "t"."a", ..
  std::string from;  ///< "t" LEFT JOIN the vectors that are asked for
};

/// Empty `select`: all columns but vectors. invalid_argument for unknown and repeated names.
Result<Selection> make_selection(const TableLayout& layout, const std::vector<std::string>& select);

/// The filter language as a condition on the table's rows; "TRUE"-like text for all rows.
struct RowFilter {
  SqlText condition;
  bool everything = false;
};
Result<RowFilter> make_row_filter(const TableLayout& layout, std::string_view where, const SqlDialect& dialect);

/// Equal for values that the unique index calls equal; nullopt when one is NULL, which equals nothing.
std::optional<std::string> key_text(const TableLayout& layout, const std::vector<Value>& key);

/// Key columns of a full row.
std::vector<Value> key_of(const TableLayout& layout, const std::vector<Value>& row);

/// "id = 5, name = x": a key for messages, cut when long.
std::string describe_key(const TableLayout& layout, const std::vector<Value>& key);

/// Calls `row` for each stored row whose key is one of `keys`: the row's key text, its id, and the selected values.
Result<void> read_by_key(
    SqlSession& session, const TableLayout& layout, std::span<const std::vector<Value>> keys, const Selection& selection,
    const std::function<void(const std::string& key, std::int64_t row_id, std::vector<Value> values)>& row,
    const Context& context);

/// The rows with these ids, in their order. Ids that are not there are data_corruption: the caller found them in this
/// snapshot.
Result<RowSet> read_by_id(SqlSession& session, const TableLayout& layout, std::span<const std::int64_t> row_ids,
                          const Selection& selection, const Context& context);

/// Ids of the rows that pass, ascending.
Result<std::vector<std::int64_t>> read_ids(SqlSession& session, const TableLayout& layout, const RowFilter& filter,
                                           const Context& context);

Result<std::int64_t> count_rows(SqlSession& session, const TableLayout& layout, const RowFilter& filter,
                                const Context& context);

/// One page in row order.
Result<ScanPage> scan_rows(SqlSession& session, const TableLayout& layout, const ScanOptions& options,
                           const Selection& selection, const RowFilter& filter, const Context& context);

}  // namespace loam::relational
