#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loam/adapters/sqlite/sqlite_database.hpp"
#include "loam/adapters/sqlite/translate.hpp"

namespace loam::sqlite {
namespace {

constexpr int pages_per_backup_step = 256;  ///< 1 MiB between two looks at the context

Result<SqliteDatabase*> as_sqlite(Database& db) {
  auto* own = dynamic_cast<SqliteDatabase*>(&db);
  if (own == nullptr) return invalid_argument("the database was not opened with open_sqlite()");
  return own;
}

Result<void> create_target(const std::string& path) {
  if (path.find('\0') != std::string::npos) return invalid_argument("the path of the copy holds a NUL");
  int descriptor = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor >= 0) {
    ::fchmod(descriptor, 0600);
    ::close(descriptor);
    return {};
  }
  int number = errno;
  ErrorCode code = number == EEXIST                      ? ErrorCode::already_exists
                   : number == ENOENT                    ? ErrorCode::not_found
                   : number == EACCES || number == EPERM ? ErrorCode::permission_denied
                   : number == ENOSPC                    ? ErrorCode::resource_exhausted
                                                         : ErrorCode::unavailable;
  return Error(code, "creating the copy \"" + path + "\": " + std::strerror(number))
      .native({"errno", std::to_string(number), std::strerror(number)});
}

/// The name of a new file survives a power cut only once its directory is synced.
Result<void> sync_directory_of(const std::string& path) {
  auto slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = descriptor < 0 ? -1 : ::fsync(descriptor);
  int number = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (rc != 0) return Error(ErrorCode::unavailable, "syncing the directory of \"" + path + "\": " + std::strerror(number));
  return {};
}

/// A plain connection to the new file: no WAL, no journal, since a copy that was cut short is thrown away.
class CopyTarget {
 public:
  static Result<CopyTarget> open(const std::string& path) {
    CopyTarget target;
    std::string name = path.front() == '/' ? path : "./" + path;  // never a URI
    int rc = sqlite3_open_v2(name.c_str(), &target.db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             nullptr);
    if (rc == SQLITE_OK)
      rc = sqlite3_exec(target.db_, "PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL", nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) return translate(target.db_, rc);
    return target;
  }
  CopyTarget(CopyTarget&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  ~CopyTarget() { sqlite3_close_v2(db_); }

  Result<void> fill_from(Connection& source, const Context& context) {
    sqlite3_backup* backup = sqlite3_backup_init(db_, "main", source.handle(), "main");
    if (backup == nullptr) return translate(db_, sqlite3_extended_errcode(db_));
    Result<void> wanted;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK) {
      wanted = context.check("copy");
      if (!wanted.ok()) break;
      rc = sqlite3_backup_step(backup, pages_per_backup_step);
    }
    int finished = sqlite3_backup_finish(backup);
    if (!wanted.ok()) return wanted;
    if (rc != SQLITE_DONE) return translate(db_, rc);
    if (finished != SQLITE_OK) return translate(db_, finished);
    return {};
  }

