#include "loam/adapters/postgres/session.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "loam/adapters/postgres/limits.hpp"

namespace loam::postgres {
namespace {

/// What a session is told once. default_transaction_read_only is switched when a statement may write; see add_prefix().
std::string configuration(const PostgresOptions& options) {
  std::string text =
      "SET default_transaction_read_only = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; "
      "SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1; "
      "SET standard_conforming_strings = on; SET client_min_messages = notice";
  if (!options.schema.empty()) text += "; SET search_path = " + postgres_dialect().quote_identifier(options.schema);
  return text;
}

/// Statements that would change what the adapter keeps account of.
Result<void> check_first_word(std::string_view word) {
  constexpr std::array transaction_words{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"};
  constexpr std::array session_words{"PREPARE", "DEALLOCATE", "DISCARD"};
  auto is_word = [&](std::string_view other) { return word == other; };
  if (word.empty()) return invalid_argument("the SQL text holds no statement");
  if (std::any_of(transaction_words.begin(), transaction_words.end(), is_word))
    return invalid_argument(std::string(word) + " is not a statement to execute")
        .hint("use begin(), commit(), savepoint() and so on");
  if (std::any_of(session_words.begin(), session_words.end(), is_word))
    return invalid_argument(std::string(word) + " would disturb the statements that the adapter prepares itself");
  if (word == "COPY") return unsupported("COPY is not available through this interface").hint("use execute_many()");
  return {};
}

bool starts_with(const char* tag, std::string_view word) { return std::string_view(tag).starts_with(word); }

/// A setting or a subscription of a pooled session would reach whoever gets it next.
bool leaves_traces(const char* tag) {
  return starts_with(tag, "SET") || starts_with(tag, "RESET") || starts_with(tag, "LISTEN") || starts_with(tag, "LOAD") ||
         starts_with(tag, "DECLARE");
}

std::int64_t rows_affected(PGresult* result) {
  const char* tag = PQcmdStatus(result);
  bool counts =
      starts_with(tag, "INSERT") || starts_with(tag, "UPDATE") || starts_with(tag, "DELETE") || starts_with(tag, "MERGE");
  std::string_view number = PQcmdTuples(result);
  std::int64_t count = 0;
  if (counts) std::from_chars(number.data(), number.data() + number.size(), count);
  return count;
}

QueryResult read_all(const PGresult* result) {
  QueryResult rows;
  int width = PQnfields(result);
  for (int column = 0; column < width; ++column) rows.columns.emplace_back(PQfname(result, column));
  int count = PQntuples(result);
  rows.rows.resize(static_cast<std::size_t>(count));
  for (int row = 0; row < count; ++row)
    for (int column = 0; column < width; ++column)
      rows.rows[static_cast<std::size_t>(row)].push_back(value_at(result, row, column));
  return rows;
}

/// For each column a value that is not NULL, where a row has one: so most rows share one prepared statement.
std::vector<Value> widest_kinds(std::span<const std::vector<Value>> rows) {
  std::vector<Value> kinds = rows.front();
  for (std::size_t column = 0; column < kinds.size(); ++column)
    for (std::size_t row = 1; row < rows.size() && kinds[column].is_null(); ++row)
      if (column < rows[row].size()) kinds[column] = rows[row][column];
  return kinds;
}

}  // namespace

std::string Session::Declaration::text(const RewrittenSql& sql) const {
  bool plain = std::find(literal_null.begin(), literal_null.end(), true) == literal_null.end();
  return plain ? sql.text : with_literal_nulls(sql, literal_null);
}

std::vector<Oid> Session::Declaration::sent_types() const {
  std::vector<Oid> sent;
  for (std::size_t i = 0; i < types.size(); ++i)
    if (!literal_null[i]) sent.push_back(types[i]);
  return sent;
}

namespace {

/// The n of "could not determine data type of parameter $n", whatever the language of the rest.
std::size_t parameter_in(std::string_view message) {
  std::size_t at = message.find('$'), number = 0;
  if (at != std::string_view::npos) std::from_chars(message.data() + at + 1, message.data() + message.size(), number);
  return number;
}

constexpr std::string_view indeterminate_type = "42P18";
constexpr std::string_view ambiguous_function = "42725";
constexpr std::string_view datatype_mismatch = "42804";
constexpr std::string_view outdated_plan = "0A000";
constexpr std::string_view unknown_statement = "26000";

/// After the server refused a statement for the types of its parameters: what to declare for the next try. False when there
/// is nothing left to declare.
bool declare_more(Session::Declaration& declaration, Parameters values, std::string_view sqlstate,
                  std::string_view message) {
  bool changed = false;
  if (sqlstate == indeterminate_type || sqlstate == ambiguous_function) {
    std::size_t unclear = sqlstate == indeterminate_type ? parameter_in(message) : 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (declaration.types[i] != oid::unspecified || (unclear != 0 && unclear != i + 1)) continue;
      declaration.types[i] = oid::text;
      changed = true;
    }
  } else if (sqlstate == datatype_mismatch) {
    // In VALUES (..), (..) a column of nothing but parameters becomes text, whatever it is inserted into; NULLs do not.
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].is_null() || declaration.literal_null[i]) continue;
      declaration.literal_null[i] = true;
      changed = true;
    }
  }
  return changed;
}

}  // namespace

