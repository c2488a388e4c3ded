#include "loam/adapters/postgres/statement_cache.hpp"

#include <algorithm>

namespace loam::postgres {

bool Prepared::accepts(std::span<const Value> values) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    ValueKind kind = values[i].kind();
    if (kind == ValueKind::null) continue;
    if (types[i] == oid::unspecified) return false;
    Oid wanted = requested_type(kind);
    if (wanted == requested[i] || wanted == types[i]) continue;
    return false;
  }
  return true;
}

Result<StatementCache::Entry*> StatementCache::find(std::string_view sql) {
  if (auto found = by_sql_.find(sql); found != by_sql_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return &entries_.front();
  }
  LOAM_TRY(RewrittenSql rewritten, rewrite_placeholders(sql));
  sql_bytes_ += sql.size();
  evict();
  entries_.push_front({.sql = std::string(sql), .rewritten = std::move(rewritten), .variants = {}});
  by_sql_.emplace(entries_.front().sql, entries_.begin());
  return &entries_.front();
}

/// Makes room for one more. An entry whose statement could not be prepared counts too.
void StatementCache::evict() {
  while (!entries_.empty() && (prepared_ >= prepared_max || entries_.size() >= prepared_max || sql_bytes_ > sql_bytes_max)) {
    Entry& oldest = entries_.back();
    sql_bytes_ -= oldest.sql.size();
    while (!oldest.variants.empty()) remove(oldest, &oldest.variants.front());
    by_sql_.erase(oldest.sql);
    entries_.pop_back();
  }
}

Prepared* StatementCache::add(Entry& entry, Prepared prepared) {
  constexpr std::size_t variants_max = 16;
  if (entry.variants.size() >= variants_max) remove(entry, &entry.variants.front());
  ++prepared_;
  return &entry.variants.emplace_back(std::move(prepared));
}

void StatementCache::remove(Entry& entry, const Prepared* prepared) {
  auto found =
      std::find_if(entry.variants.begin(), entry.variants.end(), [&](const Prepared& one) { return &one == prepared; });
  if (found == entry.variants.end()) return;
  dropped_.push_back(std::move(found->name));
  entry.variants.erase(found);
  --prepared_;
}

}  // namespace loam::postgres
