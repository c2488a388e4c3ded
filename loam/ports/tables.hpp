#pragma once

/// The Tables port: typed rows with an embedding, searched by vector, by text and by both.
///
///   TableSchema schema{.name = "notes",
///                      .columns = {{.name = "id", .type = ValueKind::int64, .nullable = false},
///                                  {.name = "body", .type = ValueKind::string}},
///                      .primary_key = {"id"},
///                      .text_columns = {"body"},
///                      .embedding = EmbeddingSpec{.source_columns = {"body"}}};
///   LOAM_TRY(auto notes, tables.create(schema, embedder));
///   LOAM_TRY(notes->add({{{"id", 1}, {"body", "the cat sat"}}}));
///   LOAM_TRY(auto hits, notes->search({.text = "feline", .limit = 5}));
///
/// Guarantees of every adapter:
///  T1 A call stores all its rows or none; after ok they are found at once by get, scan and every kind of search.
///  T2 No two rows have equal key columns (NULL differs from NULL), whatever writers, processes and batches do.
///  T3 The embedding of a row is always that of its present source text by the table's embedder; a table opened with an
///  embedder
///     of another identity is refused.
///  T4 `where` restricts before ranking: min(limit, matching rows) rows come back, and never one that does not match.
///  T5 scan() goes in row order (the order of first insertion); every page says how to go on; nothing is cut silently.
///  T6 A search that cannot run as asked is an error; it never becomes another kind of search.
///  T7 Vector search is exact for now: no row that is closer is missing. Ties are broken by row order.
///  T8 Scores: higher is better. The raw distance and the text rank can be had beside it (SearchHit).

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loam/core/context.hpp"
#include "loam/core/value.hpp"
#include "loam/ports/embedder.hpp"
#include "loam/ports/reranker.hpp"
#include "loam/query/filter.hpp"

namespace [[gnu::visibility("default")]] loam {

/// Score from distance: cosine 1 - d, euclidean 1 / (1 + d), inner_product -d (d = -dot), manhattan 1 / (1 + d).
enum class Metric : std::uint8_t { cosine, euclidean, inner_product, manhattan };
std::string_view to_string(Metric metric) noexcept;
Result<Metric> parse_metric(std::string_view name);

/// Column names: 1 to 63 bytes of UTF-8 without control characters; two that differ only in ASCII case are refused, and so
/// are names that begin with "loam_" or "sqlite_".
struct ColumnSpec {
  std::string name;
  ValueKind type = ValueKind::string;  ///< any but null
  bool nullable = true;
  Value default_value = {};        ///< for rows that leave the column out; null: none
  std::size_t dimension = 0;       ///< of a vector column: 1 to 65,536
  Metric metric = Metric::cosine;  ///< of a vector column
  friend bool operator==(const ColumnSpec&, const ColumnSpec&) = default;
};

/// Which text becomes which vector. The store computes it; writing the vector column by hand is invalid_argument.
struct EmbeddingSpec {
  std::vector<std::string> source_columns;  ///< strings, joined by a newline; NULLs are left out
  std::string vector_column = "embedding";  ///< added to the columns when it is not among them
  EmbedderIdentity embedder = {};           ///< filled in by create()
  std::string embedder_spec = {};           ///< filled in by create(): how the embedder can be opened again
  friend bool operator==(const EmbeddingSpec&, const EmbeddingSpec&) = default;
};

struct TableSchema {
  std::string name;  ///< as column names; becomes the SQL table of the same name
  std::vector<ColumnSpec> columns;
  std::vector<std::string> primary_key;           ///< not nullable; may be empty
  std::vector<std::string> on_duplicate_columns;  ///< what makes two rows the same; empty: the primary key
  std::vector<std::string> text_columns;          ///< full-text indexed together, strings
  std::optional<EmbeddingSpec> embedding;
  friend bool operator==(const TableSchema&, const TableSchema&) = default;

