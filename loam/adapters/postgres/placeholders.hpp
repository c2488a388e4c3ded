#pragma once

/// From `?` to `$1`. Internal to the adapter.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "loam/core/result.hpp"

namespace loam::postgres {

struct RewrittenSql {
  std::string text;  ///< with $1, $2, .. in place of each `?`
  std::size_t parameters = 0;
  std::vector<std::size_t> positions = {};  ///< of each $n in the text
  std::string first_word = {};              ///< in upper case: "SELECT", "INSERT", .. ; empty when there is none
};

/// Reads the text as PostgreSQL's own scanner does with standard_conforming_strings on: `?` inside '..', E'..', "..",
/// $tag$..$tag$,
/// -- and nested /* */ is text. invalid_argument for NUL bytes, for more than limits::sql_bytes_max bytes, and for a `$1`
/// outside of these, which would not be one of the parameters.
Result<RewrittenSql> rewrite_placeholders(std::string_view sql);

/// The text with NULL in place of the parameters where `literal_null` is true, the others numbered anew.
std::string with_literal_nulls(const RewrittenSql& sql, const std::vector<bool>& literal_null);

}  // namespace loam::postgres
