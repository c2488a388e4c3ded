#pragma once

/// What an acknowledged write survives; the embedded adapters share it.

#include <cstdint>

namespace [[gnu::visibility("default")]] loam {

enum class Durability : std::uint8_t {
  full,    ///< a commit that returned survives a power cut: one file sync each
  normal,  ///< survives a crash of the process; a power cut may undo the last commits, never tear one
};

}  // namespace loam
