#pragma once

/// LMDB's return codes in Loam's terms. Private to the adapter.

#include <string_view>

#include "loam/core/error.hpp"

namespace loam::lmdb {

/// `code` is an MDB_ code or an errno; `operation` completes "lmdb could not ..".
Error translate(int code, std::string_view operation);

/// The same for a failed mdb_txn_commit(): outcome unknown unless the code says that the old state still stands.
Error translate_commit(int code);

/// True for the error that growing the map repairs.
bool is_map_full(const Error& error);

}  // namespace loam::lmdb
