#include <map>

#include "loam/core/limits.hpp"
#include "loam/relational/migrations.hpp"
#include "loam/store/sql_store.hpp"

namespace loam::store_internal {
namespace {

constexpr std::size_t problems_max = 1'000;

/// Any bytes, so that they can be named: at most 40, in hexadecimal.
std::string hex_of(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : bytes.substr(0, 40)) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return bytes.size() > 40 ? text + ".." : text;
}

/// Absent when the entry is as set() makes them.
std::optional<std::string> problem_of_entry(std::string_view name_space, std::string_view key, std::int64_t value_bytes) {
  auto named = [&](const std::string& what) { return "kv entry " + hex_of(name_space) + "/" + hex_of(key) + ": " + what; };
  auto space = check_namespace(name_space);
  if (!space.ok()) return named(space.error().message());
  if (key.empty() || key.size() > limits::key_bytes_max)
    return named("its key has " + std::to_string(key.size()) + " bytes");
  if (value_bytes < 0 || value_bytes > static_cast<std::int64_t>(limits::value_bytes_max))
    return named("its value has " + std::to_string(value_bytes) + " bytes");
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> kv_problems(Database& db, std::int64_t& rows, const Context& context) {
  std::string key = db.dialect().quote_identifier("key");
  std::string value = db.dialect().quote_identifier("value");
  LOAM_TRY(auto cursor, db.open_cursor("SELECT namespace, " + key + ", length(" + value + ") FROM loam_kv", {}, context));
  std::vector<std::string> problems;
  for (;;) {
    LOAM_TRY(bool more, cursor->next());
    if (!more) return problems;
    ++rows;
    auto problem = problem_of_entry(cursor->text(0), cursor->text(1), cursor->int64(2));
    if (!problem) continue;
    problems.push_back(*problem);
    if (problems.size() < problems_max) continue;
    problems.push_back("more than " + std::to_string(problems_max) + " kv entries are wrong; the others were not read");
    return problems;
  }
}

Result<std::vector<std::string>> migration_problems(Database& db, const Context& context) {
  LOAM_TRY(auto applied, applied_migrations(db, context));
  std::map<std::string, int> newest = {{"kv", 0}, {"tables", 0}};
  std::vector<std::string> problems;
  for (const AppliedMigration& one : applied) {
    int expected = ++newest[one.component];
    if (one.version != expected)
      problems.push_back("migrations of \"" + one.component + "\": version " + std::to_string(one.version) +
                         " is recorded where " + std::to_string(expected) + " should be");
  }
  for (const auto& [component, version] : newest)
    if (version == 0) problems.push_back("no migration of \"" + component + "\" is recorded, although its tables are there");
  return problems;
}

}  // namespace loam::store_internal
