#pragma once

/// The columns of a table that does not exist yet, from the first records of a file.

#include <span>
#include <vector>

#include "apps/loam/fit.hpp"
#include "apps/loam/record_source.hpp"

namespace loam::cli {

/// One column for each field name, in the order of first appearance, of the narrowest type that all its values fit:
///   bool, int64, decimal (integers beyond 64 bits), double, json (objects and arrays), else string. int64 widens to decimal
///   and double, decimal to double, every other mixture to string (with objects or arrays in it: to json). A column without
///   a value is a string. Untyped text counts as the type it reads as: numbers, but not with leading zeros or a plus; true
///   and false.
/// Every column is nullable. Records with a problem are passed over.
std::vector<ColumnSpec> infer_columns(std::span<const SourceRecord> records, TextIs text_is);

}  // namespace loam::cli
