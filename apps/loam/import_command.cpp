#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/loam/csv_reader.hpp"
#include "apps/loam/file_format.hpp"
#include "apps/loam/handlers.hpp"
#include "apps/loam/importer.hpp"
#include "apps/loam/infer.hpp"
#include "apps/loam/jsonl_reader.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

constexpr std::int64_t infer_records_default = 1'000;
constexpr std::int64_t batch_rows_default = 2'000;
constexpr std::size_t infer_bytes_max = 256u << 20;
constexpr std::size_t schema_bytes_max = 4u << 20;
constexpr std::string_view default_embedder = "hash:384";

/// What the options say about the table, and nothing about what it may be already.
struct Wishes {
  std::vector<std::string> key, embed, text, ignore;
  std::optional<std::string> embedder;
  std::optional<TableSchema> schema;
  std::int64_t infer_records = infer_records_default;
};

Result<Wishes> read_wishes(Session& session) {
  const Arguments& arguments = session.arguments();
  Wishes wishes;
  LOAM_TRY(wishes.key, arguments.list("--key"));
  LOAM_TRY(wishes.embed, arguments.list("--embed"));
  LOAM_TRY(wishes.text, arguments.list("--text"));
  LOAM_TRY(wishes.ignore, arguments.list("--ignore"));
  LOAM_TRY(wishes.infer_records, arguments.integer("--infer", infer_records_default, 1, 100'000));
  wishes.embedder = arguments.text("--embedder");
  if (auto path = arguments.text("--schema")) {
    LOAM_TRY(auto input, Input::open(*path, session.context()));
    LOAM_TRY(std::string text, read_all(*input, schema_bytes_max));
    auto schema = parse_table_schema(text);
    if (!schema.ok())
      return Error(schema.error().code(), *path + ": " + schema.error().message()).hint(schema.error().hint());
    schema->name = arguments.at("TABLE");
    wishes.schema = std::move(schema).value();
  }
  return wishes;
}

Result<std::unique_ptr<RecordSource>> open_source(Session& session) {
  const std::string& path = session.arguments().at("FILE");
  LOAM_TRY(FileFormat format,
           file_format(path, session.arguments().text("--input-format"), session.arguments().text("--delimiter")));
  LOAM_TRY(auto input, Input::open(path, session.context()));
  if (format.kind == FileKind::jsonl) return std::unique_ptr<RecordSource>(std::make_unique<JsonlReader>(std::move(input)));
  LOAM_TRY(auto reader, CsvReader::open(std::move(input), format.delimiter));
  return std::unique_ptr<RecordSource>(std::move(reader));
}

Result<std::vector<SourceRecord>> read_first(RecordSource& source, std::int64_t count) {
  std::vector<SourceRecord> records;
  std::size_t bytes = 0;
  while (static_cast<std::int64_t>(records.size()) < count && bytes < infer_bytes_max) {
    LOAM_TRY(std::optional<SourceRecord> record, source.next());
    if (!record) break;
    for (const auto& [name, value] : record->fields)
      if (const auto* text = value.get_if<std::string>()) bytes += text->size();
    records.push_back(std::move(*record));
  }
  return records;
}

Result<void> check_names(const std::vector<std::string>& names, const TableSchema& schema, std::string_view option) {
  for (const std::string& name : names) {
    if (schema.column(name) != nullptr) continue;
    std::string known;
    for (const ColumnSpec& column : schema.columns) known += (known.empty() ? "" : ", ") + column.name;
    return invalid_argument(std::string(option) + ": no column \"" + name + "\"; the file has: " + known);
  }
  return {};
}

/// The schema of a table that is not there yet.
Result<TableSchema> new_schema(Session& session, const Wishes& wishes, const std::vector<SourceRecord>& first,
                               bool untyped) {
  TableSchema schema;
  if (wishes.schema) {
    schema = *wishes.schema;
  } else {
    schema.columns = infer_columns(first, untyped ? TextIs::untyped : TextIs::string);
    std::erase_if(schema.columns, [&](const ColumnSpec& column) {
      return std::find(wishes.ignore.begin(), wishes.ignore.end(), column.name) != wishes.ignore.end();
    });
    if (schema.columns.empty())
      return invalid_argument(session.arguments().at("FILE") + " has no record to take the columns of a new table from")
          .hint("--schema S.json says them");
  }
  schema.name = session.arguments().at("TABLE");
  LOAM_TRY(check_names(wishes.key, schema, "--key"));
  LOAM_TRY(check_names(wishes.embed, schema, "--embed"));
  LOAM_TRY(check_names(wishes.text, schema, "--text"));
  if (!wishes.key.empty()) schema.primary_key = wishes.key;
  if (!wishes.text.empty()) schema.text_columns = wishes.text;
  if (!wishes.embed.empty()) schema.embedding = EmbeddingSpec{.source_columns = wishes.embed};
  for (ColumnSpec& column : schema.columns) {
    bool is_key = std::find(schema.primary_key.begin(), schema.primary_key.end(), column.name) != schema.primary_key.end();
    bool is_text = std::find(wishes.embed.begin(), wishes.embed.end(), column.name) != wishes.embed.end() ||
                   std::find(wishes.text.begin(), wishes.text.end(), column.name) != wishes.text.end();
    if (is_key) column.nullable = false;
    // A column to be searched as text is text, whatever its first values look like.
    if (is_text && !wishes.schema) column.type = ValueKind::string;
  }
  LOAM_TRY(check_schema(schema));
  return schema;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text.empty() ? "none" : text;
}

Result<void> check_same(std::string_view option, const std::vector<std::string>& wished,
                        const std::vector<std::string>& actual) {
  if (wished.empty() || wished == actual) return {};
  return failed_precondition("the table exists with another " + std::string(option.substr(2)) + ": " + joined(actual) +
                             ", not " + joined(wished))
      .hint("leave " + std::string(option) + " out, or import into a new table");
}

/// Into an existing table: what the options say must be what it is.
Result<void> check_existing(const TableSchema& schema, const Wishes& wishes) {
  LOAM_TRY(check_same("--key", wishes.key, schema.key()));
  LOAM_TRY(check_same("--text", wishes.text, schema.text_columns));
  LOAM_TRY(
      check_same("--embed", wishes.embed, schema.embedding ? schema.embedding->source_columns : std::vector<std::string>()));
  if (wishes.embedder && !schema.embedding)
    return failed_precondition("the table \"" + schema.name + "\" exists without an embedding, so --embedder has no use");
  if (wishes.schema) {
    for (const ColumnSpec& column : wishes.schema->columns) {
      const ColumnSpec* actual = schema.column(column.name);
      if (actual == nullptr || actual->type != column.type)
        return failed_precondition("the table \"" + schema.name + "\" exists with another column \"" + column.name +
                                   "\": " + (actual == nullptr ? "none" : std::string(to_string(actual->type))) + ", not " +
                                   std::string(to_string(column.type)));
    }
  }
  return {};
}

struct Target {
  bool existed = false;  ///< the table
  std::unique_ptr<Store> store;
  std::shared_ptr<EmbedAhead> embedder;
  std::unique_ptr<Table> table;
};

Result<std::optional<TableSchema>> find_schema(Store& store, const std::string& name, const Context& context) {
  LOAM_TRY(std::vector<TableSchema> schemas, store.tables().list(context));
  for (TableSchema& schema : schemas)
    if (schema.name == name) return std::optional(std::move(schema));
  return std::optional<TableSchema>();
}

Result<std::shared_ptr<EmbedAhead>> open_embedder(Session& session, const std::string& spec) {
  LOAM_TRY(std::shared_ptr<Embedder> inner, session.registry().open_embedder(spec));
  return std::make_shared<EmbedAhead>(std::move(inner));
}

Result<Target> open_existing(Session& session, Target target, const TableSchema& schema, const Wishes& wishes) {
  LOAM_TRY(check_existing(schema, wishes));
  target.existed = true;
  if (schema.embedding) {
    LOAM_TRY(target.embedder, open_embedder(session, wishes.embedder.value_or(schema.embedding->embedder_spec)));
  }
  LOAM_TRY(target.table, target.store->tables().open(schema.name, target.embedder, session.context()));
  return target;
}

/// Opens the table or makes it. Nothing is made before the source has been found readable and the options have been found
/// good.
Result<Target> open_target(Session& session, const Wishes& wishes, const std::vector<SourceRecord>& first,
                           const RecordSource& source, std::size_t batch_rows) {
  const std::string& name = session.arguments().at("TABLE");
  Target target;
  auto existing = session.open_store(StoreUse::change);
  if (!existing.ok() && existing.error().code() != ErrorCode::not_found) return std::move(existing).error();
  if (existing.ok()) {
    target.store = std::move(existing).value();
    LOAM_TRY(std::optional<TableSchema> schema, find_schema(*target.store, name, session.context()));
    if (schema) return open_existing(session, std::move(target), *schema, wishes);
  }
  auto first_batch_end = first.begin() + static_cast<std::ptrdiff_t>(std::min(first.size(), batch_rows));
  auto bad =
      std::find_if(first.begin(), first_batch_end, [](const SourceRecord& record) { return record.problem.has_value(); });
  bool stops = session.arguments().text("--on-error").value_or("stop") == "stop";
  if (bad != first_batch_end && stops) return invalid_argument(source.name() + ": " + *bad->problem);
  LOAM_TRY(TableSchema schema, new_schema(session, wishes, first, source.untyped()));
  if (wishes.embedder && !schema.embedding)
    return invalid_argument("--embedder without --embed: say which columns are to be embedded");
  if (schema.embedding) {
    std::string spec = wishes.embedder.value_or(schema.embedding->embedder_spec.empty() ? std::string(default_embedder)
                                                                                        : schema.embedding->embedder_spec);
    LOAM_TRY(target.embedder, open_embedder(session, spec));
  }
  if (!target.store) {
    LOAM_TRY(target.store, session.open_store(StoreUse::create));
  }
  LOAM_TRY(target.table, target.store->tables().create(std::move(schema), target.embedder, session.context()));
  return target;
}

Result<OnDuplicate> choose_on_duplicate(const Arguments& arguments, const TableSchema& schema) {
  std::optional<std::string> word = arguments.text("--on-duplicate");
  if (schema.key().empty()) {
    if (word && *word != "error")
      return invalid_argument("--on-duplicate " + *word + ": the table \"" + schema.name + "\" has no key to know a row by")
          .hint("--key COL makes a table with one");
    return OnDuplicate::error;
  }
  if (!word || *word == "replace") return OnDuplicate::replace;
  return *word == "skip" ? OnDuplicate::skip : OnDuplicate::error;
}

std::string counted(std::int64_t count, std::string_view noun) {
  return with_thousands(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

Result<void> summarize(Session& session, const ImportReport& report, double seconds) {
  double rate = seconds > 0 ? static_cast<double>(report.rows_read) / seconds : 0;
  std::string line = "imported " + counted(report.rows_read, "row") + " into " + session.arguments().at("TABLE") + " in " +
                     human_seconds(seconds) + " (" + with_thousands(std::llround(rate)) +
                     " rows/s): " + with_thousands(report.inserted) + " inserted, " + with_thousands(report.replaced) +
                     " replaced, " + with_thousands(report.skipped) + " skipped";
  if (report.rejected > 0) line += "; " + counted(report.rejected, "line") + " left out";
  for (const std::string& rejection : report.first_rejections) session.note("left out: " + rejection);
  auto unnamed = report.rejected - static_cast<std::int64_t>(report.first_rejections.size());
  if (unnamed > 0) session.note("left out: " + with_thousands(unnamed) + " more");
  JsonWriter json;
  json.begin_object().key("table").string(session.arguments().at("TABLE"));
  json.key("rows")
      .integer(report.rows_read)
      .key("inserted")
      .integer(report.inserted)
      .key("replaced")
      .integer(report.replaced);
  json.key("skipped").integer(report.skipped).key("rejected").integer(report.rejected);
  json.key("seconds").number(seconds).key("rows_per_second").number(rate);
  json.key("rejections").begin_array();
  for (const std::string& rejection : report.first_rejections) json.string(rejection);
  json.end_array().end_object();
  return session.done(line, std::move(json));
}

/// Says what of the work is stored, and how to go on.
Error with_progress(const Error& error, const ImportReport& report, const RecordSource& source, bool has_key) {
  bool stopped = error.code() == ErrorCode::cancelled || error.code() == ErrorCode::deadline_exceeded;
  std::string stored = report.last_line == 0 ? "nothing is stored"
                                             : "the " + counted(report.rows_read, "row") + " up to line " +
                                                   std::to_string(report.last_line) + " are stored";
  Error told(error.code(), source.name() + ": " + (stopped ? "the import was stopped" : error.message()) + "; " + stored);
  std::string hint = error.hint();
  if (stopped)
    hint = has_key ? "the same command goes on: rows that are there are recognized by their key"
                   : "the table has no key: the same command adds the stored rows again";
  if (const NativeError* native = error.native()) told = std::move(told).native(*native);
  return std::move(told).outcome(error.outcome()).hint(hint);
}

}  // namespace

Result<void> run_import(Session& session) {
  LOAM_TRY(Wishes wishes, read_wishes(session));
  LOAM_TRY(std::int64_t batch_rows, session.arguments().integer("--batch", batch_rows_default, 1, limits::batch_count_max));
  LOAM_TRY(auto source, open_source(session));
  LOAM_TRY(auto first, read_first(*source, wishes.infer_records));
  LOAM_TRY(Target target, open_target(session, wishes, first, *source, static_cast<std::size_t>(batch_rows)));

  bool skips = session.arguments().text("--on-error").value_or("stop") == "skip";
  ImportOptions options{.on_error = skips ? OnError::skip : OnError::stop,
                        .batch_rows = static_cast<std::size_t>(batch_rows),
                        .ignored_fields = wishes.ignore,
                        .look_for_stored_texts = target.existed};
  LOAM_TRY(options.on_duplicate, choose_on_duplicate(session.arguments(), target.table->schema()));
  Progress progress(session.progress("importing", "rows"));
  std::optional<std::int64_t> total = source->bytes_total();
  options.on_batch = [&](const ImportReport& report) {
    bool known = total && *total > 0;
    progress.update(
        report.rows_read,
        known ? std::optional(static_cast<double>(report.bytes_done) / static_cast<double>(*total)) : std::nullopt);
  };

  auto started = std::chrono::steady_clock::now();
  ImportReport report;
  Result<void> result =
      import_records(*source, std::move(first), *target.table, target.embedder.get(), options, report, session.context());
  progress.finish();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (!result.ok()) return with_progress(result.error(), report, *source, !target.table->schema().key().empty());
  return summarize(session, report, seconds);
}

}  // namespace loam::cli
