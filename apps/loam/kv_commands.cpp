#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "apps/loam/fit.hpp"
#include "apps/loam/handlers.hpp"
#include "apps/loam/input.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"
#include "loam/core/limits.hpp"
#include "loam/core/utf8.hpp"

namespace loam::cli {
namespace {

constexpr std::size_t page_entries = 1'000;

std::string to_hex(std::string_view bytes) { return Value(Bytes{std::string(bytes)}).to_display(); }

/// A key or value of the command line: text as it is, or hexadecimal with --hex.
Result<std::string> bytes_of(const Session& session, std::string_view argument) {
  const std::string& text = session.arguments().at(argument);
  if (!session.arguments().flag("--hex")) return text;
  auto value = fit_field(Value(text), ColumnSpec{.name = std::string(argument), .type = ValueKind::bytes}, TextIs::untyped);
  if (!value.ok()) return invalid_argument(std::string(argument) + " with --hex: " + value.error().message());
  return value->as<Bytes>().data;
}

/// For messages: what may be shown of a key.
std::string shown(std::string_view bytes) {
  return is_utf8(bytes) ? "\"" + truncate_to_width(escape_control(bytes), 60) + "\""
                        : "\\x" + truncate_to_width(to_hex(bytes), 60);
}

Result<KvSetOptions> set_options(const Session& session) {
  KvSetOptions options;
  LOAM_TRY(options.ttl_ms, session.arguments().duration_ms("--ttl"));
  return options;
}

struct OpenNamespace {
  std::unique_ptr<Store> store;
  std::unique_ptr<KeyValue> kv;
};
Result<OpenNamespace> open_namespace(const Session& session, StoreUse use) {
  OpenNamespace open;
  LOAM_TRY(open.store, session.open_store(use));
  LOAM_TRY(open.kv, open.store->kv(session.arguments().at("NAMESPACE")));
  return open;
}

Error no_such_key(const Session& session, std::string_view key) {
  return not_found("no key " + shown(key) + " in the namespace \"" + session.arguments().at("NAMESPACE") + "\"");
}

/// "key" and text, or "key_hex" and hexadecimal: what JSON can say.
void append_bytes(JsonWriter& json, const std::string& name, std::string_view bytes, bool hex) {
  if (hex || !is_utf8(bytes))
    json.key(name + "_hex").string(to_hex(bytes));
  else
    json.key(name).string(bytes);
}

/// The same for cells.
Value cell(std::string_view bytes, bool hex) {
  if (hex) return Value(to_hex(bytes));
  return is_utf8(bytes) ? Value(bytes) : Value("\\x" + to_hex(bytes));
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
  int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return Error(errno == EACCES ? ErrorCode::permission_denied : ErrorCode::not_found,
                 "cannot write \"" + path + "\": " + std::strerror(errno));
  Sink sink(descriptor, path);
  Result<void> written = sink.write(bytes);
  if (written.ok()) written = sink.flush();
  ::close(descriptor);
  return written;
}

Result<std::string> value_to_set(Session& session) {
  std::optional<std::string> file = session.arguments().text("--file");
  if (file.has_value() == session.arguments().has("VALUE"))
    return invalid_argument(file ? "VALUE and --file exclude each other" : "loam kv set needs VALUE or --file F");
  if (!file) return bytes_of(session, "VALUE");
  LOAM_TRY(auto input, Input::open(*file, session.context()));
  return read_all(*input, limits::value_bytes_max);
}

Result<void> print_object_of_entry(Session& session, const KvEntry& entry, bool keys_only, bool hex) {
  JsonWriter json;
  json.begin_object();
  append_bytes(json, "key", entry.key, hex);
  if (!keys_only) append_bytes(json, "value", entry.value, hex);
  json.key("expires_at").value(entry.expires_at ? Value(*entry.expires_at) : Value());
  json.end_object();
  return session.out().write(json.take());
}

/// Entries of a list in the session's format.
class EntryWriter {
 public:
  EntryWriter(Session& session, bool keys_only, bool hex) : session_(session), keys_only_(keys_only), hex_(hex) {
    if (!is_json())
      rows_ = session.rows(keys_only ? std::vector<std::string>{"key", "expires_at"}
                                     : std::vector<std::string>{"key", "value", "expires_at"});
  }
  Result<void> entry(const KvEntry& entry) {
    if (!is_json()) {
      std::vector<Value> row = {cell(entry.key, hex_)};
      if (!keys_only_) row.push_back(cell(entry.value, hex_));
      row.push_back(entry.expires_at ? Value(*entry.expires_at) : Value());
      return rows_->row(row);
    }
    if (session_.format() == Format::json) LOAM_TRY(session_.out().write(first_ ? "[\n" : ",\n"));
    first_ = false;
    LOAM_TRY(print_object_of_entry(session_, entry, keys_only_, hex_));
    return session_.format() == Format::jsonl ? session_.out().write("\n") : Result<void>();
  }
  Result<void> finish() {
    if (!is_json()) return rows_->finish();
    if (session_.format() == Format::jsonl) return {};
    return session_.out().write(first_ ? "[]\n" : "\n]\n");
  }

