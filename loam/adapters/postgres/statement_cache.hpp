#pragma once

/// The statements that one connection has prepared, least recently used first to go. Internal to the adapter.

#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loam/adapters/postgres/placeholders.hpp"
#include "loam/adapters/postgres/types.hpp"

namespace loam::postgres {

/// One prepared statement. The same SQL is prepared once for each combination of parameter kinds that cannot share one.
struct Prepared {
  std::string name;
  std::vector<Oid> requested;  ///< 0: left to the server
  std::vector<Oid> types;      ///< what it is now; 0: stands as NULL in the text, and is not sent
  bool binary = false;         ///< every column can be read in binary form

  /// Whether values of these kinds can be bound to it: NULL to anything, others to the type they would have asked for, or to
  /// what the server made of it.
  bool accepts(std::span<const Value> values) const;
};

/// *needs external synchronization*
class StatementCache {
 public:
  static constexpr std::size_t prepared_max = 256;
  static constexpr std::size_t sql_bytes_max = 8u << 20;

  struct Entry {
    std::string sql;
    RewrittenSql rewritten;
    std::list<Prepared> variants;  ///< a list: pointers to them stay
  };

  /// The entry of `sql`, made when it is new, and now the most recently used one. Valid until the next find(). Errors as
  /// rewrite_placeholders().
  Result<Entry*> find(std::string_view sql);
  Prepared* add(Entry& entry, Prepared prepared);
  /// A name that the server holds and nobody here will use.
  void drop(std::string name) { dropped_.push_back(std::move(name)); }
  /// Its name joins the dropped ones.
  void remove(Entry& entry, const Prepared* prepared);
  std::string next_name() { return "loam_" + std::to_string(++names_); }

  /// Names that the server holds and nobody here uses any more.
  std::vector<std::string> take_dropped() { return std::exchange(dropped_, {}); }
  bool has_dropped() const { return !dropped_.empty(); }
  std::size_t size() const { return prepared_; }

 private:
  void evict();

  std::list<Entry> entries_;  ///< the most recently used one first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_sql_;
  std::vector<std::string> dropped_;
  std::size_t prepared_ = 0;
  std::size_t sql_bytes_ = 0;
  std::uint64_t names_ = 0;
};

}  // namespace loam::postgres
