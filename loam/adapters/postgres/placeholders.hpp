#pragma once

/// From `?` to `$1`. Internal to the adapter.

#include <cstddef>
#include <string>
#include <string_view>

#include "loam/core/result.hpp"

namespace loam::postgres {

struct RewrittenSql {
  std::string text;             ///< with $1, $2, .. in place of each `?`
  std::size_t parameters = 0;
  std::string first_word = {};  ///< in upper case: "SELECT", "INSERT", .. ; empty when there is none
};

/// Reads the text as PostgreSQL's own scanner does with standard_conforming_strings on: `?` inside '..', E'..', "..", $tag$..$tag$,
/// -- and nested /* */ is text. invalid_argument for NUL bytes, for more than limits::sql_bytes_max bytes, and for a `$1` outside
/// of these, which would not be one of the parameters.
Result<RewrittenSql> rewrite_placeholders(std::string_view sql);

}  // namespace loam::postgres
