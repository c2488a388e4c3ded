#include <algorithm>
#include <unordered_map>

#include "loam/core/limits.hpp"
#include "loam/ports/tables_values.hpp"
#include "loam/relational/tables_catalogue.hpp"
#include "loam/relational/tables_embedding.hpp"
#include "loam/relational/tables_reader.hpp"
#include "loam/relational/tables_writer.hpp"

namespace loam::relational {
namespace {

/// One row to be stored. Its embedding is computed at most once, and not at all when the stored row has the same source
/// text.
struct PendingRow {
  std::size_t number = 0;           ///< in the caller's batch
  std::vector<Value> values;        ///< in schema order; the embedding's vector is NULL until it is computed
  std::optional<std::string> key;   ///< absent: can be no duplicate
  std::optional<std::string> text;  ///< source text of the embedding
  bool embedded = false;
};

/// A stored row with the key of a pending one.
struct StoredRow {
  std::int64_t row_id = 0;
  std::optional<std::string> text;
};
using StoredRows = std::unordered_map<std::string, StoredRow>;

/// The rows of one add(), from the checked records to the committed transaction.
class AddBatch {
 public:
  AddBatch(const TableSession& session, const TableLayout& layout, const WriterOptions& options, OnDuplicate rule,
           const Context& context)
      : session_(session), layout_(layout), options_(options), rule_(rule), context_(context) {
    if (layout.schema.embedding) {
      const ColumnSpec* column = layout.schema.column(layout.schema.embedding->vector_column);
      embedding_column_ = static_cast<std::size_t>(column - layout.schema.columns.data());
    }
  }

  Result<void> take(std::span<const Record> records);
  Result<AddResult> store();

 private:
  Result<void> resolve_duplicate(PendingRow row, std::size_t earlier);
  Result<StoredRows> find_stored(SqlSession& session) const;
  /// True when the row will be written with a vector that is not the stored one's.
  bool needs_embedding(const PendingRow& row, const StoredRow* stored) const;
  Result<void> embed(const StoredRows& stored);
  Result<void> write(SqlSession& session, AddResult& result, bool& embeddings_missing);
  Result<void> insert(SqlSession& session, std::span<PendingRow* const> rows);
  Result<void> replace(SqlSession& session, std::span<const std::pair<PendingRow*, StoredRow>> rows);
  Error duplicate_error(const PendingRow& row, const Error& cause) const;

  TableSession session_;
  const TableLayout& layout_;
  const WriterOptions& options_;
  OnDuplicate rule_;
  const Context& context_;
  std::optional<std::size_t> embedding_column_;

  std::vector<PendingRow> rows_;
  AddResult in_batch_;  ///< what the duplicates inside the batch count for
};

Error two_rows_with_one_key(const TableLayout& layout, const PendingRow& row, std::size_t earlier) {
  return Error(ErrorCode::already_exists, "rows " + std::to_string(earlier) + " and " + std::to_string(row.number) +
                                              " of the call have the same key, " +
                                              describe_key(layout, key_of(layout, row.values)))
      .hint("on_duplicate replace or skip says which one holds");
}

Result<void> AddBatch::take(std::span<const Record> records) {
  std::unordered_map<std::string_view, std::size_t> places;
  rows_.reserve(records.size());  // keys are viewed by `places`, so rows must not move
  for (std::size_t number = 0; number < records.size(); ++number) {
    PendingRow row{.number = number};
    LOAM_TRY(row.values, fit_record(records[number], layout_.schema, number));
    if (!layout_.key.empty()) row.key = key_text(layout_, key_of(layout_, row.values));
    if (embedding_column_) row.text = source_text(layout_, row.values);
    auto earlier = row.key ? places.find(*row.key) : places.end();
    if (earlier != places.end()) {
      LOAM_TRY(resolve_duplicate(std::move(row), earlier->second));
      continue;
    }
    rows_.push_back(std::move(row));
    if (rows_.back().key) places.emplace(*rows_.back().key, rows_.size() - 1);
  }
  return {};
}

Result<void> AddBatch::resolve_duplicate(PendingRow row, std::size_t earlier) {
  PendingRow& first = rows_[earlier];
  switch (rule_) {
    case OnDuplicate::error: return two_rows_with_one_key(layout_, row, first.number);
    case OnDuplicate::skip: ++in_batch_.skipped; return {};
    case OnDuplicate::replace: break;
  }
  ++in_batch_.replaced;
  first.values = std::move(row.values);
  first.text = std::move(row.text);
  return {};
}

Result<StoredRows> AddBatch::find_stored(SqlSession& session) const {
  StoredRows stored;
  if (rule_ == OnDuplicate::error) return stored;  // the unique index finds them
  std::vector<std::vector<Value>> keys;
  for (const PendingRow& row : rows_)
    if (row.key) keys.push_back(key_of(layout_, row.values));
  Selection selection{.list = layout_.row_sql, .from = layout_.sql};
  bool texts = embedding_column_ && rule_ == OnDuplicate::replace;
  if (texts) {
    LOAM_TRY(selection, make_selection(layout_, layout_.schema.embedding->source_columns));
  }
  LOAM_TRY(read_by_key(
      session, layout_, keys, selection,
      [&](const std::string& key, std::int64_t row_id, std::vector<Value> sources) {
        StoredRow& row = stored[key];
        row.row_id = row_id;
        if (!texts) return;
        std::vector<Value> full(layout_.schema.columns.size());
        for (std::size_t i = 0; i < sources.size(); ++i) full[selection.columns[i]] = std::move(sources[i]);
        row.text = source_text(layout_, full);
      },
      context_));
  return stored;
}

bool AddBatch::needs_embedding(const PendingRow& row, const StoredRow* stored) const {
  if (!row.text || row.embedded) return false;
  if (stored == nullptr) return true;
  return rule_ == OnDuplicate::replace && stored->text != row.text;
}

const StoredRow* stored_of(const StoredRows& stored, const PendingRow& row) {
  auto found = row.key ? stored.find(*row.key) : stored.end();
  return found == stored.end() ? nullptr : &found->second;
}

Result<void> AddBatch::embed(const StoredRows& stored) {
  std::vector<PendingRow*> wanted;
  std::vector<std::string> texts;
  for (PendingRow& row : rows_) {
    if (!needs_embedding(row, stored_of(stored, row))) continue;
    wanted.push_back(&row);
    texts.push_back(*row.text);
  }
  if (wanted.empty()) return {};
  if (options_.embedder == nullptr) return embedder_needed(layout_, "writing text to");
  LOAM_TRY(auto vectors, embed_texts(*options_.embedder, texts, context_));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i]->values[*embedding_column_] = std::move(vectors[i]);
    wanted[i]->embedded = true;
  }
  return {};
}

