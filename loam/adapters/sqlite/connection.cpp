#include "loam/adapters/sqlite/connection.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

#include "loam/adapters/sqlite/cursor.hpp"
#include "loam/adapters/sqlite/functions.hpp"
#include "loam/adapters/sqlite/sqlite.hpp"
#include "loam/adapters/sqlite/translate.hpp"
#include "loam/core/limits.hpp"

namespace loam::sqlite {
namespace {

constexpr std::size_t cached_statements_max = 128;
constexpr std::size_t control_statements_max = 64;
constexpr int instructions_between_checks = 1'000;  ///< of the virtual machine: some tens of microseconds
constexpr std::int64_t wal_bytes_kept = 64 << 20;   ///< a WAL that once grew beyond is cut when it starts over

/// file:/path?immutable=1, for a path of any bytes.
std::string immutable_uri(std::string_view path) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string uri = "file:";
  for (unsigned char c : path) {
    if (std::isalnum(c) != 0 || std::strchr("/-_.", c) != nullptr) {
      uri += static_cast<char>(c);
    } else {
      uri += {'%', digits[c >> 4], digits[c & 15]};
    }
  }
  return uri + "?immutable=1";
}

/// FTS5 of 3.40 is not marked innocuous: with an untrusted schema, the triggers that keep a full-text index in step are
/// refused. What the setting guards against is then left to the authorizer, which refuses functions that load code wherever
/// they stand. Asked of the library itself, once for each process.
bool schema_must_be_trusted() {
  static const bool answer = [] {
    sqlite3* db = nullptr;
    int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    if (rc == SQLITE_OK)
      rc = sqlite3_exec(
          db,
          "PRAGMA trusted_schema=OFF; CREATE TABLE t (a); CREATE VIRTUAL TABLE f USING fts5(a);"
          "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO f VALUES (new.a); END; INSERT INTO t VALUES ('x')",
          nullptr, nullptr, nullptr);
    sqlite3_close(db);
    return rc != SQLITE_OK;
  }();
  return answer;
}

}  // namespace

StatementLoan& StatementLoan::operator=(StatementLoan&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  connection_ = other.connection_;
  statement_ = std::exchange(other.statement_, nullptr);
  own_ = std::move(other.own_);
  return *this;
}

void StatementLoan::give_back() {
  if (statement_ == nullptr) return;
  if (connection_->inherited()) {
    statement_ = nullptr;
    leave_to_parent(own_);
    return;
  }
  statement_->reset();
  statement_->in_use = false;
  statement_ = nullptr;
  own_.reset();
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionSettings& settings, Role role) {
  std::unique_ptr<Connection> connection(new Connection);
  connection->path_ = settings.path;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= settings.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (settings.create && role == Role::writer) flags |= SQLITE_OPEN_CREATE;
  std::string name = settings.path;
  if (settings.immutable) {
    flags |= SQLITE_OPEN_URI;
    name = immutable_uri(settings.path);
  }
  int rc = sqlite3_open_v2(name.c_str(), &connection->db_, flags, settings.vfs.empty() ? nullptr : settings.vfs.c_str());
  if (connection->db_ == nullptr) return Error(ErrorCode::resource_exhausted, "no memory for a connection");
  if (rc != SQLITE_OK) return connection->failure(rc, "open");
  LOAM_TRY(connection->configure(settings, role));
  return connection;
}

Connection::~Connection() {
  if (inherited()) {
    leave_to_parent(cache_);
    return;
  }
  forget_controls();
  cached_.clear();
  cache_.clear();
  sqlite3_close_v2(db_);
}

