#include "loam/adapters/sqlite/sqlite_database.hpp"

#include <sys/stat.h>

#include <chrono>

#include "loam/adapters/sqlite/translate.hpp"
#include "loam/core/kill_point.hpp"

namespace loam::sqlite {
namespace {

constexpr std::int64_t idle_ms_without_ping = 1'000;  ///< a local file does not hang up: only look after a pause
constexpr std::int64_t wal_overlong_factor = 8;
constexpr std::int64_t wal_overlong_wait_ms = 50;
constexpr std::int64_t close_gate_timeout_ms = 100;

std::int64_t file_bytes(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::int64_t>(status.st_size) : 0;
}

bool answers(Connection& connection, std::int64_t idle_ms) {
  return idle_ms < idle_ms_without_ping || connection.control("PRAGMA schema_version") == SQLITE_OK;
}

}  // namespace

SqliteDatabase::SqliteDatabase(SqliteOptions options, ConnectionSettings settings, std::unique_ptr<Connection> writer,
                               std::unique_ptr<MemoryFiles> memory)
    : options_(std::move(options)), settings_(std::move(settings)), memory_(std::move(memory)), writer_(std::move(writer)) {
  readers_ = std::make_unique<ReaderPool>(options_.readers,
                                          ReaderPool::Hooks{.open = [this](const Context&) { return open_reader(); },
                                                            .ping = answers,
                                                            .name = "the readers of \"" + settings_.path + '"'});
}

SqliteDatabase::~SqliteDatabase() {
  if (fork_guard_.inherited()) {
    leave_to_parent(readers_);
    leave_to_parent(writer_);
    leave_to_parent(memory_);
    return;
  }
  readers_.reset();
  if (writer_ == nullptr) return;
  // The last one to close moves the WAL into the file and removes it. That is a checkpoint, so it needs the gate; whoever
  // holds the gate now has the file open and will be the last one instead.
  Result<WriterSeat> seat = problem().empty() ? take_writer(Context().deadline_in_ms(close_gate_timeout_ms))
                                              : Error(ErrorCode::unavailable, "closed after a failure");
  if (!seat.ok()) sqlite3_db_config(writer_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  writer_.reset();
}

Result<void> SqliteDatabase::writable() const {
  if (fork_guard_.inherited()) return ForkGuard::error();
  if (options_.read_only) return failed_precondition("\"" + settings_.path + "\" was opened read-only");
  std::lock_guard lock(problem_mutex_);
  if (!poisoned_.empty())
    return failed_precondition("\"" + settings_.path + "\" takes no more writes after a failure: " + poisoned_)
        .hint("close the database, see to the disk, and open it again");
  return {};
}

Result<WriterSeat> SqliteDatabase::take_writer(const Context& context) {
  LOAM_TRY(writable());
  WriterSeat seat;
  const auto deadline = context.deadline_within_ms(options_.write_timeout_ms);
  LOAM_TRY(seat.turn, write_lock_.acquire(context, options_.write_timeout_ms, settings_.path));
  LOAM_TRY(writable());  // it may have been poisoned while we waited
  if (options_.gate != nullptr) {
    // The gate gets what is left of the time, and the caller's cancellation.
    Context rest = Context(context).deadline_at(deadline);
    LOAM_TRY(seat.gate, options_.gate->acquire(rest));
  }
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  writer_->wait_for_locks_ms(std::max<std::int64_t>(left.count(), 0));
  return seat;
}

Result<std::unique_ptr<Cursor>> SqliteDatabase::open_cursor(std::string_view sql, Parameters parameters,
                                                            const Context& context) {
  LOAM_TRY(auto reader, take_reader(context));
  return SqliteCursor::open(std::move(reader), sql, parameters, context);
}

Result<ExecuteResult> SqliteDatabase::execute(std::string_view sql, Parameters parameters, const Context& context) {
  LOAM_TRY(auto transaction, SqliteTransaction::begin_write(*this, context));
  LOAM_TRY(auto result, transaction->execute(sql, parameters, context));
  LOAM_TRY(transaction->commit(context));
  return result;
}

Result<std::unique_ptr<Transaction>> SqliteDatabase::begin(TransactionOptions options, const Context& context) {
  // Every isolation is met: SQLite's transactions are serializable.
  LOAM_TRY(auto transaction, options.access == Access::read_only ? SqliteTransaction::begin_read(*this, context)
                                                                 : SqliteTransaction::begin_write(*this, context));
  return transaction;
}

void SqliteDatabase::checkpoint_if_due() {
  const std::int64_t frames = writer_->wal_frames;
  if (frames < frames_moved_) frames_moved_ = 0;  // the WAL began anew
  if (frames - frames_moved_ < options_.checkpoint_pages) return;
  // A passive checkpoint waits for nobody, but the WAL begins anew only when no reader is in it: under readers without a
  // pause it would grow for ever, so a long one is worth waiting a moment for them.
  const bool overlong = frames > wal_overlong_factor * options_.checkpoint_pages;
  writer_->wait_for_locks_ms(overlong ? wal_overlong_wait_ms : 0);
  int moved = 0;
  LOAM_KILL_POINT("sqlite.before_checkpoint");
  int rc = sqlite3_wal_checkpoint_v2(writer_->handle(), "main",
                                     overlong ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, nullptr, &moved);
  frames_moved_ = std::max(moved, 0);
  LOAM_KILL_POINT("sqlite.after_checkpoint");
  // The commit stands whatever happened: a checkpoint that failed is done again after the next one.
  note_checkpoint(rc);
}

Result<void> SqliteDatabase::checkpoint_now() {
  writer_->wait_for_locks_ms(0);  // a reader in the way costs only the truncation; the pages it does not need are moved
  int rc = sqlite3_wal_checkpoint_v2(writer_->handle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  note_checkpoint(rc);
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) return writer_->failure(rc, "checkpoint");
  return {};
}

void SqliteDatabase::note_checkpoint(int result_code) {
  std::lock_guard lock(problem_mutex_);
  bool well = result_code == SQLITE_OK || (result_code & 0xff) == SQLITE_BUSY;
  checkpoint_problem_ = well ? "" : "the last checkpoint failed: " + code_name(result_code);
}

void SqliteDatabase::poison(std::string why) {
  std::lock_guard lock(problem_mutex_);
  if (poisoned_.empty()) poisoned_ = std::move(why);
}

std::string SqliteDatabase::problem() const {
  std::lock_guard lock(problem_mutex_);
  return poisoned_.empty() ? checkpoint_problem_ : "no more writes until the database is opened again: " + poisoned_;
}

PoolStats SqliteDatabase::pool_stats() const { return fork_guard_.inherited() ? PoolStats{} : readers_->stats(); }

HealthStatus SqliteDatabase::health(const Context& context) {
  HealthStatus status{.adapter = "sqlite", .port = "database"};
  auto begun = std::chrono::steady_clock::now();
  std::string journal_mode;
  Result<void> probe = [&]() -> Result<void> {
    LOAM_TRY(auto reader, take_reader(context));
    journal_mode = reader->journal_mode();
    LOAM_TRY(auto cursor, SqliteCursor::open(std::move(reader), "SELECT count(*) FROM sqlite_schema", {}, context));
    LOAM_TRY(cursor->next());
    return {};
  }();
  status.latency_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
  if (!probe.ok()) {
    status.status = Health::unhealthy;
    status.error = probe.error().to_string();
  } else if (std::string why = problem(); !why.empty()) {
    status.status = Health::degraded;
    status.error = std::move(why);
  }
  PoolStats pool = pool_stats();
  status.details = {
      {"library", library_version()},
      {"path", settings_.path},
      {"mode", options_.read_only ? "read-only" : "read-write"},
      {"journal_mode", journal_mode},
      {"durability", settings_.durability == Durability::full ? "full" : "normal"},
      {"readers_open", std::to_string(pool.open)},
      {"readers_in_use", std::to_string(pool.in_use)},
      {"readers_waiting", std::to_string(pool.waiting)},
      {"readers_max", std::to_string(options_.readers.connections_max)},
  };
  if (memory_ == nullptr) {
    status.details.emplace_back("file_bytes", std::to_string(file_bytes(settings_.path)));
    status.details.emplace_back("wal_bytes", std::to_string(file_bytes(settings_.path + "-wal")));
  }
  return status;
}

DatabaseCapabilities SqliteDatabase::capabilities() const {
  bool in_memory = memory_ != nullptr;
  return {.concurrent_writers = false,
          .enforces_read_only_query = true,
          .full_text_bm25 = true,
          .listens = false,
          .persistent = !in_memory,
          .durable = !in_memory && settings_.durability == Durability::full,
          .shared = !in_memory,
          .default_isolation = Isolation::serializable};
}

}  // namespace loam::sqlite
