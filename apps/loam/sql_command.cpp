#include "apps/loam/handlers.hpp"
#include "apps/loam/input.hpp"
#include "apps/loam/session.hpp"
#include "apps/loam/text_layout.hpp"
#include "loam/core/limits.hpp"

namespace loam::cli {
namespace {

Result<std::string> statement_of(Session& session) {
  std::string statement = session.arguments().at("STATEMENT");
  if (statement == "-") {
    LOAM_TRY(auto input, Input::open("-", session.context()));
    LOAM_TRY(statement, read_all(*input, limits::sql_bytes_max));
  }
  if (statement.find_first_not_of(" \t\r\n;") == std::string::npos) return invalid_argument("the SQL statement is empty");
  return statement;
}

Result<void> read(Session& session, Store& store, const std::string& statement, std::int64_t limit) {
  auto opened = store.database().open_cursor(statement, {}, session.context());
  if (!opened.ok()) {
    Error error = std::move(opened).error();
    if (error.code() != ErrorCode::failed_precondition) return error;
    return std::move(error).hint("--write lets a statement change data");
  }
  std::unique_ptr<Cursor> cursor = std::move(opened).value();
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < cursor->column_count(); ++i) columns.emplace_back(cursor->column_name(i));
  auto writer = session.rows(columns);
  std::vector<Value> row(columns.size());
  for (std::int64_t rows = 0; rows < limit; ++rows) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) break;
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = cursor->value(i);
    LOAM_TRY(writer->row(row));
  }
  return writer->finish();
}

Result<void> write(Session& session, Store& store, const std::string& statement) {
  LOAM_TRY(ExecuteResult result, store.database().execute(statement, {}, session.context()));
  if (!result.returned.columns.empty()) {
    auto writer = session.rows(result.returned.columns);
    for (const auto& row : result.returned.rows) LOAM_TRY(writer->row(row));
    LOAM_TRY(writer->finish());
  }
  std::string line = with_thousands(result.rows_affected) + (result.rows_affected == 1 ? " row" : " rows") + " changed";
  if (!result.returned.columns.empty()) {
    session.note(line);
    return {};
  }
  JsonWriter json;
  json.begin_object().key("rows_affected").integer(result.rows_affected).end_object();
  return session.done(line, std::move(json));
}

}  // namespace

Result<void> run_sql(Session& session) {
  bool writes = session.arguments().flag("--write");
  LOAM_TRY(std::int64_t limit, session.arguments().integer("--limit", INT64_MAX, 0, INT64_MAX));
  LOAM_TRY(std::string statement, statement_of(session));
  LOAM_TRY(auto store, session.open_store(writes ? StoreUse::create : StoreUse::read));
  return writes ? write(session, *store, statement) : read(session, *store, statement, limit);
}

}  // namespace loam::cli