 private:
  CopyTarget() = default;
  sqlite3* db_ = nullptr;
};

Result<void> copy_snapshot(SqliteDatabase& db, const std::string& path, const Context& context) {
  LOAM_TRY(auto source, db.open_reader());
  // An open read transaction keeps the snapshot between the steps: without it each commit would start the copy over.
  if (int rc = source->control("BEGIN"); rc != SQLITE_OK) return source->failure(rc, "copy");
  LOAM_TRY(source->control_value("SELECT count(*) FROM sqlite_schema"));
  LOAM_TRY(auto target, CopyTarget::open(path));
  return target.fill_from(*source, context);
}

Result<void> collect_lines(SqlSession& session, std::string_view sql, const Context& context,
                           std::vector<std::string>& lines) {
  LOAM_TRY(auto rows, session.query(sql, {}, context));
  for (const auto& row : rows.rows) {
    std::string line;
    for (const Value& value : row) line += (line.empty() ? "" : " ") + value.to_display();
    if (line != "ok") lines.push_back(std::move(line));
  }
  return {};
}

Result<void> collect_foreign_keys(SqlSession& session, const Context& context, std::vector<std::string>& lines) {
  LOAM_TRY(auto rows, session.query("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check", {}, context));
  for (const auto& row : rows.rows)
    lines.push_back("table " + row[0].to_display() + " row " + row[1].to_display() + " refers to a missing row of " +
                    row[2].to_display());
  return {};
}

Result<std::vector<std::string>> full_text_tables(SqlSession& session, const Context& context) {
  LOAM_TRY(auto rows,
           session.query("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%' "
                         "ORDER BY name",
                         {}, context));
  std::vector<std::string> names;
  for (const auto& row : rows.rows) {
    std::string words;
    for (char c : row[1].as<std::string>())
      if (std::isspace(static_cast<unsigned char>(c)) == 0)
        words += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (words.find("usingfts5(") != std::string::npos) names.push_back(row[0].as<std::string>());
  }
  return names;
}

/// FTS5 checks itself by an INSERT, so each table takes its turn as a writer, and nothing is kept.
Result<void> collect_full_text(SqliteDatabase& db, const Context& context, std::vector<std::string>& lines) {
  LOAM_TRY(auto names, full_text_tables(db, context));
  for (const std::string& name : names) {
    std::string quoted = sqlite_dialect().quote_identifier(name);
    LOAM_TRY(auto transaction, db.begin({}, context));
    // rank 1: compare with the content table too.
    auto checked =
        transaction->execute("INSERT INTO " + quoted + '(' + quoted + ", rank) VALUES ('integrity-check', 1)", {}, context);
    if (checked.ok()) continue;
    if (checked.error().code() != ErrorCode::data_corruption) return std::move(checked).error();
    lines.push_back("full-text index " + name + " does not agree with its table: " + checked.error().message());
  }
  return {};
}

Result<void> vacuum(Connection& writer, const Context& context) {
  // VACUUM attaches a temporary database to itself.
  sqlite3_limit(writer.handle(), SQLITE_LIMIT_ATTACHED, 1);
  Connection::Watch watch(writer, context);
  int rc = writer.control("VACUUM");
  sqlite3_limit(writer.handle(), SQLITE_LIMIT_ATTACHED, 0);
  if (rc != SQLITE_OK) return writer.failure(rc, "compact");
  return {};
}

}  // namespace

Result<void> copy_to(Database& db, const std::string& path, const Context& context) {
  LOAM_TRY(auto* own, as_sqlite(db));
  LOAM_TRY(context.check("copy"));
  if (path.empty()) return invalid_argument("the path of the copy is empty");
  LOAM_TRY(create_target(path));
  Result<void> copied = copy_snapshot(*own, path, context);
  if (copied.ok()) copied = sync_directory_of(path);
  if (!copied.ok()) ::unlink(path.c_str());  // ours: create_target() made it
  return copied;
}

Result<std::vector<std::string>> integrity_problems(Database& db, const Context& context) {
  LOAM_TRY(auto* own, as_sqlite(db));
  std::vector<std::string> lines;
  {
    LOAM_TRY(auto snapshot, own->begin({.access = Access::read_only}, context));
    LOAM_TRY(collect_lines(*snapshot, "PRAGMA integrity_check(1000)", context, lines));
    LOAM_TRY(collect_foreign_keys(*snapshot, context, lines));
  }
  if (!own->read_only()) {
    LOAM_TRY(collect_full_text(*own, context, lines));
  }
  return lines;
}

Result<void> compact(Database& db, const Context& context) {
  LOAM_TRY(auto* own, as_sqlite(db));
  LOAM_TRY(auto seat, own->take_writer(context));
  LOAM_TRY(vacuum(own->writer(), context));
  return own->checkpoint_now();
}

Result<void> checkpoint(Database& db, const Context& context) {
  LOAM_TRY(auto* own, as_sqlite(db));
  LOAM_TRY(auto seat, own->take_writer(context));
  return own->checkpoint_now();
}

}  // namespace loam::sqlite
