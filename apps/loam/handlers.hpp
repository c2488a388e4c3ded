#pragma once

/// What each command does. The command table is their only caller.

#include "loam/core/result.hpp"

namespace loam::cli {

class Session;

Result<void> run_demo(Session& session);
Result<void> run_demo_writer(Session& session);
Result<void> run_import(Session& session);
Result<void> run_export(Session& session);
Result<void> run_search(Session& session);
Result<void> run_tables(Session& session);
Result<void> run_describe(Session& session);
Result<void> run_count(Session& session);
Result<void> run_drop(Session& session);
Result<void> run_sql(Session& session);
Result<void> run_kv_get(Session& session);
Result<void> run_kv_set(Session& session);
Result<void> run_kv_delete(Session& session);
Result<void> run_kv_list(Session& session);
Result<void> run_kv_cas(Session& session);
Result<void> run_stats(Session& session);
Result<void> run_health(Session& session);
Result<void> run_check(Session& session);
Result<void> run_compact(Session& session);
Result<void> run_upgrade(Session& session);
Result<void> run_backup(Session& session);
Result<void> run_verify_backup(Session& session);
Result<void> run_restore(Session& session);
Result<void> run_completion(Session& session);
Result<void> run_help(Session& session);
Result<void> run_version(Session& session);

}  // namespace loam::cli
