#pragma once

/// The answer of a search in every format.

#include "apps/loam/session.hpp"

namespace loam::cli {

/// table, csv, jsonl: the rows, with _score and, where the search has them, _distance and _text_score in front; the
/// explanation goes to standard error. json: {"mode", "rows", "explain"}.
Result<void> print_search(Session& session, const SearchResult& result, bool explain);

/// The lines of an explanation, without line ends.
std::vector<std::string> explain_lines(const SearchExplain& explain);

std::string_view mode_name(SearchMode mode) noexcept;

}  // namespace loam::cli
