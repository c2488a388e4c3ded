#include "loam/relational/migrations.hpp"

#include <algorithm>
#include <string>

#include "loam/core/kill_point.hpp"
#include "loam/core/sha256.hpp"

namespace loam {
namespace {

constexpr std::string_view table_name = "loam_migrations";
/// The resource that migrating processes queue on; table ids of other components are positive.
constexpr std::int64_t migration_lock_id = -1;

std::string checksum_of(const Migration& migration, const SqlDialect& dialect) {
  std::string all;
  for (const std::string& statement : migration.statements(dialect)) all += statement + ";\n";
  return sha256_hex(all);
}

std::string create_table_sql(const SqlDialect& dialect) {
  return "CREATE TABLE IF NOT EXISTS " + std::string(table_name) + " (component " + dialect.column_type(ValueKind::string) +
         " NOT NULL, version " + dialect.column_type(ValueKind::int64) + " NOT NULL, name " +
         dialect.column_type(ValueKind::string) + " NOT NULL, checksum " + dialect.column_type(ValueKind::string) +
         " NOT NULL, applied_at " + dialect.column_type(ValueKind::timestamp) +
         " NOT NULL, PRIMARY KEY (component, version))";
}

Result<std::vector<AppliedMigration>> read_applied(SqlSession& session, const Context& context) {
  LOAM_TRY(auto rows, session.query("SELECT component, version, name, checksum, applied_at FROM loam_migrations "
                                    "ORDER BY component, version",
                                    {}, context));
  std::vector<AppliedMigration> applied;
  for (const auto& row : rows.rows) {
    const auto* component = row[0].get_if<std::string>();
    const auto* version = row[1].get_if<std::int64_t>();
    const auto* name = row[2].get_if<std::string>();
    const auto* checksum = row[3].get_if<std::string>();
    const auto* applied_at = row[4].get_if<Timestamp>();
    if (component == nullptr || version == nullptr || name == nullptr || checksum == nullptr || applied_at == nullptr)
      return data_corruption("a row of " + std::string(table_name) + " holds values of another type than Loam wrote");
    applied.push_back({*component, static_cast<int>(*version), *name, *checksum, *applied_at});
  }
  return applied;
}

Result<bool> has_table(Database& db, const Context& context) {
  LOAM_TRY(auto names, db.table_names(context));
  return std::find(names.begin(), names.end(), table_name) != names.end();
}

/// What is applied of one component must be a prefix of what this program knows, unchanged. Returns its length.
Result<std::size_t> check_applied(const std::vector<AppliedMigration>& applied, std::string_view component,
                                  std::span<const Migration> migrations, const SqlDialect& dialect) {
  std::size_t count = 0;
  for (const AppliedMigration& one : applied) {
    if (one.component != component) continue;
    std::string what = "\"" + std::string(component) + "\" version " + std::to_string(one.version) + " (" + one.name + ")";
    if (count >= migrations.size())
      return failed_precondition("the database holds " + what + ", newer than the " + std::to_string(migrations.size()) +
                                 " this program knows; nothing was changed")
          .hint("open it with the newer Loam that wrote it");
    if (one.version != migrations[count].version || one.checksum != checksum_of(migrations[count], dialect))
      return failed_precondition("the database holds " + what + " in another form than this program's; nothing was changed")
          .hint("it was written by a build that never was released, or was edited by hand; restore a backup");
    ++count;
  }
  return count;
}

Result<void> apply(SqlSession& session, std::string_view component, const Migration& migration, const Context& context) {
  for (const std::string& statement : migration.statements(session.dialect()))
    LOAM_TRY(session.execute(statement, {}, context));
  LOAM_TRY(session.execute(
      "INSERT INTO loam_migrations (component, version, name, checksum, applied_at) VALUES (?, ?, ?, ?, ?)",
      {Value(component), migration.version, migration.name, checksum_of(migration, session.dialect()), system_clock().now()},
      context));
  return {};
}

Result<bool> apply_next_in(SqlSession& session, std::string_view component, std::span<const Migration> migrations,
                           const Context& context) {
  if (SqlText lock = session.dialect().lock_for_write(migration_lock_id); !lock.sql.empty())
    LOAM_TRY(session.execute(lock.sql, lock.parameters, context));
  LOAM_TRY(session.execute(create_table_sql(session.dialect()), {}, context));
  LOAM_TRY(auto applied, read_applied(session, context));
  LOAM_TRY(std::size_t count, check_applied(applied, component, migrations, session.dialect()));
  if (count == migrations.size()) return false;
  LOAM_TRY(apply(session, component, migrations[count], context));
  return true;
}

/// One migration and its record in one transaction. The list is read again inside it: another process may have been faster.
/// Read committed, since a snapshot would be taken before the wait for the lock, and show the list as it was then.
Result<bool> apply_next(Database& db, std::string_view component, std::span<const Migration> migrations,
                        const Context& context) {
  LOAM_TRY(auto transaction, db.begin({Access::read_write, Isolation::read_committed}, context));
  LOAM_TRY(bool applied, apply_next_in(*transaction, component, migrations, context));
  LOAM_KILL_POINT("migration.before_commit");
  LOAM_TRY(transaction->commit(context));
  LOAM_KILL_POINT("migration.after_commit");
  return applied;
}

/// invalid_argument unless the versions are 1, 2, 3, ..: what is applied is compared with the list by position.
Result<void> check_list(std::string_view component, std::span<const Migration> migrations) {
  for (std::size_t i = 0; i < migrations.size(); ++i)
    if (migrations[i].version != static_cast<int>(i) + 1)
      return invalid_argument("the migrations of \"" + std::string(component) + "\" are numbered 1, 2, 3, ..; number " +
                              std::to_string(i + 1) + " says " + std::to_string(migrations[i].version));
  return {};
}

}  // namespace

Result<std::vector<AppliedMigration>> applied_migrations(Database& db, const Context& context) {
  LOAM_TRY(bool there, has_table(db, context));
  if (!there) return std::vector<AppliedMigration>();
  return read_applied(db, context);
}

Result<std::vector<int>> pending_migrations(Database& db, std::string_view component, std::span<const Migration> migrations,
                                            const Context& context) {
  LOAM_TRY(check_list(component, migrations));
  LOAM_TRY(auto applied, applied_migrations(db, context));
  LOAM_TRY(std::size_t count, check_applied(applied, component, migrations, db.dialect()));
  std::vector<int> pending;
  for (const Migration& migration : migrations.subspan(count)) pending.push_back(migration.version);
  return pending;
}

Result<int> migrate(Database& db, std::string_view component, std::span<const Migration> migrations,
                    const Context& context) {
  // Looked up by reading first, so that opening what is up to date writes nothing and needs no lock.
  LOAM_TRY(auto pending, pending_migrations(db, component, migrations, context));
  if (pending.empty()) return 0;
  int count = 0;
  for (;;) {
    LOAM_TRY(bool applied, apply_next(db, component, migrations, context));
    if (!applied) return count;
    ++count;
  }
}

}  // namespace loam