 private:
  bool is_json() const { return session_.format() == Format::json || session_.format() == Format::jsonl; }
  Session& session_;
  bool keys_only_;
  bool hex_;
  std::unique_ptr<RowWriter> rows_;
  bool first_ = true;
};

}  // namespace

Result<void> run_kv_get(Session& session) {
  LOAM_TRY(std::string key, bytes_of(session, "KEY"));
  LOAM_TRY(OpenNamespace open, open_namespace(session, StoreUse::read));
  LOAM_TRY(std::optional<std::string> value, open.kv->get(key, session.context()));
  if (!value) return no_such_key(session, key);
  bool hex = session.arguments().flag("--hex");
  if (auto path = session.arguments().text("--file")) return write_file(*path, *value);
  if (session.format_is_for_programs()) {
    if (session.format() == Format::csv)
      return session.print_fields({{"key", cell(key, hex)}, {"value", cell(*value, hex)}});
    JsonWriter json;
    json.begin_object();
    append_bytes(json, "key", key, hex);
    append_bytes(json, "value", *value, hex);
    json.end_object();
    return session.out().write(json.take() + "\n");
  }
  if (hex) return session.out().write(to_hex(*value) + "\n");
  if (session.out_terminal().is_terminal) return session.out().write(escape_control(*value, KeepLines::yes) + "\n");
  return session.out().write(*value);
}

Result<void> run_kv_set(Session& session) {
  LOAM_TRY(std::string key, bytes_of(session, "KEY"));
  LOAM_TRY(KvSetOptions options, set_options(session));
  LOAM_TRY(std::string value, value_to_set(session));
  LOAM_TRY(OpenNamespace open, open_namespace(session, StoreUse::create));
  LOAM_TRY(open.kv->set(key, value, options, session.context()));
  if (!session.format_is_for_programs()) return {};
  JsonWriter json;
  json.begin_object();
  append_bytes(json, "key", key, session.arguments().flag("--hex"));
  json.key("bytes").integer(static_cast<std::int64_t>(value.size())).end_object();
  return session.out().write(json.take() + "\n");
}

Result<void> run_kv_delete(Session& session) {
  LOAM_TRY(std::string key, bytes_of(session, "KEY"));
  LOAM_TRY(OpenNamespace open, open_namespace(session, StoreUse::change));
  LOAM_TRY(bool was_there, open.kv->erase(key, session.context()));
  if (!was_there) return no_such_key(session, key);
  if (!session.format_is_for_programs()) return {};
  return session.print_fields({{"deleted", Value(std::int64_t{1})}});
}

Result<void> run_kv_list(Session& session) {
  const Arguments& arguments = session.arguments();
  std::string prefix;
  if (arguments.has("PREFIX")) {
    LOAM_TRY(prefix, bytes_of(session, "PREFIX"));
  }
  LOAM_TRY(std::int64_t limit, arguments.integer("--limit", INT64_MAX, 0, INT64_MAX));
  bool keys_only = arguments.flag("--keys-only");
  LOAM_TRY(OpenNamespace open, open_namespace(session, StoreUse::read));
  EntryWriter writer(session, keys_only, arguments.flag("--hex"));
  std::string cursor;
  for (std::int64_t listed = 0; listed < limit;) {
    auto page_size = static_cast<std::size_t>(std::min<std::int64_t>(page_entries, limit - listed));
    LOAM_TRY(KvPage page, open.kv->list({.prefix = prefix, .limit = page_size, .cursor = cursor, .keys_only = keys_only},
                                        session.context()));
    for (const KvEntry& entry : page.entries) LOAM_TRY(writer.entry(entry));
    listed += static_cast<std::int64_t>(page.entries.size());
    if (!page.next_cursor) break;
    cursor = *page.next_cursor;
  }
  return writer.finish();
}

Result<void> run_kv_cas(Session& session) {
  const Arguments& arguments = session.arguments();
  bool absent = arguments.flag("--absent");
  bool erase = arguments.flag("--delete");
  if (absent && erase) return invalid_argument("--absent and --delete exclude each other");
  if (arguments.has("NEW") == (absent || erase))
    return invalid_argument(arguments.has("NEW") ? "with --absent or --delete there is one value only"
                                                 : "loam kv cas needs EXPECTED and NEW")
        .hint("loam kv cas --help shows examples");
  LOAM_TRY(std::string key, bytes_of(session, "KEY"));
  LOAM_TRY(std::string first, bytes_of(session, "EXPECTED"));
  std::optional<std::string> expected;
  std::optional<std::string> desired;
  if (absent) {
    desired = first;
  } else {
    expected = first;
  }
  if (arguments.has("NEW")) {
    LOAM_TRY(desired, bytes_of(session, "NEW"));
  }
  LOAM_TRY(KvSetOptions options, set_options(session));
  LOAM_TRY(OpenNamespace open, open_namespace(session, StoreUse::create));
  LOAM_TRY(KvCasResult result, open.kv->compare_and_set(key, expected, desired, options, session.context()));
  if (session.format_is_for_programs()) {
    JsonWriter json;
    json.begin_object().key("applied").boolean(result.applied);
    if (!result.applied) {
      if (result.actual)
        append_bytes(json, "actual", *result.actual, arguments.flag("--hex"));
      else
        json.key("actual").null();
    }
    json.end_object();
    LOAM_TRY(session.out().write(json.take() + "\n"));
  }
  if (result.applied) return {};
  std::string found = result.actual ? "holds another value" : "is not there";
  return Error(ErrorCode::conflict, "not set: the key " + shown(key) + " " + found).hint("read it again with loam kv get");
}

}  // namespace loam::cli
