#pragma once

/// Internal to the filter language: writing JSON strings.

#include <string>
#include <string_view>

namespace loam {

/// Appends `text` as a JSON string, quotes included. The bytes are UTF-8; only what JSON must escape is escaped.
void append_json_string(std::string& out, std::string_view text);

}  // namespace loam
