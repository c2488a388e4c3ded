#include "loam/store/guarded_database.hpp"

#include <algorithm>

namespace loam::store_internal {
namespace {

/// The databases in whose transactions this thread is; two at most in any sane program.
thread_local std::vector<const GuardedDatabase*> inside_of;

}  // namespace

GuardedDatabase::GuardedDatabase(std::unique_ptr<Database> inner, bool read_only)
    : inner_(std::move(inner)), read_only_(read_only) {}

GuardedDatabase::Inside::Inside(const GuardedDatabase& database) : database_(&database) { inside_of.push_back(database_); }

GuardedDatabase::Inside::~Inside() { inside_of.erase(std::find(inside_of.begin(), inside_of.end(), database_)); }

Result<void> GuardedDatabase::check_outside(std::string_view operation) const {
  if (std::find(inside_of.begin(), inside_of.end(), this) == inside_of.end()) return {};
  return failed_precondition(std::string(operation) + ", inside a function that transaction() runs, would wait for itself")
      .hint("use the StoreTransaction that the function was given");
}

Result<void> GuardedDatabase::check_may_write() const {
  if (read_only_) return failed_precondition("the store was opened read-only").hint("open it without read_only to write");
  return check_outside("a write through the store");
}

Result<std::unique_ptr<Cursor>> GuardedDatabase::open_cursor(std::string_view sql, Parameters parameters,
                                                             const Context& context) {
  return inner_->open_cursor(sql, parameters, context);
}

Result<ExecuteResult> GuardedDatabase::execute(std::string_view sql, Parameters parameters, const Context& context) {
  LOAM_TRY(check_may_write());
  return inner_->execute(sql, parameters, context);
}

Result<std::int64_t> GuardedDatabase::execute_many(std::string_view sql, std::span<const std::vector<Value>> rows,
                                                   const Context& context) {
  LOAM_TRY(check_may_write());
  return inner_->execute_many(sql, rows, context);
}

Result<void> GuardedDatabase::atomically(const std::function<Result<void>(SqlSession&)>& work, const Context& context) {
  LOAM_TRY(check_may_write());
  return inner_->atomically(work, context);
}

Result<std::unique_ptr<Transaction>> GuardedDatabase::begin(TransactionOptions options, const Context& context) {
  if (options.access == Access::read_write) LOAM_TRY(check_may_write());
  return inner_->begin(options, context);
}

}  // namespace loam::store_internal
