#pragma once

/// Internal: exact comparison of an int64 column with any number, in int64 alone.

#include "loam/query/filter.hpp"

namespace loam {

/// A condition with the same truth for every int64 and NULL whose literals are all int64: `size < 1.5` becomes `size <= 1`.
/// So an index serves it, and no database rounds 2^53 + 1 on the way to a double. The literals are finite numbers.
Filter bind_integer(Filter leaf);

}  // namespace loam