Value value_at(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column) != 0) return Null{};
  return read_value(field_at(result, row, column));
}

Field field_at(const PGresult* result, int row, int column) {
  return {
      .data = std::string_view(PQgetvalue(result, row, column), static_cast<std::size_t>(PQgetlength(result, row, column))),
      .type = PQftype(result, column),
      .binary = PQfformat(result, column) == 1};
}

Result<std::unique_ptr<Session>> Session::open(const PostgresOptions& options, const Context& context) {
  LOAM_TRY(auto connection, Connection::open(options, context));
  std::unique_ptr<Session> session(new Session(std::move(connection), target_name(options)));
  LOAM_TRY(session->configure(options, context));
  return session;
}

Result<void> Session::configure(const PostgresOptions& options, const Context& context) {
  Exchange exchange(*connection_, context, "connect", Commits::no);
  exchange.script(configuration(options));
  Result<void> sent = exchange.send();
  if (!sent.ok()) return located(std::move(sent).error(), "connect");
  auto done = exchange.finish();
  if (!done.ok()) return located(std::move(done).error(), "connect");
  return {};
}

Result<void> Session::make_schema(const std::string& schema, const Context& context) {
  Call call{.context = context, .operation = "create schema"};
  Value name(schema);
  Parameters parameters(&name, 1);
  // Asked first: CREATE SCHEMA IF NOT EXISTS needs the right to create even when there is nothing to create.
  constexpr std::string_view known = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname::text = ?";
  LOAM_TRY(ExecuteResult found, execute(known, parameters, call));
  if (!found.returned.rows.empty()) return {};
  auto made = execute("CREATE SCHEMA IF NOT EXISTS " + postgres_dialect().quote_identifier(schema), {}, call);
  if (made.ok()) return {};
  // Two programs that start together may both try, and one finds the other's row in the catalogue.
  LOAM_TRY(found, execute(known, parameters, call));
  if (found.returned.rows.empty()) return made.error();
  return {};
}

bool Session::works(std::int64_t idle_ms) {
  constexpr std::int64_t trusted_idle_ms = 1'000;
  constexpr std::int64_t patience_ms = 2'000;
  if (spoiled() || !connection_->looks_alive()) return false;
  if (idle_ms < trusted_idle_ms) return true;
  // A peer that vanished without a word is found only by asking.
  Context context = Context().deadline_in_ms(patience_ms);
  Exchange exchange(*connection_, context, "ping", Commits::no);
  exchange.script("");
  return exchange.send().ok() && exchange.finish().ok();
}