  const ColumnSpec* column(std::string_view name) const;
  /// primary_key or on_duplicate_columns, whichever holds.
  const std::vector<std::string>& key() const;
};

/// One JSON object and back; the form of `--schema` files and of `loam describe --format json`.
std::string to_json(const TableSchema& schema);
Result<TableSchema> parse_table_schema(std::string_view json);

/// invalid_argument naming the column: names, duplicates, keys, text and source columns of the wrong type, dimensions.
Result<void> check_schema(const TableSchema& schema);

/// A row to be stored: columns in any order; left-out ones get their default or NULL.
using Record = std::vector<std::pair<std::string, Value>>;

enum class OnDuplicate : std::uint8_t {
  error,    ///< already_exists naming the key; nothing of the call is stored
  replace,  ///< the row takes the new values, left-out columns included; it keeps its row id
  skip,     ///< the stored row stays
};

struct AddResult {
  std::int64_t inserted = 0;
  std::int64_t replaced = 0;
  std::int64_t skipped = 0;
};

/// Rows of an answer, column by name.
struct RowSet {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  std::vector<std::int64_t> row_ids;
  const Value& at(std::size_t row, std::string_view column) const;
};

struct ScanOptions {
  std::string where = {};                ///< filter language; empty: all rows
  std::vector<std::string> select = {};  ///< empty: all columns but vectors
  std::size_t limit = 1000;              ///< 1 to 100,000
  std::string cursor = {};               ///< ScanPage::next_cursor of the page before
};
struct ScanPage {
  RowSet rows;
  std::optional<std::string> next_cursor;
};

enum class SearchMode : std::uint8_t {
  automatic,  ///< hybrid when the table has text columns and an embedding, else the one it has
  vector,
  text,
  hybrid,
};
enum class TextMatch : std::uint8_t {
  automatic,  ///< all; when fewer than the limit match all words, any
  all,
  any,
};

struct SearchRequest {
  std::string text = {};  ///< words; also embedded for vector search when `vector` is empty
  Vector vector = {};     ///< a query vector of the caller's own
  SearchMode mode = SearchMode::automatic;
  std::string vector_column = {};  ///< empty: the embedding's, or the only one
  TextMatch match = TextMatch::automatic;
  std::string where = {};
  std::vector<std::string> select = {};  ///< empty: all columns but vectors
  std::size_t limit = 10;
  std::size_t offset = 0;                ///< limit + offset <= 10,000
  std::optional<double> threshold = {};  ///< rows with a lower score are left out
  std::size_t candidates = 0;            ///< of each list of a hybrid search; 0: max(100, 4 * (limit + offset))
  Reranker* reranker = nullptr;          ///< hybrid only; null: reciprocal_rank_fusion()
};

struct SearchHit {
  std::int64_t row_id = 0;
  double score = 0;                  ///< of the mode that ran; comparable within one answer
  std::optional<double> distance;    ///< of vector search
  std::optional<double> text_score;  ///< of text search
};

struct SearchExplain {
  SearchMode mode = SearchMode::automatic;  ///< that ran
  std::string vector_plan;           ///< "exact scan of 60000 vectors", "exact scan of 12 filtered vectors"; empty: not used
  std::string text_plan;             ///< "all words", "any word (3 rows match all)"; empty: not used
  std::string fusion;                ///< the reranker's name
  std::string filter_sql;            ///< the compiled where
  std::int64_t filter_matches = -1;  ///< rows that passed it; -1 when it was not counted
  std::int64_t distances_computed = 0;
  std::int64_t candidates = 0;
  std::vector<std::pair<std::string, double>> timings_ms;  ///< embed, filter, vector, text, fuse, rows
};

struct SearchResult {
  RowSet rows;  ///< in the order of `hits`
  std::vector<SearchHit> hits;
  SearchExplain explain;
};

struct TablesCapabilities {
  bool text_score_is_bm25 = true;
  bool vector_search_is_exact = true;
};

/// One table. *thread-safe*; one of a store transaction *needs external synchronization*.
/// Besides what each call says: invalid_argument naming the row (from 0) and column for unknown columns, wrong types,
/// dimensions, NaN and infinity, missing values; with the position for a wrong filter; embedder errors as they are.
/// Whatever fails, nothing of the call is stored unless the outcome is unknown.
class Table {
 public:
  virtual ~Table() = default;
  virtual const TableSchema& schema() const = 0;

