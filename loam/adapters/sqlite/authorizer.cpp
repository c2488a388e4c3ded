#include "loam/adapters/sqlite/authorizer.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace loam::sqlite {
namespace {

/// The pragmas that may be given a value: those that only read with it, and two numbers in the file that belong to the user.
constexpr std::string_view pragmas_with_value[] = {
    "application_id", "defer_foreign_keys", "foreign_key_check", "foreign_key_list", "index_info",
    "index_list",     "index_xinfo",        "integrity_check",   "optimize",         "quick_check",
    "table_info",     "table_list",         "table_xinfo",       "user_version",
};
/// Those that act even without a value.
constexpr std::string_view pragmas_refused[] = {"wal_checkpoint", "incremental_vacuum", "journal_mode"};
constexpr std::string_view functions_refused[] = {"load_extension", "fts3_tokenizer"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

template <typename List>
bool contains(const List& list, const char* name) {
  std::string lowered(name == nullptr ? "" : name);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return std::find(std::begin(list), std::end(list), lowered) != std::end(list);
}

}  // namespace

void Authorizer::install(sqlite3* db) { sqlite3_set_authorizer(db, &Authorizer::on_action, this); }

std::string Authorizer::take_reason() { return std::exchange(reason_, {}); }

int Authorizer::refuse(std::string reason) {
  reason_ = std::move(reason);
  return SQLITE_DENY;
}

int Authorizer::on_action(void* self, int action, const char* first, const char* second, const char*, const char*) {
  auto& authorizer = *static_cast<Authorizer*>(self);
  if (authorizer.allowed_ > 0) return SQLITE_OK;
  switch (action) {
    case SQLITE_TRANSACTION:
      return authorizer.refuse("transactions begin and end with begin(), commit() and rollback(), not with SQL text");
    case SQLITE_SAVEPOINT: return authorizer.refuse("savepoints are made with savepoint(), not with SQL text");
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return authorizer.refuse("ATTACH, DETACH and VACUUM reach other files and are not run as SQL text");
    case SQLITE_PRAGMA:
      if (contains(pragmas_refused, first) || (second != nullptr && !contains(pragmas_with_value, first)))
        return authorizer.refuse("PRAGMA " + std::string(first) + " would change what the adapter guarantees");
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      if (contains(functions_refused, second))
        return authorizer.refuse("the function " + std::string(second) + " loads code");
      return SQLITE_OK;
    default: return SQLITE_OK;
  }
}

}  // namespace loam::sqlite
