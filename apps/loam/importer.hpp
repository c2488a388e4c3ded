#pragma once

/// Rows from a source into a table: one thread reads, fits and embeds, the caller's writes, batch after batch in the order
/// of the source, with at most two batches waiting in between.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/loam/embed_ahead.hpp"
#include "apps/loam/fit.hpp"
#include "apps/loam/record_source.hpp"
#include "loam/ports/tables.hpp"

namespace loam::cli {

enum class OnError { stop, skip };

struct ImportOptions {
  OnDuplicate on_duplicate = OnDuplicate::error;
  OnError on_error = OnError::stop;
  std::size_t batch_rows = 2'000;
  std::vector<std::string> ignored_fields = {};
  /// The table had rows before: those whose embedded text stays the same are not embedded again.
  bool look_for_stored_texts = false;
  /// Called by the writing thread after each batch.
  std::function<void(const struct ImportReport&)> on_batch = {};
};

struct ImportReport {
  std::int64_t rows_read = 0;  ///< records of the source that were written or passed on to the table
  std::int64_t inserted = 0;
  std::int64_t replaced = 0;
  std::int64_t skipped = 0;                   ///< known keys, with OnDuplicate::skip
  std::int64_t rejected = 0;                  ///< records left out by OnError::skip
  std::int64_t last_line = 0;                 ///< of the last batch that is stored
  std::int64_t bytes_done = 0;                ///< of the source, up to the last batch that is stored
  std::vector<std::string> first_rejections;  ///< at most ten, "line 7, column ..: .."
  std::int64_t stored() const { return inserted + replaced; }
};

/// Imports `first` (records that were read already) and then the rest of the source. `embedder` is the one the table was
/// opened with, null for a table without an embedding. `report` holds what was stored also after an error. The batch of a
/// bad record is not stored (OnError::stop): invalid_argument naming line and column; errors of the table name the lines of
/// the batch; cancelled.
Result<void> import_records(RecordSource& source, std::vector<SourceRecord> first, Table& table, EmbedAhead* embedder,
                            const ImportOptions& options, ImportReport& report, const Context& context);

}  // namespace loam::cli
