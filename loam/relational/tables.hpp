#pragma once

/// The Tables port over any Database: the user's table under its own name, its vectors in a table beside it, full text by
/// the dialect, and an in-memory vector index that follows the change log (docs/tables.md, "How it is stored").

#include <memory>

#include "loam/ports/database.hpp"
#include "loam/ports/tables.hpp"

namespace [[gnu::visibility("default")]] loam {

struct RelationalTablesOptions {
  std::size_t search_threads = 0;  ///< of one exact vector search; 0: one for each core
  /// Changes of each table's vectors that the log keeps. A process whose index is further behind reads all vectors again.
  std::size_t change_log_entries = 100'000;
};

/// The tables of a database, and the vector indexes of this process. *thread-safe*
class RelationalTables : public Tables {
 public:
  /// The table bound to a running transaction: it sees the transaction's own rows, and ends with it.
  virtual Result<std::unique_ptr<Table>> open_in(Transaction& transaction, std::string_view name,
                                                 std::shared_ptr<Embedder> embedder = nullptr) = 0;
  /// Rows against vectors, full-text index and change log, exhaustively: one line for each thing that is wrong. On SQLite
  /// the full-text index can be checked only where writing is allowed: a read-only database is checked without it.
  virtual Result<std::vector<std::string>> problems(const Context& context = {}) = 0;
  /// Vectors stored in all vector columns of the table. not_found.
  virtual Result<std::int64_t> vector_count(std::string_view name, const Context& context = {}) = 0;
  /// Bytes of the in-memory vector indexes.
  virtual std::size_t index_bytes() const = 0;
};

/// Creates or migrates its catalogue. `db` outlives the returned object.
Result<std::unique_ptr<RelationalTables>> open_relational_tables(Database& db, RelationalTablesOptions options = {});

}  // namespace loam
