#include <chrono>

#include "apps/loam/handlers.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"
#include "loam/relational/migrations.hpp"

namespace loam::cli {
namespace {

void append_stats(JsonWriter& json, const StoreStats& stats) {
  json.begin_object().key("location").string(stats.location).key("engine").string(stats.engine);
  json.key("format_version").integer(stats.format_version).key("database_bytes").integer(stats.database_bytes);
  json.key("wal_bytes").integer(stats.wal_bytes).key("index_bytes").integer(stats.index_bytes);
  json.key("kv_entries").integer(stats.kv_entries).key("lock_epoch").integer(static_cast<std::int64_t>(stats.lock_epoch));
  json.key("tables").begin_array();
  for (const StoreTableStats& table : stats.tables)
    json.begin_object()
        .key("name")
        .string(table.name)
        .key("rows")
        .integer(table.rows)
        .key("vectors")
        .integer(table.vectors)
        .end_object();
  json.end_array().key("notes").begin_array();
  for (const std::string& note : stats.notes) json.string(note);
  json.end_array().end_object();
}

std::string backup_line(std::string_view what, const BackupReport& report) {
  return std::string(what) + " " + with_thousands(report.files) + (report.files == 1 ? " file, " : " files, ") +
         human_bytes(report.bytes) + ", taken at " + to_string(report.taken_at);
}

Result<void> backup_done(Session& session, std::string_view what, const BackupReport& report) {
  JsonWriter json;
  json.begin_object().key("files").integer(report.files).key("bytes").integer(report.bytes);
  json.key("taken_at").string(to_string(report.taken_at)).end_object();
  return session.done(backup_line(what, report), std::move(json));
}

/// A URL that the registry has, or a store.
Result<HealthStatus> probe(Session& session, const std::string& url) {
  std::string_view scheme = std::string_view(url).substr(0, url.find(':'));
  if (scheme == "hash" || scheme == "openai") {
    LOAM_TRY(auto embedder, session.registry().open_embedder(url));
    auto started = std::chrono::steady_clock::now();
    std::vector<std::string> probe_text = {"health"};
    auto vectors = embedder->embed(probe_text, session.context());
    HealthStatus status{.adapter = embedder->identity().provider, .port = "embedder"};
    status.latency_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    status.details = {{"model", embedder->identity().model}, {"dimension", std::to_string(embedder->identity().dimension)}};
    if (!vectors.ok()) {
      status.status = Health::unhealthy;
      status.error = vectors.error().to_string();
    }
    return status;
  }
  if (scheme == "lmdb" || url == "memory:") {
    LOAM_TRY(auto kv, session.registry().open_kv(url));
    return kv->health(session.context());
  }
  if (scheme == "sqlite") {
    LOAM_TRY(auto database, session.registry().open_database(url));
    return database->health(session.context());
  }
  LOAM_TRY(auto store, Store::open(url, {.create = false, .read_only = true}));
  return store->health(session.context());
}

}  // namespace

Result<void> run_stats(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(StoreStats stats, store->stats(session.context()));
  if (session.format() == Format::json || session.format() == Format::jsonl) {
    JsonWriter json;
    append_stats(json, stats);
    return session.out().write(json.take() + "\n");
  }
  std::vector<std::pair<std::string, Value>> fields = {
      {"location", Value(stats.location)},     {"engine", Value(stats.engine)},
      {"format", Value(stats.format_version)}, {"database bytes", Value(stats.database_bytes)},
      {"wal bytes", Value(stats.wal_bytes)},   {"index bytes in memory", Value(stats.index_bytes)},
      {"kv entries", Value(stats.kv_entries)}, {"lock epoch", Value(static_cast<std::int64_t>(stats.lock_epoch))}};
  for (const StoreTableStats& table : stats.tables)
    fields.emplace_back("table " + table.name,
                        Value(with_thousands(table.rows) + " rows, " + with_thousands(table.vectors) + " vectors"));
  for (const std::string& note : stats.notes) fields.emplace_back("note", Value(note));
  return session.print_fields(fields);
}

Result<void> run_health(Session& session) {
  LOAM_TRY(HealthStatus status, probe(session, session.arguments().at("URL")));
  if (session.format() == Format::json || session.format() == Format::jsonl) {
    LOAM_TRY(session.out().write(to_json(status) + "\n"));
  } else {
    std::vector<std::pair<std::string, Value>> fields = {{"status", Value(to_string(status.status))},
                                                         {"adapter", Value(status.adapter)},
                                                         {"port", Value(status.port)},
                                                         {"latency_ms", Value(status.latency_ms)}};
    for (const auto& [name, value] : status.details) fields.emplace_back(name, Value(value));
    if (!status.error.empty()) fields.emplace_back("error", Value(status.error));
    LOAM_TRY(session.print_fields(fields));
  }
  if (status.status != Health::unhealthy) return {};
  return Error(ErrorCode::unavailable, "unhealthy: " + status.error);
}

Result<void> run_check(Session& session) {
  // Full-text indexes are checked by the database itself, through a statement that needs a writer.
  LOAM_TRY(auto store, session.open_store(StoreUse::change));
  LOAM_TRY(CheckReport report, store->check(session.context()));
  auto count = static_cast<std::int64_t>(report.problems.size());
  if (session.format() == Format::json) {
    JsonWriter json;
    json.begin_object()
        .key("ok")
        .boolean(report.ok())
        .key("rows_checked")
        .integer(report.rows_checked)
        .key("problems")
        .begin_array();
    for (const std::string& problem : report.problems) json.string(problem);
    json.end_array().end_object();
    LOAM_TRY(session.out().write(json.take() + "\n"));
  } else if (!report.ok() || session.format_is_for_programs()) {
    auto writer = session.rows({"problem"});
    for (const std::string& problem : report.problems) LOAM_TRY(writer->row(std::vector<Value>{Value(problem)}));
    LOAM_TRY(writer->finish());
  }
  if (report.ok()) {
    session.note("checked " + with_thousands(report.rows_checked) + " rows: all is well");
    return {};
  }
  return data_corruption(with_thousands(count) + (count == 1 ? " problem" : " problems") + " in " +
                         with_thousands(report.rows_checked) + " rows, the first: " + report.problems.front())
      .hint("loam restore puts a backup in place");
}

Result<void> run_compact(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::change));
  LOAM_TRY(StoreStats before, store->stats(session.context()));
  LOAM_TRY(store->compact(session.context()));
  LOAM_TRY(StoreStats after, store->stats(session.context()));
  std::int64_t bytes_before = before.database_bytes + before.wal_bytes;
  std::int64_t bytes_after = after.database_bytes + after.wal_bytes;
  JsonWriter json;
  json.begin_object().key("bytes_before").integer(bytes_before).key("bytes_after").integer(bytes_after).end_object();
  return session.done("compacted: " + human_bytes(bytes_before) + " before, " + human_bytes(bytes_after) + " now",
                      std::move(json));
}