Error Session::located(Error error, std::string_view operation) const {
  return std::move(error).frame({.operation = std::string(operation), .adapter = "postgres", .resource = target_});
}

Commits Session::commits(const Call& call) const {
  bool autocommit = !in_transaction_ && !begin_pending();
  return autocommit && call.access == Access::read_write ? Commits::yes : Commits::no;
}

/// Before anything else is sent: the cursor that is open reads its rows into memory.
void Session::settle_stream() {
  if (stream_ != nullptr) stream_->take_rest(OpenStream::Rest::keep);
}

/// The transaction to open, or the switch between reading and writing outside of one. The switch is a transaction of its
/// own: a setting counts from the next transaction on. True when it is there.
bool Session::add_prefix(Exchange& exchange, const Call& call) {
  if (begin_pending()) exchange.sql(begin_sql_);
  if (begin_pending() || in_transaction_ || mode_ == call.access) return false;
  bool reads = call.access == Access::read_only;
  exchange.sql(reads ? "SET default_transaction_read_only = on" : "SET default_transaction_read_only = off").sync();
  return true;
}

/// Compares what the server says of the transaction with what we believe.
void Session::after(const Exchange& exchange) {
  if (connection_->broken()) return;
  PGTransactionStatusType status = PQtransactionStatus(connection_->raw());
  bool open = status != PQTRANS_IDLE;  // active: rows are on their way, after the BEGIN
  if (begin_pending()) {
    if (open) {
      begin_sql_.clear();
      in_transaction_ = true;
    }
  } else if (exchange.finished() && open != in_transaction_) {
    spoil();  // a procedure, or a statement we did not recognize, has ended or opened one
  }
}

void Session::end_transaction() {
  begin_sql_.clear();
  in_transaction_ = false;
  *std::exchange(transaction_over_, std::make_shared<bool>(false)) = true;
}

Result<std::string> Session::command(std::string text, const Call& call, Commits commits) {
  settle_stream();
  Exchange exchange(*connection_, call.context, call.operation, commits);
  if (begin_pending()) exchange.sql(begin_sql_);
  exchange.sql(std::move(text));
  Result<void> sent = exchange.send();
  if (!sent.ok()) return located(std::move(sent).error(), call.operation);
  Result<ResultPointer> result = exchange.finish();
  if (begin_pending()) after(exchange);
  if (!result.ok()) return located(std::move(result).error(), call.operation);
  return std::string(PQcmdStatus(result->get()));
}

Result<StatementCache::Entry*> Session::entry_for(std::string_view sql, std::size_t values) {
  LOAM_TRY(StatementCache::Entry * entry, cache_.find(sql));
  LOAM_TRY(check_first_word(entry->rewritten.first_word));
  std::size_t count = entry->rewritten.parameters;
  if (count != values)
    return invalid_argument("the statement has " + std::to_string(count) + " parameters, and " + std::to_string(values) +
                            " values were given");
  if (count > parameters_max)
    return invalid_argument("the statement has " + std::to_string(count) +
                            " parameters; PostgreSQL's client takes at most " + std::to_string(parameters_max))
        .hint("use execute_many(), or several statements");
  return entry;
}

Result<Prepared*> Session::prepare(StatementCache::Entry& entry, Parameters parameters, const Call& call) {
  for (Prepared& variant : entry.variants)
    if (variant.accepts(parameters)) return &variant;
  return prepare_new(entry, parameters, call);
}

