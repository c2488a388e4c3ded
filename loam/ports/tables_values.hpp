#pragma once

/// How values enter a table: what each column type takes, and what it becomes. The same for every adapter.

#include <cstddef>
#include <vector>

#include "loam/ports/tables.hpp"

namespace [[gnu::visibility("default")]] loam {

/// The value as the column stores it: an int64 for a double column becomes a double; text is read for timestamp, decimal and
/// json columns, an int64 for a decimal, a JSON array of numbers for a vector; all else must be of the column's own type.
/// NULL is passed when the column is nullable.
/// invalid_argument, the message beginning with `column "x"`: wrong type or dimension, NaN or infinity, text that is not
/// UTF-8 or holds NUL, malformed or too deep JSON, a value beyond limits::value_bytes_max, NULL in a column that is not
/// nullable.
Result<Value> fit_value(Value value, const ColumnSpec& column);

/// A whole row in the order of schema.columns, defaults filled in. The embedding's vector column stays NULL, and naming it
/// is invalid_argument. Messages begin with `row <number>, `.
Result<std::vector<Value>> fit_record(const Record& record, const TableSchema& schema, std::size_t row_number);

/// `unknown column "x"; the table has ...`: what each call says to a name it does not know.
Error unknown_column(const TableSchema& schema, std::string_view name);

}  // namespace loam