Result<void> run_upgrade(Session& session) {
  const Timestamp started = system_clock().now();
  LOAM_TRY(auto store, session.open_store(StoreUse::change));  // opening it to write applies what is missing
  LOAM_TRY(auto applied, applied_migrations(store->database(), session.context()));
  auto writer = session.rows({"component", "version", "name", "applied_at", "new"});
  for (const AppliedMigration& one : applied) {
    std::vector<Value> row = {Value(one.component), Value(one.version), Value(one.name), Value(one.applied_at),
                              Value(one.applied_at >= started)};
    LOAM_TRY(writer->row(row));
  }
  return writer->finish();
}

Result<void> run_backup(Session& session) {
  LOAM_TRY(auto store, session.open_store(StoreUse::change));
  LOAM_TRY(BackupReport report, store->backup(session.arguments().at("DIR"), session.context()));
  return backup_done(session, "backed up:", report);
}

Result<void> run_verify_backup(Session& session) {
  LOAM_TRY(BackupReport report, verify_backup(session.arguments().at("DIR"), session.context()));
  return backup_done(session, "the backup is whole:", report);
}

Result<void> run_restore(Session& session) {
  RestoreOptions options{.replace = session.arguments().flag("--replace")};
  LOAM_TRY(BackupReport report,
           restore_backup(session.arguments().at("DIR"), session.arguments().at("STORE"), options, session.context()));
  return backup_done(session, "restored and verified:", report);
}

}  // namespace loam::cli
