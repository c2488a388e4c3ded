#pragma once

/// For .cpp files only: brings nlohmann's header with it.

#include <nlohmann/json.hpp>
#include <string_view>

#include "loam/core/json.hpp"

namespace loam {

/// Keeps members in the order of the text; of a repeated name the last value holds. Errors as check_json().
Result<nlohmann::ordered_json> parse_json(std::string_view text);

/// As parse_json(), but a repeated member name is invalid_argument: for requests, where a second value would hide the first.
Result<nlohmann::ordered_json> parse_json_strict(std::string_view text);

}  // namespace loam