Result<void> Connection::configure(const ConnectionSettings& settings, Role role) {
  busy_timeout_ms_ = settings.busy_timeout_ms;
  sqlite3_busy_handler(db_, &Connection::on_busy, this);
  authorizer_.install(db_);

  struct Switch {
    int option;
    int on;
  };
  for (Switch s : {Switch{SQLITE_DBCONFIG_DEFENSIVE, 1},
                   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, schema_must_be_trusted() ? 1 : 0},
                   {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
                   {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                   {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
                   {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
                   {SQLITE_DBCONFIG_DQS_DML, 0},
                   {SQLITE_DBCONFIG_DQS_DDL, 0}}) {
    int now = -1;
    if (int rc = sqlite3_db_config(db_, s.option, s.on, &now); rc != SQLITE_OK || now != s.on)
      return internal_error("SQLite refused database setting " + std::to_string(s.option));
  }
  // A reader that closes last must not checkpoint: that is the writer's, under the gate.
  if (role == Role::reader) sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);

  sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, static_cast<int>(4 * limits::value_bytes_max));  // a row of several columns
  sqlite3_limit(db_, SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(limits::sql_bytes_max));
  sqlite3_limit(db_, SQLITE_LIMIT_VARIABLE_NUMBER, static_cast<int>(sqlite_dialect().limits().parameters_max));
  sqlite3_limit(db_, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db_, SQLITE_LIMIT_TRIGGER_DEPTH, 32);
  sqlite3_limit(db_, SQLITE_LIMIT_WORKER_THREADS, 0);

  LOAM_TRY(install_sql_functions(db_));
  return configure_file(settings, role);
}

Result<void> Connection::configure_file(const ConnectionSettings& settings, Role role) {
  // The first read of the file: whatever is wrong with it shows before anything is written.
  LOAM_TRY(control_value("PRAGMA schema_version"));
  LOAM_TRY(set_pragma("cell_size_check", "ON", "1"));
  LOAM_TRY(set_pragma("mmap_size", "0", "0"));
  LOAM_TRY(set_pragma("cache_size", std::to_string(-settings.cache_kib), std::to_string(-settings.cache_kib)));
  // REPLACE then fires the delete triggers that full text and the change log hang on.
  LOAM_TRY(set_pragma("recursive_triggers", "ON", "1"));

  if (role == Role::writer && !settings.read_only) {
    LOAM_TRY(journal_mode_, control_value("PRAGMA journal_mode=WAL"));
    if (journal_mode_ != "wal")
      return failed_precondition("\"" + path_ + "\" stays in journal mode " + journal_mode_ + " and does not take WAL")
          .hint("another program has the file open, or the file system has no shared memory");
    LOAM_TRY(set_pragma("journal_size_limit", std::to_string(wal_bytes_kept), std::to_string(wal_bytes_kept)));
    sqlite3_wal_hook(db_, &Connection::on_commit_to_wal, this);  // takes the place of the automatic checkpoint
  } else {
    LOAM_TRY(journal_mode_, control_value("PRAGMA journal_mode"));
    sqlite3_wal_autocheckpoint(db_, 0);
    LOAM_TRY(set_pragma("query_only", "ON", "1"));
  }
  // Only now: the level belongs to the journal mode, and set before WAL or inside a transaction it is silently another.
  const char* level = settings.durability == Durability::full ? "2" : "1";
  return set_pragma("synchronous", level, level);
}

Result<void> Connection::set_pragma(const std::string& name, const std::string& value, const std::string& read_back) {
  LOAM_TRY(control_value("PRAGMA " + name + "=" + value));
  LOAM_TRY(auto now, control_value("PRAGMA " + name));
  if (now != read_back && !now.empty())
    return internal_error("PRAGMA " + name + " of \"" + path_ + "\" is " + now + " after it was set to " + value);
  return {};
}

Result<StatementLoan> Connection::prepare(std::string_view sql, Parameters parameters) {
  Statement* statement = nullptr;
  std::unique_ptr<Statement> own;
  if (auto found = cached_.find(sql); found != cached_.end()) {
    if (found->second != cache_.begin()) cache_.splice(cache_.begin(), cache_, found->second);
    statement = cache_.front().get();
  } else {
    LOAM_TRY(statement, compile_into_cache(sql));
  }
  if (statement->in_use) {
    LOAM_TRY(own, compile(sql, 0));
    statement = own.get();
  }
  statement->in_use = true;
  StatementLoan loan(this, statement, std::move(own));
  LOAM_TRY(statement->bind(parameters));
  return loan;
}

Result<Statement*> Connection::compile_into_cache(std::string_view sql) {
  LOAM_TRY(auto compiled, compile(sql, SQLITE_PREPARE_PERSISTENT));
  make_room();
  cache_.push_front(std::move(compiled));
  cached_.emplace(cache_.front()->sql(), cache_.begin());
  return cache_.front().get();
}

void Connection::make_room() {
  auto candidate = cache_.end();
  while (cache_.size() >= cached_statements_max && candidate != cache_.begin()) {
    --candidate;
    if ((*candidate)->in_use) continue;
    cached_.erase((*candidate)->sql());
    candidate = cache_.erase(candidate);
  }
}

Result<std::unique_ptr<Statement>> Connection::compile(std::string_view sql, unsigned flags) {
  if (sql.size() > limits::sql_bytes_max)
    return invalid_argument("the SQL text has " + std::to_string(sql.size()) + " bytes; at most " +
                            std::to_string(limits::sql_bytes_max) + " are allowed");
  if (sql.find('\0') != std::string_view::npos) return invalid_argument("the SQL text contains a NUL byte");
  sqlite3_stmt* handle = nullptr;
  const char* tail = nullptr;
  int rc = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), flags, &handle, &tail);
  if (rc != SQLITE_OK) {
    std::string reason = authorizer_.take_reason();
    if (!reason.empty()) return invalid_argument(std::move(reason)).native({"sqlite", code_name(rc), sqlite3_errmsg(db_)});
    return failure(rc, "prepare");
  }
  if (handle == nullptr) return invalid_argument("the SQL text holds no statement");
  auto statement = std::make_unique<Statement>(handle, sql);
  if (has_more_statements(tail, sql.data() + sql.size()))
    return invalid_argument("the SQL text holds more than one statement: the second begins at character " +
                            std::to_string(tail - sql.data() + 1))
        .hint("run the statements one by one");
  for (int i = 1; i <= sqlite3_bind_parameter_count(handle); ++i)
    if (const char* name = sqlite3_bind_parameter_name(handle, i); name != nullptr)
      return invalid_argument("the parameter " + std::string(name) + " has a name or number; parameters are ? in order");
  return statement;
}

