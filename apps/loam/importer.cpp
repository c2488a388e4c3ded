#include "apps/loam/importer.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "apps/loam/suggest.hpp"

namespace loam::cli {
namespace {

constexpr std::size_t batches_waiting_max = 2;
constexpr std::size_t batch_bytes_max = 16u << 20;  // large rows make small batches: memory stays flat
constexpr std::size_t rejections_shown_max = 10;

/// Rows on their way, and what becomes of the records that are none.
struct Batch {
  std::vector<Record> rows;
  std::vector<std::int64_t> lines;  ///< of each row
  std::vector<std::string> rejections;
  std::int64_t rejected = 0;
  std::int64_t bytes_done = 0;
  std::shared_ptr<const EmbedAhead::Prepared> prepared;
  std::optional<Error> failure;  ///< the source ends here; the rows of this batch are not stored
  bool last = false;
};

/// *thread-safe*
class BatchQueue {
 public:
  /// Waits for room; false when the receiver has gone.
  bool push(Batch batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || batches_.size() < batches_waiting_max; });
    if (closed_) return false;
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  Batch pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !batches_.empty(); });
    Batch batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool closed_ = false;
};

/// Records to rows of one schema.
class RowFitter {
 public:
  RowFitter(const TableSchema& schema, TextIs text_is, const std::vector<std::string>& ignored)
      : schema_(schema), text_is_(text_is) {
    for (const ColumnSpec& column : schema.columns) columns_.emplace(column.name, &column);
    for (const std::string& name : ignored) columns_.insert_or_assign(name, nullptr);
  }

  /// invalid_argument naming line and column.
  Result<Record> fit(SourceRecord source) const {
    if (source.problem) return invalid_argument(std::move(*source.problem));
    Record row;
    row.reserve(source.fields.size());
    for (auto& [name, value] : source.fields) {
      auto found = columns_.find(name);
      if (found == columns_.end()) return unknown_column(source.line, name);
      if (found->second == nullptr) continue;
      if (schema_.embedding && name == schema_.embedding->vector_column) return computed_column(source.line, name);
      auto fitted = fit_field(std::move(value), *found->second, text_is_);
      if (!fitted.ok()) return misfit(source.line, name, fitted.error().message());
      row.emplace_back(std::move(name), std::move(fitted).value());
    }
    LOAM_TRY(check_required(source.line, row));
    return row;
  }

 private:
  static Error misfit(std::int64_t line, const std::string& column, const std::string& what) {
    return invalid_argument("line " + std::to_string(line) + ", column \"" + column + "\": " + what);
  }

  static Error computed_column(std::int64_t line, const std::string& name) {
    return misfit(line, name, "the table computes this column itself").hint("--ignore " + name + " leaves the field out");
  }

  Error unknown_column(std::int64_t line, const std::string& name) const {
    std::vector<std::string_view> names;
    std::string listed;
    for (const ColumnSpec& column : schema_.columns) {
      names.push_back(column.name);
      listed += (listed.empty() ? "" : ", ") + column.name;
    }
    std::string close = nearest(name, names);
    Error error = misfit(line, name, "the table \"" + schema_.name + "\" has no such column; it has: " + listed);
    return std::move(error).hint(close.empty() ? "--ignore " + name + " leaves the field out"
                                               : "did you mean " + close + "?");
  }

  Result<void> check_required(std::int64_t line, const Record& row) const {
    for (const ColumnSpec& column : schema_.columns) {
      if (column.nullable || !column.default_value.is_null()) continue;
      if (schema_.embedding && column.name == schema_.embedding->vector_column) continue;
      auto has_value = [&](const auto& field) { return field.first == column.name && !field.second.is_null(); };
      if (std::none_of(row.begin(), row.end(), has_value))
        return misfit(line, column.name, "a value is needed and there is none");
    }
    return {};
  }

  const TableSchema& schema_;
  TextIs text_is_;
  std::map<std::string, const ColumnSpec*, std::less<>> columns_;
};

const Value* value_of(const Record& row, std::string_view column) {
  auto found = std::find_if(row.begin(), row.end(), [&](const auto& field) { return field.first == column; });
  return found == row.end() ? nullptr : &found->second;
}

/// What the table embeds of a row: its source columns joined by a newline, NULLs left out. Nothing for a row without any.
template <typename ValueOfColumn>
std::optional<std::string> source_text(const EmbeddingSpec& embedding, ValueOfColumn value_of_column) {
  std::optional<std::string> text;
  for (const std::string& column : embedding.source_columns) {
    const Value* value = value_of_column(column);
    const std::string* part = value == nullptr ? nullptr : value->get_if<std::string>();
    if (part != nullptr) text = text ? *text + '\n' + *part : *part;
  }
  return text;
}

