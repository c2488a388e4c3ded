#pragma once

/// JSON text from outside, checked before it is trusted. The document tree itself is nlohmann's and stays inside .cpp files
/// (json_internal.hpp).

#include <string>
#include <string_view>

#include "loam/core/result.hpp"

namespace [[gnu::visibility("default")]] loam {

/// ok for one well-formed document of valid UTF-8 within the depth and size caps. invalid_argument with line:column
/// otherwise. O(n), builds no tree.
Result<void> check_json(std::string_view text);

/// The text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string quote_json(std::string_view text);

}  // namespace loam
