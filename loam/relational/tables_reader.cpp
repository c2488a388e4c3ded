#include "loam/relational/tables_reader.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>

#include "loam/core/limits.hpp"
#include "loam/ports/tables_values.hpp"
#include "loam/query/compile.hpp"

namespace loam::relational {
namespace {

/// How many rows one IN list asks for. Few sizes only, so that prepared statements are found again.
constexpr std::size_t list_sizes[] = {1, 8, 64, 500};

std::size_t list_size(std::size_t wanted, std::size_t parameters_each, const SqlDialect& dialect) {
  std::size_t most = std::max<std::size_t>(1, dialect.limits().parameters_max / std::max<std::size_t>(1, parameters_each));
  std::size_t chosen = 1;
  for (std::size_t size : list_sizes)
    if (size <= most && (chosen < wanted || size <= wanted)) chosen = size;
  return chosen;
}

std::string question_marks(std::size_t count) {
  std::string text = "?";
  for (std::size_t i = 1; i < count; ++i) text += ", ?";
  return text;
}

/// True for rows with one of `count` keys. A chain of ORs would hit the depth limit of expressions, so keys of several
/// columns come in short lists.
std::string key_condition(const TableLayout& layout, std::size_t count) {
  if (layout.key.size() == 1) return layout.column_sql[layout.key[0]] + " IN (" + question_marks(count) + ")";
  std::string one = "(";
  for (std::size_t column : layout.key) one += (one.size() > 1 ? " AND " : "") + layout.column_sql[column] + " = ?";
  one += ')';
  std::string all = one;
  for (std::size_t i = 1; i < count; ++i) all += " OR " + one;
  return all;
}

std::vector<Value> read_values(const Cursor& cursor, std::size_t first, std::size_t count) {
  std::vector<Value> values;
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) values.push_back(cursor.value(first + i));
  return values;
}

std::string encode_cursor(const TableLayout& layout, std::int64_t row_id) {
  return std::to_string(layout.id) + '-' + std::to_string(row_id);
}

Result<std::int64_t> decode_cursor(const TableLayout& layout, std::string_view cursor) {
  if (cursor.empty()) return std::int64_t{0};
  std::string prefix = std::to_string(layout.id) + '-';
  std::int64_t row_id = 0;
  if (cursor.starts_with(prefix)) {
    auto digits = cursor.substr(prefix.size());
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), row_id);
    if (error == std::errc() && end == digits.data() + digits.size() && row_id >= 0) return row_id;
  }
  return Error(ErrorCode::invalid_argument, "the cursor is not one of a scan of table \"" + layout.schema.name + "\"")
      .hint("pass next_cursor of the page before, unchanged");
}

}  // namespace

Result<Selection> make_selection(const TableLayout& layout, const std::vector<std::string>& select) {
  Selection selection{.list = layout.row_sql, .from = layout.sql};
  auto add = [&](std::size_t column) {
    selection.columns.push_back(column);
    selection.names.push_back(layout.schema.columns[column].name);
    selection.list += ", " + layout.column_sql[column];
    if (const VectorTable* vectors = layout.vector_table(column))
      selection.from += " LEFT JOIN " + vectors->sql + " ON " + vectors->sql + ".row_id = " + layout.row_sql;
  };
  if (select.empty())
    for (std::size_t i = 0; i < layout.schema.columns.size(); ++i)
      if (!layout.is_vector(i)) add(i);
  for (const std::string& name : select) {
    const ColumnSpec* column = layout.schema.column(name);
    if (column == nullptr) return unknown_column(layout.schema, name);
    if (std::find(selection.names.begin(), selection.names.end(), name) != selection.names.end())
      return invalid_argument("column \"" + name + "\" is selected twice");
    add(static_cast<std::size_t>(column - layout.schema.columns.data()));
  }
  return selection;
}

Result<RowFilter> make_row_filter(const TableLayout& layout, std::string_view where, const SqlDialect& dialect) {
  LOAM_TRY(Filter parsed, Filter::parse(where));
  if (parsed.matches_everything()) return RowFilter{.condition = {}, .everything = true};
  LOAM_TRY(Filter bound, bind_filter(std::move(parsed), layout.filter_columns));
  LOAM_TRY(SqlText condition, compile_filter(bound, layout.filter_columns, dialect));
  return RowFilter{.condition = std::move(condition)};
}

std::optional<std::string> key_text(const TableLayout& layout, const std::vector<Value>& key) {
  std::string text;
  for (std::size_t i = 0; i < key.size() && i < layout.key.size(); ++i) {
    if (key[i].is_null()) return std::nullopt;
    std::string part = key[i].to_display();
    text += std::to_string(part.size()) + ':' + part;
  }
  return text;
}

std::vector<Value> key_of(const TableLayout& layout, const std::vector<Value>& row) {
  std::vector<Value> key;
  for (std::size_t column : layout.key) key.push_back(row[column]);
  return key;
}

std::string describe_key(const TableLayout& layout, const std::vector<Value>& key) {
  constexpr std::size_t bytes_max = 80;
  std::string text;
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::string value = key[i].to_display();
    if (value.size() > bytes_max) {
      std::size_t cut = bytes_max;
      while (cut > 0 && (static_cast<unsigned char>(value[cut]) & 0xC0) == 0x80) --cut;
      value = value.substr(0, cut) + "...";
    }
    text += (i > 0 ? ", " : "") + layout.schema.columns[layout.key[i]].name + " = " + value;
  }
  return text;
}