std::size_t bytes_of(const Record& row) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : row) {
    bytes += sizeof(row.front());
    if (const auto* text = value.get_if<std::string>()) bytes += text->size();
    if (const auto* json = value.get_if<Json>()) bytes += json->text.size();
    if (const auto* data = value.get_if<Bytes>()) bytes += data->data.size();
    if (const auto* vector = value.get_if<Vector>()) bytes += vector->size() * sizeof(float);
  }
  return bytes;
}

/// The reading thread.
class Reader {
 public:
  Reader(RecordSource& source, std::vector<SourceRecord> first, Table& table, const TableSchema& schema,
         EmbedAhead* embedder, const ImportOptions& options, const Context& context, BatchQueue& queue)
      : source_(source),
        first_(std::move(first)),
        table_(table),
        schema_(schema),
        embedder_(embedder),
        options_(options),
        context_(context),
        queue_(queue),
        fitter_(schema, source.untyped() ? TextIs::untyped : TextIs::string, options.ignored_fields) {}

  void run() {
    bool more = true;
    while (more) {
      Batch batch = next_batch();
      more = !batch.last;
      more = queue_.push(std::move(batch)) && more;
    }
  }

 private:
  Batch next_batch() {
    Batch batch;
    std::size_t bytes = 0;
    while (batch.rows.size() < options_.batch_rows && bytes < batch_bytes_max) {
      auto record = next_record();
      if (!record.ok()) return failed(std::move(batch), std::move(record).error());
      if (!record->has_value()) {
        batch.last = true;
        break;
      }
      std::int64_t line = (*record)->line;
      auto row = fitter_.fit(std::move(**record));
      if (!row.ok() && options_.on_error == OnError::stop) return failed(std::move(batch), std::move(row).error());
      if (!row.ok()) {
        ++batch.rejected;
        if (batch.rejections.size() < rejections_shown_max) batch.rejections.push_back(row.error().message());
        continue;
      }
      bytes += bytes_of(*row);
      batch.rows.push_back(std::move(row).value());
      batch.lines.push_back(line);
    }
    batch.bytes_done = source_.bytes_read();
    return embedded(std::move(batch));
  }

  Batch failed(Batch batch, Error error) {
    batch.failure = std::move(error);
    batch.last = true;
    return batch;
  }

  Result<std::optional<SourceRecord>> next_record() {
    if (next_first_ < first_.size()) return std::optional(std::move(first_[next_first_++]));
    if (!first_.empty()) first_ = {};
    next_first_ = 0;
    return source_.next();
  }

  Batch embedded(Batch batch) {
    if (embedder_ == nullptr || batch.rows.empty()) return batch;
    auto texts = texts_to_embed(batch.rows);
    if (!texts.ok()) return failed(std::move(batch), std::move(texts).error());
    auto prepared = embedder_->prepare(std::move(texts).value(), context_);
    // A text that the model refuses is found again by the table, row by row; all else ends the import.
    if (prepared.ok())
      batch.prepared = std::move(prepared).value();
    else if (prepared.error().code() != ErrorCode::invalid_argument)
      return failed(std::move(batch), std::move(prepared).error());
    return batch;
  }

  Result<std::vector<std::string>> texts_to_embed(const std::vector<Record>& rows) const {
    std::vector<std::optional<std::string>> stored(rows.size());
    if (options_.look_for_stored_texts && !schema_.key().empty()) {
      LOAM_TRY(stored, stored_texts(rows));
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto text = source_text(*schema_.embedding, [&](const std::string& column) { return value_of(rows[i], column); });
      if (text && text != stored[i]) texts.push_back(std::move(*text));
    }
    return texts;
  }

