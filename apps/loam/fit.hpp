#pragma once

/// Values of a file brought to the type of their column.

#include "loam/ports/tables.hpp"

namespace loam::cli {

enum class TextIs {
  string,   ///< a string of the file is a string (JSON)
  untyped,  ///< the column says what the text is (CSV)
};

/// invalid_argument saying what the column takes and what was found (shortened); the caller adds row and column.
///   bool       true, false; as text also 1 and 0
///   int64      integers; numbers with a point when they are whole
///   double     finite numbers
///   decimal    numbers, exactly as written
///   string     text; numbers and booleans in their own spelling
///   bytes      hexadecimal text
///   timestamp  RFC 3339 text
///   json       anything; as text: a JSON document
///   vector     an array of as many finite numbers as the column has dimensions
Result<Value> fit_field(Value value, const ColumnSpec& column, TextIs text_is);

}  // namespace loam::cli