Result<void> read_by_key(SqlSession& session, const TableLayout& layout, std::span<const std::vector<Value>> keys,
                         const Selection& selection,
                         const std::function<void(const std::string&, std::int64_t, std::vector<Value>)>& row,
                         const Context& context) {
  std::string key_list;
  for (std::size_t column : layout.key) key_list += ", " + layout.column_sql[column];
  std::size_t width = layout.key.size(), selected = selection.columns.size();
  for (std::size_t first = 0; first < keys.size();) {
    std::size_t left = keys.size() - first;
    // 64 keys of several columns are 64 terms of an OR.
    std::size_t size = std::min<std::size_t>(list_size(left, width, session.dialect()), width == 1 ? 500 : 64);
    std::vector<Value> parameters;
    parameters.reserve(size * width);
    for (std::size_t i = 0; i < size; ++i)  // a last short list repeats its last key
      for (const Value& part : keys[first + std::min(i, left - 1)]) parameters.push_back(part);
    LOAM_TRY(auto cursor, session.open_cursor("SELECT " + selection.list + key_list + " FROM " + selection.from + " WHERE " +
                                                  key_condition(layout, size),
                                              parameters, context));
    for (;;) {
      LOAM_TRY(bool more, cursor->next());
      if (!more) break;
      auto key = key_text(layout, read_values(*cursor, 1 + selected, width));
      if (key) row(*key, cursor->int64(0), read_values(*cursor, 1, selected));
    }
    first += std::min(size, left);
  }
  return {};
}

Result<RowSet> read_by_id(SqlSession& session, const TableLayout& layout, std::span<const std::int64_t> row_ids,
                          const Selection& selection, const Context& context) {
  RowSet set{.columns = selection.names,
             .rows = std::vector<std::vector<Value>>(row_ids.size()),
             .row_ids = {row_ids.begin(), row_ids.end()}};
  std::unordered_map<std::int64_t, std::size_t> places;
  for (std::size_t i = 0; i < row_ids.size(); ++i) places.emplace(row_ids[i], i);
  std::size_t found = 0;
  for (std::size_t first = 0; first < row_ids.size();) {
    std::size_t left = row_ids.size() - first, size = list_size(left, 1, session.dialect());
    std::vector<Value> parameters;
    for (std::size_t i = 0; i < size; ++i) parameters.emplace_back(row_ids[first + std::min(i, left - 1)]);
    LOAM_TRY(auto cursor, session.open_cursor("SELECT " + selection.list + " FROM " + selection.from + " WHERE " +
                                                  layout.row_sql + " IN (" + question_marks(size) + ")",
                                              parameters, context));
    for (;;) {
      LOAM_TRY(bool more, cursor->next());
      if (!more) break;
      set.rows[places.at(cursor->int64(0))] = read_values(*cursor, 1, selection.columns.size());
      ++found;
    }
    first += std::min(size, left);
  }
  if (found != places.size())
    return Error(ErrorCode::data_corruption, "an index of table \"" + layout.schema.name + "\" knows " +
                                                 std::to_string(places.size() - found) + " rows that do not exist")
        .hint("run a check of the store");
  return set;
}

Result<std::vector<std::int64_t>> read_ids(SqlSession& session, const TableLayout& layout, const RowFilter& filter,
                                           const Context& context) {
  std::string where = filter.everything ? "" : " WHERE " + filter.condition.sql;
  LOAM_TRY(auto cursor,
           session.open_cursor("SELECT " + layout.row_sql + " FROM " + layout.sql + where + " ORDER BY " + layout.row_sql,
                               filter.condition.parameters, context));
  std::vector<std::int64_t> ids;
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return ids;
    ids.push_back(cursor->int64(0));
  }
}

Result<std::int64_t> count_rows(SqlSession& session, const TableLayout& layout, const RowFilter& filter,
                                const Context& context) {
  std::string where = filter.everything ? "" : " WHERE " + filter.condition.sql;
  LOAM_TRY(auto counted, session.query("SELECT count(*) FROM " + layout.sql + where, filter.condition.parameters, context));
  return counted.at(0, std::size_t{0}).as<std::int64_t>();
}

Result<ScanPage> scan_rows(SqlSession& session, const TableLayout& layout, const ScanOptions& options,
                           const Selection& selection, const RowFilter& filter, const Context& context) {
  LOAM_TRY(std::int64_t after, decode_cursor(layout, options.cursor));
  SqlText sql;
  sql.append("SELECT " + selection.list + " FROM " + selection.from + " WHERE " + layout.row_sql + " > ").bind(after);
  if (!filter.everything) sql.append(" AND ").append(filter.condition);
  // One more than asked for tells whether there is a next page.
  sql.append(" ORDER BY " + layout.row_sql + " LIMIT ").bind(static_cast<std::int64_t>(options.limit) + 1);
  LOAM_TRY(auto cursor, session.open_cursor(sql.sql, sql.parameters, context));
  ScanPage page{.rows = {.columns = selection.names}, .next_cursor = {}};
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return page;
    if (page.rows.rows.size() == options.limit) {
      page.next_cursor = encode_cursor(layout, page.rows.row_ids.back());
      return page;
    }
    page.rows.row_ids.push_back(cursor->int64(0));
    page.rows.rows.push_back(read_values(*cursor, 1, selection.columns.size()));
  }
}

}  // namespace loam::relational