  /// The rows with these key values, in order; absent ones are nullopt. `keys` rows are of schema().key() columns.
  virtual Result<std::vector<std::optional<std::vector<Value>>>> get(std::span<const std::vector<Value>> keys,
                                                                     const std::vector<std::string>& select = {},
                                                                     const Context& context = {}) = 0;
  Result<std::vector<std::optional<std::vector<Value>>>> get(std::initializer_list<std::vector<Value>> keys,
                                                             const std::vector<std::string>& select = {},
                                                             const Context& context = {}) {
    return get(std::span(keys.begin(), keys.size()), select, context);
  }
  virtual Result<ScanPage> scan(const ScanOptions& options = {}, const Context& context = {}) = 0;
  virtual Result<std::int64_t> count(std::string_view where = {}, const Context& context = {}) = 0;
  /// O(vectors that pass the filter) for vectors; rows are read only for the hits.
  virtual Result<SearchResult> search(const SearchRequest& request, const Context& context = {}) = 0;

  /// Stores the rows in one transaction, embeddings computed before it begins. At most 100,000 rows.
  virtual Result<AddResult> add(std::span<const Record> rows, OnDuplicate on_duplicate = OnDuplicate::error,
                                const Context& context = {}) = 0;
  Result<AddResult> add(std::initializer_list<Record> rows, OnDuplicate on_duplicate = OnDuplicate::error,
                        const Context& context = {}) {
    return add(std::span(rows.begin(), rows.size()), on_duplicate, context);
  }
  /// add() with replace. failed_precondition when the table has no key.
  Result<AddResult> upsert(std::span<const Record> rows, const Context& context = {}) {
    return add(rows, OnDuplicate::replace, context);
  }
  Result<AddResult> upsert(std::initializer_list<Record> rows, const Context& context = {}) {
    return add(rows, OnDuplicate::replace, context);
  }
  /// Sets columns of the rows that match; the number changed. A changed source text is embedded again. An empty `where` is
  /// invalid_argument: say "TRUE" to change all.
  virtual Result<std::int64_t> update(const Record& values, std::string_view where, const Context& context = {}) = 0;
  /// Removes the rows that match; the number removed. An empty `where` is invalid_argument: say "TRUE".
  virtual Result<std::int64_t> erase(std::string_view where, const Context& context = {}) = 0;

  virtual TablesCapabilities capabilities() const = 0;
};

/// The tables of one store. *thread-safe*
class Tables {
 public:
  virtual ~Tables() = default;
  /// `embedder` is needed when the schema has an embedding, and is kept. already_exists when the name is taken.
  virtual Result<std::unique_ptr<Table>> create(TableSchema schema, std::shared_ptr<Embedder> embedder = nullptr,
                                                const Context& context = {}) = 0;
  /// not_found (the existing ones listed); failed_precondition with both identities when `embedder` is another one. Without
  /// an embedder the table opens, and what needs one is failed_precondition.
  virtual Result<std::unique_ptr<Table>> open(std::string_view name, std::shared_ptr<Embedder> embedder = nullptr,
                                              const Context& context = {}) = 0;
  /// Sorted by name.
  virtual Result<std::vector<TableSchema>> list(const Context& context = {}) = 0;
  /// Removes the table, its indexes and rows. not_found.
  virtual Result<void> drop(std::string_view name, const Context& context = {}) = 0;
};

}  // namespace loam
