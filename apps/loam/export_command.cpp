#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/loam/file_format.hpp"
#include "apps/loam/handlers.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"

namespace loam::cli {
namespace {

constexpr std::size_t page_rows = 1'000;

Error file_error(const std::string& what, const std::string& path, int code) {
  ErrorCode kind = code == EACCES || code == EPERM || code == EROFS ? ErrorCode::permission_denied
                   : code == ENOENT || code == ENOTDIR              ? ErrorCode::not_found
                   : code == ENOSPC                                 ? ErrorCode::resource_exhausted
                                                                    : ErrorCode::internal;
  return Error(kind, what + " \"" + path + "\": " + std::strerror(code))
      .native({"errno", std::to_string(code), std::strerror(code)});
}

/// A new file that appears under its name when it is complete, or standard output.
class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path, bool overwrite) {
    std::unique_ptr<OutputFile> file(new OutputFile);
    if (path == "-") {
      file->descriptor_ = STDOUT_FILENO;
      return file;
    }
    struct stat status{};
    bool exists = ::stat(path.c_str(), &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) return invalid_argument("\"" + path + "\" is a directory, not a file");
    if (exists && S_ISREG(status.st_mode) && !overwrite)
      return Error(ErrorCode::already_exists, "the file \"" + path + "\" is there already").hint("--overwrite replaces it");
    // A pipe or device is written in place: there is nothing to complete.
    bool in_place = exists && !S_ISREG(status.st_mode);
    file->path_ = path;
    if (!in_place) file->draft_ = path + ".partial-" + std::to_string(::getpid());
    const std::string& target = in_place ? path : file->draft_;
    int flags = in_place ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    file->descriptor_ = ::open(target.c_str(), flags, 0666);
    if (file->descriptor_ < 0) return file_error("cannot create", target, errno);
    return file;
  }

  ~OutputFile() {
    if (descriptor_ != STDOUT_FILENO && descriptor_ >= 0) ::close(descriptor_);
    if (!draft_.empty()) ::unlink(draft_.c_str());
  }

  int descriptor() const noexcept { return descriptor_; }

  Result<void> publish() {
    if (draft_.empty()) return {};
    if (::fsync(descriptor_) != 0) return file_error("cannot write", draft_, errno);
    if (::rename(draft_.c_str(), path_.c_str()) != 0) return file_error("cannot create", path_, errno);
    draft_.clear();
    return {};
  }

 private:
  OutputFile() = default;
  int descriptor_ = -1;
  std::string path_;
  std::string draft_;
};

/// Lines of a file that import reads back.
class FileRows {
 public:
  FileRows(FileFormat format, std::vector<std::string> columns, Sink& sink)
      : format_(format), columns_(std::move(columns)), sink_(sink) {}

  Result<void> header() {
    if (format_.kind != FileKind::csv) return {};
    std::vector<Value> names(columns_.begin(), columns_.end());
    return csv_line(names);
  }
  Result<void> row(const std::vector<Value>& values) {
    return format_.kind == FileKind::csv ? csv_line(values) : json_line(values);
  }

 private:
  Result<void> csv_line(const std::vector<Value>& values) {
    std::string line;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) line += format_.delimiter;
      append_csv_field(line, values[i], format_.delimiter);
    }
    return sink_.write(line + "\n");
  }
  Result<void> json_line(const std::vector<Value>& values) {
    JsonWriter json;
    json.begin_object();
    for (std::size_t i = 0; i < columns_.size(); ++i) json.key(columns_[i]).value(values[i]);
    json.end_object();
    return sink_.write(json.take() + "\n");
  }

  FileFormat format_;
  std::vector<std::string> columns_;
  Sink& sink_;
};

Result<std::vector<std::string>> columns_of(Session& session, const TableSchema& schema) {
  LOAM_TRY(std::vector<std::string> columns, session.arguments().list("--select"));
  if (!columns.empty()) return columns;
  for (const ColumnSpec& column : schema.columns)
    if (column.type != ValueKind::vector || session.arguments().flag("--vectors")) columns.push_back(column.name);
  return columns;
}

}  // namespace

Result<void> run_export(Session& session) {
  const Arguments& arguments = session.arguments();
  const std::string& path = arguments.at("FILE");
  LOAM_TRY(FileFormat format, file_format(path, arguments.text("--output-format")));
  LOAM_TRY(std::int64_t limit, arguments.integer("--limit", INT64_MAX, 0, INT64_MAX));
  LOAM_TRY(auto store, session.open_store(StoreUse::read));
  LOAM_TRY(TableSchema schema, session.schema_of(*store, arguments.at("TABLE")));
  LOAM_TRY(auto table, store->tables().open(schema.name, nullptr, session.context()));
  LOAM_TRY(std::vector<std::string> columns, columns_of(session, schema));
  std::string where = arguments.text("--where").value_or("");
  LOAM_TRY(std::int64_t total, table->count(where, session.context()));
  total = std::min(total, limit);

  LOAM_TRY(auto file, OutputFile::create(path, arguments.flag("--overwrite")));
  Sink file_sink(file->descriptor(), path);
  Sink& sink = path == "-" ? session.out() : file_sink;  // the session knows when the reader of standard output goes away
  FileRows rows(format, columns, sink);
  LOAM_TRY(rows.header());
  Progress progress(session.progress("exporting", "rows"));
  ScanOptions scan{.where = where, .select = columns, .limit = page_rows};
  std::int64_t written = 0;
  for (bool more = written < limit; more;) {
    scan.limit = static_cast<std::size_t>(std::min<std::int64_t>(page_rows, limit - written));
    LOAM_TRY(ScanPage page, table->scan(scan, session.context()));
    for (const auto& row : page.rows.rows) LOAM_TRY(rows.row(row));
    written += static_cast<std::int64_t>(page.rows.rows.size());
    progress.update(written,
                    total > 0 ? std::optional(static_cast<double>(written) / static_cast<double>(total)) : std::nullopt);
    more = page.next_cursor.has_value() && written < limit;
    if (more) scan.cursor = *page.next_cursor;
  }
  LOAM_TRY(sink.flush());
  LOAM_TRY(file->publish());
  progress.finish();
  if (path == "-") return {};
  JsonWriter json;
  json.begin_object().key("rows").integer(written).key("file").string(path).end_object();
  return session.done("exported " + with_thousands(written) + (written == 1 ? " row to " : " rows to ") + path,
                      std::move(json));
}

}  // namespace loam::cli