bool Connection::has_more_statements(const char* tail, const char* end) {
  while (tail < end) {
    sqlite3_stmt* handle = nullptr;
    const char* next = nullptr;
    int rc = sqlite3_prepare_v3(db_, tail, static_cast<int>(end - tail), 0, &handle, &next);
    sqlite3_finalize(handle);
    authorizer_.take_reason();
    // What does not compile is not blank either: only blanks and comments give neither an error nor a statement.
    if (rc != SQLITE_OK || handle != nullptr) return true;
    if (next <= tail) return false;
    tail = next;
  }
  return false;
}

int Connection::control(std::string_view sql) {
  Authorizer::Allow allow(authorizer_);
  auto found = controls_.find(sql);
  if (found == controls_.end()) {
    sqlite3_stmt* handle = nullptr;
    int rc = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    if (rc != SQLITE_OK) return rc;
    if (controls_.size() >= control_statements_max) forget_controls();
    found = controls_.emplace(sql, handle).first;
  }
  int rc = SQLITE_ROW;
  while (rc == SQLITE_ROW) rc = sqlite3_step(found->second);
  int result = sqlite3_reset(found->second);
  return rc == SQLITE_DONE ? SQLITE_OK : result;
}

void Connection::forget_controls() {
  for (auto& [sql, handle] : controls_) sqlite3_finalize(handle);
  controls_.clear();
}

Result<std::string> Connection::control_value(const std::string& sql) {
  Authorizer::Allow allow(authorizer_);
  sqlite3_stmt* handle = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql.c_str(), -1, &handle, nullptr);
  if (rc != SQLITE_OK) return failure(rc, sql);
  std::string value;
  rc = sqlite3_step(handle);
  if (rc == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle, 0));
    if (text != nullptr) value = text;
    while (rc == SQLITE_ROW) rc = sqlite3_step(handle);
  }
  if (rc != SQLITE_DONE) {
    Error error = failure(rc, sql);
    sqlite3_finalize(handle);
    return error;
  }
  sqlite3_finalize(handle);
  return value;
}

Error Connection::failure(int rc, std::string_view operation) {
  if ((rc & 0xff) == SQLITE_INTERRUPT && context_ != nullptr) {
    Result<void> why = context_->check(operation);
    if (!why.ok()) return std::move(why).error().frame({std::string(operation), "sqlite", path_});
  }
  return translate(db_, rc).frame({std::string(operation), "sqlite", path_});
}

void Connection::watch(const Context* context) {
  context_ = context;
  sqlite3_progress_handler(db_, context != nullptr ? instructions_between_checks : 0, &Connection::on_progress, this);
}

int Connection::on_progress(void* self) {
  const Context* context = static_cast<Connection*>(self)->context_;
  if (context == nullptr) return 0;
  if (context->cancelled()) return 1;
  return context->deadline() && std::chrono::steady_clock::now() >= *context->deadline() ? 1 : 0;
}

int Connection::on_busy(void* self, int attempts) {
  auto& connection = *static_cast<Connection*>(self);
  auto now = std::chrono::steady_clock::now();
  if (attempts == 0) connection.busy_since_ = now;
  if (now - connection.busy_since_ >= std::chrono::milliseconds(connection.busy_timeout_ms_) || on_progress(self) != 0)
    return 0;
  // SQLite has no queue for its file locks: only asking again helps. Short waits first, since most locks are.
  std::this_thread::sleep_for(std::chrono::microseconds(std::min(100 << std::min(attempts, 7), 10'000)));
  return 1;
}

int Connection::on_commit_to_wal(void* self, sqlite3*, const char*, int frames) {
  static_cast<Connection*>(self)->wal_frames = frames;
  return SQLITE_OK;
}

void Connection::add_cursor(SqliteCursor* cursor) {
  cursor->next_open = cursors_;
  cursor->previous_open = nullptr;
  if (cursors_ != nullptr) cursors_->previous_open = cursor;
  cursors_ = cursor;
}

void Connection::remove_cursor(SqliteCursor* cursor) {
  if (cursor->previous_open != nullptr) cursor->previous_open->next_open = cursor->next_open;
  if (cursor->next_open != nullptr) cursor->next_open->previous_open = cursor->previous_open;
  if (cursors_ == cursor) cursors_ = cursor->next_open;
}

void Connection::end_cursors() {
  while (cursors_ != nullptr) cursors_->cut_off();
}

}  // namespace loam::sqlite
