#pragma once

/// Tests only: random filters, rows and JSON documents for RapidCheck, drawn from small pools of awkward values so that
/// conditions are true about as often as false.

#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

#include "loam/query/schema.hpp"

namespace loam::test {

/// One column of each kind, and one whose name needs quoting. `sql` is the name in double quotes.
const FilterColumns& sample_columns();

/// Column name -> value, NULL included.
using SampleRow = std::map<std::string, Value, std::less<>>;

rc::Gen<SampleRow> sample_rows();
/// JSON text with nested and repeated keys, escapes, blanks and numbers of any spelling.
rc::Gen<std::string> json_documents();

/// A tree whose literals fit sample_columns(): bind_filter() takes it.
rc::Gen<Filter> bindable_filters(int depth_max);
/// A tree as the parsers can give it, with any names and literals.
rc::Gen<Filter> any_filters(int depth_max);

/// Any text of up to 12 code points without NUL, quotes, wildcards and astral characters frequent.
rc::Gen<std::string> awkward_strings();

}  // namespace loam::test

namespace loam {
/// RapidCheck prints failing filters as they are written.
inline void showValue(const Filter& filter, std::ostream& out) { out << to_string(filter) << "   " << to_json(filter); }
}  // namespace loam
