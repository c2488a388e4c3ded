#pragma once

/// Vector, text and hybrid search.

#include "loam/relational/tables_session.hpp"
#include "loam/relational/tables_vector_cache.hpp"

namespace loam::relational {

struct SearchOptions {
  Embedder* embedder = nullptr;  ///< null when the table was opened without
  std::size_t threads = 1;
};

Result<SearchResult> search_rows(const TableSession& session, const LayoutPtr& layout, VectorCaches& caches,
                                 const SearchOptions& options, const SearchRequest& request, const Context& context);

}  // namespace loam::relational
