#pragma once

/// LMDB's return codes in Loam's terms. Private to the adapter.

#include <string_view>

#include "loam/core/error.hpp"

namespace loam::lmdb {

/// `code` is an MDB_ code or an errno; `operation` completes "lmdb could not ..".
Error translate(int code, std::string_view operation);

/// True for the error that growing the map repairs.
bool is_map_full(const Error& error);

}  // namespace loam::lmdb
