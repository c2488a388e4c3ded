#include "loam/adapters/sqlite/functions.hpp"

#include <sqlite3.h>

#include <memory>
#include <new>
#include <string_view>

#include "loam/query/filter_parse.hpp"
#include "loam/query/leaf.hpp"
#include "loam/query/like.hpp"

namespace loam {
namespace {

bool is_text(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_TEXT; }

std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));  // before bytes: it may convert
  return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

void answer(sqlite3_context* context, Truth truth) {
  if (truth == Truth::unknown) return sqlite3_result_null(context);
  sqlite3_result_int(context, truth == Truth::yes ? 1 : 0);
}

/// No exception crosses SQLite's C frames.
template <typename Work>
void guarded(sqlite3_context* context, Work work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    sqlite3_result_error_nomem(context);
  } catch (...) {
    sqlite3_result_error(context, "loam: a filter function failed", -1);
  }
}

/// The parsed second argument, kept by SQLite for the statement when it is a constant or a parameter. Null after an error,
/// which has been reported.
const Filter* leaf_of(sqlite3_context* context, sqlite3_value* argument, std::unique_ptr<Filter>& holder) {
  if (const auto* kept = static_cast<const Filter*>(sqlite3_get_auxdata(context, 1))) return kept;
  auto parsed = is_text(argument) ? parse_json_filter(text_of(argument)) : Result<Filter>(invalid_argument("not a text"));
  if (!parsed.ok()) {
    sqlite3_result_error(context, ("loam: the condition is wrong: " + parsed.error().message()).c_str(), -1);
    return nullptr;
  }
  holder = std::make_unique<Filter>(std::move(parsed).value());
  return holder.get();
}

/// SQLite may drop what it is given at once, so this comes after the last use.
void keep(sqlite3_context* context, std::unique_ptr<Filter> holder) {
  if (holder) sqlite3_set_auxdata(context, 1, holder.release(), [](void* filter) { delete static_cast<Filter*>(filter); });
}

void like(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (!is_text(arguments[0]) || !is_text(arguments[1])) return sqlite3_result_null(context);
  answer(context, like_matches(text_of(arguments[0]), text_of(arguments[1])) ? Truth::yes : Truth::no);
}

template <typename Evaluate>
void evaluate_argument(sqlite3_context* context, sqlite3_value** arguments, Evaluate evaluate_text) {
  guarded(context, [&] {
    std::unique_ptr<Filter> holder;
    const Filter* leaf = leaf_of(context, arguments[1], holder);
    if (leaf == nullptr) return;
    answer(context, is_text(arguments[0]) ? evaluate_text(*leaf, text_of(arguments[0])) : evaluate_leaf(*leaf, Value()));
    keep(context, std::move(holder));
  });
}

void json_matches(sqlite3_context* context, int, sqlite3_value** arguments) {
  evaluate_argument(context, arguments, evaluate_json_leaf);
}

void decimal_matches(sqlite3_context* context, int, sqlite3_value** arguments) {
  evaluate_argument(context, arguments, [](const Filter& leaf, std::string_view text) {
    return is_decimal(text) ? evaluate_leaf(leaf, Decimal{std::string(text)}) : Truth::unknown;
  });
}

}  // namespace

Result<void> install_sql_functions(sqlite3* connection) {
  using Function = void (*)(sqlite3_context*, int, sqlite3_value**);
  struct Entry {
    const char* name;
    Function function;
  };
  constexpr Entry entries[] = {
      {"loam_like", like}, {"loam_json_matches", json_matches}, {"loam_decimal_matches", decimal_matches}};
  for (const Entry& entry : entries) {
    int code = sqlite3_create_function_v2(connection, entry.name, 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                          nullptr, entry.function, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
      return Error(ErrorCode::resource_exhausted, std::string("the function ") + entry.name + " could not be added")
          .native({"sqlite", std::to_string(code), sqlite3_errstr(code)});
  }
  return {};
}

}  // namespace loam