Error AddBatch::duplicate_error(const PendingRow& row, const Error& cause) const {
  if (cause.code() != ErrorCode::already_exists) return cause;
  std::string row_text = "row " + std::to_string(row.number) + ": table \"" + layout_.schema.name + "\" already has ";
  if (rule_ == OnDuplicate::error && row.key)
    return Error(ErrorCode::already_exists, row_text + "a row with " + describe_key(layout_, key_of(layout_, row.values)))
        .hint("on_duplicate replace or skip says what to do with it");
  return Error(ErrorCode::already_exists, row_text + "a row with its unique values: " + cause.message());
}

/// Scalar columns in schema order; the statement and its parameters are built from the same list.
std::vector<std::size_t> scalar_columns(const TableLayout& layout) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < layout.schema.columns.size(); ++i)
    if (!layout.is_vector(i)) columns.push_back(i);
  return columns;
}

std::string insert_statement(const TableLayout& layout, const std::vector<std::size_t>& columns, const SqlDialect& dialect) {
  std::string names, marks;
  for (std::size_t column : columns) {
    names += (names.empty() ? "" : ", ") + dialect.quote_identifier(layout.schema.columns[column].name);
    marks += marks.empty() ? "?" : ", ?";
  }
  std::string values = columns.empty() ? " DEFAULT VALUES" : " (" + names + ") VALUES (" + marks + ")";
  return "INSERT INTO " + layout.sql + values + " RETURNING " + dialect.quote_identifier(row_column);
}

Result<void> AddBatch::insert(SqlSession& session, std::span<PendingRow* const> rows) {
  std::vector<std::size_t> columns = scalar_columns(layout_);
  std::string sql = insert_statement(layout_, columns, session.dialect());
  std::vector<std::vector<VectorWrite>> writes(layout_.vectors.size());
  std::vector<Value> parameters;
  for (PendingRow* row : rows) {
    parameters.clear();
    for (std::size_t column : columns) parameters.push_back(row->values[column]);
    auto inserted = session.execute(sql, parameters, context_);
    if (!inserted.ok()) return duplicate_error(*row, inserted.error());
    auto row_id = inserted->returned.at(0, std::size_t{0}).as<std::int64_t>();
    for (std::size_t v = 0; v < writes.size(); ++v)
      if (const Value& vector = row->values[layout_.vectors[v].column]; !vector.is_null())
        writes[v].push_back({row_id, vector});
  }
  for (std::size_t v = 0; v < writes.size(); ++v)
    LOAM_TRY(write_vectors(session, layout_.vectors[v], writes[v], true, context_));
  return {};
}