  /// The embedded texts of the stored rows with the keys of these ones.
  Result<std::vector<std::optional<std::string>>> stored_texts(const std::vector<Record>& rows) const {
    std::vector<std::vector<Value>> keys;
    for (const Record& row : rows) {
      std::vector<Value>& key = keys.emplace_back();
      for (const std::string& column : schema_.key()) {
        const Value* value = value_of(row, column);
        key.push_back(value == nullptr ? Value() : *value);
      }
    }
    const std::vector<std::string>& columns = schema_.embedding->source_columns;
    LOAM_TRY(auto found, table_.get(keys, columns, context_));
    std::vector<std::optional<std::string>> texts(rows.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!found[i]) continue;
      auto position = [&](const std::string& column) {
        return std::find(columns.begin(), columns.end(), column) - columns.begin();
      };
      texts[i] = source_text(*schema_.embedding, [&](const std::string& column) {
        return &(*found[i])[static_cast<std::size_t>(position(column))];
      });
    }
    return texts;
  }

  RecordSource& source_;
  std::vector<SourceRecord> first_;
  std::size_t next_first_ = 0;
  Table& table_;
  const TableSchema& schema_;
  EmbedAhead* embedder_;
  const ImportOptions& options_;
  const Context& context_;
  BatchQueue& queue_;
  RowFitter fitter_;
};

/// The writing side.
class Writer {
 public:
  Writer(Table& table, EmbedAhead* embedder, const ImportOptions& options, ImportReport& report, const Context& context)
      : table_(table), embedder_(embedder), options_(options), report_(report), context_(context) {}

  Result<void> write(Batch batch) {
    if (batch.failure) return std::move(*batch.failure);
    for (std::string& rejection : batch.rejections) reject(std::move(rejection));
    report_.rejected += batch.rejected - static_cast<std::int64_t>(batch.rejections.size());
    if (embedder_ != nullptr) embedder_->use(batch.prepared);
    LOAM_TRY(add(batch.rows, batch.lines));
    report_.bytes_done = batch.bytes_done;
    if (!batch.lines.empty()) report_.last_line = batch.lines.back();
    if (options_.on_batch) options_.on_batch(report_);
    return {};
  }

 private:
  void reject(std::string why) {
    ++report_.rejected;
    if (report_.first_rejections.size() < rejections_shown_max) report_.first_rejections.push_back(std::move(why));
  }

  Result<void> add(std::span<const Record> rows, std::span<const std::int64_t> lines) {
    if (rows.empty()) return {};
    auto added = table_.add(rows, options_.on_duplicate, context_);
    if (added.ok()) {
      report_.rows_read += static_cast<std::int64_t>(rows.size());
      report_.inserted += added->inserted;
      report_.replaced += added->replaced;
      report_.skipped += added->skipped;
      return {};
    }
    const Error& error = added.error();
    bool is_about_a_row = error.outcome() == Outcome::not_applied &&
                          (error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::already_exists);
    if (!is_about_a_row) return error;
    return rows.size() == 1 ? one_refused(lines.front(), error) : narrow_down(rows, lines, error);
  }

  /// Halves the rows until the refused ones stand alone; the others are stored (skip), or none of them is (stop).
  Result<void> narrow_down(std::span<const Record> rows, std::span<const std::int64_t> lines, const Error& error) {
    if (options_.on_error == OnError::stop) {
      Error named(error.code(), "lines " + std::to_string(lines.front()) + " to " + std::to_string(lines.back()) +
                                    " (rows counted from 0 below, none of them stored): " + error.message());
      return error.hint().empty() ? std::move(named) : std::move(named).hint(error.hint());
    }
    std::size_t half = rows.size() / 2;
    LOAM_TRY(add(rows.first(half), lines.first(half)));
    return add(rows.subspan(half), lines.subspan(half));
  }

  Result<void> one_refused(std::int64_t line, const Error& error) {
    std::string message = "line " + std::to_string(line) + ": " + error.message();
    if (options_.on_error == OnError::stop) return Error(error.code(), message).hint(error.hint());
    reject(std::move(message));
    return {};
  }

  Table& table_;
  EmbedAhead* embedder_;
  const ImportOptions& options_;
  ImportReport& report_;
  const Context& context_;
};

}  // namespace

Result<void> import_records(RecordSource& source, std::vector<SourceRecord> first, Table& table, EmbedAhead* embedder,
                            const ImportOptions& options, ImportReport& report, const Context& context) {
  BatchQueue queue;
  TableSchema schema = table.schema();
  Reader reader(source, std::move(first), table, schema, schema.embedding ? embedder : nullptr, options, context, queue);
  std::thread reading([&] { reader.run(); });
  Writer writer(table, embedder, options, report, context);
  Result<void> result;
  for (bool more = true; more && result.ok();) {
    Batch batch = queue.pop();
    more = !batch.last;
    result = writer.write(std::move(batch));
  }
  queue.close();
  source.abandon();
  reading.join();
  if (embedder != nullptr) embedder->use(nullptr);
  return result;
}

}  // namespace loam::cli
