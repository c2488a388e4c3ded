#pragma once

/// Internal to the filter language: errors that point into the text.

#include <cstddef>
#include <string>
#include <string_view>

#include "loam/core/error.hpp"

namespace loam {

/// "3:14": line and column of a byte offset, both from 1, columns in code points.
std::string line_and_column(std::string_view text, std::size_t offset);

/// invalid_argument "filter at 3:14: <message>".
Error filter_error(std::string_view text, std::size_t offset, std::string_view message,
                   std::source_location where = std::source_location::current());

/// The text in double quotes, cut after 40 code points or so, control characters as `?`: a piece of a filter inside a
/// message.
std::string excerpt(std::string_view text);

}  // namespace loam