/// Leaves the types of text and NULL to the server, and names them only where it cannot tell.
Result<Prepared*> Session::prepare_new(StatementCache::Entry& entry, Parameters parameters, const Call& call) {
  Declaration declaration;
  for (const Value& value : parameters) declaration.types.push_back(requested_type(value.kind()));
  declaration.literal_null.resize(parameters.size());
  std::vector<Oid> requested = declaration.types;
  for (;;) {
    std::string sqlstate;
    Result<Prepared> prepared = try_prepare(entry, declaration, call, sqlstate);
    if (prepared.ok()) {
      prepared->requested = std::move(requested);
      return cache_.add(entry, std::move(prepared).value());
    }
    if (!declare_more(declaration, parameters, sqlstate, prepared.error().message())) return std::move(prepared).error();
  }
}

/// One round trip. Inside a transaction a savepoint guards it: a failed parse would abort the transaction.
Result<Prepared> Session::try_prepare(const StatementCache::Entry& entry, const Declaration& declaration, const Call& call,
                                      std::string& sqlstate) {
  Prepared prepared;
  prepared.name = cache_.next_name();
  bool guarded = in_transaction_ && !connection_->in_failed_transaction();
  (void)connection_->take_cut_identifier();

  Exchange exchange(*connection_, call.context, call.operation, Commits::no);
  deallocate_dropped(exchange);
  if (guarded) exchange.sql("SAVEPOINT loam_prepare");
  exchange.prepare(prepared.name, declaration.text(entry.rewritten), declaration.sent_types())
      .describe(prepared.name)
      .answers();
  if (guarded) exchange.sql("RELEASE SAVEPOINT loam_prepare");
  LOAM_TRY(exchange.send());
  Result<ResultPointer> described = exchange.finish();
  if (!described.ok()) {
    sqlstate = exchange.sqlstate();
    if (guarded && !connection_->broken()) LOAM_TRY(undo_prepare(call));
    return std::move(described).error();
  }
  if (connection_->take_cut_identifier()) {
    cache_.drop(std::move(prepared.name));
    return invalid_argument("the statement has a name longer than 63 bytes, which PostgreSQL would cut");
  }

  const PGresult* result = described->get();
  for (int sent = 0; bool literal : declaration.literal_null)
    prepared.types.push_back(literal ? oid::unspecified : PQparamtype(result, sent++));
  int columns = PQnfields(result);
  prepared.binary = true;
  for (int i = 0; i < columns; ++i) prepared.binary = prepared.binary && reads_binary(PQftype(result, i));
  return prepared;
}

Result<void> Session::undo_prepare(const Call& call) {
  Exchange undo(*connection_, call.context, call.operation, Commits::no);
  undo.sql("ROLLBACK TO SAVEPOINT loam_prepare").sql("RELEASE SAVEPOINT loam_prepare");
  LOAM_TRY(undo.send());
  LOAM_TRY(undo.finish());
  return {};
}

void Session::deallocate_dropped(Exchange& exchange) {
  if (!cache_.has_dropped() || connection_->in_failed_transaction()) return;
  for (const std::string& name : cache_.take_dropped()) exchange.sql("DEALLOCATE " + name);
}

/// After a change of a table's columns the server refuses to run `SELECT *` as it was prepared; nothing of it ran. A feature
/// that it does not support says the same, and says it again.
bool Session::forget_outdated(const Exchange& exchange, const Ready& ready) {
  if (exchange.sqlstate() == unknown_statement) spoil();  // somebody threw away what we had prepared
  if (exchange.sqlstate() != outdated_plan || connection_->broken()) return false;
  cache_.remove(*ready.entry, ready.prepared);
  return true;
}

/// A transaction with one snapshot would take it before it waits for the lock, and then work on what was before the former
/// holder's commit. So the session takes the lock first, outside; the transaction's own hold follows at once, and the
/// session's is given back with it.
Result<void> Session::lock_before_snapshot(std::string_view sql, Parameters parameters, const Call& call) {
  static const std::string lock_sql = postgres_dialect().lock_for_write(0).sql;
  bool snapshot = begin_sql_.find("READ COMMITTED") == std::string::npos;
  if (!begin_pending() || !snapshot || sql != lock_sql || parameters.size() != 1) return {};
  const auto* resource = parameters[0].get_if<std::int64_t>();
  if (resource == nullptr) return {};

  std::string begin = std::exchange(begin_sql_, {});
  Result<ExecuteResult> locked = execute("SELECT pg_advisory_lock(CAST(? AS bigint))", parameters,
                                         {.context = call.context, .operation = call.operation, .access = mode_});
  begin_sql_ = std::move(begin);
  if (!locked.ok()) {
    spoil();  // a cancel that came late may have left the lock
    return std::move(locked).error();
  }
  held_lock_ = *resource;
  return {};
}