Result<void> AddBatch::replace(SqlSession& session, std::span<const std::pair<PendingRow*, StoredRow>> rows) {
  if (rows.empty()) return {};
  std::vector<std::size_t> columns = scalar_columns(layout_);
  std::string sql = "UPDATE " + layout_.sql + " SET ";
  for (std::size_t i = 0; i < columns.size(); ++i)
    sql += (i > 0 ? ", " : "") + session.dialect().quote_identifier(layout_.schema.columns[columns[i]].name) + " = ?";
  sql += " WHERE " + session.dialect().quote_identifier(row_column) + " = ?";
  std::vector<Value> parameters;
  for (const auto& [row, stored] : rows) {
    parameters.clear();
    for (std::size_t column : columns) parameters.push_back(row->values[column]);
    parameters.emplace_back(stored.row_id);
    auto done = session.execute(sql, parameters, context_);
    if (!done.ok()) return duplicate_error(*row, done.error());
  }
  for (const VectorTable& vectors : layout_.vectors) {
    std::vector<VectorWrite> writes;
    for (const auto& [row, stored] : rows)
      if (vectors.column != embedding_column_ || row->text != stored.text || row->embedded)  // else it is still the same
        writes.push_back({stored.row_id, row->values[vectors.column]});
    LOAM_TRY(write_vectors(session, vectors, writes, false, context_));
  }
  return {};
}

Result<void> AddBatch::write(SqlSession& session, AddResult& result, bool& embeddings_missing) {
  LOAM_TRY(begin_write(session, layout_, context_));
  LOAM_TRY(StoredRows stored, find_stored(session));
  embeddings_missing = std::any_of(rows_.begin(), rows_.end(),
                                   [&](const PendingRow& row) { return needs_embedding(row, stored_of(stored, row)); });
  if (embeddings_missing) {
    // Another writer came between the look before the transaction and now. In a transaction of the caller's there was no
    // look.
    if (session_.transaction() == nullptr)
      return Error(ErrorCode::conflict,
                   "rows of table \"" + layout_.schema.name + "\" kept changing while their text was embedded");
    LOAM_TRY(embed(stored));
  }
  std::vector<PendingRow*> fresh;
  std::vector<std::pair<PendingRow*, StoredRow>> taken;
  for (PendingRow& row : rows_) {
    const StoredRow* found = stored_of(stored, row);
    if (found == nullptr)
      fresh.push_back(&row);
    else if (rule_ == OnDuplicate::replace)
      taken.emplace_back(&row, *found);
  }
  LOAM_TRY(insert(session, fresh));
  LOAM_TRY(replace(session, taken));
  result.inserted = static_cast<std::int64_t>(fresh.size());
  result.replaced = in_batch_.replaced + static_cast<std::int64_t>(taken.size());
  result.skipped = in_batch_.skipped + static_cast<std::int64_t>(rows_.size() - fresh.size() - taken.size());
  return trim_change_log(session, layout_, result.inserted + result.replaced, options_.change_log_entries, context_);
}

Result<AddResult> AddBatch::store() {
  constexpr int attempts_max = 4;
  for (int attempt = 1;; ++attempt) {
    AddResult result;
    bool embeddings_missing = false;
    if (embedding_column_ && session_.transaction() == nullptr) {
      StoredRows stored;
      if (rule_ != OnDuplicate::error)
        LOAM_TRY(session_.read(
            [&](SqlSession& snapshot) -> Result<void> {
              LOAM_TRY(check_exists(snapshot, layout_, context_));
              LOAM_TRY(stored, find_stored(snapshot));
              return {};
            },
            context_));
      LOAM_TRY(embed(stored));
    }
    auto done = session_.write([&](SqlSession& session) { return write(session, result, embeddings_missing); }, context_);
    if (done.ok()) return result;
    // A writer that goes round the lock (plain SQL) may take a key between the look and the insert: look again.
    bool taken_meanwhile = done.error().code() == ErrorCode::already_exists && rule_ != OnDuplicate::error;
    bool again = session_.transaction() == nullptr &&
                 (embeddings_missing || taken_meanwhile || done.error().code() == ErrorCode::conflict);
    if (!again || attempt == attempts_max || done.error().outcome() == Outcome::unknown) return std::move(done).error();
  }
}

}  // namespace

Result<AddResult> add_rows(const TableSession& session, const TableLayout& layout, const WriterOptions& options,
                           std::span<const Record> records, OnDuplicate rule, const Context& context) {
  LOAM_TRY(context.check("table add"));
  if (rule != OnDuplicate::error && layout.key.empty())
    return failed_precondition("table \"" + layout.schema.name + "\" has no key, so no row can be a duplicate")
        .hint("create it with a primary key or on-duplicate columns, or add with on_duplicate error");
  if (records.size() > limits::batch_count_max)
    return invalid_argument("one add() takes at most " + std::to_string(limits::batch_count_max) + " rows, got " +
                            std::to_string(records.size()));
  if (records.empty()) return AddResult{};
  AddBatch batch(session, layout, options, rule, context);
  LOAM_TRY(batch.take(records));
  return batch.store();
}

}  // namespace loam::relational
