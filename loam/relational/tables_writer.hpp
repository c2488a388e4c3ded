#pragma once

/// The one way rows of a table are written: add, update, erase.

#include <span>

#include "loam/ports/embedder.hpp"
#include "loam/relational/tables_layout.hpp"
#include "loam/relational/tables_session.hpp"

namespace loam::relational {

struct WriterOptions {
  Embedder* embedder = nullptr;  ///< null when the table was opened without
  std::size_t change_log_entries = 100'000;
};

Result<AddResult> add_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                           std::span<const Record> records, OnDuplicate rule, const Context& context);

Result<std::int64_t> update_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                                 const Record& values, std::string_view where, const Context& context);

Result<std::int64_t> erase_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                                std::string_view where, const Context& context);

/// One row's new vector; NULL removes it.
struct VectorWrite {
  std::int64_t row_id = 0;
  Value vector;
};
/// Writes them in calls of bounded size. `all_new`: none of the rows has a vector yet.
Result<void> write_vectors(SqlSession& session, const VectorTable& vectors, std::span<const VectorWrite> writes,
                           bool all_new, const Context& context);

/// Takes the table's write lock and makes sure the table is still there; first in every writing transaction.
Result<void> begin_write(SqlSession& session, const TableLayout& layout, const Context& context);

}  // namespace loam::relational