Result<Session::Ready> Session::make_ready(std::string_view sql, Parameters parameters, const Call& call) {
  Ready ready;
  LOAM_TRY(ready.entry, entry_for(sql, parameters.size()));
  LOAM_TRY(ready.prepared, prepare(*ready.entry, parameters, call));
  LOAM_TRY(ready.bound, BoundParameters::bind(parameters, ready.prepared->types));
  ready.may_retry = !in_transaction_ && !begin_pending();
  return ready;
}

/// Fills and sends the exchange; waits for nothing.
Result<void> Session::start(Exchange& exchange, const Ready& ready, const Call& call, Rows rows) {
  bool switches = add_prefix(exchange, call);
  exchange.execute(ready.prepared->name, ready.bound, ready.prepared->binary).answers();
  if (held_lock_) exchange.sql("SELECT pg_advisory_unlock(" + std::to_string(*held_lock_) + ")");
  LOAM_TRY(exchange.send(rows));
  if (switches) mode_ = call.access;  // not before it is on its way: a call may end at its deadline with nothing sent
  return {};
}

Result<ExecuteResult> Session::execute_once(std::string_view sql, Parameters parameters, const Call& call, bool& again) {
  LOAM_TRY(Ready ready, make_ready(sql, parameters, call));
  Exchange exchange(*connection_, call.context, call.operation, commits(call));
  LOAM_TRY(start(exchange, ready, call, Rows::together));
  Result<ResultPointer> result = exchange.finish();
  after(exchange);
  if (!result.ok()) {
    again = forget_outdated(exchange, ready) && ready.may_retry;
    return std::move(result).error();
  }
  if (leaves_traces(PQcmdStatus(result->get()))) spoil();
  ExecuteResult done{.rows_affected = rows_affected(result->get()), .returned = {}};
  if (PQresultStatus(result->get()) == PGRES_TUPLES_OK) done.returned = read_all(result->get());
  return done;
}

Result<Stream> Session::stream_once(std::string_view sql, Parameters parameters, const Call& call, bool& again) {
  LOAM_TRY(Ready ready, make_ready(sql, parameters, call));
  Stream stream;
  stream.exchange = std::make_unique<Exchange>(*connection_, call.context, call.operation, commits(call));
  LOAM_TRY(start(*stream.exchange, ready, call, Rows::one_by_one));
  Result<ResultPointer> first = stream.exchange->next();
  after(*stream.exchange);
  if (!first.ok()) {
    again = forget_outdated(*stream.exchange, ready) && ready.may_retry;
    return std::move(first).error();
  }
  stream.first = std::move(first).value();
  if (stream.first && leaves_traces(PQcmdStatus(stream.first.get()))) spoil();
  return stream;
}

Result<ExecuteResult> Session::execute(std::string_view sql, Parameters parameters, const Call& call) {
  return twice_if_outdated<ExecuteResult>(sql, parameters, call, &Session::execute_once);
}

Result<Stream> Session::stream(std::string_view sql, Parameters parameters, const Call& call) {
  return twice_if_outdated<Stream>(sql, parameters, call, &Session::stream_once);
}

