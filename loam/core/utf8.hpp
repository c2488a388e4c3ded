#pragma once

/// What counts as text.

#include <string>
#include <string_view>

namespace [[gnu::visibility("default")]] loam {

/// True for well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is well-formed. O(size).
bool is_utf8(std::string_view text) noexcept;

/// A to Z as a to z, all other bytes as they are: how names that must differ in more than case are compared.
std::string ascii_lower(std::string_view text);

}  // namespace loam
