#include "apps/loam/session.hpp"

#include <algorithm>
#include <cstdio>

#include "apps/loam/suggest.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {

Result<std::unique_ptr<Session>> Session::create(const CommandSpec& command, Arguments arguments,
                                                 const Cancellation& cancellation, Sink& out) {
  std::unique_ptr<Session> session(new Session(command, std::move(arguments), cancellation, out));
  LOAM_TRY(session->configure());
  LOAM_TRY(add_builtin(session->registry_));
  return session;
}

Result<void> Session::configure() {
  std::string color = arguments_.text("--color").value_or("auto");
  ColorChoice choice = color == "always"  ? ColorChoice::always
                       : color == "never" ? ColorChoice::never
                                          : ColorChoice::automatic;
  out_terminal_ = Terminal::detect(1, choice);
  error_terminal_ = Terminal::detect(2, choice);
  format_ = out_terminal_.is_terminal ? Format::table : Format::json;
  if (auto name = arguments_.text("--format")) {
    LOAM_TRY(format_, parse_format(*name));
    format_given_ = true;
  }
  quiet_ = arguments_.flag("--quiet");
  std::string progress = arguments_.text("--progress").value_or("auto");
  progress_ = progress == "json"            ? ProgressMode::json
              : progress == "off" || quiet_ ? ProgressMode::off
                                            : ProgressMode::automatic;
  LOAM_TRY(auto deadline_ms, arguments_.duration_ms("--deadline"));
  context_ = Context().cancelled_by(cancellation_);
  if (deadline_ms) context_ = Context().cancelled_by(cancellation_).deadline_in_ms(*deadline_ms);
  return {};
}

Result<std::unique_ptr<Store>> Session::open_store(StoreUse use) const {
  const std::string& location = arguments_.at("STORE");
  if (location.empty()) return invalid_argument("STORE is empty: give a directory or a URL");
  StoreOptions options{.create = use == StoreUse::create, .read_only = use == StoreUse::read};
  LOAM_TRY(auto deadline_ms, arguments_.duration_ms("--deadline"));
  if (deadline_ms) options.write_timeout_ms = *deadline_ms;
  return Store::open(location, options);
}

Result<TableSchema> Session::schema_of(Store& store, std::string_view table) const {
  LOAM_TRY(std::vector<TableSchema> schemas, store.tables().list(context_));
  std::vector<std::string_view> names;
  for (TableSchema& schema : schemas) {
    if (schema.name == table) return std::move(schema);
    names.push_back(schema.name);
  }
  std::string listed;
  for (std::string_view name : names) listed += (listed.empty() ? "" : ", ") + std::string(name);
  Error error = not_found("no table \"" + std::string(table) + "\"; " +
                          (listed.empty() ? "the store has none" : "there are: " + listed));
  std::string close = nearest(table, names);
  return close.empty() ? std::move(error) : std::move(error).hint("did you mean " + close + "?");
}

Result<std::shared_ptr<Embedder>> Session::embedder_of(const TableSchema& schema) const {
  if (!schema.embedding) return std::shared_ptr<Embedder>();
  return registry_.open_embedder(schema.embedding->embedder_spec);
}

Result<std::unique_ptr<Table>> Session::open_table(Store& store) const {
  LOAM_TRY(TableSchema schema, schema_of(store, arguments_.at("TABLE")));
  LOAM_TRY(std::shared_ptr<Embedder> embedder, embedder_of(schema));
  return store.tables().open(schema.name, std::move(embedder), context_);
}

void Session::note(std::string_view line) const {
  if (quiet_) return;
  std::string text = escape_control(line, KeepLines::yes) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

Result<void> Session::done(std::string_view line, JsonWriter object) {
  note(line);
  if (!format_is_for_programs()) return {};
  return out_.write(object.take() + "\n");
}

Result<void> Session::print_fields(const std::vector<std::pair<std::string, Value>>& fields) {
  if (format_ == Format::json || format_ == Format::jsonl) {
    JsonWriter json;
    json.begin_object();
    for (const auto& [name, value] : fields) json.key(name).value(value);
    json.end_object();
    return out_.write(json.take() + "\n");
  }
  if (format_ == Format::csv) {
    std::vector<std::string> columns;
    std::vector<Value> values;
    for (const auto& [name, value] : fields) {
      columns.push_back(name);
      values.push_back(value);
    }
    auto writer = rows(columns);
    LOAM_TRY(writer->row(values));
    return writer->finish();
  }
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, display_width(name));
  for (const auto& [name, value] : fields) {
    std::string label = name + std::string(width - display_width(name), ' ');
    std::string shown =
        value.kind() == ValueKind::int64 ? with_thousands(value.as<std::int64_t>()) : escape_control(value.to_display());
    LOAM_TRY(out_.write(out_terminal_.styled("2", label) + "  " + shown + "\n"));
  }
  return {};
}

}  // namespace loam::cli
