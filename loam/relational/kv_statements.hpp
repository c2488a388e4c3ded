#pragma once

/// The SQL of the relational key-value store. Private to the module.
///
///   loam_kv (namespace, key) -> value, expires_at      expires_at: microseconds since 1970; NULL: kept for ever
///
/// Texts are built once and short, so that every adapter finds its prepared statement by them.

#include <cstddef>
#include <span>
#include <string>

#include "loam/query/sql_dialect.hpp"
#include "loam/relational/migrations.hpp"

namespace loam::relational {

struct KvStatements {
  explicit KvStatements(const SqlDialect& dialect);

  std::string get;             ///< namespace, key -> value, expires_at
  std::string find;            ///< namespace, key -> expires_at
  std::string set;             ///< namespace, key, value, expires_at
  std::string set_if_absent;   ///< namespace, key, value, expires_at, now: no row when a live entry is there
  std::string set_if_equal;    ///< value, expires_at, namespace, key, expected, now
  std::string erase;           ///< namespace, key, now: live entries only
  std::string erase_if_equal;  ///< namespace, key, expected, now
  std::string clear_live;      ///< namespace, now
  std::string clear_all;       ///< namespace
  std::string purge;           ///< namespace, now
  std::string next_namespace;  ///< namespace, now -> the next one with a live entry

  /// namespace, `count` keys -> key, value, expires_at
  std::string get_many(std::size_t count) const;
  /// namespace, first key, [end], now, limit -> key, value (NULL with keys_only), expires_at
  std::string list(bool after_first, bool has_end, bool keys_only) const;

 private:
  std::string key_;
};

std::span<const Migration> kv_migrations();

}  // namespace loam::relational