template <typename Answer>
Result<Answer> Session::twice_if_outdated(std::string_view sql, Parameters parameters, const Call& call,
                                          Attempt<Answer> attempt) {
  settle_stream();
  LOAM_TRY(lock_before_snapshot(sql, parameters, call));
  bool again = false;
  Result<Answer> answer = (this->*attempt)(sql, parameters, call, again);
  if (again) answer = (this->*attempt)(sql, parameters, call, again);
  if (std::exchange(held_lock_, std::nullopt) && !answer.ok()) spoil();  // only the end of the session frees the lock now
  if (answer.ok()) return answer;
  return located(std::move(answer).error(), call.operation);
}

/// As many rows as one pipeline takes, from `first` on; `affected` grows and `first` moves behind them.
Result<void> Session::send_rows(StatementCache::Entry& entry, std::span<const std::vector<Value>> rows, std::size_t& first,
                                const Call& call, std::int64_t& affected) {
  constexpr std::size_t pipeline_rows_max = 512;
  constexpr std::size_t pipeline_bytes_max = 4u << 20;
  std::vector<Prepared*> prepared;
  std::vector<BoundParameters> bound;
  bound.reserve(pipeline_rows_max);
  std::size_t bytes = 0;
  for (std::size_t i = first; i < rows.size() && bound.size() < pipeline_rows_max && bytes < pipeline_bytes_max; ++i) {
    if (rows[i].size() != entry.rewritten.parameters)
      return invalid_argument("row " + std::to_string(i + 1) + " has " + std::to_string(rows[i].size()) +
                              " values; the statement has " + std::to_string(entry.rewritten.parameters) + " parameters");
    bool known =
        std::any_of(entry.variants.begin(), entry.variants.end(), [&](const Prepared& p) { return p.accepts(rows[i]); });
    if (!known && !bound.empty()) break;  // preparing could drop one that this pipeline uses
    LOAM_TRY(prepared.emplace_back(), prepare(entry, rows[i], call));
    Result<BoundParameters> values = BoundParameters::bind(rows[i], prepared.back()->types);
    if (!values.ok())
      return invalid_argument("row " + std::to_string(i + 1) + ": " + values.error().message()).hint(values.error().hint());
    for (int k = 0; k < values->count(); ++k) bytes += static_cast<std::size_t>(values->lengths()[k]);
    bound.push_back(std::move(values).value());
  }

  Exchange exchange(*connection_, call.context, call.operation, Commits::no);
  bool begins = begin_pending();
  add_prefix(exchange, call);
  for (std::size_t i = 0; i < bound.size(); ++i) exchange.execute(prepared[i]->name, bound[i], false);
  LOAM_TRY(exchange.send(Rows::of_each_command));
  Result<void> done = [&]() -> Result<void> {
    for (;;) {
      LOAM_TRY(ResultPointer result, exchange.next());
      if (!result) return {};
      affected += rows_affected(result.get());
    }
  }();
  after(exchange);
  if (!done.ok() && !exchange.sqlstate().empty()) {
    std::size_t row = first + exchange.failed_command() + 1 - (begins ? 1 : 0);
    return std::move(done).error().frame({.operation = "row " + std::to_string(row), .adapter = {}, .resource = {}});
  }
  first += bound.size();
  return done;
}

Result<std::int64_t> Session::execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                           const Call& call) {
  if (rows.empty()) return std::int64_t{0};
  settle_stream();
  auto run = [&]() -> Result<std::int64_t> {
    LOAM_ASSERT(in_transaction_ || begin_pending(), "execute_many needs a transaction to be all or nothing");
    LOAM_TRY(StatementCache::Entry * entry, entry_for(sql, rows.front().size()));
    LOAM_TRY(prepare(*entry, widest_kinds(rows), call));
    std::int64_t affected = 0;
    for (std::size_t first = 0; first < rows.size();) LOAM_TRY(send_rows(*entry, rows, first, call, affected));
    return affected;
  };
  Result<std::int64_t> affected = run();
  if (affected.ok()) return affected;
  return located(std::move(affected).error(), call.operation);
}

}  // namespace loam::postgres
