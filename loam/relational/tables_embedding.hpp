#pragma once

/// From a row's source text to its vector.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loam/ports/embedder.hpp"
#include "loam/relational/tables_layout.hpp"

namespace loam::relational {

/// The source columns of a full row joined by newlines, NULLs left out; nullopt when all are NULL: such a row has no vector.
std::optional<std::string> source_text(const TableLayout& layout, const std::vector<Value>& row);

/// One vector for each text, asked for in batches of the embedder's size, several at a time.
/// Errors of the embedder; data_corruption when it answers with another number of vectors or another dimension.
Result<std::vector<Vector>> embed_texts(Embedder& embedder, std::span<const std::string> texts, const Context& context);

/// failed_precondition that says how to open the table with one.
Error embedder_needed(const TableLayout& layout, std::string_view purpose);

}  // namespace loam::relational
